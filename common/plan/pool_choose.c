#include "plan/pool_pick.h"

#define JOIN_LEADS (uint64_t)2 /* a set-up is dear beside this many requests */

static bool pick_full(const struct pick *p)
{
    return p->stopped || p->count == p->max ||
           ((p->given_us >= p->share_us || p->passed) && p->bridged_us >= p->bridge_us &&
            p->filled >= p->least);
}

/* Was it recalled for somebody else, who idles? Or it would go back to whom it was taken from, and
 * be recalled again. What is left of a unit that had begun stays where it is. */
static bool is_promised(const struct pick *p, const struct node *t)
{
    const struct pool *pool = p->pool;
    const struct pool_taker *k;

    if (t->promised == POOL_NONE || t->promised == p->taker || !taker_is_in(pool, t->promised))
        return false;
    if (t->lot != POOL_NONE && pool->lots[t->lot].kind == LOT_UNIT &&
        pool->lots[t->lot].owner != POOL_NONE)
        return false;
    k = &pool->takers[t->promised];
    return k->held_count + k->running < k->workers;
}

/* Of several machines: who needs the run alone gets it when nobody else is at anything, with others
 * of its kind, and nobody gets anything beside it. */
static bool beside_all(const struct pick *p, const struct node *t, uint32_t others)
{
    uint32_t in_hand = p->k->held_count + p->k->running;

    if (t->flags & POOL_ALONE)
        return others == 0 && in_hand == p->pool->alone_in_hand && (p->alone || p->count == 0);
    return !p->alone && p->pool->alone_in_hand == 0;
}

/* A test can be come upon by its size, in its lot and among what was put off. */
static bool is_picked(const struct pick *p, uint32_t test)
{
    uint32_t at = p->pool->answer_at[test];

    return at < p->count && p->out[at] == test;
}

/* May the taker have this test, beside what runs and what it gets already? */
static bool eligible(const struct pick *p, uint32_t test)
{
    const struct pool *pool = p->pool;
    const struct node *t = &pool->tests[test];
    bool busy = p->k->held_count + p->k->running > 0;
    uint32_t others = pool->busy_takers - busy, cpus = pool->cpus ? pool->cpus : pool->workers;

    if (t->mutex != POOL_NONE && pool->mutexes[t->mutex].taker != POOL_NONE &&
        pool->mutexes[t->mutex].taker != p->taker)
        return false;
    if (is_picked(p, test) || is_promised(p, t))
        return false;
    if (!pool->one_machine)
        return beside_all(p, t, others);
    if (pool->serial_taker != POOL_NONE && pool->serial_taker != p->taker)
        return false;
    if (t->flags & POOL_SERIAL)
        return others == 0;
    if (t->mem_mib && pool->hand_mib && pool->budget_mib &&
        pool->hand_mib + t->mem_mib > pool->budget_mib)
        return false;
    return others == 0 || others + pool->extra_threads + t->threads <= cpus;
}

/* A test takes all of its machine's workers, or some of them. */
static uint64_t work_of(const struct pick *p, const struct node *t)
{
    uint32_t width = t->flags & POOL_SERIAL ? p->k->workers : t->threads;

    if (p->pool->one_machine)
        return t->cost_us;
    return t->cost_us * (width < p->k->workers ? width : p->k->workers);
}

/* Is it for a worker that is dry, and no other? */
static bool is_long(const struct pick *p, uint32_t test)
{
    return bucket_of(p->pool->tests[test].cost_us) > p->long_bucket;
}

static void pick_test(struct pick *p, uint32_t test)
{
    const struct node *t = &p->pool->tests[test];
    uint64_t work_us = work_of(p, t), setup_us = scope_enter_us(p->pool, t->scope, p->scope);

    /* A test longer than all that is left fills one worker, not the share of several. */
    if (t->threads == 1 && work_us > p->level_us && p->level_us)
        work_us = p->level_us;
    work_us += setup_us;
    p->given_us += work_us;
    p->alone = t->flags & POOL_ALONE;
    p->bridged_us += min_u64(work_us, p->horizon_us);
    p->scope = t->scope;
    p->given_long += is_long(p, test);
    p->pool->answer_at[test] = p->count;
    p->out[p->count++] = test;
    p->filled++;
}

