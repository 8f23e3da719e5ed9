/* gz.h - gzip in memory, through zlib. On failure out is as it was. */
#pragma once

#include "str.h"

/* Appends the compressed form to out. */
MUST_USE enum err_code gz_pack(const void *bytes, size_t len, struct str *out, struct err *err);

/* Appends the decoded form of exactly one gzip member; stops with ERR_TOO_LARGE at out's cap,
 * before it allocates more. */
MUST_USE enum err_code gz_unpack(const void *bytes, size_t len, struct str *out, struct err *err);
