#include "plan/pool.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "plan/pool_inner.h"

#define MIB_BYTES ((uint64_t)1 << 20)

static void index_scopes(struct pool *pool, const struct pool_input *in)
{
    pool->scopes = mem_new(in->scope_count, sizeof(*pool->scopes));
    for (uint32_t s = 0; s < in->scope_count; s++) {
        uint32_t parent = in->scopes[s].parent;

        INVARIANT(parent == POOL_NONE || parent < s);
        pool->scopes[s] = (struct pool_place){
            .setup_us = in->scopes[s].setup_us,
            .parent = parent,
            .root = parent == POOL_NONE ? s : pool->scopes[parent].root,
        };
    }
}

static void charge_scopes(struct pool *pool, uint32_t scope, uint64_t add_us, uint64_t drop_us)
{
    for (; scope != POOL_NONE; scope = pool->scopes[scope].parent)
        pool->scopes[scope].work_us += add_us - drop_us;
}

static bool is_alone(const struct node *t)
{
    return (t->flags & POOL_ALONE) != 0;
}

/* Set-ups that are still to be paid, once each: of scopes with free tests that nobody is in. */
static uint64_t scope_due_us(const struct pool_place *place)
{
    return place->free && !place->touched ? place->setup_us : 0;
}

/* Tests of a scope, and of those around it, become free or cease to be; come into a hand or go
 * back. */
static void count_scopes(struct pool *pool, uint32_t scope, int32_t free_more, int32_t touched_more)
{
    for (; scope != POOL_NONE; scope = pool->scopes[scope].parent) {
        struct pool_place *place = &pool->scopes[scope];

        pool->free_setup_us -= scope_due_us(place);
        place->free += (uint32_t)free_more;
        place->touched += (uint32_t)touched_more;
        pool->free_setup_us += scope_due_us(place);
    }
}

static uint64_t bounded_cost(uint64_t cost_us)
{
    return cost_us < POOL_COST_US_MAX ? cost_us : POOL_COST_US_MAX;
}

static void index_tests(struct pool *pool, const struct pool_input *in)
{
    pool->tests = mem_new(in->test_count, sizeof(*pool->tests));
    for (uint32_t i = 0; i < in->test_count; i++) {
        const struct pool_test *t = &in->tests[i];

        INVARIANT(t->scope == POOL_NONE || t->scope < in->scope_count);
        INVARIANT(t->group == POOL_NONE || t->group < in->test_count);
        INVARIANT(t->mutex == POOL_NONE || t->mutex < in->test_count);
        INVARIANT(t->mem_bytes <= POOL_MEM_BYTES_MAX);
        pool->tests[i] = (struct node){
            .cost_us = bounded_cost(t->cost_us),
            .scope = t->scope,
            .group = t->group,
            .mutex = t->mutex,
            .lot = POOL_NONE,
            .prev = POOL_NONE,
            .next = POOL_NONE,
            .taker = POOL_NONE,
            .promised = POOL_NONE,
            .mem_mib = (uint32_t)((t->mem_bytes + MIB_BYTES - 1) / MIB_BYTES),
            .threads = (uint16_t)(t->threads < 1            ? 1
                                  : t->threads > UINT16_MAX ? UINT16_MAX
                                                            : t->threads),
            .state = TEST_ABSENT,
            .flags = (uint8_t)t->flags,
        };
        pool->alone_count += is_alone(&pool->tests[i]);
        charge_scopes(pool, t->scope, pool->tests[i].cost_us, 0);
        if (t->group != POOL_NONE && t->group >= pool->group_count)
            pool->group_count = t->group + 1;
        if (t->mutex != POOL_NONE && t->mutex >= pool->mutex_count)
            pool->mutex_count = t->mutex + 1;
    }
}

