/* Failed-first: which tests, and that the planner lets them go first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan/first.h"
#include "plan/pool.h"

#define AVERAGE 1000000u
#define MS      1000u
#define PLAIN   .scope = POOL_NONE, .group = POOL_NONE, .mutex = POOL_NONE, .threads = 1

static void test_first_takes_what_fits_the_share_shortest_first(void **state)
{
    const uint64_t costs[] = { 50, 400, 30, 100, 420 };
    const bool failed[] = { true, true, true, true, false };
    uint32_t out[5];

    (void)state;
    assert_int_equal(first_choose(costs, failed, 5, 200000, out), 3); /* of 1000 in all */
    assert_int_equal(out[0], 0);
    assert_int_equal(out[1], 2);
    assert_int_equal(out[2], 3);
    assert_int_equal(first_choose(costs, failed, 5, 80000, out), 2);
    assert_int_equal(out[0], 0);
    assert_int_equal(out[1], 2);
    assert_int_equal(first_choose(costs, failed, 5, 0, out), 0);
}

static void test_first_of_nothing_is_nothing(void **state)
{
    (void)state;
    assert_int_equal(first_choose(NULL, NULL, 0, FIRST_PPM_MAX, NULL), 0);
}

/* The order in which a machine's two workers get six tests, one at a time. */
static void run_all(struct pool *pool, uint32_t workers, uint32_t count, uint32_t *order)
{
    for (uint32_t k = 0; k < workers; k++)
        pool_join(pool, k, 1, AVERAGE);
    for (uint32_t i = 0; i < count; i++) {
        const struct pool_ask ask = { .taker = i % workers, .free_workers = 1 };

        assert_int_equal(pool_choose(pool, &ask, &order[i], 1), 1);
        pool_take(pool, i % workers, order[i]);
        pool_start(pool, order[i]);
        pool_finish(pool, order[i]);
    }
}

static void test_pool_lets_those_in_a_hurry_go_first(void **state)
{
    const struct pool_scope files[] = { { POOL_NONE, 0 }, { POOL_NONE, 90 * MS } };
    struct pool_test tests[6];

    (void)state;
    for (uint32_t workers = 1; workers <= 2; workers++) {
        const struct pool_input in = {
            .tests = tests, .test_count = 6, .scopes = files, .scope_count = 2, .one_machine = true
        };
        struct pool *pool;
        uint32_t order[6];

        for (uint32_t i = 0; i < 6; i++) {
            tests[i] = (struct pool_test){ .cost_us = (10 + i) * MS, PLAIN };
            tests[i].scope = i / 3;
        }
        pool = pool_new(&in);
        pool_hurry(pool, 4);
        pool_hurry(pool, 1);
        run_all(pool, workers, 6, order);
        assert_int_equal(order[0], 4);
        assert_int_equal(order[1], 1);
        pool_free(pool);
    }
}

/* A group stays whole: its other tests come along. */
static void test_pool_lets_the_group_of_one_in_a_hurry_go_first(void **state)
{
    struct pool_test tests[6];
    const struct pool_input in = { .tests = tests, .test_count = 6, .one_machine = true };
    struct pool *pool;
    uint32_t order[6];

    (void)state;
    for (uint32_t i = 0; i < 6; i++)
        tests[i] = (struct pool_test){ .cost_us = 100 * MS, PLAIN };
    tests[3].group = tests[5].group = 0;
    tests[3].cost_us = tests[5].cost_us = MS;
    tests[5].flags = POOL_FIRST;
    pool = pool_new(&in);
    run_all(pool, 1, 6, order);
    assert_int_equal(order[0], 0); /* one worker alone: the order of collection, units too */
    pool_free(pool);
    pool = pool_new(&in);
    pool_join(pool, 0, 1, AVERAGE);
    pool_join(pool, 1, 1, AVERAGE);
    assert_true(pool_choose(pool, &(struct pool_ask){ .free_workers = 1 }, order, 6) >= 2);
    assert_int_equal(order[0], 3);
    assert_int_equal(order[1], 5);
    pool_free(pool);
}

static void test_first_takes_all_unknown_while_they_are_few(void **state)
{
    const uint64_t costs_us[] = { 40, 5, 50, 5, 1 };
    const bool few[] = { true, false, true, false, true };
    const bool many[] = { true, false, true, false, false };
    const bool none[] = { false, false, false, false, false };
    uint32_t out[5] = { 9, 9, 9, 9, 9 };

    (void)state;
    assert_int_equal(first_unknown(costs_us, few, 5, out), 2);
    assert_int_equal(out[0], 1);
    assert_int_equal(out[1], 3);
    assert_int_equal(first_unknown(costs_us, many, 5, out), 0);
    assert_int_equal(first_unknown(costs_us, none, 5, out), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_takes_what_fits_the_share_shortest_first),
        cmocka_unit_test(test_first_of_nothing_is_nothing),
        cmocka_unit_test(test_first_takes_all_unknown_while_they_are_few),
        cmocka_unit_test(test_pool_lets_those_in_a_hurry_go_first),
        cmocka_unit_test(test_pool_lets_the_group_of_one_in_a_hurry_go_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
