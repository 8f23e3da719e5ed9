#include "plan/pool_inner.h"

static uint32_t scope_lot(const struct pool *pool, uint32_t scope)
{
    return pool->test_count + scope;
}

static uint32_t crumbs_lot(const struct pool *pool, uint32_t scope)
{
    return pool->test_count + pool->scope_count + scope;
}

static uint32_t group_lot(const struct pool *pool, uint32_t group)
{
    return pool->test_count + 2 * pool->scope_count + group;
}

static uint32_t mutex_lot(const struct pool *pool, uint32_t mutex)
{
    return pool->test_count + 2 * pool->scope_count + pool->group_count + mutex;
}

/* The widest scope around a test whose set-up is worth keeping the scope together for. */
static uint32_t binding_scope(const struct pool *pool, const struct node *t)
{
    uint32_t found = POOL_NONE;

    for (uint32_t s = t->scope; s != POOL_NONE; s = pool->scopes[s].parent) {
        const struct pool_place *place = &pool->scopes[s];

        if (place->setup_us >= POOL_SETUP_US_MIN &&
            place->setup_us >= place->work_us / POOL_BIND_FACTOR &&
            place->setup_us >= t->cost_us / POOL_LOOSE_FACTOR)
            found = s;
    }
    return found;
}

/* Which lot a test belongs to, now that it is free. */
static uint32_t lot_of(const struct pool *pool, uint32_t test, enum lot_kind *out_kind)
{
    const struct node *t = &pool->tests[test];
    bool units_by_scope = pool->policy == POOL_SCOPE || pool->policy == POOL_FILE;
    bool together = pool->policy != POOL_LOAD && pool->policy != POOL_STEAL;
    uint32_t scope;

    *out_kind = LOT_UNIT;
    if (units_by_scope && t->scope != POOL_NONE)
        return scope_lot(pool, pool->policy == POOL_FILE ? pool->scopes[t->scope].root : t->scope);
    if (together && !units_by_scope && t->group != POOL_NONE)
        return group_lot(pool, t->group);
    *out_kind = LOT_MUTEX;
    if (t->mutex != POOL_NONE)
        return mutex_lot(pool, t->mutex);
    *out_kind = LOT_SINGLE;
    if (!together || t->scope == POOL_NONE || test_is_heavy(pool, t))
        return test;
    scope = binding_scope(pool, t);
    *out_kind = LOT_SCOPE;
    if (scope != POOL_NONE)
        return scope_lot(pool, scope);
    *out_kind = LOT_CRUMBS;
    if (t->cost_us < POOL_CRUMB_US || (t->flags & POOL_GUESS))
        return crumbs_lot(pool, pool->scopes[t->scope].root);
    *out_kind = LOT_SINGLE;
    return test;
}

uint64_t lot_setup_us(const struct pool *pool, const struct lot *lot)
{
    const struct node *t;
    uint64_t setup_us = 0;

    if (lot->kind == LOT_CRUMBS || lot->head == POOL_NONE)
        return 0;
    t = &pool->tests[lot->head];
    for (uint32_t s = t->scope; s != POOL_NONE; s = pool->scopes[s].parent)
        setup_us += pool->scopes[s].setup_us;
    return setup_us;
}

/* Sixteen buckets for each power of two: sizes in one differ by less than 1/16. */
static uint16_t bucket_of(uint64_t size_us)
{
    uint32_t exponent = 4;

    if (size_us < 16)
        return (uint16_t)size_us;
    while (size_us >> (exponent + 1))
        exponent++;
    return (uint16_t)((exponent - 3) * 16 + ((size_us >> (exponent - 4)) & 15));
}

static uint16_t lot_bucket(const struct pool *pool, const struct lot *lot)
{
    uint64_t size_us = lot->sum_us;

    /* Crumbs are what the gaps at the end are filled with: behind everything larger. */
    if (lot->kind == LOT_CRUMBS)
        return bucket_of(lot->sum_us / lot->count);
    if (lot->kind == LOT_SCOPE || lot->kind == LOT_UNIT)
        size_us += lot_setup_us(pool, lot);
    return bucket_of(size_us);
}

static void unlink_lot(struct pool *pool, uint32_t index)
{
    struct lot *lot = &pool->lots[index];

    if (lot->queue == QUEUE_OUT)
        return;
    if (lot->next != POOL_NONE)
        pool->lots[lot->next].prev = lot->prev;
    if (lot->prev != POOL_NONE)
        pool->lots[lot->prev].next = lot->next;
    if (lot->queue == QUEUE_OWNED) {
        if (lot->prev == POOL_NONE)
            pool->takers[lot->owner].owned = lot->next;
    } else {
        struct queue *q = &pool->queues[lot->queue];

        if (lot->prev == POOL_NONE)
            q->head[lot->bucket] = lot->next;
        if (lot->next == POOL_NONE)
            q->tail[lot->bucket] = lot->prev;
        if (q->head[lot->bucket] == POOL_NONE)
            q->used[lot->bucket / 64] &= ~((uint64_t)1 << lot->bucket % 64);
    }
    lot->queue = QUEUE_OUT;
}

