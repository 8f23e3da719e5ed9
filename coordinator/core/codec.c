#include "core/codec.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

void codec_writer(struct codec *c, struct str *out, struct err *err)
{
    *c = (struct codec){ .out = out, .err = err };
}

void codec_reader(struct codec *c, const void *bytes, size_t len, struct err *err)
{
    *c = (struct codec){ .at = bytes, .end = (const unsigned char *)bytes + len, .err = err };
}

bool codec_reads(const struct codec *c)
{
    return !c->out;
}

void codec_fail(struct codec *c, const char *what)
{
    if (!c->rc)
        c->rc = err_set(c->err, ERR_MALFORMED, "stored change: %s", what);
}

void codec_u64(struct codec *c, uint64_t *v)
{
    unsigned char bytes[10];
    size_t n = 0;
    uint64_t value = 0;

    if (c->rc)
        return;
    if (c->out) {
        for (value = *v; value >= 0x80; value >>= 7)
            bytes[n++] = (unsigned char)(value | 0x80);
        bytes[n++] = (unsigned char)value;
        c->rc = str_add(c->out, bytes, n, c->err);
        return;
    }
    for (n = 0; n < sizeof(bytes) && c->at < c->end; n++) {
        unsigned char byte = *c->at++;

        if (n == 9 && byte > 1)
            break;
        value |= (uint64_t)(byte & 0x7f) << (7 * n);
        if (!(byte & 0x80)) {
            *v = value;
            return;
        }
    }
    codec_fail(c, "a number is cut or too large");
}

void codec_max(struct codec *c, uint32_t *v, uint32_t max)
{
    uint64_t value = *v;

    codec_u64(c, &value);
    if (c->rc)
        return;
    if (value > max) {
        codec_fail(c, "a number is out of range");
        return;
    }
    *v = (uint32_t)value;
}

void codec_u32(struct codec *c, uint32_t *v)
{
    codec_max(c, v, UINT32_MAX);
}

void codec_bool(struct codec *c, bool *v)
{
    uint32_t value = *v;

    codec_max(c, &value, 1);
    *v = value == 1;
}

/* Lends the len bytes that follow; NULL after a failure. */
static const unsigned char *lend(struct codec *c, size_t len)
{
    const unsigned char *at = c->at;

    if (c->rc)
        return NULL;
    if (len > (size_t)(c->end - c->at)) {
        codec_fail(c, "a text is cut");
        return NULL;
    }
    c->at += len;
    return at;
}

void codec_text(struct codec *c, char **text, size_t max_bytes)
{
    uint64_t len = c->out && *text ? strlen(*text) + 1 : 0;
    const unsigned char *at;

    codec_u64(c, &len);
    if (c->rc || len == 0)
        return;
    len--;
    if (c->out) {
        c->rc = str_add(c->out, *text, (size_t)len, c->err);
        return;
    }
    if (len > max_bytes) {
        codec_fail(c, "a text is too long");
        return;
    }
    at = lend(c, (size_t)len);
    if (!at)
        return;
    if (memchr(at, 0, (size_t)len)) {
        codec_fail(c, "a text holds a zero byte");
        return;
    }
    *text = mem_new((size_t)len + 1, 1);
    memcpy(*text, at, (size_t)len);
}

void codec_name(struct codec *c, char **text, size_t max_bytes)
{
    codec_text(c, text, max_bytes);
    if (codec_reads(c) && !c->rc && !*text)
        codec_fail(c, "a text is missing");
}

void codec_fixed(struct codec *c, char *text, size_t size)
{
    char *copy = c->out ? text : NULL;

    codec_text(c, &copy, size - 1);
    if (c->out || c->rc)
        return;
    if (copy)
        memcpy(text, copy, strlen(copy) + 1);
    else
        codec_fail(c, "a text is missing");
    free(copy);
}

void *codec_array(struct codec *c, void *items, uint32_t *count, uint32_t max, size_t size)
{
    codec_max(c, count, max);
    if (c->out)
        return items;
    if (!c->rc && *count > (size_t)(c->end - c->at))
        codec_fail(c, "a list is cut");
    if (c->rc)
        *count = 0;
    return *count ? mem_new(*count, size) : NULL;
}

enum err_code codec_end(struct codec *c)
{
    if (!c->out && c->at != c->end)
        codec_fail(c, "bytes left over");
    return c->rc;
}
