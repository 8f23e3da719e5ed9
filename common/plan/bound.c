#include "plan/bound.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define SPEED_AVERAGE_PPM 1000000u

static int by_start(const void *a, const void *b)
{
    const struct bound_taker *x = a, *y = b;

    return (x->start_us > y->start_us) - (x->start_us < y->start_us);
}

/* When the longest test ends if it starts at once on the taker that ends it first. */
static uint64_t longest_end_us(uint64_t longest_us, const struct bound_taker *takers,
                               uint32_t count)
{
    uint64_t best_us = UINT64_MAX;

    for (uint32_t i = 0; i < count; i++) {
        wide_uint end_us;

        if (!takers[i].workers || !takers[i].speed_ppm)
            continue;
        end_us = (wide_uint)longest_us * SPEED_AVERAGE_PPM / takers[i].speed_ppm;
        end_us += takers[i].start_us;
        if (end_us < best_us)
            best_us = (uint64_t)end_us;
    }
    return best_us == UINT64_MAX ? 0 : best_us;
}

/* When the work would end if it could be cut at will: takers are filled like a vessel whose floor
 * has steps, the start times. */
static uint64_t filled_us(uint64_t work_us, struct bound_taker *takers, uint32_t count)
{
    wide_uint left = (wide_uint)work_us * SPEED_AVERAGE_PPM;
    wide_uint capacity = 0; /* work (times 10^6) that is done per microsecond */

    qsort(takers, count, sizeof(*takers), by_start);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t step_us;

        capacity += (wide_uint)takers[i].workers * takers[i].speed_ppm;
        if (!capacity)
            continue;
        step_us = i + 1 < count ? takers[i + 1].start_us - takers[i].start_us : UINT64_MAX;
        if (left <= capacity * step_us)
            return takers[i].start_us + (uint64_t)(left / capacity);
        left -= capacity * step_us;
    }
    return 0;
}

uint64_t bound_us(const uint64_t *costs_us, uint32_t test_count, const struct bound_taker *takers,
                  uint32_t taker_count)
{
    struct bound_taker *sorted;
    uint64_t work_us = 0, longest_us = 0, filled, longest;

    for (uint32_t i = 0; i < test_count; i++) {
        work_us += costs_us[i];
        if (costs_us[i] > longest_us)
            longest_us = costs_us[i];
    }
    if (!taker_count || !work_us)
        return 0;
    sorted = mem_dup(takers, taker_count * sizeof(*takers));
    filled = filled_us(work_us, sorted, taker_count);
    longest = longest_end_us(longest_us, takers, taker_count);
    free(sorted);
    return filled > longest ? filled : longest;
}
