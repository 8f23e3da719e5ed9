/* first.h - which tests go before all others: what failed last time, what nobody knows. Pure.
 *
 * A failure that is still there is then known early; a share keeps the run from becoming longer for
 * it. A test without history may be long, and would then be the end of the run: among the first it
 * ends in time, whatever it takes. Not for: knowing what failed or ran before (the histories), or
 * the order of the rest (pool.h). */
#pragma once

#include <stdbool.h>

#include "base.h"

#define FIRST_PPM_MAX 1000000u

/* Fills out (room for count) with positions in the order of collection, returns how many. failed:
 * by test; share_ppm: of the predicted time of all tests. The shortest are taken first: they bring
 * the most news for the time. */
uint32_t first_choose(const uint64_t *costs_us, const bool *failed, uint32_t count,
                      uint32_t share_ppm, uint32_t *out);

/* Likewise those that are not known, all of them; none if by their guesses they are a tenth of the
 * run and more: then a guess is what orders the run. */
uint32_t first_unknown(const uint64_t *costs_us, const bool *known, uint32_t count, uint32_t *out);
