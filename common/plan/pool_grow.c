/* pool_grow.c - the same pool with more tests: a new one, told what the old one knows. */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "plan/pool_inner.h"

static struct pool *build(const struct pool *old, const struct pool_input *in)
{
    struct pool_test *tests = mem_new(in->test_count, sizeof(*tests));
    struct pool_scope *scopes = mem_new(in->scope_count, sizeof(*scopes));
    struct pool_input grown = *in;
    struct pool *pool;

    for (uint32_t i = 0; i < in->test_count; i++) {
        tests[i] = in->tests[i];
        if (i >= old->test_count)
            continue;
        tests[i].cost_us = old->tests[i].cost_us;
        tests[i].flags = old->tests[i].flags;
    }
    for (uint32_t s = 0; s < in->scope_count; s++) {
        scopes[s] = in->scopes[s];
        if (s < old->scope_count)
            scopes[s].setup_us = old->scopes[s].setup_us;
    }
    grown.tests = tests;
    grown.scopes = scopes;
    grown.start_absent = true;
    pool = pool_new(&grown);
    free(tests);
    free(scopes);
    return pool;
}

static void start_again(struct pool *pool, const struct pool *old, uint32_t test)
{
    pool_take(pool, old->tests[test].taker, test);
    pool_start(pool, test);
    pool_begun(pool, test, old->tests[test].begun_us);
}

/* Who finished it matters where its unit stays with whom it was begun. */
static void finish_again(struct pool *pool, const struct pool *old, uint32_t test)
{
    if (taker_is_in(pool, old->tests[test].taker))
        start_again(pool, old, test);
    pool_finish(pool, test);
}

static void take_in_order(struct pool *pool, const struct pool *old, uint32_t taker)
{
    for (uint32_t test = old->takers[taker].held_head; test != POOL_NONE;
         test = old->tests[test].next) {
        pool_take(pool, taker, test);
        pool->tests[test].promised = old->tests[test].promised;
    }
    pool->takers[taker].took = old->takers[taker].took;
}

struct pool *pool_grown(const struct pool *old, const struct pool_input *in)
{
    struct pool *pool;

    INVARIANT(in->test_count >= old->test_count && in->scope_count >= old->scope_count);
    pool = build(old, in);
    for (uint32_t i = 0; i < old->taker_count; i++)
        if (taker_is_in(old, i))
            pool_join(pool, i, old->takers[i].workers, old->takers[i].speed_milli * 1000);
    pool_expect(pool, old->expected_workers);
    pool->pace_milli = old->pace_milli;
    for (uint32_t i = 0; i < old->test_count; i++) {
        if (old->tests[i].state == TEST_ABSENT)
            continue;
        if (old->tests[i].state == TEST_FREE)
            pool->tests[i].promised = old->tests[i].promised;
        pool_put_back(pool, i);
    }
    /* What is over comes first: then nobody holds anything that it could have met. */
    for (uint32_t i = 0; i < old->test_count; i++)
        if (old->tests[i].state == TEST_DONE)
            finish_again(pool, old, i);
    for (uint32_t i = 0; i < old->test_count; i++)
        if (old->tests[i].state == TEST_STARTED)
            start_again(pool, old, i);
    for (uint32_t i = 0; i < old->taker_count; i++)
        if (taker_is_in(old, i))
            take_in_order(pool, old, i);
    pool->done_us = old->done_us;
    return pool;
}
