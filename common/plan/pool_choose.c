#include "plan/pool_inner.h"

#define SHARE_DIVISOR   4u     /* of what a taker has room for, it gets a quarter: shares shrink */
#define LEADS_AHEAD     3u     /* but at least what keeps it busy for three requests */
#define GATE_DIVISOR    4u     /* a taker that is busy for a quarter of the run to come can wait */
#define PRESS_DIVISOR   8u     /* a test of an eighth of what a worker has still to do presses */
#define PRESS_US_MIN    10000u /* shorter ones never do: a request takes longer */
#define PRESS_US_MIN_IN 3000u  /* the same in a machine, where asking is cheap */

/* One answer in the making. Work is in microseconds of an average machine, summed over workers. */
struct pick {
    const struct pool *pool;
    const struct pool_taker *k;
    uint32_t taker;
    uint64_t level_us; /* work that a worker of this taker does until the run's predicted end */
    uint64_t share_us; /* what it should get now */
    uint64_t next_us;  /* what it needs until another request could be answered */
    uint64_t given_us;
    uint32_t least;        /* so many tests in any case */
    uint32_t press_bucket; /* tests in larger buckets come first, wherever they are */
    bool stopped;          /* the next test is too long for this share */
    bool alone;            /* what was picked needs the run alone */
    uint32_t *out;
    uint32_t max, count;
};