static void index_lots(struct pool *pool)
{
    pool->lot_count = 2 * pool->scope_count + pool->group_count + pool->mutex_count;
    pool->lots = mem_new(pool->lot_count, sizeof(*pool->lots));
    for (uint32_t i = 0; i < pool->lot_count; i++)
        pool->lots[i] = (struct lot){ .head = POOL_NONE,
                                      .tail = POOL_NONE,
                                      .hint = POOL_NONE,
                                      .owner = POOL_NONE,
                                      .queue = LOTS_OUT };
    pool->test_links = mem_new(pool->test_count, sizeof(*pool->test_links));
    pool->lot_links = mem_new(pool->lot_count, sizeof(*pool->lot_links));
    pool->answer_at = mem_new(pool->test_count, sizeof(*pool->answer_at));
    for (uint32_t q = 0; q < TESTS_QUEUES; q++)
        bucket_init(&pool->test_queues[q]);
    for (uint32_t q = 0; q < LOTS_QUEUES; q++)
        bucket_init(&pool->lot_queues[q]);
    pool->mutexes = mem_new(pool->mutex_count, sizeof(*pool->mutexes));
    for (uint32_t m = 0; m < pool->mutex_count; m++)
        pool->mutexes[m].taker = POOL_NONE;
}

static void set_free(struct pool *pool, uint32_t test)
{
    pool->tests[test].state = TEST_FREE;
    if (test < pool->first_free)
        pool->first_free = test;
    pool->free_count++;
    pool->alone_free += is_alone(&pool->tests[test]);
    pool->free_us += pool->tests[test].cost_us;
    count_scopes(pool, pool->tests[test].scope, 1, 0);
    lot_insert(pool, test);
}

struct pool *pool_new(const struct pool_input *in)
{
    struct pool *pool = mem_new(1, sizeof(*pool));

    pool->pace_milli = 1000;
    pool->policy = in->policy;
    pool->one_machine = in->one_machine;
    pool->cpus = in->cpus;
    pool->budget_mib = in->mem_bytes / MIB_BYTES;
    pool->test_count = in->test_count;
    pool->scope_count = in->scope_count;
    pool->serial_taker = POOL_NONE;
    pool->first_free = in->test_count;
    index_scopes(pool, in);
    index_tests(pool, in);
    index_lots(pool);
    for (uint32_t i = 0; i < in->test_count && !in->start_absent; i++)
        set_free(pool, i);
    return pool;
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    free(pool->tests);
    free(pool->test_links);
    free(pool->lots);
    free(pool->lot_links);
    free(pool->answer_at);
    free(pool->scopes);
    free(pool->mutexes);
    free(pool->takers);
    free(pool);
}

void pool_join(struct pool *pool, uint32_t taker, uint32_t workers, uint32_t speed_ppm)
{
    struct pool_taker *k;

    INVARIANT(taker < POOL_TAKERS_MAX && !taker_is_in(pool, taker) && workers > 0);
    if (taker >= pool->taker_count) {
        size_t more = taker + 1 - pool->taker_count;

        pool->takers = mem_grow(pool->takers, &pool->taker_cap, taker + 1, sizeof(*pool->takers));
        memset(&pool->takers[pool->taker_count], 0, more * sizeof(*pool->takers));
        pool->taker_count = taker + 1;
    }
    k = &pool->takers[taker];
    *k = (struct pool_taker){
        .held_head = POOL_NONE,
        .held_tail = POOL_NONE,
        .owned = POOL_NONE,
        .last = POOL_NONE,
        .took = POOL_NONE,
        .workers = workers,
        .speed_milli = speed_ppm < 1000 ? 1 : speed_ppm / 1000,
    };
    pool->workers += workers;
    pool->capacity_milli += (uint64_t)workers * k->speed_milli;
}

static uint32_t busy_workers(const struct pool_taker *k)
{
    uint32_t in_hand = k->held_count + k->running;

    return in_hand < k->workers ? in_hand : k->workers;
}

void pool_leave(struct pool *pool, uint32_t taker)
{
    struct pool_taker *k;

    INVARIANT(taker_is_in(pool, taker));
    k = &pool->takers[taker];
    pool->busy_workers -= busy_workers(k);
    pool->workers -= k->workers;
    pool->capacity_milli -= (uint64_t)k->workers * k->speed_milli;
    while (k->owned != POOL_NONE)
        lot_disown(pool, k->owned);
    if (k->last != POOL_NONE && pool->lots[k->last].owner == taker)
        lot_disown(pool, k->last);
    k->workers = 0;
}

