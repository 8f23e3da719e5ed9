/* id.h - random names and secrets, and comparing secrets. Only id.c reads random bytes. */
#pragma once

#include <stdbool.h>

#include "base.h"

#define ID_TEXT_BYTES    27 /* 26 characters of Crockford base32 (130 bits) and a NUL */
#define TOKEN_TEXT_BYTES 64 /* prefix, 52 characters (260 bits) and a NUL */

void id_random(void *out, size_t len);
uint64_t id_random_u64(void);

/* A random id that is safe in a URL and sorts nowhere: "7q2k...". */
void id_new(char out[ID_TEXT_BYTES]);

/* A secret with a recognisable prefix of at most 8 characters ("msp_", "mss_"). */
void token_new(const char *prefix, char out[TOKEN_TEXT_BYTES]);

/* Same time for every pair of equal length. */
bool secret_eq(const char *a, const char *b);

/* Overwrites a secret before its memory is freed; not optimised away. */
void secret_wipe(void *secret, size_t len);
