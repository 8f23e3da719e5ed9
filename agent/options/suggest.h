/* suggest.h - the nearest known word to a mistyped one. Pure. */
#pragma once

#include "base.h"

#define SUGGEST_WORD_BYTES_MAX 64u

/* The word with the fewest single-letter changes, if that is at most about a third of its letters;
 * else NULL. */
const char *suggest(const char *typed, const char *const *words, size_t count);