/* One that can be had on its own: it is left for another share, or another taker, if it would not
 * end within this one. */
static void pick_alone(struct pick *p, uint32_t test)
{
    if (!eligible(p, test) || pick_waits(p, test))
        return;
    if (is_long(p, test) && p->given_long >= p->dry) {
        p->passed = true;
        return;
    }
    if (p->filled >= p->least && p->bridged_us >= p->bridge_us &&
        p->given_us + work_of(p, &p->pool->tests[test]) > p->share_us)
        p->stopped = true;
    else
        pick_test(p, test);
}

/* Was it looked at already, when tests that press were? */
static bool pressed(const struct pick *p, uint32_t test)
{
    return p->pool->tests[test].queue == TESTS_ALONE &&
           p->pool->test_links[test].bucket > p->press_bucket;
}

/* A unit, whole: unless it is the first of an answer, it is left when it does not fit. What cannot
 * start yet waits, with all behind it: a unit runs in order. */
static void pick_unit(struct pick *p, const struct lot *lot)
{
    if (p->count && lot->count > p->max - p->count)
        return;
    for (uint32_t t = lot->head; t != POOL_NONE && p->count < p->max; t = p->pool->tests[t].next) {
        if (!eligible(p, t))
            return;
        pick_test(p, t);
    }
}

/* A scope that is dear to enter: whole if it fits, else a piece that is worth its set-up. */
static void pick_scope(struct pick *p, const struct lot *lot)
{
    uint64_t setup_us = scope_enter_us(p->pool, p->pool->tests[lot->head].scope, p->scope);
    uint64_t left_us = lot->sum_us, bridged_us = p->bridged_us;
    uint32_t count = p->count, filled = p->filled;
    uint64_t stop_us = max_u64(p->share_us, p->given_us + setup_us);

    /* One worker runs it: no more than it can do until the end. */
    stop_us = min_u64(stop_us, p->given_us + p->level_us);
    if (p->split_us)
        stop_us = p->given_us + setup_us + pick_piece_us(p, lot, setup_us);
    for (uint32_t t = lot->head; t != POOL_NONE && p->count < p->max; t = p->pool->tests[t].next) {
        if (!eligible(p, t))
            break;
        if (p->given_us >= stop_us && (left_us > setup_us || p->split_us) && p->count > count)
            break;
        left_us -= p->pool->tests[t].cost_us;
        pick_test(p, t);
    }
    /* A piece of a scope is for one worker, however many tests are in it. */
    if (p->split_us && p->count > count) {
        p->filled = filled + 1;
        p->bridged_us = min_u64(p->bridged_us, bridged_us + p->horizon_us);
    }
}

static void pick_some(struct pick *p, const struct lot *lot)
{
    for (uint32_t t = lot->head; t != POOL_NONE && !pick_full(p); t = p->pool->tests[t].next)
        if (!pressed(p, t))
            pick_alone(p, t);
}

/* Others are in this scope: joining them ends it earlier only if the set-up is the smaller part;
 * and while something else may come, waiting for that is cheaper. */
static bool worth_joining(const struct pick *p, const struct lot *lot)
{
    uint64_t setup_us = lot_setup_us(p->pool, lot);

    if (lot->owner == p->taker || !taker_is_in(p->pool, lot->owner))
        return true;
    return setup_us < lot->sum_us && (!p->more || setup_us < JOIN_LEADS * POOL_LEAD_US);
}

static void pick_lot(struct pick *p, uint32_t index)
{
    const struct lot *lot = &p->pool->lots[index];

    switch ((enum lot_kind)lot->kind) {
    case LOT_UNIT:
        pick_unit(p, lot);
        return;
    case LOT_SCOPE:
        if (index != p->k->last && worth_joining(p, lot))
            pick_scope(p, lot);
        return;
    case LOT_FILE:
        if (index != p->k->last)
            pick_some(p, lot);
        return;
    case LOT_MUTEX:
        pick_some(p, lot);
        return;
    }
    UNREACHABLE("lot kind");
}

