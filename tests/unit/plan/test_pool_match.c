/* Which machine runs the tests that the end of a run hangs on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base.h"
#include "plan/pool.h"

#define AVERAGE 1000000u
#define SLOW    500000u
#define MS      (uint64_t)1000
#define PLAIN   .scope = POOL_NONE, .group = POOL_NONE, .mutex = POOL_NONE, .threads = 1
#define LONG    0 /* of the tests below */
#define TESTS   26

/* A test of a second, and half a second of short ones. */
static struct pool *pool_of(uint32_t expected)
{
    struct pool_test tests[TESTS];
    const struct pool_input in = { .tests = tests, .test_count = ARRAY_LEN(tests) };
    struct pool *pool;

    tests[LONG] = (struct pool_test){ .cost_us = 1000 * MS, PLAIN };
    for (uint32_t i = 1; i < ARRAY_LEN(tests); i++)
        tests[i] = (struct pool_test){ .cost_us = 20 * MS, PLAIN };
    pool = pool_new(&in);
    pool_expect(pool, expected);
    return pool;
}

static bool gets_the_long_one(const struct pool *pool, uint32_t taker, uint64_t waited_us)
{
    uint32_t out[TESTS], n;

    n = pool_choose(pool,
                    &(struct pool_ask){ .taker = taker, .free_workers = 1, .waited_us = waited_us },
                    out, ARRAY_LEN(out));
    assert_true(n > 0 || waited_us == 0);
    for (uint32_t i = 0; i < n; i++)
        if (out[i] == LONG)
            return true;
    return false;
}

/* A slow machine comes first: it begins with something else, the next one takes the long test. */
static void test_pool_leaves_the_longest_to_those_still_to_come(void **state)
{
    struct pool *pool = pool_of(2);

    (void)state;
    pool_join(pool, 0, 1, SLOW);
    assert_false(gets_the_long_one(pool, 0, 0));
    pool_join(pool, 1, 1, AVERAGE);
    assert_true(gets_the_long_one(pool, 1, 0));
    pool_free(pool);
    pool = pool_of(2);
    pool_join(pool, 0, 1, AVERAGE);
    assert_true(gets_the_long_one(pool, 0, 0));
    pool_free(pool);
}

/* Nobody knows whether the others come: with nothing else to do it runs it itself. */
static void test_pool_waits_for_nobody_with_nothing_else_to_do(void **state)
{
    struct pool *pool = pool_of(2);

    (void)state;
    pool_join(pool, 0, 1, SLOW);
    for (uint32_t i = 1; i < TESTS; i++)
        pool_finish(pool, i);
    assert_true(gets_the_long_one(pool, 0, 0));
    pool_free(pool);
}

/* One that is a little slow waits as long as being on an average one is worth, and that many soon
 * come: what was done by now tells how long it has waited. */
static void test_pool_leaves_the_longest_to_many_still_to_come(void **state)
{
    struct pool *pool = pool_of(32);

    (void)state;
    pool_join(pool, 0, 1, AVERAGE * 9 / 10);
    assert_false(gets_the_long_one(pool, 0, 0));
    for (uint32_t i = 1; i <= 5; i++) {
        pool_take(pool, 0, i);
        pool_finish(pool, i);
    }
    assert_true(gets_the_long_one(pool, 0, 0));
    pool_free(pool);
    pool = pool_of(2);
    pool_join(pool, 0, 1, AVERAGE * 9 / 10);
    assert_true(gets_the_long_one(pool, 0, 0));
    pool_free(pool);
}

/* A faster one is there, but does not ask: no more is waited for it than its being faster is worth.
 */
static void test_pool_waits_no_longer_than_it_gains(void **state)
{
    struct pool *pool = pool_of(2);

    (void)state;
    pool_join(pool, 0, 1, SLOW);
    pool_join(pool, 1, 1, AVERAGE);
    for (uint32_t i = 1; i < TESTS; i++)
        pool_finish(pool, i);
    assert_false(gets_the_long_one(pool, 0, 0));
    assert_true(gets_the_long_one(pool, 0, 1000 * MS));
    pool_free(pool);
}

