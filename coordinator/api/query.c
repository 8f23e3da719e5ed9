#include "query.h"

#include <stdlib.h>
#include <string.h>

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

enum err_code query_decode(struct view escaped, char **out, struct err *err)
{
    struct str text = STR_MAX(QUERY_VALUE_BYTES_MAX);
    enum err_code rc = ERR_NONE;

    for (size_t i = 0; !rc && i < escaped.len; i++) {
        char c = escaped.at[i];

        if (c == '%') {
            int high = escaped.len - i > 2 ? digit(escaped.at[i + 1]) : -1;
            int low = escaped.len - i > 2 ? digit(escaped.at[i + 2]) : -1;

            c = '\0';
            if (high >= 0 && low >= 0)
                c = (char)(unsigned char)(high * 16 + low);
            i += 2;
        }
        rc = c ? str_add(&text, &c, 1, err)
               : err_set(err, ERR_INVALID, "the URL holds a NUL or a broken escape");
    }
    if (!rc && utf8_valid_len(str_text(&text), text.len) != text.len)
        rc = err_set(err, ERR_INVALID, "the URL is not UTF-8");
    if (!rc)
        *out = str_take(&text);
    str_fini(&text);
    return rc;
}

/* The piece of the query from `at` on, as name and value; returns where the next one starts. */
static const char *next_pair(const char *at, struct view *name, struct view *value)
{
    size_t len = strcspn(at, "&");
    const char *equals = memchr(at, '=', len);

    *name = (struct view){ .at = at, .len = equals ? (size_t)(equals - at) : len };
    *value = (struct view){ .at = at + name->len, .len = len - name->len };
    if (equals) {
        value->at++;
        value->len--;
    }
    return at[len] ? at + len + 1 : at + len;
}

enum err_code query_opt_text(const char *query, const char *name, char **out, struct err *err)
{
    struct view found = { 0 };
    struct view key;
    struct view value;

    while (*query) {
        query = next_pair(query, &key, &value);
        if (!view_eq(key, name))
            continue;
        if (found.at)
            return err_set(err, ERR_INVALID, "'%s' stands twice in the URL", name);
        found = value;
    }
    if (!found.at)
        return ERR_NONE;
    if (query_decode(found, out, err))
        return err_wrap(err, "%s", name);
    return ERR_NONE;
}

enum err_code query_opt_u32(const char *query, const char *name, uint32_t max, uint32_t *out,
                            struct err *err)
{
    char *text = NULL;
    enum err_code rc = query_opt_text(query, name, &text, err);

    if (!rc && text && parse_u32(text, 0, max, out, err))
        rc = err_wrap(err, "%s", name);
    free(text);
    return rc;
}