/* What the taker is at. */
static void pick_begun(struct pick *p)
{
    const struct pool *pool = p->pool;
    const struct lot *last = p->k->last == POOL_NONE ? NULL : &pool->lots[p->k->last];

    for (uint32_t i = p->k->owned; i != POOL_NONE && !pick_full(p); i = pool->lot_links[i].next)
        pick_unit(p, &pool->lots[i]);
    if (last && last->count && last->kind == LOT_SCOPE && !pick_full(p))
        pick_scope(p, last);
}

/* Longest first, as far as the order matters: tests and whole lots larger than a fraction of what
 * each worker has still to do. */
static void pick_pressing(struct pick *p, uint32_t *io_lot)
{
    const struct pool *pool = p->pool;
    const struct bucket_queue *tests = &pool->test_queues[TESTS_ALONE];
    const struct bucket_queue *lots = &pool->lot_queues[LOTS_WHOLE];
    uint32_t t = bucket_first(tests), l = *io_lot;

    while (!pick_full(p)) {
        uint32_t size = t == BUCKET_NONE ? 0 : pool->test_links[t].bucket;
        uint32_t lot_size = l == BUCKET_NONE ? 0 : pool->lot_links[l].bucket;

        if (size <= p->press_bucket && lot_size <= p->press_bucket)
            break;
        if (size >= lot_size) {
            pick_alone(p, t);
            t = p->passed && size > p->long_bucket ? bucket_below(tests, p->long_bucket + 1u)
                                                   : bucket_next(tests, pool->test_links, t);
        } else {
            pick_lot(p, l);
            l = bucket_next(lots, pool->lot_links, l);
        }
    }
    *io_lot = l;
}

static void pick_lots(struct pick *p, enum lot_queue which, uint32_t from)
{
    const struct bucket_queue *q = &p->pool->lot_queues[which];

    for (uint32_t i = from; i != BUCKET_NONE && !pick_full(p);
         i = bucket_next(q, p->pool->lot_links, i))
        pick_lot(p, i);
}

/* Scopes that somebody is in, and that will not end in time without more workers. */
static void pick_wanted(struct pick *p)
{
    const struct bucket_queue *q = &p->pool->lot_queues[LOTS_BEGUN];

    for (uint32_t i = p->split_us ? bucket_first(q) : BUCKET_NONE;
         i != BUCKET_NONE && !pick_full(p); i = bucket_next(q, p->pool->lot_links, i))
        if (p->pool->lots[i].kind == LOT_SCOPE && i != p->k->last &&
            pick_wants_more(p, &p->pool->lots[i]))
            pick_scope(p, &p->pool->lots[i]);
}

static void pick_tests(struct pick *p, enum test_queue which, bool without_lot)
{
    const struct bucket_queue *q = &p->pool->test_queues[which];

    for (uint32_t t = bucket_first(q); t != BUCKET_NONE && !pick_full(p);
         t = bucket_next(q, p->pool->test_links, t))
        if (!without_lot || (p->pool->tests[t].lot == POOL_NONE && !pressed(p, t)))
            pick_alone(p, t);
}

static bool same_file(const struct pool *pool, uint32_t a, uint32_t b)
{
    uint32_t of_a = pool->tests[a].scope, of_b = pool->tests[b].scope;

    return of_a != POOL_NONE && of_b != POOL_NONE &&
           pool->scopes[of_a].root == pool->scopes[of_b].root;
}

static void pick_if_free(struct pick *p, uint32_t test)
{
    const struct node *t = &p->pool->tests[test];

    if (t->state == TEST_FREE && t->queue != TESTS_FIRST && eligible(p, test))
        pick_test(p, test);
}

/* Alone in the run, order does not matter to the end of it: that of collection then, so that all is
 * as without us. A file that is begun goes on, also if tests before it have come meanwhile. */