/* It is busy, and has heard nothing for long only because what it runs is long: that is no waiting.
 */
static void test_pool_counts_no_waiting_of_a_busy_machine(void **state)
{
    struct pool *pool = pool_of(2);
    const struct pool_ask ask = { .taker = 0, .dry_us = 1, .waited_us = 1000 * MS };
    uint32_t out[TESTS];

    (void)state;
    pool_join(pool, 0, 1, SLOW);
    pool_join(pool, 1, 1, AVERAGE);
    for (uint32_t i = 1; i < TESTS - 1; i++)
        pool_finish(pool, i);
    pool_take(pool, 0, TESTS - 1);
    pool_start(pool, TESTS - 1);
    assert_int_equal(pool_choose(pool, &ask, out, ARRAY_LEN(out)), 0);
    pool_free(pool);
}

/* A test of a quarter of the run's length may still be its end on a machine of half the speed. */
static void test_pool_leaves_what_is_long_to_who_is_not_slow(void **state)
{
    struct pool_test tests[40];
    const struct pool_input in = { .tests = tests, .test_count = ARRAY_LEN(tests) };
    const struct pool_ask ask = { .taker = 0, .free_workers = 1 };
    uint32_t out[40], n;

    (void)state;
    for (uint32_t i = 0; i < ARRAY_LEN(tests); i++)
        tests[i] = (struct pool_test){ .cost_us = (i < 8 ? 500 : 100) * MS, PLAIN };
    for (uint32_t speed_ppm = SLOW; speed_ppm <= AVERAGE; speed_ppm += AVERAGE - SLOW) {
        struct pool *pool = pool_new(&in);

        pool_join(pool, 0, 1, speed_ppm);
        for (uint32_t k = 1; k < 4; k++)
            pool_join(pool, k, 1, AVERAGE);
        n = pool_choose(pool, &ask, out, ARRAY_LEN(out));
        assert_true(n > 0);
        assert_int_equal(tests[out[0]].cost_us, (speed_ppm == SLOW ? 100 : 500) * MS);
        pool_free(pool);
    }
}

/* Two workers, two tests of a length: a third would wait behind one of them. */
static void test_pool_gives_no_long_test_for_later(void **state)
{
    struct pool_test tests[8];
    const struct pool_input in = { .tests = tests, .test_count = ARRAY_LEN(tests) };
    uint32_t out[8];

    (void)state;
    for (uint32_t i = 0; i < ARRAY_LEN(tests); i++)
        tests[i] = (struct pool_test){ .cost_us = 1000 * MS, PLAIN };
    for (uint32_t speed_ppm = 400000; speed_ppm < 1600000; speed_ppm += 37000) {
        struct pool *pool = pool_new(&in);

        pool_join(pool, 0, 2, speed_ppm);
        pool_join(pool, 1, 2, speed_ppm);
        assert_int_equal(
            pool_choose(
                pool,
                &(struct pool_ask){ .taker = 0, .free_workers = 2, .dry_us = 1, .lead_us = 20001 },
                out, ARRAY_LEN(out)),
            2);
        pool_free(pool);
    }
}

