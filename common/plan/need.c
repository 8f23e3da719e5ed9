#include "plan/need.h"

#include <stdlib.h>

static int by_size(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;

    return a < b ? -1 : a > b;
}

/* Work is poured over the workers like water: it stands equally high in all that it reaches. */
static uint64_t level_us(const uint64_t *left_us, uint32_t workers, uint64_t waiting_us)
{
    uint64_t level = left_us[0];

    for (uint32_t below = 1; below < workers; below++) {
        uint64_t step = left_us[below] - level;

        if (step > waiting_us / below)
            return level + waiting_us / below;
        waiting_us -= step * below;
        level = left_us[below];
    }
    return level + waiting_us / workers;
}

uint64_t need_left_us(uint64_t predicted_us, uint64_t ran_us, uint32_t speed_ppm)
{
    uint64_t done_us = (uint64_t)((wide_uint)ran_us * speed_ppm / 1000000);

    return done_us < predicted_us ? predicted_us - done_us : done_us - predicted_us;
}

struct need need_of(uint64_t *left_us, uint32_t workers, uint64_t waiting_us, uint32_t speed_ppm)
{
    struct need need = { .backlog_us = waiting_us };

    if (workers == 0)
        return need;
    qsort(left_us, workers, sizeof(*left_us), by_size);
    for (uint32_t w = 0; w < workers; w++)
        need.backlog_us += left_us[w];
    need.dry_us = (uint64_t)((wide_uint)level_us(left_us, workers, waiting_us) * 1000000 /
                             (speed_ppm ? speed_ppm : 1));
    return need;
}
