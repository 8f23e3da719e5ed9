/* How dear scopes are split when there are more workers than scopes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan/pool.h"

#define AVERAGE 1000000u
#define MS      1000u
#define TESTS   60u

/* Tests of 100 ms, so many in each scope, one scope after the other. */
static struct pool *make(const struct pool_scope *scopes, uint32_t scope_count, uint32_t each)
{
    struct pool_test tests[TESTS];
    const struct pool_input in = { .tests = tests,
                                   .test_count = scope_count * each,
                                   .scopes = scopes,
                                   .scope_count = scope_count };

    assert_true(in.test_count <= TESTS);
    for (uint32_t i = 0; i < in.test_count; i++)
        tests[i] = (struct pool_test){ .cost_us = 100 * MS,
                                       .scope = i / each,
                                       .group = POOL_NONE,
                                       .mutex = POOL_NONE,
                                       .threads = 1 };
    return pool_new(&in);
}

static uint32_t give(struct pool *pool, uint32_t taker, uint32_t workers, uint32_t out[TESTS])
{
    const struct pool_ask ask = { .taker = taker, .free_workers = workers };
    uint32_t n = pool_choose(pool, &ask, out, TESTS);

    for (uint32_t i = 0; i < n; i++)
        pool_take(pool, taker, out[i]);
    return n;
}

/* 1 s and 40 tests: four workers end in 2 s if each gets its part at once. */
static void test_pool_split_shares_a_scope_among_idle_workers(void **state)
{
    const struct pool_scope scope = { POOL_NONE, 1000 * MS };
    struct pool *pool = make(&scope, 1, 40);
    uint32_t out[TESTS];

    (void)state;
    for (uint32_t k = 0; k < 4; k++)
        pool_join(pool, k, 1, AVERAGE);
    for (uint32_t k = 0; k < 4; k++)
        assert_in_range(give(pool, k, 1, out), 9, 11);
    assert_in_range(pool_free_count(pool), 0, 4);
    pool_free(pool);
}

/* Nobody else ends such a scope earlier than who is in it. */
static void test_pool_split_keeps_a_scope_whole_when_entering_takes_longer(void **state)
{
    const struct pool_scope scope = { POOL_NONE, 3000 * MS };
    struct pool *pool = make(&scope, 1, 10);
    uint32_t out[TESTS];

    (void)state;
    pool_join(pool, 0, 1, AVERAGE);
    assert_int_equal(give(pool, 0, 1, out), 10);
    pool_start(pool, out[0]);
    pool_join(pool, 1, 1, AVERAGE);
    assert_int_equal(give(pool, 1, 1, out), 0);
    pool_free(pool);
}

/* One scope keeps one worker busy, so a machine of two gets two. */
static void test_pool_split_gives_each_worker_of_a_machine_a_scope(void **state)
{
    const struct pool_scope scopes[] = { { POOL_NONE, 1000 * MS },
                                         { POOL_NONE, 1000 * MS },
                                         { POOL_NONE, 1000 * MS },
                                         { POOL_NONE, 1000 * MS } };
    struct pool *pool = make(scopes, 4, 10);
    uint32_t out[TESTS];

    (void)state;
    for (uint32_t k = 0; k < 2; k++)
        pool_join(pool, k, 2, AVERAGE);
    for (uint32_t k = 0; k < 2; k++) {
        assert_int_equal(give(pool, k, 2, out), 20);
        assert_int_not_equal(out[0] / 10, out[19] / 10);
    }
    pool_free(pool);
}

/* Two workers, each in a scope with 9 tests to come: for one that enters it in 500 ms two are worth
 * having of each, and no worker is left with nothing. */
static void test_pool_recall_leaves_each_worker_in_its_scope(void **state)
{
    const struct pool_scope scopes[] = { { POOL_NONE, 500 * MS }, { POOL_NONE, 500 * MS } };
    const struct pool_ask ask = { .taker = 1, .free_workers = 2 };
    struct pool *pool = make(scopes, 2, 10);
    uint32_t out[TESTS], of[2] = { 0, 0 }, holder = POOL_NONE, n;

    (void)state;
    pool_join(pool, 0, 2, AVERAGE);
    for (uint32_t i = 0; i < 20; i++)
        pool_take(pool, 0, i);
    pool_start(pool, 0);
    pool_start(pool, 10);
    pool_join(pool, 1, 2, AVERAGE);
    n = pool_choose_recall(pool, &ask, &holder, out, TESTS);
    for (uint32_t i = 0; i < n; i++)
        of[out[i] / 10]++;
    assert_int_equal(holder, 0);
    assert_true(n > 0);
    assert_in_range(of[0], 0, 2);
    assert_in_range(of[1], 0, 2);
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool_split_shares_a_scope_among_idle_workers),
        cmocka_unit_test(test_pool_split_keeps_a_scope_whole_when_entering_takes_longer),
        cmocka_unit_test(test_pool_split_gives_each_worker_of_a_machine_a_scope),
        cmocka_unit_test(test_pool_recall_leaves_each_worker_in_its_scope),
    };

    return cmocka_run_group_tests_name("pool_split", tests, NULL, NULL);
}
