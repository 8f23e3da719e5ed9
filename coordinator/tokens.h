/* tokens.h - "makespand token create|list|revoke", and the token of a first start. */
#pragma once

#include "clock.h"
#include "options.h"
#include "service/auth.h"

#define TOKENS_TEXT_BYTES_MAX (16u << 20)
#define TOKENS_PREFIX_MIN     8u /* digits of a hash that name a token */

/* Nobody has seen the token: what is kept of it goes. */
MUST_USE enum err_code tokens_take_back(struct store *store, const char *token, struct err *err);

/* What the command prints on standard output. */
MUST_USE enum err_code tokens_command(struct store *store, const struct options *options,
                                      uint64_t now_ms, struct str *out, struct err *err);

/* Makes a token for agents of every project unless there is any token; else out stays "". */
MUST_USE enum err_code tokens_first(struct store *store, uint64_t now_ms,
                                    char out[TOKEN_TEXT_BYTES], struct err *err);
