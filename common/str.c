#include "str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

struct view view_of(const char *text)
{
    return (struct view){ .at = text, .len = strlen(text) };
}

bool view_eq(struct view v, const char *text)
{
    return strlen(text) == v.len && memcmp(v.at, text, v.len) == 0;
}

char *view_dup(struct view v)
{
    char *text = mem_new(v.len + 1, 1);

    if (v.len)
        memcpy(text, v.at, v.len);
    return text;
}

void str_fini(struct str *s)
{
    free(s->at);
    s->at = NULL;
    s->len = 0;
    s->cap = 0;
}

void str_clear(struct str *s)
{
    s->len = 0;
    if (s->at)
        s->at[0] = '\0';
}

enum err_code str_add(struct str *s, const void *bytes, size_t len, struct err *err)
{
    INVARIANT(s->max > 0);
    if (len > s->max - s->len)
        return err_set(err, ERR_TOO_LARGE, "text of more than %zu bytes", s->max);
    s->at = mem_grow(s->at, &s->cap, s->len + len + 1, 1);
    if (len)
        memcpy(s->at + s->len, bytes, len);
    s->len += len;
    s->at[s->len] = '\0';
    return ERR_NONE;
}

enum err_code str_addz(struct str *s, const char *text, struct err *err)
{
    return str_add(s, text, strlen(text), err);
}

enum err_code str_addf(struct str *s, struct err *err, const char *fmt, ...)
{
    char small[256];
    char *big = NULL;
    enum err_code rc;
    va_list ap;
    int need;

    va_start(ap, fmt);
    need = vsnprintf(small, sizeof(small), fmt, ap);
    va_end(ap);
    INVARIANT(need >= 0);
    if ((size_t)need < sizeof(small))
        return str_add(s, small, (size_t)need, err);
    if ((size_t)need > s->max - s->len)
        return err_set(err, ERR_TOO_LARGE, "text of more than %zu bytes", s->max);
    big = mem_new((size_t)need + 1, 1);
    va_start(ap, fmt);
    (void)vsnprintf(big, (size_t)need + 1, fmt, ap); /* measured above */
    va_end(ap);
    rc = str_add(s, big, (size_t)need, err);
    free(big);
    return rc;
}

const char *str_text(const struct str *s)
{
    return s->at ? s->at : "";
}

char *str_take(struct str *s)
{
    char *text = s->at ? s->at : mem_strdup("");

    s->at = NULL;
    s->len = 0;
    s->cap = 0;
    return text;
}

/* Reads digits at *text into *out; false when there is none or the value does not fit. */
static bool digits(const char **text, uint64_t *out)
{
    const char *p = *text;
    uint64_t v = 0;

    for (; *p >= '0' && *p <= '9'; p++) {
        uint64_t d = (uint64_t)(*p - '0');

        if (v > (UINT64_MAX - d) / 10)
            return false;
        v = v * 10 + d;
    }
    if (p == *text)
        return false;
    *text = p;
    *out = v;
    return true;
}

enum err_code parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out,
                        struct err *err)
{
    const char *p = text;
    uint64_t v = 0;

    if (!digits(&p, &v) || *p != '\0')
        return err_set(err, ERR_INVALID, "'%s' is not a whole number from %llu to %llu", text,
                       (unsigned long long)min, (unsigned long long)max);
    if (v < min || v > max)
        return err_set(err, ERR_INVALID, "'%s' is not between %llu and %llu", text,
                       (unsigned long long)min, (unsigned long long)max);
    *out = v;
    return ERR_NONE;
}

enum err_code parse_u32(const char *text, uint32_t min, uint32_t max, uint32_t *out,
                        struct err *err)
{
    uint64_t v = 0;
    enum err_code rc = parse_u64(text, min, max, &v, err);

    if (!rc)
        *out = (uint32_t)v;
    return rc;
}

enum err_code parse_duration_ms(const char *text, uint64_t max_ms, uint64_t *out_ms,
                                struct err *err)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = { { "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
    const char *p = text;
    uint64_t v = 0;

    if (!digits(&p, &v))
        return err_set(err, ERR_INVALID, "'%s' is not a time; write 90s, 5m, 1h or 250ms", text);
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcmp(p, units[i].unit) != 0)
            continue;
        if (v > max_ms / units[i].ms)
            return err_set(err, ERR_INVALID, "'%s' is over %llu seconds", text,
                           (unsigned long long)(max_ms / 1000));
        *out_ms = v * units[i].ms;
        return ERR_NONE;
    }
    return err_set(err, ERR_INVALID, "'%s' is not a time; write 90s, 5m, 1h or 250ms", text);
}

enum err_code parse_size(const char *text, uint64_t max_bytes, uint64_t *out_bytes, struct err *err)
{
    static const struct {
        const char *unit;
        uint64_t bytes;
    } units[] = { { "", 1 },         { "B", 1 },          { "K", 1u << 10 },   { "KiB", 1u << 10 },
                  { "KB", 1000 },    { "M", 1u << 20 },   { "MiB", 1u << 20 }, { "MB", 1000000 },
                  { "G", 1u << 30 }, { "GiB", 1u << 30 }, { "GB", 1000000000 } };
    const char *p = text;
    uint64_t v = 0;

    if (!digits(&p, &v))
        return err_set(err, ERR_INVALID, "'%s' is not a size; write 512MiB or 2GiB", text);
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcmp(p, units[i].unit) != 0)
            continue;
        if (v > max_bytes / units[i].bytes)
            return err_set(err, ERR_INVALID, "'%s' is over %llu bytes", text,
                           (unsigned long long)max_bytes);
        *out_bytes = v * units[i].bytes;
        return ERR_NONE;
    }
    return err_set(err, ERR_INVALID, "'%s' is not a size; write 512MiB or 2GiB", text);
}

/* Bytes of the sequence that starts at p, 0 if it is not valid (RFC 3629, section 4). */
static size_t utf8_sequence(const unsigned char *p, size_t len)
{
    size_t need = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    if (need == 0 || p[0] > 0xf4 || need > len)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return need;
}

size_t utf8_valid_len(const char *bytes, size_t len)
{
    size_t at = 0;

    while (at < len) {
        size_t n = utf8_sequence((const unsigned char *)bytes + at, len - at);

        if (n == 0)
            break;
        at += n;
    }
    return at;
}