static enum lot_queue queue_of(const struct pool *pool, const struct lot *lot)
{
    if (!lot->count)
        return QUEUE_OUT;
    if (lot->owner != POOL_NONE && lot->kind == LOT_UNIT)
        return QUEUE_OWNED;
    if (lot->owner != POOL_NONE && lot->kind == LOT_SCOPE)
        return QUEUE_BEGUN;
    if (test_is_heavy(pool, &pool->tests[lot->head]))
        return QUEUE_HEAVY;
    return QUEUE_FRESH;
}

static void lot_place(struct pool *pool, uint32_t index)
{
    struct lot *lot = &pool->lots[index];
    enum lot_queue queue = queue_of(pool, lot);
    uint16_t bucket = queue < QUEUE_COUNT ? lot_bucket(pool, lot) : 0;

    if (lot->queue == queue && (queue >= QUEUE_COUNT || lot->bucket == bucket))
        return;
    unlink_lot(pool, index);
    if (queue == QUEUE_OUT)
        return;
    lot->queue = (uint8_t)queue;
    lot->bucket = bucket;
    if (queue == QUEUE_OWNED) {
        uint32_t *first = &pool->takers[lot->owner].owned;

        lot->prev = POOL_NONE;
        lot->next = *first;
        if (*first != POOL_NONE)
            pool->lots[*first].prev = index;
        *first = index;
    } else {
        struct queue *q = &pool->queues[queue];

        lot->prev = q->tail[bucket];
        lot->next = POOL_NONE;
        if (lot->prev == POOL_NONE)
            q->head[bucket] = index;
        else
            pool->lots[lot->prev].next = index;
        q->tail[bucket] = index;
        q->used[bucket / 64] |= (uint64_t)1 << bucket % 64;
    }
}

void lot_insert(struct pool *pool, uint32_t test)
{
    struct node *t = &pool->tests[test];
    enum lot_kind kind;
    uint32_t index = lot_of(pool, test, &kind);
    struct lot *lot = &pool->lots[index];

    if (lot->owner != POOL_NONE && !taker_is_in(pool, lot->owner)) {
        lot->owner = POOL_NONE; /* it has left, and owns nothing */
        lot->claimed = lot->begun = 0;
    }
    lot->kind = (uint8_t)kind;
    t->lot = index;
    t->prev = lot->tail;
    t->next = POOL_NONE;
    if (lot->tail == POOL_NONE)
        lot->head = test;
    else
        pool->tests[lot->tail].next = test;
    lot->tail = test;
    lot->count++;
    lot->sum_us += t->cost_us;
    lot_place(pool, index);
}

void lot_remove(struct pool *pool, uint32_t test)
{
    struct node *t = &pool->tests[test];
    struct lot *lot = &pool->lots[t->lot];

    if (t->prev == POOL_NONE)
        lot->head = t->next;
    else
        pool->tests[t->prev].next = t->next;
    if (t->next == POOL_NONE)
        lot->tail = t->prev;
    else
        pool->tests[t->next].prev = t->prev;
    lot->count--;
    lot->sum_us -= t->cost_us;
    lot_place(pool, t->lot);
}

void lot_disown(struct pool *pool, uint32_t index)
{
    struct lot *lot = &pool->lots[index];

    unlink_lot(pool, index);
    lot->owner = POOL_NONE;
    lot->claimed = lot->begun = 0;
    lot_place(pool, index);
}

void lot_claim(struct pool *pool, uint32_t test, uint32_t taker)
{
    uint32_t index = pool->tests[test].lot;
    struct lot *lot = &pool->lots[index];

    if (lot->kind != LOT_UNIT && lot->kind != LOT_SCOPE)
        return;
    if (lot->kind == LOT_SCOPE)
        pool->takers[taker].last = index;
    else if (lot->owner != POOL_NONE && lot->owner != taker)
        return; /* given out against the promise, which is the caller's affair */
    lot->claimed++;
    if (lot->owner == taker)
        return;
    unlink_lot(pool, index);
    lot->owner = taker;
    lot_place(pool, index);
}

void lot_begin(struct pool *pool, uint32_t test)
{
    struct node *t = &pool->tests[test];
    struct lot *lot = &pool->lots[t->lot];

    if (lot->kind == LOT_UNIT && lot->owner == t->taker) {
        lot->begun++;
        t->counted = true;
    }
}

void lot_unclaim(struct pool *pool, uint32_t test)
{
    struct node *t = &pool->tests[test];
    bool counted = t->counted;
    struct lot *lot;

    t->counted = false;
    if (t->lot == POOL_NONE || t->taker == POOL_NONE)
        return;
    lot = &pool->lots[t->lot];
    if (lot->kind != LOT_UNIT || lot->owner != t->taker)
        return;
    if (counted)
        lot->begun--;
    if (--lot->claimed == 0)
        lot_disown(pool, t->lot);
}

uint32_t queue_below(const struct queue *queue, uint32_t limit)
{
    uint32_t word = limit / 64;
    uint64_t bits;

    if (limit % 64) {
        bits = queue->used[word] & (((uint64_t)1 << limit % 64) - 1);
    } else {
        if (!word)
            return POOL_BUCKETS;
        bits = queue->used[--word];
    }
    for (;;) {
        if (bits) {
            uint32_t top = 63;

            while (!(bits >> top))
                top--;
            return word * 64 + top;
        }
        if (!word)
            return POOL_BUCKETS;
        bits = queue->used[--word];
    }
}
