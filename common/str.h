/* str.h - text: a growing string with a cap, views into memory, numbers parsed whole.
 *
 * struct str is always NUL-terminated once something was added; it may hold bytes of any kind. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>

#include "err.h"

/* Lent bytes, not NUL-terminated. */
struct view {
    const char *at;
    size_t len;
};

/* max is the cap in bytes (without the NUL) and must be set before the first call. */
struct str {
    char *at;
    size_t len;
    size_t cap;
    size_t max;
};

#define STR_MAX(bytes)                                                                             \
    {                                                                                              \
        .at = NULL, .len = 0, .cap = 0, .max = (bytes)                                             \
    }

struct view view_of(const char *text);
bool view_eq(struct view v, const char *text);
char *view_dup(struct view v); /* as a text, the caller's */

void str_fini(struct str *s);
void str_clear(struct str *s); /* keeps the memory */

/* Append; ERR_TOO_LARGE when the cap would be passed, and then nothing was appended. */
MUST_USE enum err_code str_add(struct str *s, const void *bytes, size_t len, struct err *err);
MUST_USE enum err_code str_addz(struct str *s, const char *text, struct err *err);
MUST_USE enum err_code str_addf(struct str *s, struct err *err, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* The text, "" when nothing was added. */
const char *str_text(const struct str *s);

/* The memory is the caller's, free() it; s is empty afterwards. Never NULL. */
char *str_take(struct str *s);

/* Decimal digits and nothing else, within [min, max]; "12x", "-1", "+1", " 1" and "" fail. */
MUST_USE enum err_code parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out,
                                 struct err *err);
MUST_USE enum err_code parse_u32(const char *text, uint32_t min, uint32_t max, uint32_t *out,
                                 struct err *err);

/* "90", "90s", "5m", "1h", "250ms" to milliseconds; a bare number is seconds. */
MUST_USE enum err_code parse_duration_ms(const char *text, uint64_t max_ms, uint64_t *out_ms,
                                         struct err *err);

/* "512MiB", "2GiB", "500MB", "4G", "65536" to bytes; K, M and G alone count in 1024s. */
MUST_USE enum err_code parse_size(const char *text, uint64_t max_bytes, uint64_t *out_bytes,
                                  struct err *err);

/* Length of the longest prefix of bytes that is valid UTF-8 (RFC 3629: no surrogates, no overlong).
 */
size_t utf8_valid_len(const char *bytes, size_t len);