void pool_respeed(struct pool *pool, uint32_t taker, uint32_t speed_ppm)
{
    struct pool_taker *k;

    INVARIANT(taker_is_in(pool, taker));
    k = &pool->takers[taker];
    pool->capacity_milli -= (uint64_t)k->workers * k->speed_milli;
    k->speed_milli = speed_ppm < 1000 ? 1 : speed_ppm / 1000;
    pool->capacity_milli += (uint64_t)k->workers * k->speed_milli;
}

void pool_pace(struct pool *pool, uint32_t pace_ppm)
{
    pool->pace_milli = pace_ppm < 1000 ? 1 : pace_ppm / 1000;
}

void pool_expect(struct pool *pool, uint32_t workers)
{
    pool->expected_workers = workers;
}

/* A test comes into a taker's hands, or leaves them: what is counted of both. */
static void count_in(struct pool *pool, struct pool_taker *k, uint32_t taker, const struct node *t)
{
    if (k->held_count + k->running == 0)
        pool->busy_takers++;
    pool->busy_workers += k->held_count + k->running < k->workers;
    k->held_us += t->cost_us + t->setup_us;
    pool->held_us += t->cost_us + t->setup_us;
    pool->extra_threads += t->threads - 1u;
    pool->alone_in_hand += is_alone(t);
    pool->hand_mib += t->mem_mib;
    if (t->flags & POOL_SERIAL) {
        pool->serial_taker = taker;
        pool->serial_count++;
    }
    if (t->mutex != POOL_NONE) {
        pool->mutexes[t->mutex].taker = taker;
        pool->mutexes[t->mutex].in_hand++;
    }
}

static void count_out(struct pool *pool, struct pool_taker *k, const struct node *t)
{
    if (k->held_count + k->running == 0)
        pool->busy_takers--;
    pool->busy_workers -= k->held_count + k->running < k->workers;
    k->held_us -= t->cost_us + t->setup_us;
    pool->held_us -= t->cost_us + t->setup_us;
    pool->extra_threads -= t->threads - 1u;
    pool->alone_in_hand -= is_alone(t);
    pool->hand_mib -= t->mem_mib;
    if (t->flags & POOL_SERIAL && --pool->serial_count == 0)
        pool->serial_taker = POOL_NONE;
    if (t->mutex != POOL_NONE && --pool->mutexes[t->mutex].in_hand == 0)
        pool->mutexes[t->mutex].taker = POOL_NONE;
}

static void unlink_held(struct pool *pool, struct pool_taker *k, const struct node *t)
{
    if (t->prev == POOL_NONE)
        k->held_head = t->next;
    else
        pool->tests[t->prev].next = t->next;
    if (t->next == POOL_NONE)
        k->held_tail = t->prev;
    else
        pool->tests[t->next].prev = t->prev;
    k->held_count--;
}

/* Takes a test out of the place that it has by its state. */
static void detach(struct pool *pool, uint32_t test)
{
    struct node *t = &pool->tests[test];
    struct pool_taker *k = t->taker == POOL_NONE ? NULL : &pool->takers[t->taker];

    switch ((enum test_state)t->state) {
    case TEST_FREE:
        pool->free_count--;
        pool->alone_free -= is_alone(t);
        pool->free_us -= t->cost_us;
        count_scopes(pool, t->scope, -1, 0);
        lot_remove(pool, test);
        t->state = TEST_ABSENT;
        while (pool->first_free < pool->test_count &&
               pool->tests[pool->first_free].state != TEST_FREE)
            pool->first_free++;
        return;
    case TEST_HELD:
        unlink_held(pool, k, t);
        count_out(pool, k, t);
        return;
    case TEST_STARTED:
        clock_forget(pool, test);
        k->running--;
        count_out(pool, k, t);
        return;
    case TEST_ABSENT:
    case TEST_DONE:
        return;
    }
    UNREACHABLE("test state");
}

