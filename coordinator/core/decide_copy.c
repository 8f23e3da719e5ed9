/* Which test that runs elsewhere an idle worker should run as well. */
#include "core/copies.h"
#include "core/decide_inner.h"
#include "plan/copy.h"

uint32_t decide_copy(const struct run *run, const struct copy_wish *wish)
{
    struct copy_choice choice = {
        .pool = run->pool, .taker = wish->session, .lead_us = wish->lead_us, .test = POOL_NONE
    };

    for (uint32_t i = 0; i < run->session_count; i++) {
        const struct session *s = run->sessions[i];

        if (i == wish->session || !s->speculate || s->held_count == 0)
            continue;
        for (uint32_t t = s->held_first; t != POOL_NONE; t = run->tests[t].next)
            if (copies_may_give(run, t, wish->session) && !test_is_found(run, t))
                copy_weigh(&choice, &(struct copy_running){
                                        .test = t,
                                        .holder = i,
                                        .ran_us = (wish->mono_ms - run->tests[t].begun_ms) * 1000,
                                        .cost_us = run->costs_us[t],
                                        .high_us = run->highs_us ? run->highs_us[t] : 0 });
    }
    return choice.test;
}
