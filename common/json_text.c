#include "json_text.h"

#include <stdio.h>
#include <string.h>

/* One character of UTF-8 that cannot stand as it is, as an escape; returns how many
 * bytes it took. */
static size_t escape(const char *text, char out[16])
{
    const unsigned char *at = (const unsigned char *)text;
    size_t len = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    uint32_t code = at[0];

    if (utf8_valid_len(text, strnlen(text, len)) < len) {
        (void)snprintf(out, 16, "\\ufffd");
        return 1;
    }
    if (len > 1) {
        code = at[0] & (0xffu >> (len + 1));
        for (size_t i = 1; i < len; i++)
            code = code << 6 | (at[i] & 0x3fu);
    }
    if (code >= 0x10000)
        (void)snprintf(out, 16, "\\u%04x\\u%04x", 0xd800 + ((code - 0x10000) >> 10),
                       0xdc00 + ((code - 0x10000) & 0x3ff));
    else if (code == '"' || code == '\\')
        (void)snprintf(out, 16, "\\%c", (int)code);
    else if (code == '\n' || code == '\r' || code == '\t' || code == '\b' || code == '\f')
        (void)snprintf(out, 16, "\\%c", "btn?fr"[code - '\b']);
    else
        (void)snprintf(out, 16, "\\u%04x", code);
    return len;
}

/* How many bytes need no escape. */
static size_t plain_len(const char *text)
{
    size_t len = 0;

    while (text[len] >= ' ' && text[len] <= '~' && text[len] != '"' && text[len] != '\\')
        len++;
    return len;
}

enum err_code json_add_text(struct str *out, const char *text, struct err *err)
{
    enum err_code rc = str_addz(out, "\"", err);

    while (!rc && *text) {
        size_t plain = plain_len(text);
        char escaped[16];

        if (plain > 0) {
            rc = str_add(out, text, plain, err);
            text += plain;
        } else {
            text += escape(text, escaped);
            rc = str_addz(out, escaped, err);
        }
    }
    return rc ? rc : str_addz(out, "\"", err);
}
