#include "plan/pool_inner.h"

static uint32_t scope_lot(uint32_t scope)
{
    return scope;
}

static uint32_t file_lot(const struct pool *pool, uint32_t scope)
{
    return pool->scope_count + pool->scopes[scope].root;
}

static uint32_t group_lot(const struct pool *pool, uint32_t group)
{
    return 2 * pool->scope_count + group;
}

static uint32_t mutex_lot(const struct pool *pool, uint32_t mutex)
{
    return 2 * pool->scope_count + pool->group_count + mutex;
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

/* Where a test stands, now that it is free: its lot, or POOL_NONE; and whether it may go alone. */
static uint32_t lot_of(const struct pool *pool, const struct node *t, enum lot_kind *out_kind,
                       enum test_queue *out_queue)
{
    bool by_scope = pool->policy == POOL_SCOPE || pool->policy == POOL_FILE;
    bool together = pool->policy != POOL_LOAD && pool->policy != POOL_STEAL;
    uint32_t scope;

    *out_queue = TESTS_NONE;
    *out_kind = LOT_UNIT;
    if (by_scope && t->scope != POOL_NONE)
        return scope_lot(pool->policy == POOL_FILE ? pool->scopes[t->scope].root : t->scope);
    if (together && !by_scope && t->group != POOL_NONE)
        return group_lot(pool, t->group);
    *out_kind = LOT_MUTEX;
    if (t->mutex != POOL_NONE)
        return mutex_lot(pool, t->mutex);
    if ((t->flags & POOL_ALONE) ||
        (pool->one_machine && (t->threads > 1 || t->mem_mib || (t->flags & POOL_SERIAL)))) {
        *out_queue = TESTS_HEAVY;
        return POOL_NONE;
    }
    if (!together || t->scope == POOL_NONE) {
        *out_queue = TESTS_ALONE;
        return POOL_NONE;
    }
    scope = binding_scope(pool, t);
    *out_kind = LOT_SCOPE;
    if (scope != POOL_NONE)
        return scope_lot(scope);
    *out_kind = LOT_FILE;
    if (!(t->flags & POOL_GUESS))
        *out_queue = TESTS_ALONE;
    return file_lot(pool, t->scope);
}

uint64_t lot_setup_us(const struct pool *pool, const struct lot *lot)
{
    uint64_t setup_us = 0;
    uint32_t s = lot->head == POOL_NONE ? POOL_NONE : pool->tests[lot->head].scope;

    for (; s != POOL_NONE; s = pool->scopes[s].parent)
        setup_us += pool->scopes[s].setup_us;
    return setup_us;
}

uint32_t taker_at(const struct pool *pool, const struct pool_taker *k)
{
    return k->took == POOL_NONE ? POOL_NONE : pool->tests[k->took].scope;
}

uint64_t scope_enter_us(const struct pool *pool, uint32_t to, uint32_t from)
{
    uint64_t setup_us = 0;

    for (; to != POOL_NONE; to = pool->scopes[to].parent) {
        uint32_t open = from;

        /* A scope's index is above its parent's. */
        while (open != POOL_NONE && open > to)
            open = pool->scopes[open].parent;
        if (open == to)
            return setup_us;
        setup_us += pool->scopes[to].setup_us;
    }
    return setup_us;
}

static enum lot_queue queue_of(const struct lot *lot)
{
    if (!lot->count)
        return LOTS_OUT;
    switch ((enum lot_kind)lot->kind) {
    case LOT_UNIT:
        return lot->owner == POOL_NONE ? LOTS_WHOLE : LOTS_OWNED;
    case LOT_SCOPE:
        return lot->owner == POOL_NONE ? LOTS_WHOLE : LOTS_BEGUN;
    case LOT_FILE:
        return lot->owner == POOL_NONE ? LOTS_FILES : LOTS_BEGUN;
    case LOT_MUTEX:
        return LOTS_WHOLE;
    }
    UNREACHABLE("lot kind");
}

static void unplace(struct pool *pool, uint32_t index)
{
    struct lot *lot = &pool->lots[index];
    struct bucket_link l = pool->lot_links[index];

    if (lot->queue < LOTS_QUEUES) {
        bucket_remove(&pool->lot_queues[lot->queue], pool->lot_links, index);
    } else if (lot->queue == LOTS_OWNED) {
        if (l.prev == POOL_NONE)
            pool->takers[lot->owner].owned = l.next;
        else
            pool->lot_links[l.prev].next = l.next;
        if (l.next != POOL_NONE)
            pool->lot_links[l.next].prev = l.prev;
    }
    lot->queue = LOTS_OUT;
}

/* Puts a lot where its state says. */
static void place(struct pool *pool, uint32_t index)
{
    struct lot *lot = &pool->lots[index];
    enum lot_queue queue = queue_of(lot);
    uint64_t size_us = lot->sum_us;

    if (queue < LOTS_QUEUES && lot->kind != LOT_FILE)
        size_us += lot_setup_us(pool, lot);
    if (lot->first)
        size_us = UINT64_MAX;
    if (lot->queue == queue &&
        (queue >= LOTS_QUEUES || pool->lot_links[index].bucket == bucket_of(size_us)))
        return;
    unplace(pool, index);
    lot->queue = (uint8_t)queue;
    if (queue < LOTS_QUEUES) {
        bucket_add(&pool->lot_queues[queue], pool->lot_links, index, size_us);
    } else if (queue == LOTS_OWNED) {
        uint32_t *first = &pool->takers[lot->owner].owned;

        pool->lot_links[index] = (struct bucket_link){ .prev = POOL_NONE, .next = *first };
        if (*first != POOL_NONE)
            pool->lot_links[*first].prev = index;
        *first = index;
    }
}

void lot_disown(struct pool *pool, uint32_t index)
{
    struct lot *lot = &pool->lots[index];

    unplace(pool, index);
    lot->owner = POOL_NONE;
    lot->claimed = lot->begun = 0;
    place(pool, index);
}

/* In the order of collection. Tests mostly come in that order, so the place of the last one that
 * came is where the search begins. */
static void link_in_order(struct pool *pool, struct lot *lot, uint32_t test)
{
    struct node *t = &pool->tests[test];
    uint32_t after = lot->tail != POOL_NONE && lot->tail < test ? lot->tail : lot->hint;

    while (after != POOL_NONE && after > test)
        after = pool->tests[after].prev;
    while (after != POOL_NONE && pool->tests[after].next < test)
        after = pool->tests[after].next;
    t->prev = after;
    t->next = after == POOL_NONE ? lot->head : pool->tests[after].next;
    if (t->prev == POOL_NONE)
        lot->head = test;
    else
        pool->tests[t->prev].next = test;
    if (t->next == POOL_NONE)
        lot->tail = test;
    else
        pool->tests[t->next].prev = test;
    lot->hint = test;
}

/* May a test go ahead of those that it would be run with? Not out of a unit or a mutex, whose tests
 * are one behind the other, nor before others that need more than a CPU. */
static bool may_part(uint32_t lot, enum lot_kind kind, enum test_queue queue)
{
    return lot == POOL_NONE ? queue == TESTS_ALONE : kind == LOT_SCOPE || kind == LOT_FILE;
}

void lot_insert(struct pool *pool, uint32_t test)
{
    struct node *t = &pool->tests[test];
    enum lot_kind kind;
    enum test_queue queue;
    struct lot *lot;

    t->lot = lot_of(pool, t, &kind, &queue);
    if ((t->flags & POOL_FIRST) && t->promised == POOL_NONE && may_part(t->lot, kind, queue)) {
        t->lot = POOL_NONE;
        queue = TESTS_FIRST;
    }
    /* Recalled for somebody, who will take it wherever the rest of its scope is run. */
    if (t->promised != POOL_NONE && may_part(t->lot, kind, queue)) {
        t->lot = POOL_NONE;
        queue = TESTS_ALONE;
    }
    t->queue = (uint8_t)queue;
    if (queue < TESTS_QUEUES)
        bucket_add(&pool->test_queues[queue], pool->test_links, test,
                   queue == TESTS_FIRST ? 0 : t->cost_us);
    if (t->lot == POOL_NONE)
        return;
    lot = &pool->lots[t->lot];
    if (lot->owner != POOL_NONE && !taker_is_in(pool, lot->owner)) {
        lot->owner = POOL_NONE; /* it has left, and owns nothing */
        lot->claimed = lot->begun = 0;
    }
    lot->kind = (uint8_t)kind;
    link_in_order(pool, lot, test);
    lot->count++;
    lot->first += (t->flags & POOL_FIRST) != 0;
    lot->sum_us += t->cost_us;
    place(pool, t->lot);
}

void lot_remove(struct pool *pool, uint32_t test)
{
    struct node *t = &pool->tests[test];
    struct lot *lot;

    if (t->queue < TESTS_QUEUES)
        bucket_remove(&pool->test_queues[t->queue], pool->test_links, test);
    if (t->lot == POOL_NONE)
        return;
    lot = &pool->lots[t->lot];
    if (t->prev == POOL_NONE)
        lot->head = t->next;
    else
        pool->tests[t->prev].next = t->next;
    if (t->next == POOL_NONE)
        lot->tail = t->prev;
    else
        pool->tests[t->next].prev = t->prev;
    if (lot->hint == test)
        lot->hint = t->prev != POOL_NONE ? t->prev : t->next;
    lot->count--;
    lot->first -= (t->flags & POOL_FIRST) != 0;
    lot->sum_us -= t->cost_us;
    place(pool, t->lot);
}

/* The taker of a test that went ahead pays for the test's scope, so the rest is best run there. */
static void enter_scope(struct pool *pool, uint32_t test, uint32_t taker)
{
    enum lot_kind kind;
    enum test_queue queue;
    uint32_t index = lot_of(pool, &pool->tests[test], &kind, &queue);

    if (index == POOL_NONE || kind != LOT_SCOPE)
        return;
    pool->takers[taker].last = index;
    unplace(pool, index);
    pool->lots[index].kind = LOT_SCOPE;
    pool->lots[index].owner = taker;
    place(pool, index);
}

void lot_claim(struct pool *pool, uint32_t test, uint32_t taker)
{
    uint32_t index = pool->tests[test].lot;
    struct lot *lot;

    if (index == POOL_NONE) {
        if ((pool->tests[test].flags & POOL_FIRST) || pool->tests[test].promised == taker)
            enter_scope(pool, test, taker);
        return;
    }
    lot = &pool->lots[index];
    switch ((enum lot_kind)lot->kind) {
    case LOT_MUTEX:
        return;
    case LOT_UNIT:
        if (lot->owner != POOL_NONE && lot->owner != taker)
            return; /* given out against the promise, which is the caller's affair */
        lot->claimed++;
        break;
    case LOT_SCOPE:
    case LOT_FILE:
        pool->takers[taker].last = index;
        break;
    }
    if (lot->owner == taker)
        return;
    unplace(pool, index);
    lot->owner = taker;
    place(pool, index);
}

void lot_begin(struct pool *pool, uint32_t test)
{
    struct node *t = &pool->tests[test];
    struct lot *lot = t->lot == POOL_NONE ? NULL : &pool->lots[t->lot];

    if (lot && lot->kind == LOT_UNIT && lot->owner == t->taker) {
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
