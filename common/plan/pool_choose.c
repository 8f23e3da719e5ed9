#include "plan/pool_inner.h"

#define SHARE_NUMERATOR   2u /* of its fair share, a taker gets 2/5 at a time, so shares shrink */
#define SHARE_DENOMINATOR 5u
#define LEADS_AHEAD       2u /* a taker keeps the work of two requests ahead */
#define LEADS_AT_END      3u /* with less left than this, the rest is dealt out */
#define GATE_DIVISOR      4u /* a busy taker with more than a quarter of its share waits */

/* One answer in the making. Work is in microseconds of an average machine, summed over workers. */
struct pick {
    const struct pool *pool;
    const struct pool_taker *k;
    uint32_t taker;
    uint64_t level_us; /* work that a worker of this taker does until the run's predicted end */
    uint64_t share_us; /* what it should get now */
    uint64_t given_us;
    uint32_t least; /* so many tests in any case */
    uint32_t *out;
    uint32_t max, count;
};

static uint64_t sub(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static uint64_t capacity_milli(const struct pool_taker *k)
{
    return (uint64_t)k->workers * k->speed_milli;
}

/* Fills level, share and least; false when the taker has enough. */
static bool pick_size(struct pick *p, const struct pool_ask *ask)
{
    const struct pool *pool = p->pool;
    uint64_t mine_milli = capacity_milli(p->k);
    uint64_t lead_us = ask->lead_us ? ask->lead_us : pool->one_machine ? 0 : POOL_LEAD_US;
    uint64_t left_us = pool->free_us + sub(pool->held_us, p->k->held_us) + ask->backlog_us;
    uint64_t end_us = (uint64_t)((wide_uint)left_us * 1000 / pool->capacity_milli);
    uint64_t fair_us = (uint64_t)((wide_uint)end_us * mine_milli / 1000);
    uint64_t room_us = sub(fair_us, ask->backlog_us);
    uint64_t ahead_us = (uint64_t)((wide_uint)lead_us * LEADS_AHEAD * mine_milli / 1000);

    p->least = ask->free_workers;
    p->level_us = fair_us / p->k->workers;
    if (!p->least) {
        uint64_t gate_us = fair_us / GATE_DIVISOR;

        if (!room_us || ask->backlog_us > (gate_us > ahead_us ? gate_us : ahead_us))
            return false;
    }
    if (end_us <= lead_us * LEADS_AT_END)
        p->share_us = room_us;
    else
        p->share_us = (uint64_t)((wide_uint)room_us * SHARE_NUMERATOR / SHARE_DENOMINATOR);
    if (p->share_us < sub(ahead_us, ask->backlog_us))
        p->share_us =
            sub(ahead_us, ask->backlog_us) < room_us ? sub(ahead_us, ask->backlog_us) : room_us;
    return true;
}

static bool pick_full(const struct pick *p)
{
    return p->count == p->max || (p->given_us >= p->share_us && p->count >= p->least);
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
        return true;
    if (pool->serial_taker != POOL_NONE && pool->serial_taker != p->taker)
        return false;
    if (t->flags & POOL_SERIAL)
        return others == 0;
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
    p->out[p->count++] = test;
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

static void pick_each(struct pick *p, const struct lot *lot)
{
    for (uint32_t t = lot->head; t != POOL_NONE && !pick_full(p); t = p->pool->tests[t].next)
        if (eligible(p, &p->pool->tests[t]))
            pick_test(p, t);
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
    case LOT_SINGLE:
    case LOT_CRUMBS:
    case LOT_MUTEX:
        pick_each(p, lot);
        return;
    }
    UNREACHABLE("lot kind");
}

static void pick_queue(struct pick *p, enum lot_queue which)
{
    const struct queue *q = &p->pool->queues[which];

    for (uint32_t b = queue_below(q, POOL_BUCKETS); b < POOL_BUCKETS; b = queue_below(q, b))
        for (uint32_t i = q->head[b]; i != POOL_NONE; i = p->pool->lots[i].next) {
            if (pick_full(p))
                return;
            pick_lot(p, i);
        }
}

uint32_t pool_choose(const struct pool *pool, const struct pool_ask *ask, uint32_t *out,
                     uint32_t max)
{
    struct pick p = { .pool = pool, .taker = ask->taker, .out = out, .max = max };

    INVARIANT(taker_is_in(pool, ask->taker));
    p.k = &pool->takers[ask->taker];
    if (!pool->free_count || !max || !pick_size(&p, ask))
        return 0;
    /* What it has begun, the tests that need several CPUs while they are free, then by size. */
    for (uint32_t i = p.k->owned; i != POOL_NONE && !pick_full(&p); i = pool->lots[i].next)
        pick_unit(&p, &pool->lots[i]);
    if (p.k->last != POOL_NONE && pool->lots[p.k->last].count && !pick_full(&p))
        pick_scope(&p, &pool->lots[p.k->last], true);
    if (!pick_full(&p))
        pick_queue(&p, QUEUE_HEAVY);
    if (!pick_full(&p))
        pick_queue(&p, QUEUE_FRESH);
    if (!pick_full(&p))
        pick_queue(&p, QUEUE_BEGUN);
    return p.count;
}

/* The taker that would end last by what it holds, among those with something to give. */
static uint32_t slowest(const struct pool *pool, uint32_t but, uint64_t *out_end_us)
{
    uint32_t found = POOL_NONE;
    uint64_t worst_us = 0;

    for (uint32_t i = 0; i < pool->taker_count; i++) {
        const struct pool_taker *k = &pool->takers[i];
        uint64_t end_us;

        if (i == but || !taker_is_in(pool, i) || k->held_count <= k->workers)
            continue;
        end_us = k->held_us * 1000 / capacity_milli(k);
        if (end_us > worst_us) {
            worst_us = end_us;
            found = i;
        }
    }
    *out_end_us = worst_us;
    return found;
}

/* The whole of a unit, if none of it has begun and none of it is among the first skipped. */
static uint32_t recall_unit(const struct pool *pool, uint32_t from, uint32_t stop, uint32_t *out,
                            uint32_t max)
{
    uint32_t index = pool->tests[from].lot, n = 0;
    const struct lot *lot = &pool->lots[index];

    if (lot->begun || lot->claimed > max)
        return 0;
    for (uint32_t t = from; t != stop && n < lot->claimed; t = pool->tests[t].prev)
        if (pool->tests[t].lot == index)
            out[n++] = t;
    return n == lot->claimed ? n : 0;
}

static bool named(const uint32_t *tests, uint32_t count, uint32_t test)
{
    while (count-- > 0)
        if (tests[count] == test)
            return true;
    return false;
}

uint32_t pool_choose_recall(const struct pool *pool, uint32_t taker, uint32_t *out_holder,
                            uint32_t *out, uint32_t max)
{
    uint64_t lead_us = pool->one_machine ? 0 : (uint64_t)2 * POOL_LEAD_US;
    uint64_t end_us, want_us, moved_us = 0;
    const struct pool_taker *holder, *k = &pool->takers[taker];
    uint32_t from, keep, n = 0;

    INVARIANT(taker_is_in(pool, taker));
    from = slowest(pool, taker, &end_us);
    if (pool->free_count || from == POOL_NONE || end_us <= lead_us || !max)
        return 0;
    holder = &pool->takers[from];
    /* Both would end together: what the holder does in the time that is left is shared. */
    want_us = (uint64_t)((wide_uint)(end_us - lead_us) * capacity_milli(holder) *
                         capacity_milli(k) / (capacity_milli(holder) + capacity_milli(k)) / 1000);
    keep = holder->held_head;
    for (uint32_t i = 0; i + 1 < holder->workers && keep != POOL_NONE; i++)
        keep = pool->tests[keep].next;
    for (uint32_t t = holder->held_tail;
         t != keep && t != POOL_NONE && n < max && moved_us < want_us; t = pool->tests[t].prev) {
        const struct node *node = &pool->tests[t];
        uint32_t got = 1;

        if (node->mutex != POOL_NONE || moved_us + node->cost_us / 2 > want_us)
            continue;
        if (node->lot != POOL_NONE && pool->lots[node->lot].kind == LOT_UNIT)
            got = named(out, n, t) ? 0 : recall_unit(pool, t, keep, out + n, max - n);
        else
            out[n] = t;
        for (uint32_t i = n; i < n + got; i++)
            moved_us += pool->tests[out[i]].cost_us;
        n += got;
    }
    if (n)
        *out_holder = from;
    return n;
}
