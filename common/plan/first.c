#include "plan/first.h"

#include <stdlib.h>

#include "mem.h"

#define UNKNOWN_DIVISOR 10u

struct candidate {
    uint64_t cost_us;
    uint32_t test;
};

static int by_cost(const void *left, const void *right)
{
    const struct candidate *a = left;
    const struct candidate *b = right;

    if (a->cost_us != b->cost_us)
        return a->cost_us < b->cost_us ? -1 : 1;
    return a->test < b->test ? -1 : a->test > b->test;
}

static int by_position(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;

    return a < b ? -1 : a > b;
}

uint32_t first_choose(const uint64_t *costs_us, const bool *failed, uint32_t count,
                      uint32_t share_ppm, uint32_t *out)
{
    struct candidate *found = mem_new(count, sizeof(*found));
    uint32_t found_count = 0, chosen = 0;
    uint64_t all_us = 0, room_us;

    for (uint32_t i = 0; i < count; i++) {
        all_us += costs_us[i];
        if (failed[i])
            found[found_count++] = (struct candidate){ .cost_us = costs_us[i], .test = i };
    }
    room_us = (uint64_t)((wide_uint)all_us * share_ppm / FIRST_PPM_MAX);
    if (found_count > 1)
        qsort(found, found_count, sizeof(*found), by_cost);
    for (; chosen < found_count && found[chosen].cost_us <= room_us; chosen++) {
        room_us -= found[chosen].cost_us;
        out[chosen] = found[chosen].test;
    }
    if (chosen > 1)
        qsort(out, chosen, sizeof(*out), by_position);
    free(found);
    return chosen;
}

uint32_t first_unknown(const uint64_t *costs_us, const bool *known, uint32_t count, uint32_t *out)
{
    uint64_t all_us = 0, unknown_us = 0;
    uint32_t chosen = 0;

    for (uint32_t i = 0; i < count; i++) {
        all_us += costs_us[i];
        unknown_us += known[i] ? 0 : costs_us[i];
    }
    if (unknown_us > all_us / UNKNOWN_DIVISOR)
        return 0;
    for (uint32_t i = 0; i < count; i++)
        if (!known[i])
            out[chosen++] = i;
    return chosen;
}