void pool_take(struct pool *pool, uint32_t taker, uint32_t test)
{
    struct node *t;
    struct pool_taker *k;

    INVARIANT(test < pool->test_count && taker_is_in(pool, taker));
    t = &pool->tests[test];
    k = &pool->takers[taker];
    INVARIANT(t->state == TEST_FREE);
    lot_claim(pool, test, taker);
    detach(pool, test);
    t->setup_us = scope_enter_us(pool, t->scope, taker_at(pool, k));
    k->took = test;
    count_in(pool, k, taker, t);
    count_scopes(pool, t->scope, 0, 1);
    t->state = TEST_HELD;
    t->taker = taker;
    t->promised = POOL_NONE;
    t->prev = k->held_tail;
    t->next = POOL_NONE;
    if (k->held_tail == POOL_NONE)
        k->held_head = test;
    else
        pool->tests[k->held_tail].next = test;
    k->held_tail = test;
    k->held_count++;
}

void pool_promise(struct pool *pool, uint32_t test, uint32_t taker)
{
    INVARIANT(test < pool->test_count && taker_is_in(pool, taker));
    pool->tests[test].promised = taker;
}

void pool_start(struct pool *pool, uint32_t test)
{
    struct node *t;

    INVARIANT(test < pool->test_count && pool->tests[test].state == TEST_HELD);
    t = &pool->tests[test];
    unlink_held(pool, &pool->takers[t->taker], t);
    pool->takers[t->taker].running++;
    t->state = TEST_STARTED;
    lot_begin(pool, test);
}

void pool_finish(struct pool *pool, uint32_t test)
{
    INVARIANT(test < pool->test_count && pool->tests[test].state != TEST_DONE);
    if (pool->tests[test].state == TEST_HELD)
        lot_begin(pool, test);
    if (pool->tests[test].state == TEST_HELD || pool->tests[test].state == TEST_STARTED)
        pool->done_us += pool->tests[test].cost_us;
    else
        count_scopes(pool, pool->tests[test].scope, 0, 1);
    detach(pool, test);
    pool->tests[test].state = TEST_DONE;
}

void pool_put_back(struct pool *pool, uint32_t test)
{
    INVARIANT(test < pool->test_count && pool->tests[test].state != TEST_FREE);
    if (pool->tests[test].state != TEST_ABSENT)
        count_scopes(pool, pool->tests[test].scope, 0, -1);
    detach(pool, test);
    lot_unclaim(pool, test);
    pool->tests[test].taker = POOL_NONE;
    set_free(pool, test);
}

void pool_recost(struct pool *pool, uint32_t test, uint64_t cost_us)
{
    struct node *t;
    uint64_t old_us, begun_us;
    bool is_free;

    INVARIANT(test < pool->test_count);
    t = &pool->tests[test];
    old_us = t->cost_us;
    cost_us = bounded_cost(cost_us);
    if (cost_us == old_us)
        return;
    is_free = t->state == TEST_FREE;
    if (is_free)
        detach(pool, test);
    charge_scopes(pool, t->scope, cost_us, old_us);
    begun_us = t->begun_us;
    clock_forget(pool, test);
    t->cost_us = cost_us;
    pool_begun(pool, test, begun_us);
    if (is_free) {
        set_free(pool, test);
    } else if (t->state == TEST_HELD || t->state == TEST_STARTED) {
        pool->takers[t->taker].held_us += cost_us - old_us;
        pool->held_us += cost_us - old_us;
    }
}

void pool_hurry(struct pool *pool, uint32_t test)
{
    bool is_free;

    INVARIANT(test < pool->test_count);
    if (pool->tests[test].flags & POOL_FIRST)
        return;
    is_free = pool->tests[test].state == TEST_FREE;
    if (is_free)
        detach(pool, test);
    pool->tests[test].flags |= POOL_FIRST;
    if (is_free)
        set_free(pool, test);
}

void pool_rescope(struct pool *pool, uint32_t scope, uint64_t setup_us)
{
    struct pool_place *place;

    INVARIANT(scope < pool->scope_count);
    place = &pool->scopes[scope];
    pool->free_setup_us -= scope_due_us(place);
    place->setup_us = bounded_cost(setup_us);
    pool->free_setup_us += scope_due_us(place);
}
