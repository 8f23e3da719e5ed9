/* first.h - which of the tests that failed last time go before all others, within a share. Pure.
 *
 * A failure that is still there is then known early; the share keeps the run from becoming longer
 * for it. Not for: knowing what failed (the histories), or the order of the rest (pool.h). */
#pragma once

#include <stdbool.h>

#include "base.h"

#define FIRST_PPM_MAX 1000000u

/* Fills out (room for count) with positions in the order of collection, returns how many. failed:
 * by test; share_ppm: of the predicted time of all tests. The shortest are taken first: they bring
 * the most news for the time. */
uint32_t first_choose(const uint64_t *costs_us, const bool *failed, uint32_t count,
                      uint32_t share_ppm, uint32_t *out);
