/* How much a taker gets at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pool_asking.h"

/* A CI matrix says how many will come: the first to come leaves them their share. */
static void test_pool_expect_makes_the_first_share_smaller(void **state)
{
    static struct pool_test tests[1000];
    const struct pool_input in = { .tests = tests, .test_count = 1000 };
    struct pool *pool;
    uint32_t out[1000], n;

    (void)state;
    for (size_t i = 0; i < 1000; i++)
        tests[i] = (struct pool_test){ .cost_us = 100 * MS, PLAIN };
    pool = pool_new(&in);
    pool_join(pool, 0, 1, AVERAGE);
    n = choose(pool, 0, 1, out, 1000);
    pool_expect(pool, 10);
    assert_in_range(choose(pool, 0, 1, out, 1000), n / 12, n / 8);
    pool_free(pool);
}

/* Tests of one length, and two takers of one worker. */
static struct pool *two_takers(struct pool_test *tests, uint32_t count, uint64_t cost_us)
{
    const struct pool_input in = { .tests = tests, .test_count = count };
    struct pool *pool;

    for (uint32_t i = 0; i < count; i++)
        tests[i] = (struct pool_test){ .cost_us = cost_us, PLAIN };
    pool = pool_new(&in);
    pool_join(pool, 0, 1, AVERAGE);
    pool_join(pool, 1, 1, AVERAGE);
    return pool;
}

/* The first share is large but leaves room to balance; shares shrink; the last are single tests. */
static void test_pool_choose_shrinks_shares(void **state)
{
    static struct pool_test tests[1000];
    struct pool *pool;
    uint32_t out[1000], n, before = 1000, shares = 0;

    (void)state;
    pool = two_takers(tests, 1000, 100 * MS);
    n = choose_and_take(pool, 0, 1, out, 1000);
    assert_in_range(n, 100, 200);
    while (n) {
        assert_true(n <= before);
        before = n;
        for (uint32_t i = 0; i < n; i++)
            pool_finish(pool, out[i]);
        n = choose_and_take(pool, 0, 1, out, 1000);
        shares++;
    }
    assert_in_range(before, 1, 2);
    assert_true(shares > 5);
    pool_free(pool);
}

/* Who has more than its fair share gets nothing; its neighbour does. */
static void test_pool_choose_gives_nothing_over_the_fair_share(void **state)
{
    struct pool_test tests[10];
    struct pool *pool;
    struct pool_ask ask = { .taker = 0 };
    uint32_t out[10];

    (void)state;
    pool = two_takers(tests, 10, 1000 * MS);
    for (uint32_t i = 0; i < 6; i++)
        pool_take(pool, 0, i);
    ask.backlog_us = pool_held_us(pool, 0);
    assert_int_equal(pool_choose(pool, &ask, out, 10), 0);
    assert_true(choose(pool, 1, 1, out, 10) > 0);
    pool_free(pool);
}

/* A machine holds ahead what it does in three requests' time, or in half of what is left of the
 * run, if that is less; and what it does until the answer is there. */
static void test_pool_choose_gives_less_ahead_at_the_end(void **state)
{
    struct pool_test tests[400];
    const struct pool_ask ask = {
        .taker = 0, .backlog_us = 30 * MS, .dry_us = 30 * MS, .lead_us = 20 * MS
    };
    struct pool *pool;
    uint32_t out[400];

    (void)state;
    pool = two_takers(tests, 400, 1 * MS);
    pool_recost(pool, 0, 30 * MS);
    pool_take(pool, 0, 0);
    pool_start(pool, 0);
    assert_int_equal(pool_choose(pool, &ask, out, 400), 60 + 20 - 30);
    for (uint32_t i = 91; i < 400; i++)
        pool_finish(pool, i);
    assert_int_equal(pool_choose(pool, &ask, out, 400), (90 + 30) / 2 / 2 + 20 - 30);
    pool_free(pool);
}

/* The neighbour's long test counts for what is left of it, so the end is near when it is; and in
 * full again for who does not know the time, and once it goes back. */
