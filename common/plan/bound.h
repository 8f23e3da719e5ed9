/* bound.h - the lower bound of the makespan: no schedule can end earlier. */
#pragma once

#include "base.h"

struct bound_taker {
    uint64_t start_us; /* when it can begin */
    uint32_t workers;
    uint32_t speed_ppm; /* 1000000 = average */
    uint64_t gone_us;   /* when its workers end for good; 0: never */
};

/* max(work / capacity while each taker is there, the longest test on the taker that ends it first,
 * were it the first thing there). 0 when all are gone before the work is done. */
uint64_t bound_us(const uint64_t *costs_us, uint32_t test_count, const struct bound_taker *takers,
                  uint32_t taker_count);