/* One worker is free, the other busy for long: one test, and none to wait behind that. */
static void test_pool_gives_a_long_test_to_who_is_free(void **state)
{
    struct pool_test tests[20];
    const struct pool_input in = { .tests = tests, .test_count = ARRAY_LEN(tests) };
    struct pool_ask ask = { .taker = 0, .free_workers = 1, .lead_us = 20 * MS };
    struct pool *pool;
    uint32_t out[20];

    (void)state;
    for (uint32_t i = 0; i < ARRAY_LEN(tests); i++)
        tests[i] = (struct pool_test){ .cost_us = 1000 * MS, PLAIN };
    pool = pool_new(&in);
    for (uint32_t k = 0; k < 8; k++)
        pool_join(pool, k, 2, AVERAGE);
    pool_take(pool, 0, 0);
    pool_start(pool, 0);
    ask.backlog_us = 500 * MS;
    assert_int_equal(pool_choose(pool, &ask, out, ARRAY_LEN(out)), 1);
    ask.backlog_us = 50 * MS; /* it will be free before another request is answered */
    assert_int_equal(pool_choose(pool, &ask, out, ARRAY_LEN(out)), 2);
    pool_free(pool);
}

/* Tests that go before all others, and one that is as long as the run: that is begun at once. */
static void test_pool_begins_the_longest_beside_what_goes_first(void **state)
{
    struct pool_test tests[20];
    const struct pool_input in = { .tests = tests, .test_count = ARRAY_LEN(tests) };
    const struct pool_ask ask = { .taker = 0, .free_workers = 2 };
    struct pool *pool;
    uint32_t out[20], n;

    (void)state;
    for (uint32_t i = 0; i < ARRAY_LEN(tests); i++)
        tests[i] = (struct pool_test){ .cost_us = 100 * MS, PLAIN, .flags = i ? POOL_FIRST : 0 };
    for (uint32_t k = 1; k <= 10; k++) {
        tests[0].cost_us = 100 * k * MS;
        pool = pool_new(&in);
        pool_join(pool, 0, 2, AVERAGE);
        pool_join(pool, 1, 2, AVERAGE);
        n = pool_choose(pool, &ask, out, ARRAY_LEN(out));
        assert_true(n > 1);
        assert_int_equal(out[0] == 0, k * 100 * 4 > k * 100 + 1900); /* of what four workers do */
        assert_true(out[1] != 0);
        pool_free(pool);
    }
}

/* It was recalled for a machine of which little is known yet, with room for two: it comes once. */
static void test_pool_names_a_long_recalled_test_once(void **state)
{
    struct pool_test tests[4];
    const struct pool_input in = { .tests = tests, .test_count = ARRAY_LEN(tests) };
    const struct pool_ask ask = { .taker = 1, .free_workers = 2 };
    struct pool *pool;
    uint32_t out[4], n, holder = POOL_NONE;

    (void)state;
    for (uint32_t i = 0; i < ARRAY_LEN(tests); i++)
        tests[i] = (struct pool_test){ .cost_us = (60000 + 20000 * i) * MS, PLAIN };
    pool = pool_new(&in);
    pool_join(pool, 0, 2, AVERAGE);
    for (uint32_t i = 0; i < ARRAY_LEN(tests); i++)
        pool_take(pool, 0, i);
    pool_join(pool, 1, 2, AVERAGE);
    n = pool_choose_recall(pool, &ask, &holder, out, 1);
    assert_int_equal(n, 1);
    pool_promise(pool, out[0], 1);
    pool_put_back(pool, out[0]);
    assert_int_equal(pool_choose(pool, &ask, out, ARRAY_LEN(out)), 1);
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool_leaves_the_longest_to_those_still_to_come),
        cmocka_unit_test(test_pool_leaves_the_longest_to_many_still_to_come),
        cmocka_unit_test(test_pool_waits_for_nobody_with_nothing_else_to_do),
        cmocka_unit_test(test_pool_waits_no_longer_than_it_gains),
        cmocka_unit_test(test_pool_counts_no_waiting_of_a_busy_machine),
        cmocka_unit_test(test_pool_leaves_what_is_long_to_who_is_not_slow),
        cmocka_unit_test(test_pool_gives_no_long_test_for_later),
        cmocka_unit_test(test_pool_gives_a_long_test_to_who_is_free),
        cmocka_unit_test(test_pool_begins_the_longest_beside_what_goes_first),
        cmocka_unit_test(test_pool_names_a_long_recalled_test_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
