#include "plan/bound.h"

#include <stdbool.h>
#include <stdlib.h>

#include "mem.h"

#define SPEED_AVERAGE_PPM 1000000u

/* Workers come, or go. */
struct step {
    uint64_t at_us;
    wide_uint work; /* work that they do a microsecond, times 10^6 */
    bool go;
};

static int by_time(const void *a, const void *b)
{
    const struct step *x = a, *y = b;

    return (x->at_us > y->at_us) - (x->at_us < y->at_us);
}

static bool is_gone(const struct bound_taker *t, uint64_t at_us)
{
    return t->gone_us && t->gone_us <= at_us;
}

/* When the longest test ends if it starts at once on the taker that ends it first. */
static uint64_t longest_end_us(uint64_t longest_us, const struct bound_taker *takers,
                               uint32_t count)
{
    uint64_t best_us = UINT64_MAX;

    for (uint32_t i = 0; i < count; i++) {
        wide_uint end_us;

        if (!takers[i].workers || !takers[i].speed_ppm || is_gone(&takers[i], takers[i].start_us))
            continue;
        end_us = (wide_uint)longest_us * SPEED_AVERAGE_PPM / takers[i].speed_ppm;
        end_us += takers[i].start_us;
        if (end_us < best_us)
            best_us = (uint64_t)end_us;
    }
    return best_us == UINT64_MAX ? 0 : best_us;
}

static uint32_t steps_of(const struct bound_taker *takers, uint32_t count, struct step *out)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < count; i++) {
        const struct bound_taker *t = &takers[i];
        wide_uint work = (wide_uint)t->workers * t->speed_ppm;

        if (is_gone(t, t->start_us))
            continue;
        out[n++] = (struct step){ t->start_us, work, false };
        if (t->gone_us)
            out[n++] = (struct step){ t->gone_us, work, true };
    }
    qsort(out, n, sizeof(*out), by_time);
    return n;
}

/* When the work would end if it could be cut at will, 0 if never: takers are filled like a vessel
 * whose floor has steps, the times when they come and go. */
static uint64_t filled_us(uint64_t work_us, const struct bound_taker *takers, uint32_t count)
{
    struct step *steps = mem_new(2 * (size_t)count, sizeof(*steps));
    wide_uint left = (wide_uint)work_us * SPEED_AVERAGE_PPM;
    wide_uint capacity = 0; /* work (times 10^6) that is done per microsecond */
    uint32_t n = steps_of(takers, count, steps);
    uint64_t us = 0;

    for (uint32_t i = 0; i < n; i++) {
        uint64_t step_us = i + 1 < n ? steps[i + 1].at_us - steps[i].at_us : UINT64_MAX;

        capacity = steps[i].go ? capacity - steps[i].work : capacity + steps[i].work;
        if (!capacity)
            continue;
        if (left <= capacity * step_us) {
            us = steps[i].at_us + (uint64_t)(left / capacity);
            break;
        }
        left -= capacity * step_us;
    }
    free(steps);
    return us;
}

uint64_t bound_us(const uint64_t *costs_us, uint32_t test_count, const struct bound_taker *takers,
                  uint32_t taker_count)
{
    uint64_t work_us = 0, longest_us = 0, filled, longest;

    for (uint32_t i = 0; i < test_count; i++) {
        work_us += costs_us[i];
        if (costs_us[i] > longest_us)
            longest_us = costs_us[i];
    }
    if (!taker_count || !work_us)
        return 0;
    filled = filled_us(work_us, takers, taker_count);
    longest = longest_end_us(longest_us, takers, taker_count);
    return filled && longest > filled ? longest : filled;
}
