#include "plan/copy.h"

static uint64_t at_speed(uint64_t us, uint32_t speed_ppm)
{
    return (uint64_t)((wide_uint)us * 1000000 / (speed_ppm ? speed_ppm : 1));
}

uint64_t copy_left_us(const struct copy_case *c)
{
    uint64_t end_us = at_speed(c->cost_us, c->speed_ppm);

    if (c->ran_us > at_speed(c->high_us, c->speed_ppm))
        return c->ran_us;
    return end_us > c->ran_us ? end_us - c->ran_us : 0;
}

bool copy_pays(const struct copy_case *c)
{
    uint64_t takes_us = c->lead_us + at_speed(c->setup_us + c->cost_us, c->taker_ppm);

    return takes_us + takes_us / COPY_MARGIN < copy_left_us(c);
}
