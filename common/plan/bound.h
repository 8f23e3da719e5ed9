/* bound.h - the lower bound of the makespan: no schedule can end earlier. */
#pragma once

#include "base.h"

struct bound_taker {
    uint64_t start_us; /* when it can begin */
    uint32_t workers;
    uint32_t speed_ppm; /* 1000000 = average */
};

/* max(work / capacity with start times counted, longest single test on the fastest taker). */
uint64_t bound_us(const uint64_t *costs_us, uint32_t test_count, const struct bound_taker *takers,
                  uint32_t taker_count);
