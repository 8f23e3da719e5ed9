#include "route.h"

#include <stdlib.h>
#include <string.h>

/* Compares piece by piece; out gets what stands for the pattern's {names}. */
static bool matches(const char *pattern, const char *path, struct view out[ROUTE_PARAMS_MAX])
{
    size_t count = 0;

    while (*pattern == '/' && *path == '/') {
        size_t want = strcspn(++pattern, "/");
        size_t have = strcspn(++path, "/");

        if (pattern[0] == '{') {
            INVARIANT(count < ROUTE_PARAMS_MAX);
            if (have == 0)
                return false;
            out[count++] = (struct view){ .at = path, .len = have };
        } else if (want != have || memcmp(pattern, path, want) != 0) {
            return false;
        }
        pattern += want;
        path += have;
    }
    return *pattern == '\0' && *path == '\0';
}

static void allow_add(char allow[ROUTE_ALLOW_BYTES], const char *name)
{
    struct str text = STR_MAX(ROUTE_ALLOW_BYTES - 1);
    struct err ignored = ERR_INIT;

    /* The longest list there can be is shorter than the limit. */
    INVARIANT(!str_addf(&text, &ignored, "%s%s%s", allow, *allow ? ", " : "", name));
    memcpy(allow, str_text(&text), text.len + 1);
    str_fini(&text);
}

static enum err_code take_params(const struct view *pieces, struct route_match *match,
                                 struct err *err)
{
    enum err_code rc = ERR_NONE;

    for (size_t i = 0; !rc && i < ROUTE_PARAMS_MAX; i++)
        if (pieces[i].at)
            rc = query_decode(pieces[i], &match->params[i], err);
    return rc;
}

enum err_code route_find(const struct route *table, size_t count, enum http_method method,
                         const char *path, struct route_match *out, struct err *err)
{
    struct route_match match = { 0 };
    enum http_method wanted = method == HTTP_HEAD ? HTTP_GET : method;

    for (size_t i = 0; i < count; i++) {
        struct view pieces[ROUTE_PARAMS_MAX] = { 0 };

        if (!matches(table[i].pattern, path, pieces))
            continue;
        if (table[i].method == wanted) {
            match.route = &table[i];
            if (take_params(pieces, &match, err)) {
                route_match_fini(&match);
                return ERR_INVALID;
            }
            *out = match;
            return ERR_NONE;
        }
        allow_add(match.allow, http_method_name(table[i].method));
        if (table[i].method == HTTP_GET)
            allow_add(match.allow, "HEAD");
    }
    if (!*match.allow)
        return err_set(err, ERR_NOT_FOUND, "no such path");
    *out = match;
    return err_set(err, ERR_METHOD, "this path takes %s", match.allow);
}

void route_match_fini(struct route_match *match)
{
    for (size_t i = 0; i < ROUTE_PARAMS_MAX; i++)
        free(match->params[i]);
    *match = (struct route_match){ 0 };
}
