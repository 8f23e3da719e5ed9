/* pool_match.c - which machine should run a test that the end of the run hangs on.
 *
 * What a machine took to start tells how fast it is, roughly; more is not known then. When one test
 * is so long that it alone is the end of the run, half a percent of its length is spent on short
 * ones first, which tells; then it goes to the machine that would end it earliest, and others leave
 * it alone. */
#include "plan/pool_pick.h"

#define PROBE_DIVISOR 192u    /* so much of the longest test's length is worth knowing more */
#define PROBE_US_MIN  300000u /* in less, nothing is learnt of a machine */
#define PROBE_SHORT   4u      /* a test of a quarter of that is short */
#define SPEED_MILLI   1000u   /* of an average machine */
#define STARTS_US     500000u /* machines of a run start over some such time */
#define SLOW_MARGIN   3u      /* a slow machine begins what takes a third of the run to come */
#define RIVAL_LEADS   2u      /* a machine that is to take a test has to ask for it first */

/* Others are faster by a third, as a whole. */
static bool is_slow(const struct pick *p)
{
    const struct pool *pool = p->pool;
    uint64_t others = pool->workers - p->k->workers;

    return (pool->capacity_milli - taker_milli(p->k)) * 3 > others * p->k->speed_milli * 4;
}

static uint64_t takes_us(const struct pick *p, uint32_t test)
{
    return p->pool->tests[test].cost_us * 1000 / p->k->speed_milli;
}

bool pick_outlasts(const struct pick *p, uint32_t test)
{
    return takes_us(p, test) > p->end_us;
}

/* Does the end of the run hang on where this test goes? On a slow machine sooner: its speed and the
 * test may both be worse than believed, and nobody can help it then. */
static bool is_critical(const struct pick *p, uint32_t test)
{
    return takes_us(p, test) * (is_slow(p) ? SLOW_MARGIN : 1) > p->end_us;
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

/* Is this machine so slow beside one of that speed that it should leave a test to it? What that one
 * holds may take longer than predicted while this one idles: so not for a small gain. */
static bool is_outrun(const struct pick *p, uint64_t milli)
{
    return milli * 7 >= (uint64_t)p->k->speed_milli * 8;
}

/* Is it worth waiting for one who would end it then? It has to ask for it first; and if it does not
 * come, no more is waited than what would have been gained. */
static bool pays(const struct pick *p, uint64_t there_us, uint64_t cost_us)
{
    return there_us + RIVAL_LEADS * p->lead_us + p->waited_us < cost_us * 1000 / p->k->speed_milli;
}

/* Would another machine end it earlier? */
static bool ends_elsewhere(struct pick *p, uint64_t cost_us)
{
    const struct pool_taker *rival;

    if (p->rival == POOL_NONE)
        p->rival = find_rival(p, cost_us);
    rival = &p->pool->takers[p->rival];
    if (p->rival == p->taker ||
        (cost_us < (uint64_t)PROBE_US_MIN * PROBE_DIVISOR && !is_outrun(p, rival->speed_milli)))
        return false;
    return pays(p, end_us(rival, cost_us), cost_us);
}

/* Would the others as a whole? Those still to come count as average machines. They begin with the
 * tests that were left to them already; the first of n workers that end one after the other is free
 * in an n-th of what each has still to do, and of what they run half is done. */
static bool ends_among_others(const struct pick *p, uint64_t cost_us)
{
    const struct pool *pool = p->pool;
    uint64_t here = pool->workers - p->k->workers, n = here, milli, each_us, wait_us;

    if (!p->nobody_comes)
        n += sub_u64(pool->expected_workers, pool->workers);
    if (!n)
        return false;
    milli = (pool->capacity_milli - taker_milli(p->k) + (n - here) * SPEED_MILLI) / n;
    if (!milli || !is_outrun(p, milli))
        return false;
    each_us = ((pool->held_us - p->k->held_us) / 2 + p->left_us) / n;
    wait_us = sub_u64(p->left + 1, sub_u64(n, pool->busy_workers)) * each_us / n;
    return pays(p, wait_us + cost_us * 1000 / milli, cost_us);
}

/* Would one that is still to come? They are average machines, and take what was left to them
 * before. Nobody knows when: the work that was done by now stands for the time that was waited. */
static bool ends_on_newcomer(const struct pick *p, uint64_t cost_us)
{
    const struct pool *pool = p->pool;
    uint64_t missing = sub_u64(pool->expected_workers, pool->workers) / p->k->workers;
    uint64_t come_us, waited_us = pool->done_us / pool->workers;

    if (p->nobody_comes || !missing)
        return false;
    come_us = STARTS_US / missing * (p->left / p->k->workers + 1) + p->lead_us;
    return come_us + cost_us + p->waited_us + waited_us < cost_us * 1000 / p->k->speed_milli;
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
        waits = is_critical(p, test) &&
                (ends_elsewhere(p, t->cost_us) || ends_among_others(p, t->cost_us) ||
                 ends_on_newcomer(p, t->cost_us));
        p->left += waits;
        p->left_us += waits ? t->cost_us : 0;
    }
    p->put_off = p->put_off || waits;
    return waits;
}
