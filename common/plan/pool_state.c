/* pool_state.c - what is where: for status, tests, and who decides beside the pool. */
#include "plan/pool_inner.h"

uint32_t pool_free_count(const struct pool *pool)
{
    return pool->free_count;
}

uint64_t pool_free_us(const struct pool *pool)
{
    return pool->free_us;
}

bool pool_is_free(const struct pool *pool, uint32_t test)
{
    INVARIANT(test < pool->test_count);
    return pool->tests[test].state == TEST_FREE;
}

uint32_t pool_held_count(const struct pool *pool, uint32_t taker)
{
    return taker < pool->taker_count ? pool->takers[taker].held_count : 0;
}

uint64_t pool_held_us(const struct pool *pool, uint32_t taker)
{
    return taker < pool->taker_count ? pool->takers[taker].held_us : 0;
}

uint64_t pool_waiting_us(const struct pool *pool)
{
    return pool->free_us + pool->free_setup_us;
}

uint64_t pool_own_us(const struct pool *pool, uint32_t taker)
{
    const struct lot *lot;

    if (!taker_is_in(pool, taker) || pool->takers[taker].last == POOL_NONE)
        return 0;
    lot = &pool->lots[pool->takers[taker].last];
    return lot->kind == LOT_SCOPE && lot->owner == taker ? lot->sum_us : 0;
}

uint32_t pool_holder(const struct pool *pool, uint32_t test)
{
    const struct node *t;

    INVARIANT(test < pool->test_count);
    t = &pool->tests[test];
    return t->state == TEST_HELD || t->state == TEST_STARTED ? t->taker : POOL_NONE;
}

uint32_t pool_unit_of(const struct pool *pool, uint32_t test)
{
    const struct node *t;

    INVARIANT(test < pool->test_count);
    t = &pool->tests[test];
    return t->state == TEST_FREE && t->lot != POOL_NONE && pool->lots[t->lot].kind == LOT_UNIT
               ? t->lot
               : POOL_NONE;
}

uint32_t pool_unit_owner(const struct pool *pool, uint32_t test)
{
    uint32_t unit = pool_unit_of(pool, test);

    return unit == POOL_NONE ? POOL_NONE : pool->lots[unit].owner;
}

bool pool_is_owner(const struct pool *pool, uint32_t taker)
{
    return taker_is_in(pool, taker) && pool->takers[taker].owned != POOL_NONE;
}

bool pool_may_copy(const struct pool *pool, uint32_t test)
{
    bool by_scope = pool->policy == POOL_SCOPE || pool->policy == POOL_FILE;
    const struct node *t;

    INVARIANT(test < pool->test_count);
    t = &pool->tests[test];
    return !pool->alone_count && t->mutex == POOL_NONE && t->group == POOL_NONE &&
           !(by_scope && t->scope != POOL_NONE) && !(t->flags & (POOL_SERIAL | POOL_NO_SPECULATE));
}

bool pool_is_in(const struct pool *pool, uint32_t taker)
{
    return taker_is_in(pool, taker);
}

uint32_t pool_speed_ppm(const struct pool *pool, uint32_t taker)
{
    INVARIANT(taker_is_in(pool, taker));
    return pool->takers[taker].speed_milli * 1000;
}

uint64_t pool_setup_us(const struct pool *pool, uint32_t test)
{
    uint64_t sum_us = 0;

    INVARIANT(test < pool->test_count);
    for (uint32_t s = pool->tests[test].scope; s != POOL_NONE; s = pool->scopes[s].parent)
        sum_us += pool->scopes[s].setup_us;
    return sum_us;
}

uint32_t pool_scope(const struct pool *pool, uint32_t test)
{
    INVARIANT(test < pool->test_count);
    return pool->tests[test].scope;
}

uint32_t pool_scope_parent(const struct pool *pool, uint32_t scope)
{
    INVARIANT(scope < pool->scope_count);
    return pool->scopes[scope].parent;
}

uint64_t pool_scope_us(const struct pool *pool, uint32_t scope)
{
    INVARIANT(scope < pool->scope_count);
    return pool->scopes[scope].setup_us;
}

bool pool_is_alone(const struct pool *pool, uint32_t test)
{
    INVARIANT(test < pool->test_count);
    return pool->tests[test].flags & POOL_ALONE;
}

bool pool_is_first(const struct pool *pool, uint32_t test)
{
    INVARIANT(test < pool->test_count);
    return pool->tests[test].flags & POOL_FIRST;
}
