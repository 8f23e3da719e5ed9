#include "plan/copy.h"

#define HIGH_FACTOR_UNKNOWN 4u /* of a prediction: what a test hardly exceeds, if nobody knows */

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

static uint64_t high_us(const struct copy_running *running)
{
    return running->high_us > running->cost_us ? running->high_us
                                               : running->cost_us * HIGH_FACTOR_UNKNOWN;
}

void copy_weigh(struct copy_choice *choice, const struct copy_running *running)
{
    const struct pool *pool = choice->pool;
    struct copy_case c;

    INVARIANT(running->holder != choice->taker);
    if (!pool_may_copy(pool, running->test))
        return;
    c = (struct copy_case){ .ran_us = running->ran_us,
                            .cost_us = running->cost_us,
                            .high_us = high_us(running),
                            .setup_us = pool_setup_us(pool, running->test),
                            .speed_ppm = pool_speed_ppm(pool, running->holder),
                            .taker_ppm = pool_speed_ppm(pool, choice->taker),
                            .lead_us = choice->lead_us ? choice->lead_us : POOL_LEAD_US };
    if (copy_pays(&c) && copy_left_us(&c) > choice->left_us) {
        choice->left_us = copy_left_us(&c);
        choice->test = running->test;
    }
}