static void test_pool_choose_gives_less_when_what_others_run_is_nearly_done(void **state)
{
    struct pool_test tests[101];
    const struct pool_input in = { .tests = tests, .test_count = ARRAY_LEN(tests) };
    struct pool_ask ask = { .taker = 0, .free_workers = 1, .lead_us = 20 * MS };
    struct pool *pool, *grown;
    uint32_t out[ARRAY_LEN(tests)];

    (void)state;
    pool = two_takers(tests, ARRAY_LEN(tests), 1 * MS);
    pool_recost(pool, 100, 400 * MS);
    pool_take(pool, 1, 100);
    pool_start(pool, 100);
    pool_begun(pool, 100, 1000 * MS);
    assert_int_equal(pool_choose(pool, &ask, out, ARRAY_LEN(out)), 60 + 20);
    ask.now_us = 1000 * MS;
    assert_int_equal(pool_choose(pool, &ask, out, ARRAY_LEN(out)), 60 + 20);
    ask.now_us = 1380 * MS;
    assert_int_equal(pool_choose(pool, &ask, out, ARRAY_LEN(out)), (100 + 20) / 2 / 2 + 20);
    grown = pool_grown(pool, &in);
    assert_int_equal(pool_choose(grown, &ask, out, ARRAY_LEN(out)), (100 + 20) / 2 / 2 + 20);
    ask.now_us = 9000 * MS;
    assert_int_equal(pool_choose(pool, &ask, out, ARRAY_LEN(out)), 100 / 2 / 2 + 20);
    pool_put_back(pool, 100);
    pool_take(pool, 1, 100);
    assert_int_equal(pool_choose(pool, &ask, out, ARRAY_LEN(out)), 60 + 20);
    pool_free(grown);
    pool_free(pool);
}

/* Everything takes half of what was predicted: twice as much lasts as long. */
static void test_pool_choose_gives_more_where_all_goes_faster(void **state)
{
    struct pool_test tests[430];
    const struct pool_input in = { .tests = tests, .test_count = 430 };
    const struct pool_ask ask = {
        .taker = 0, .backlog_us = 60 * MS, .dry_us = 30 * MS, .lead_us = 20 * MS
    };
    struct pool *pool, *grown;
    uint32_t out[430];

    (void)state;
    pool = two_takers(tests, 430, 1 * MS);
    pool_recost(pool, 0, 60 * MS);
    pool_take(pool, 0, 0);
    pool_start(pool, 0);
    assert_int_equal(pool_choose(pool, &ask, out, 430), 60 + 20 - 30);
    pool_pace(pool, 2 * AVERAGE);
    assert_int_equal(pool_choose(pool, &ask, out, 430), 2 * (60 + 20 - 30));
    grown = pool_grown(pool, &in);
    assert_int_equal(pool_choose(grown, &ask, out, 430), 2 * (60 + 20 - 30));
    pool_free(grown);
    pool_free(pool);
}

/* One worker is free, the other busy as far as is known: a second long test would wait behind it,
 * however long it then takes. Short ones bridge the time until the next answer. */
static void test_pool_choose_gives_no_long_test_to_wait_behind_another(void **state)
{
    struct pool_test tests[220];
    const struct pool_input in = { .tests = tests, .test_count = ARRAY_LEN(tests) };
    const struct pool_ask ask = { .taker = 0, .free_workers = 1, .backlog_us = 1000 * MS };
    struct pool *pool;
    uint32_t out[ARRAY_LEN(tests)], n, long_count = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        tests[i] = (struct pool_test){ .cost_us = i < 20 ? 400 * MS : 1 * MS, PLAIN };
    pool = pool_new(&in);
    pool_join(pool, 0, 2, AVERAGE);
    pool_join(pool, 1, 2, AVERAGE);
    pool_recost(pool, 0, 1000 * MS);
    pool_take(pool, 0, 0);
    pool_start(pool, 0);
    n = pool_choose(pool, &ask, out, ARRAY_LEN(out));
    for (uint32_t i = 0; i < n; i++)
        long_count += out[i] < 20;
    assert_int_equal(long_count, 1);
    assert_in_range(n, 40, 100);
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool_expect_makes_the_first_share_smaller),
        cmocka_unit_test(test_pool_choose_shrinks_shares),
        cmocka_unit_test(test_pool_choose_gives_nothing_over_the_fair_share),
        cmocka_unit_test(test_pool_choose_gives_less_ahead_at_the_end),
        cmocka_unit_test(test_pool_choose_gives_less_when_what_others_run_is_nearly_done),
        cmocka_unit_test(test_pool_choose_gives_more_where_all_goes_faster),
        cmocka_unit_test(test_pool_choose_gives_no_long_test_to_wait_behind_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
