/* Which test that runs elsewhere an idle worker should run as well. */
#include "core/copies.h"
#include "core/decide_inner.h"
#include "plan/copy.h"

#define HIGH_FACTOR_UNKNOWN                                                                        \
    4u /* of a prediction: what a test hardly exceeds, when nobody knows                           \
        */

static uint64_t high_us(const struct run *run, uint32_t test)
{
    uint64_t known_us = run->highs_us ? run->highs_us[test] : 0;

    return known_us > run->costs_us[test] ? known_us : run->costs_us[test] * HIGH_FACTOR_UNKNOWN;
}

/* The one that is expected to end last, of those that a copy would end earlier. */
uint32_t decide_copy(const struct run *run, const struct copy_wish *wish)
{
    uint32_t found = POOL_NONE;
    uint64_t worst_us = 0;

    for (uint32_t i = 0; i < run->session_count; i++) {
        const struct session *s = run->sessions[i];

        if (i == wish->session || !s->speculate || s->held_count == 0)
            continue;
        for (uint32_t t = s->held_first; t != POOL_NONE; t = run->tests[t].next) {
            struct copy_case c;

            if (!copies_may_give(run, t, wish->session) || test_is_found(run, t))
                continue;
            c = (struct copy_case){
                .ran_us = (wish->mono_ms - run->tests[t].begun_ms) * 1000,
                .cost_us = run->costs_us[t],
                .high_us = high_us(run, t),
                .setup_us = pool_setup_us(run->pool, t),
                .speed_ppm = pool_speed_ppm(run->pool, i),
                .taker_ppm = pool_speed_ppm(run->pool, wish->session),
                .lead_us = wish->lead_us ? wish->lead_us : POOL_LEAD_US,
            };
            if (copy_pays(&c) && copy_left_us(&c) > worst_us) {
                worst_us = copy_left_us(&c);
                found = t;
            }
        }
    }
    return found;
}