static void pick_in_order(struct pick *p)
{
    const struct pool *pool = p->pool;
    uint32_t took = p->k->took;

    for (uint32_t t = took + 1;
         took != POOL_NONE && t < pool->test_count && !pick_full(p) && same_file(pool, took, t);
         t++)
        pick_if_free(p, t);
    for (uint32_t t = pool->first_free; t < pool->test_count && !pick_full(p); t++)
        pick_if_free(p, t);
}

static void pick_rest(struct pick *p, uint32_t from)
{
    const struct bucket_queue *q = &p->pool->test_queues[TESTS_ALONE];

    for (uint32_t t = from; t != BUCKET_NONE && !pick_full(p);
         t = bucket_next(q, p->pool->test_links, t))
        pick_alone(p, t);
}

/* What was left to others or for later, as this taker has nothing else to do: first all but the
 * longest, which others may well end earlier; then that too, unless one of them would. */
static void pick_put_off(struct pick *p)
{
    const struct bucket_queue *q = &p->pool->test_queues[TESTS_ALONE];
    uint32_t longest = bucket_first(q), next = bucket_next(q, p->pool->test_links, longest);

    p->probe_us = 0;
    p->spared = longest;
    pick_rest(p, next);
    p->spared = POOL_NONE;
    p->nobody_comes = true;
    pick_rest(p, next);
    pick_rest(p, longest);
}

/* What goes before all others does not go before a test that alone lasts longer than the run to
 * come: a worker begins that, those beside it run the others. */
static void pick_outlasting(struct pick *p)
{
    const struct bucket_queue *q = &p->pool->test_queues[TESTS_ALONE];

    if (p->pool->one_machine || bucket_first(&p->pool->test_queues[TESTS_FIRST]) == BUCKET_NONE)
        return;
    for (uint32_t t = bucket_first(q);
         t != BUCKET_NONE && p->count < p->dry && !pick_full(p) && pick_outlasts(p, t);
         t = bucket_next(q, p->pool->test_links, t))
        pick_alone(p, t);
}

uint32_t pool_choose(const struct pool *pool, const struct pool_ask *ask, uint32_t *out,
                     uint32_t max)
{
    struct pick p = { .pool = pool,
                      .taker = ask->taker,
                      .more = ask->more,
                      .lead_us = pool_lead_us(pool, ask),
                      .waited_us = ask->free_workers ? ask->waited_us : 0,
                      .rival = POOL_NONE,
                      .spared = POOL_NONE,
                      .out = out,
                      .max = max };
    uint32_t lot;

    INVARIANT(taker_is_in(pool, ask->taker));
    p.k = &pool->takers[ask->taker];
    p.scope = taker_at(pool, p.k);
    if (!pool->free_count || !max || !pick_size(&p, ask))
        return 0;
    pick_outlasting(&p);
    pick_tests(&p, TESTS_FIRST, false);
    if (pool->one_machine && pool->workers == 1) {
        pick_in_order(&p);
        return p.count;
    }
    pick_probe(&p);
    pick_begun(&p);
    pick_tests(&p, TESTS_HEAVY, false);
    lot = bucket_first(&pool->lot_queues[LOTS_WHOLE]);
    pick_pressing(&p, &lot);
    if (p.k->last != POOL_NONE && pool->lots[p.k->last].kind == LOT_FILE)
        pick_some(&p, &pool->lots[p.k->last]);
    pick_wanted(&p);
    pick_lots(&p, LOTS_WHOLE, lot);
    pick_lots(&p, LOTS_FILES, bucket_first(&pool->lot_queues[LOTS_FILES]));
    pick_lots(&p, LOTS_BEGUN, bucket_first(&pool->lot_queues[LOTS_BEGUN]));
    pick_tests(&p, TESTS_ALONE, true);
    if (p.put_off && p.filled < p.least)
        pick_put_off(&p);
    return p.count;
}

bool pool_may_take(const struct pool *pool, uint32_t taker, uint32_t test)
{
    struct pick p = { .pool = pool, .taker = taker };

    INVARIANT(taker_is_in(pool, taker) && test < pool->test_count);
    p.k = &pool->takers[taker];
    return pool->tests[test].state == TEST_FREE && eligible(&p, test);
}
