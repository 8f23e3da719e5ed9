#include "report/junit_text.h"

#include <string.h>

/* pytest's own set: it means to allow what is above U+FFFF, and does not. */
static bool may_stand(uint32_t code)
{
    return code == '\t' || code == '\n' || code == '\r' || (code >= 0x20 && code <= 0xd7ff) ||
           (code >= 0xe000 && code <= 0xfffd);
}

/* The character at text, and how many bytes it has; a byte that is not UTF-8 stands for itself. */
static uint32_t code_at(const char *text, size_t *out_len)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t len = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    uint32_t code;

    *out_len = 1;
    if (len == 1 || utf8_valid_len(text, strnlen(text, len)) < len)
        return at[0];
    code = at[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++)
        code = code << 6 | (at[i] & 0x3fu);
    *out_len = len;
    return code;
}

enum err_code junit_add_text(struct str *out, const char *text, struct err *err)
{
    enum err_code rc = ERR_NONE;

    while (!rc && *text) {
        const char *from = text;
        uint32_t code = 0;
        size_t len = 0;

        while (*text) {
            code = code_at(text, &len);
            if (!may_stand(code) || (len == 1 && code >= 0x80))
                break;
            text += len;
        }
        if (text > from)
            rc = str_add(out, from, (size_t)(text - from), err);
        if (!rc && *text) {
            rc = code <= 0xff ? str_addf(out, err, "#x%02X", code)
                              : str_addf(out, err, "#x%04X", code);
            text += len;
        }
    }
    return rc;
}

/* One part of a name; dots: the path of a file becomes a module. */
static enum err_code add_part(struct str *out, struct view part, bool is_path, struct err *err)
{
    size_t start = out->len;
    enum err_code rc;

    if (is_path && part.len >= 3 && memcmp(part.at + part.len - 3, ".py", 3) == 0)
        part.len -= 3;
    rc = str_add(out, part.at, part.len, err);
    for (size_t i = start; !rc && is_path && i < out->len; i++)
        if (out->at[i] == '/')
            out->at[i] = '.';
    return rc;
}

enum err_code junit_add_names(const char *id, struct str *classname, struct str *name,
                              struct err *err)
{
    const char *params = strchr(id, '[');
    const char *end = params ? params : id + strlen(id);
    bool is_path = true;
    enum err_code rc = ERR_NONE;

    for (const char *at = id; !rc; is_path = false) {
        const char *next = at;

        while (next < end && !(next + 1 < end && next[0] == ':' && next[1] == ':'))
            next++;
        if (next == end) {
            rc = add_part(name, (struct view){ .at = at, .len = (size_t)(end - at) }, is_path, err);
            break;
        }
        if (!is_path)
            rc = str_addz(classname, ".", err);
        if (!rc)
            rc = add_part(classname, (struct view){ .at = at, .len = (size_t)(next - at) }, is_path,
                          err);
        at = next + 2;
    }
    return rc || !params ? rc : str_addz(name, params, err);
}
