/* pool_size.c - how much a taker should get now. */
#include "plan/habits.h"
#include "plan/pool_pick.h"

#define SHARE_DIVISOR    4u     /* of what a taker has room for, it gets a quarter: shares shrink */
#define AHEAD_DIVISOR    2u     /* near the end: no more ahead than for half of the run to come */
#define GATE_DIVISOR     4u     /* a taker that is busy for a quarter of the run to come can wait */
#define LONG_DIVISOR     8u     /* a test of so little of what a worker has still to do is short */
#define PRESS_DIVISOR    8u     /* a test of an eighth of what a worker has still to do presses */
#define PRESS_DIVISOR_IN 6u     /* and in a machine a sixth */
#define PRESS_US_MIN     10000u /* shorter ones never do: a request takes longer */
#define PRESS_US_MIN_IN  3000u  /* the same in a machine, where asking is cheap */

/* Time until the taker's first worker has nothing to do. */
static uint64_t dry_us(const struct pick *p, const struct pool_ask *ask)
{
    if (p->least)
        return 0;
    return ask->dry_us ? ask->dry_us : ask->backlog_us * 1000 / taker_milli(p->k);
}

/* What workers of a speed do in a time. */
static uint64_t work_in_us(const struct pool *pool, uint64_t us, uint64_t milli)
{
    return scale_u64(us, milli * pool->pace_milli, 1000000);
}

/* How many workers will have nothing to do before another request could be answered: those without
 * a test, else the first to be without; and the others, unless what they have lasts longer than
 * that. A long test that is given to a machine for others waits there behind one that may take
 * longer than predicted, while another machine could run it. */
static uint32_t dry_workers(const struct pick *p, const struct pool_ask *ask, uint64_t dry)
{
    uint32_t first = p->least ? p->least : 1;
    uint64_t rest_us = sub_u64(ask->backlog_us, work_in_us(p->pool, dry, p->k->speed_milli));

    if (first >= p->k->workers || rest_us / (p->k->workers - first) <= p->horizon_us)
        return p->k->workers;
    return first;
}

/* Workers that are not here yet count as those that are. */
static uint64_t expected_milli(const struct pool *pool)
{
    uint64_t missing = sub_u64(pool->expected_workers, pool->workers);

    return pool->capacity_milli + missing * pool->capacity_milli / pool->workers;
}

/* So long should a taker be busy without another answer: it asks when that is over. Near the end of
 * the run what waits at one machine is what another will lack if predictions are off, so it becomes
 * less. In a machine the end is not known: more may come. */
static uint64_t ahead_us(const struct pool *pool, uint64_t lead_us, uint64_t end_us)
{
    if (pool->one_machine)
        return lead_us * HABIT_LEADS_AHEAD;
    return min_u64(lead_us * HABIT_LEADS_AHEAD, max_u64(lead_us, end_us / AHEAD_DIVISOR));
}

static uint64_t press_us(const struct pick *p)
{
    return p->pool->one_machine ? max_u64(p->level_us / PRESS_DIVISOR_IN, PRESS_US_MIN_IN)
                                : max_u64(p->level_us / PRESS_DIVISOR, PRESS_US_MIN);
}

bool pick_size(struct pick *p, const struct pool_ask *ask)
{
    const struct pool *pool = p->pool;
    uint64_t mine_milli = taker_milli(p->k);
    uint64_t lead_us = pool_lead_us(pool, ask);
    uint64_t others_us = sub_u64(pool->held_us, p->k->held_us);
    uint64_t left_us = pool->free_us + pool->free_setup_us + ask->backlog_us +
                       sub_u64(others_us, clock_done_us(pool, p->taker, ask->now_us));
    uint64_t end_us = scale_u64(left_us, 1000000, pool->capacity_milli * pool->pace_milli);
    uint64_t fair_us = scale_u64(left_us, mine_milli, pool->capacity_milli);
    uint64_t all_milli = expected_milli(pool);
    uint64_t later_us = scale_u64(left_us, mine_milli, all_milli);
    uint32_t in_hand = p->k->held_count + p->k->running;
    uint64_t dry, room_us, ahead = ahead_us(pool, lead_us, end_us);

    /* A worker that idles beside unstarted tests is not in want of others. */
    p->least = (uint32_t)sub_u64(ask->free_workers, p->k->held_count);
    if (p->k->workers > in_hand + p->least)
        p->least = p->k->workers - in_hand;
    dry = dry_us(p, ask);
    /* One long test in hand does not mean that the worker beside it has no room: until the end, and
     * for as long beyond as an answer takes to arrive anywhere else. */
    room_us = max_u64(sub_u64(fair_us, ask->backlog_us),
                      work_in_us(pool, sub_u64(end_us + lead_us / 2, dry), p->k->speed_milli));
    if (!p->least && (!room_us || dry > max_u64(end_us / GATE_DIVISOR, ahead)))
        return false;
    p->end_us = scale_u64(left_us, 1000, all_milli);
    p->level_us = fair_us / p->k->workers;
    ahead += lead_us; /* which is over when the answer is there */
    p->horizon_us = work_in_us(pool, ahead, p->k->speed_milli) + 1;
    p->bridge_us = min_u64(work_in_us(pool, sub_u64(ahead, dry), mine_milli), room_us);
    p->share_us = max_u64(sub_u64(later_us, ask->backlog_us) / SHARE_DIVISOR, p->bridge_us);
    p->expected_milli = all_milli;
    p->dry = dry_workers(p, ask, dry);
    p->long_bucket = pool->one_machine
                         ? BUCKET_COUNT
                         : bucket_of(max_u64(p->horizon_us, p->level_us / LONG_DIVISOR));
    pick_split(p, left_us);
    p->press_bucket = bucket_of(press_us(p));
    return true;
}
