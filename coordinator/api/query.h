/* query.h - reading a URL's path and query: pieces, percent signs. Pure; every input is hostile. */
#pragma once

#include "str.h"

#define QUERY_VALUE_BYTES_MAX 4096u

/* The bytes with "%41" decoded; a '+' stays. ERR_INVALID: a broken escape, a NUL, no UTF-8. The
 * text is the caller's. */
MUST_USE enum err_code query_decode(struct view escaped, char **out, struct err *err);

/* The value of name in "a=b&c=d", decoded; *out stays as it is when the name is absent. ERR_INVALID
 * also when it is there twice. */
MUST_USE enum err_code query_opt_text(const char *query, const char *name, char **out,
                                      struct err *err);
MUST_USE enum err_code query_opt_u32(const char *query, const char *name, uint32_t max,
                                     uint32_t *out, struct err *err);
