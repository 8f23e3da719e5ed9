/* http_date.h - the Date header of an answer. Pure. */
#pragma once

#include "err.h"

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110's only form that is sent today) to Unix seconds;
 * ERR_INVALID for everything else. */
MUST_USE enum err_code http_date_parse(const char *text, uint64_t *out_s, struct err *err);
