/* sim_copy.c - the coordinator's copies of running tests: as coordinator/core/copies.c has them.
 *
 * The test stays its holder's in the pool; a copy is noted beside it. */
#include "plan/copy.h"
#include "plan/sim_inner.h"

uint32_t sim_copy_choose(const struct sim *s, uint32_t index)
{
    struct copy_choice choice = {
        .pool = s->pool, .taker = index, .lead_us = s->agents[index].ask.lead_us, .test = POOL_NONE
    };

    for (uint32_t i = 0; i < s->begun.count && s->in->speculate; i++) {
        uint32_t test = s->begun.items[i], holder = pool_holder(s->pool, test);
        const struct sim_test *t = &s->tests[test];

        if (holder != index && t->copy == POOL_NONE && t->copies < COPIES_OF_TEST_MAX)
            copy_weigh(&choice, &(struct copy_running){
                                    .test = test,
                                    .holder = holder,
                                    .ran_us = s->now_us - t->begun_us,
                                    .cost_us = s->in->tests[test].cost_us,
                                    .high_us = s->in->highs_us ? s->in->highs_us[test] : 0 });
    }
    return choice.test;
}

void sim_copy_give(struct sim *s, uint32_t index, uint32_t test)
{
    struct sim_test *t = &s->tests[test];

    t->copy = t->copied = index;
    t->copy_begun = false;
    t->copies++;
    s->out->copies++;
    desk_grant(s, index, &test, 1);
}

static void tell(struct sim *s, uint32_t index, uint32_t test)
{
    sim_post(s, half_request_us(s),
             (struct event){ .kind = EVENT_ABANDON, .agent = index, .test = test });
}

void sim_copy_settle(struct sim *s, uint32_t index, uint32_t test)
{
    struct sim_test *t = &s->tests[test];
    uint32_t holder = pool_holder(s->pool, test);

    if (t->copy == POOL_NONE)
        return;
    if (t->copy == index)
        s->out->copies_won++;
    else
        tell(s, t->copy, test);
    if (holder != POOL_NONE && holder != index)
        tell(s, holder, test);
    t->copy = POOL_NONE;
}

void sim_copy_take_over(struct sim *s, uint32_t test)
{
    struct sim_test *t = &s->tests[test];

    if (t->copy == POOL_NONE)
        return;
    pool_take(s->pool, t->copy, test);
    if (t->copy_begun) {
        pool_start(s->pool, test);
        t->begun_us = s->now_us;
        pool_begun(s->pool, test, s->now_us);
        s->begun.items[s->begun.count++] = test;
    }
    t->copy = POOL_NONE;
}

void sim_copy_drop_of(struct sim *s, uint32_t index, enum sim_copies which)
{
    for (uint32_t i = 0; i < s->begun.count; i++) {
        struct sim_test *t = &s->tests[s->begun.items[i]];

        if (t->copy == index && (which == SIM_COPIES_ALL || !t->copy_begun))
            t->copy = POOL_NONE;
    }
}
