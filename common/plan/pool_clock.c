/* pool_clock.c - how much of what runs has been done by now.
 *
 * What is in hand counts in full in pool->held_us, however nearly it is done: a test of half the
 * run's length makes the end look far away until it is there. When tests began is summed up, not
 * looked up, so that asking costs the same however many run. A test beyond its prediction counts
 * for more than it was, then; all together, for no more than all were. All count as on machines of
 * average speed. */
#include "plan/pool_pick.h"

static void clock_in(struct pool_clock *c, const struct node *t)
{
    c->count++;
    c->begun_us += t->begun_us;
    c->cost_us += t->cost_us;
}

static void clock_out(struct pool_clock *c, const struct node *t)
{
    c->count--;
    c->begun_us -= t->begun_us;
    c->cost_us -= t->cost_us;
}

void pool_begun(struct pool *pool, uint32_t test, uint64_t now_us)
{
    struct node *t;

    INVARIANT(test < pool->test_count);
    t = &pool->tests[test];
    if (t->state != TEST_STARTED || t->begun_us || !now_us)
        return;
    t->begun_us = now_us;
    clock_in(&pool->clock, t);
    clock_in(&pool->takers[t->taker].clock, t);
}

void clock_forget(struct pool *pool, uint32_t test)
{
    struct node *t = &pool->tests[test];

    if (!t->begun_us)
        return;
    clock_out(&pool->clock, t);
    clock_out(&pool->takers[t->taker].clock, t);
    t->begun_us = 0;
}

uint64_t clock_done_us(const struct pool *pool, uint32_t but, uint64_t now_us)
{
    const struct pool_clock *all = &pool->clock, *mine = &pool->takers[but].clock;
    uint64_t begun_us = all->begun_us - mine->begun_us;
    uint64_t ran_us = sub_u64((all->count - mine->count) * now_us, begun_us);

    if (!now_us)
        return 0;
    return min_u64(scale_u64(ran_us, pool->pace_milli, 1000), all->cost_us - mine->cost_us);
}