static uint64_t sub(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t scale(uint64_t v, uint64_t by, uint64_t per)
{
    return (uint64_t)((wide_uint)v * by / per);
}

/* Time until the taker's first worker has nothing to do. */
static uint64_t dry_us(const struct pick *p, const struct pool_ask *ask)
{
    if (p->least)
        return 0;
    return ask->dry_us ? ask->dry_us : ask->backlog_us * 1000 / taker_milli(p->k);
}

/* Workers that are not here yet count as those that are. */
static uint64_t expected_milli(const struct pool *pool)
{
    uint64_t missing = sub(pool->expected_workers, pool->workers);

    return pool->capacity_milli + missing * pool->capacity_milli / pool->workers;
}

/* Fills level, share, next, least and press; false when the taker has enough. */
static bool pick_size(struct pick *p, const struct pool_ask *ask)
{
    const struct pool *pool = p->pool;
    uint64_t mine_milli = taker_milli(p->k);
    uint64_t lead_us = ask->lead_us || pool->one_machine ? ask->lead_us : POOL_LEAD_US;
    uint64_t left_us = pool->free_us + sub(pool->held_us, p->k->held_us) + ask->backlog_us;
    uint64_t end_us = scale(left_us, 1000, pool->capacity_milli);
    uint64_t fair_us = scale(end_us, mine_milli, 1000);
    uint64_t later_us = scale(left_us, mine_milli, expected_milli(pool));
    uint32_t in_hand = p->k->held_count + p->k->running;
    uint64_t dry, room_us;

    p->least = ask->free_workers;
    if (p->k->workers > in_hand + p->least)
        p->least = p->k->workers - in_hand;
    dry = dry_us(p, ask);
    /* One long test in hand does not mean that the worker beside it has no room. */
    room_us =
        max_u64(sub(fair_us, ask->backlog_us), scale(sub(end_us, dry), p->k->speed_milli, 1000));
    if (!p->least && (!room_us || dry > max_u64(end_us / GATE_DIVISOR, lead_us * LEADS_AHEAD)))
        return false;
    p->level_us = fair_us / p->k->workers;
    p->next_us = min_u64(scale(sub(lead_us * LEADS_AHEAD, dry), mine_milli, 1000), room_us);
    p->share_us = max_u64(sub(later_us, ask->backlog_us) / SHARE_DIVISOR, p->next_us);
    p->press_bucket = bucket_of(
        max_u64(p->level_us / PRESS_DIVISOR, pool->one_machine ? PRESS_US_MIN_IN : PRESS_US_MIN));
    return true;
}

static bool pick_full(const struct pick *p)
{
    return p->stopped || p->count == p->max || (p->given_us >= p->share_us && p->count >= p->least);
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

/* May the taker start this test beside what runs? */
static bool eligible(const struct pick *p, const struct node *t)
{
    const struct pool *pool = p->pool;
    bool busy = p->k->held_count + p->k->running > 0;
    uint32_t others = pool->busy_takers - busy, cpus = pool->cpus ? pool->cpus : pool->workers;

    if (t->mutex != POOL_NONE && pool->mutexes[t->mutex].taker != POOL_NONE &&
        pool->mutexes[t->mutex].taker != p->taker)
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

static void pick_test(struct pick *p, uint32_t test)
{
    const struct node *t = &p->pool->tests[test];
    uint64_t work_us = work_of(p, t);

    /* A test longer than all that is left fills one worker, not the share of several. */
    if (t->threads == 1 && work_us > p->level_us && p->level_us)
        work_us = p->level_us;
    p->given_us += work_us;
    p->alone = t->flags & POOL_ALONE;
    p->out[p->count++] = test;
}

/* One that can be had on its own: it is left for another share, or another taker, if it would not
 * end within this one. */
static void pick_alone(struct pick *p, uint32_t test)
{
    const struct node *t = &p->pool->tests[test];

    if (!eligible(p, t))
        return;
    if (p->count >= p->least && p->given_us >= p->next_us &&
        p->given_us + work_of(p, t) > p->share_us)
        p->stopped = true;
    else
        pick_test(p, test);
}

/* Was it picked already, when tests that press were? */
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
    if (eligible(p, &p->pool->tests[lot->head]))
        p->given_us += lot_setup_us(p->pool, lot);
    for (uint32_t t = lot->head; t != POOL_NONE && p->count < p->max; t = p->pool->tests[t].next) {
        if (!eligible(p, &p->pool->tests[t]))
            return;
        pick_test(p, t);
    }
}

/* A scope that is dear to enter: whole if it fits, else a piece that is worth its set-up. */
static void pick_scope(struct pick *p, const struct lot *lot, bool entered)
{
    uint64_t setup_us = entered ? 0 : lot_setup_us(p->pool, lot);
    uint64_t left_us = lot->sum_us;
    uint64_t stop_us = p->given_us + setup_us > p->share_us ? p->given_us + setup_us : p->share_us;

    /* One worker runs it: no more than it can do until the end. */
    if (p->given_us + p->level_us < stop_us)
        stop_us = p->given_us + p->level_us;
    p->given_us += setup_us;
    for (uint32_t t = lot->head; t != POOL_NONE && p->count < p->max; t = p->pool->tests[t].next) {
        if (!eligible(p, &p->pool->tests[t]))
            return;
        if (p->given_us >= stop_us && left_us > setup_us && p->count >= p->least)
            return;
        left_us -= p->pool->tests[t].cost_us;
        pick_test(p, t);
    }
}

static void pick_some(struct pick *p, const struct lot *lot)
{
    for (uint32_t t = lot->head; t != POOL_NONE && !pick_full(p); t = p->pool->tests[t].next)
        if (!pressed(p, t))
            pick_alone(p, t);
}

/* Others are in this scope: joining them ends it earlier only if the set-up is the smaller part. */
static bool worth_joining(const struct pick *p, const struct lot *lot)
{
    return lot->owner == p->taker || !taker_is_in(p->pool, lot->owner) ||
           lot_setup_us(p->pool, lot) < lot->sum_us;
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
            pick_scope(p, lot, lot->owner == p->taker);
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
        pick_scope(p, last, true);
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
            t = bucket_next(tests, pool->test_links, t);
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

static void pick_tests(struct pick *p, enum test_queue which, bool without_lot)
{
    const struct bucket_queue *q = &p->pool->test_queues[which];

    for (uint32_t t = bucket_first(q); t != BUCKET_NONE && !pick_full(p);
         t = bucket_next(q, p->pool->test_links, t))
        if (!without_lot || (p->pool->tests[t].lot == POOL_NONE && !pressed(p, t)))
            pick_alone(p, t);
}

/* Alone in the run, order does not matter to the end of it: that of collection then, so that all is
 * as without us. */
static void pick_in_order(struct pick *p)
{
    for (uint32_t t = p->pool->first_free; t < p->pool->test_count && !pick_full(p); t++)
        if (p->pool->tests[t].state == TEST_FREE && p->pool->tests[t].queue != TESTS_FIRST &&
            eligible(p, &p->pool->tests[t]))
            pick_test(p, t);
}

uint32_t pool_choose(const struct pool *pool, const struct pool_ask *ask, uint32_t *out,
                     uint32_t max)
{
    struct pick p = { .pool = pool, .taker = ask->taker, .out = out, .max = max };
    uint32_t lot;

    INVARIANT(taker_is_in(pool, ask->taker));
    p.k = &pool->takers[ask->taker];
    if (!pool->free_count || !max || !pick_size(&p, ask))
        return 0;
    pick_tests(&p, TESTS_FIRST, false);
    if (pool->one_machine && pool->workers == 1) {
        pick_in_order(&p);
        return p.count;
    }
    pick_begun(&p);
    pick_tests(&p, TESTS_HEAVY, false);
    lot = bucket_first(&pool->lot_queues[LOTS_WHOLE]);
    pick_pressing(&p, &lot);
    if (p.k->last != POOL_NONE && pool->lots[p.k->last].kind == LOT_FILE)
        pick_some(&p, &pool->lots[p.k->last]);
    pick_lots(&p, LOTS_WHOLE, lot);
    pick_lots(&p, LOTS_FILES, bucket_first(&pool->lot_queues[LOTS_FILES]));
    pick_lots(&p, LOTS_BEGUN, bucket_first(&pool->lot_queues[LOTS_BEGUN]));
    pick_tests(&p, TESTS_ALONE, true);
    return p.count;
}

bool pool_may_take(const struct pool *pool, uint32_t taker, uint32_t test)
{
    struct pick p = { .pool = pool, .taker = taker };

    INVARIANT(taker_is_in(pool, taker) && test < pool->test_count);
    p.k = &pool->takers[taker];
    return pool->tests[test].state == TEST_FREE && eligible(&p, &pool->tests[test]);
}
