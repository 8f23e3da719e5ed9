/* pool_match.c - which machine should run a test that the end of the run hangs on.
 *
 * Nobody knows at the start which machine is fast. When one test is so long that it alone is the
 * end of the run, half a percent of its length is spent on short ones first, which tells; then it
 * goes to the machine that would end it earliest, and others leave it alone. */
#include "plan/pool_pick.h"

#define PROBE_DIVISOR 192u    /* so much of the longest test's length is worth knowing more */
#define PROBE_US_MIN  300000u /* in less, nothing is learnt of a machine */
#define PROBE_SHORT   4u      /* a test of a quarter of that is short */
#define RIVAL_LEADS   2u      /* a machine that is to take a test has to ask for it first */

/* Does the end of the run hang on where this test goes? */
static bool is_critical(const struct pick *p, uint32_t test)
{
    return p->pool->tests[test].cost_us * 1000 / p->k->speed_milli > p->end_us;
}

void pick_probe(struct pick *p)
{
    const struct pool *pool = p->pool;
    uint32_t longest = bucket_first(&pool->test_queues[TESTS_ALONE]);
    uint64_t each_us;

    if (pool->one_machine || longest == BUCKET_NONE || !is_critical(p, longest))
        return;
    each_us = pool->tests[longest].cost_us / PROBE_DIVISOR;
    if (each_us < PROBE_US_MIN || pool->done_us > each_us * pool->workers)
        return;
    p->probe_us = each_us / PROBE_SHORT;
    p->share_us = min_u64(p->share_us, max_u64(p->probe_us * p->k->workers, p->bridge_us));
}

/* When a machine would have ended a test of this length: it finishes what it has first. */
static uint64_t end_us(const struct pool_taker *k, uint64_t cost_us)
{
    return k->held_us * 1000 / taker_milli(k) + cost_us * 1000 / k->speed_milli;
}

/* The machine but this that would end it first; this one when it is alone. */
static uint32_t find_rival(const struct pick *p, uint64_t cost_us)
{
    const struct pool *pool = p->pool;
    uint32_t best = p->taker;

    for (uint32_t i = 0; i < pool->taker_count; i++)
        if (i != p->taker && pool->takers[i].workers &&
            (best == p->taker ||
             end_us(&pool->takers[i], cost_us) < end_us(&pool->takers[best], cost_us)))
            best = i;
    return best;
}

/* Would another machine end it earlier? It has to ask for it first. What it holds may take longer
 * than predicted while this one idles: so not for a small gain, unless the test is a long one. */
static bool ends_elsewhere(struct pick *p, uint64_t cost_us)
{
    const struct pool_taker *rival;

    if (p->rival == POOL_NONE)
        p->rival = find_rival(p, cost_us);
    rival = &p->pool->takers[p->rival];
    if (p->rival == p->taker ||
        (cost_us < (uint64_t)PROBE_US_MIN * PROBE_DIVISOR &&
         (uint64_t)rival->speed_milli * 3 < (uint64_t)p->k->speed_milli * 4))
        return false;
    return end_us(rival, cost_us) + RIVAL_LEADS * p->lead_us < cost_us * 1000 / p->k->speed_milli;
}

bool pick_waits(struct pick *p, uint32_t test)
{
    const struct node *t = &p->pool->tests[test];
    bool waits;

    if (p->pool->one_machine || t->queue != TESTS_ALONE || t->promised == p->taker ||
        (t->flags & POOL_ALONE))
        return false;
    if (p->probe_us) {
        waits = t->cost_us > p->probe_us;
    } else if (test == p->spared) {
        waits = true;
    } else {
        waits = is_critical(p, test) && ends_elsewhere(p, t->cost_us);
    }
    p->put_off = p->put_off || waits;
    return waits;
}
