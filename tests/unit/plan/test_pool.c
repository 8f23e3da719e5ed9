#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pool_asking.h"

static void test_pool_choose_gives_the_longest_first(void **state)
{
    const struct pool_test tests[] = { { .cost_us = 100 * MS, PLAIN },
                                       { .cost_us = 900 * MS, PLAIN },
                                       { .cost_us = 300 * MS, PLAIN },
                                       { .cost_us = 700 * MS, PLAIN } };
    const struct pool_input in = { .tests = tests, .test_count = 4, .one_machine = true };
    struct pool *pool = pool_new(&in);
    uint32_t out[4], order[4];

    (void)state;
    pool_join(pool, 0, 1, AVERAGE);
    pool_join(pool, 1, 1, AVERAGE);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(choose_and_take(pool, 0, 1, out, 1), 1);
        order[i] = out[0];
        pool_start(pool, out[0]);
        pool_finish(pool, out[0]);
    }
    assert_int_equal(order[0], 1);
    assert_int_equal(order[1], 3);
    assert_int_equal(order[2], 2);
    assert_int_equal(order[3], 0);
    assert_int_equal(choose(pool, 0, 1, out, 4), 0);
    assert_int_equal(pool_free_count(pool), 0);
    pool_free(pool);
}

/* A file's tests stay with the worker that is at it, in order, until the others run out of files.
 */
static void test_pool_choose_stays_with_a_file(void **state)
{
    const struct pool_scope files[] = { { POOL_NONE, 0 }, { POOL_NONE, 0 } };
    struct pool_test tests[8];
    const struct pool_input in = {
        .tests = tests, .test_count = 8, .scopes = files, .scope_count = 2, .one_machine = true
    };
    struct pool *pool;
    uint32_t out[1];

    (void)state;
    for (uint32_t i = 0; i < 8; i++) {
        tests[i] = (struct pool_test){ .cost_us = (1 + i % 3) * MS, PLAIN };
        tests[i].scope = i >= 4;
    }
    pool = pool_new(&in);
    pool_join(pool, 0, 1, AVERAGE);
    pool_join(pool, 1, 1, AVERAGE);
    for (uint32_t i = 0; i < 4; i++)
        for (uint32_t k = 0; k < 2; k++) {
            assert_int_equal(choose_and_take(pool, k, 1, out, 1), 1);
            assert_int_equal(out[0], (k ? 0 : 4) + i);
            pool_finish(pool, out[0]);
        }
    pool_free(pool);
}

/* One worker gains nothing by another order, so it keeps that of collection. */
static void test_pool_choose_keeps_the_order_of_collection_for_one_worker(void **state)
{
    struct pool_test tests[6];
    const struct pool_input in = { .tests = tests, .test_count = 6, .one_machine = true };
    struct pool *pool;
    uint32_t out[1];

    (void)state;
    for (uint32_t i = 0; i < 6; i++)
        tests[i] = (struct pool_test){ .cost_us = (1 + i * 7 % 5) * 1000 * MS, PLAIN };
    pool = pool_new(&in);
    pool_join(pool, 0, 1, AVERAGE);
    for (uint32_t i = 0; i < 6; i++) {
        assert_int_equal(choose_and_take(pool, 0, 1, out, 1), 1);
        assert_int_equal(out[0], i);
        pool_finish(pool, i);
    }
    pool_free(pool);
}

/* Small tests of a file come together, and so do tests of which nothing is known. */
static void test_pool_choose_keeps_files_together(void **state)
{
    const struct pool_scope files[] = { { POOL_NONE, 0 }, { POOL_NONE, 0 } };
    struct pool_test tests[40];
    const struct pool_input in = {
        .tests = tests, .test_count = 40, .scopes = files, .scope_count = 2
    };
    struct pool *pool;
    uint32_t out[40], n;

    (void)state;
    for (uint32_t i = 0; i < 40; i++) {
        tests[i] = (struct pool_test){ .cost_us = i % 2 ? 1 * MS : 1000 * MS, PLAIN };
        tests[i].scope = i % 4 < 2;
        tests[i].flags = i % 2 ? 0 : POOL_GUESS;
    }
    pool = pool_new(&in);
    pool_join(pool, 0, 1, AVERAGE);
    pool_join(pool, 1, 1, AVERAGE);
    n = choose(pool, 0, 1, out, 40);
    assert_in_range(n, 2, 20);
    for (uint32_t i = 1; i < n; i++)
        assert_int_equal(tests[out[i]].scope, tests[out[0]].scope);
    pool_free(pool);
}

/* A scope that is dear to enter is given whole to one, and is not cut for the other to help. */
static void test_pool_choose_keeps_a_dear_scope_whole(void **state)
{
    const struct pool_scope scopes[] = { { POOL_NONE, 5000 * MS }, { POOL_NONE, 5000 * MS } };
    struct pool_test tests[8];
    const struct pool_input in = {
        .tests = tests, .test_count = 8, .scopes = scopes, .scope_count = 2
    };
    struct pool *pool;
    uint32_t out[8];

    (void)state;
    for (uint32_t i = 0; i < 8; i++) {
        tests[i] = (struct pool_test){ .cost_us = 100 * MS, PLAIN };
        tests[i].scope = i % 2;
    }
    pool = pool_new(&in);
    pool_join(pool, 0, 1, AVERAGE);
    pool_join(pool, 1, 1, AVERAGE);
    assert_int_equal(choose_and_take(pool, 0, 1, out, 8), 4);
    assert_int_equal(choose_and_take(pool, 1, 1, out, 8), 4);
    assert_int_equal(pool_free_count(pool), 0);
    pool_free(pool);
}

/* Even one at a time: the rest of a unit waits for the worker that has begun it. */
static void test_pool_choose_keeps_a_unit_where_it_was_begun(void **state)
{
    const struct pool_scope files[] = { { POOL_NONE, 0 } };
    struct pool_test tests[3];
    const struct pool_input in = { .tests = tests,
                                   .test_count = 3,
                                   .scopes = files,
                                   .scope_count = 1,
                                   .policy = POOL_FILE,
                                   .one_machine = true };
    struct pool *pool;
    uint32_t out[3];

    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        tests[i] = (struct pool_test){ .cost_us = 100 * MS, PLAIN };
        tests[i].scope = 0;
    }
    pool = pool_new(&in);
    pool_join(pool, 0, 1, AVERAGE);
    pool_join(pool, 1, 1, AVERAGE);
    assert_int_equal(choose_and_take(pool, 0, 1, out, 1), 1);
    assert_int_equal(choose(pool, 1, 1, out, 1), 0);
    pool_start(pool, 0);
    pool_finish(pool, 0);
    assert_int_equal(choose(pool, 1, 1, out, 1), 0);
    assert_int_equal(choose_and_take(pool, 0, 1, out, 1), 1);
    assert_int_equal(out[0], 1);
    pool_leave(pool, 0);
    pool_put_back(pool, 1);
    assert_int_equal(choose(pool, 1, 1, out, 1), 1);
    pool_free(pool);
}

static void test_pool_choose_never_overlaps_a_mutex(void **state)
{
    struct pool_test tests[4];
    const struct pool_input in = { .tests = tests, .test_count = 4 };
    struct pool *pool;
    uint32_t out[4], n;

    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        tests[i] = (struct pool_test){ .cost_us = 100 * MS, PLAIN };
        tests[i].mutex = 0;
    }
    pool = pool_new(&in);
    pool_join(pool, 0, 1, AVERAGE);
    pool_join(pool, 1, 1, AVERAGE);
    n = choose_and_take(pool, 0, 1, out, 1);
    assert_int_equal(n, 1);
    assert_int_equal(choose(pool, 1, 1, out + 1, 3), 0);
    pool_finish(pool, out[0]);
    assert_true(choose(pool, 1, 1, out + 1, 3) > 0);
    pool_free(pool);
}

static void test_pool_choose_runs_a_serial_test_alone(void **state)
{
    struct pool_test tests[2] = { { .cost_us = 900 * MS, PLAIN }, { .cost_us = 100 * MS, PLAIN } };
    const struct pool_input in = { .tests = tests, .test_count = 2, .one_machine = true };
    struct pool *pool;
    uint32_t out[2];

    (void)state;
    tests[1].flags = POOL_SERIAL;
    pool = pool_new(&in);
    pool_join(pool, 0, 1, AVERAGE);
    pool_join(pool, 1, 1, AVERAGE);
    assert_int_equal(choose_and_take(pool, 0, 1, out, 1), 1);
    assert_int_equal(out[0], 1);
    assert_int_equal(choose(pool, 1, 1, out, 1), 0);
    pool_finish(pool, 1);
    assert_int_equal(choose_and_take(pool, 1, 1, out, 1), 1);
    pool_put_back(pool, 1);
    assert_int_equal(choose(pool, 0, 1, out, 1), 0);
    pool_free(pool);
}

/* Between machines: nobody is at anything while such a test runs, and its like come along. */
static void test_pool_choose_gives_the_run_to_who_needs_it_alone(void **state)
{
    struct pool_test tests[4];
    const struct pool_input in = { .tests = tests, .test_count = 4 };
    struct pool *pool;
    uint32_t out[4];

    (void)state;
    for (uint32_t i = 0; i < 4; i++)
        tests[i] = (struct pool_test){ .cost_us = 100 * MS, PLAIN };
    tests[1].flags = tests[2].flags = POOL_SERIAL | POOL_ALONE;
    pool = pool_new(&in);
    pool_join(pool, 0, 1, AVERAGE);
    pool_join(pool, 1, 1, AVERAGE);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(choose_and_take(pool, 0, 1, out, 1), 1);
        assert_int_equal(out[0], 1 + i);
        pool_start(pool, out[0]);
        assert_int_equal(choose(pool, 1, 1, out, 4), 0);
        assert_false(pool_may_copy(pool, 0));
    }
    pool_finish(pool, 1);
    assert_int_equal(choose(pool, 1, 1, out, 4), 0);
    pool_finish(pool, 2);
    assert_int_equal(choose_and_take(pool, 1, 1, out, 1), 1);
    pool_put_back(pool, 1); /* once more, behind what the other has in hand */
    assert_int_equal(choose_and_take(pool, 0, 1, out, 4), 1);
    assert_int_not_equal(out[0], 1);
    assert_int_equal(choose(pool, 0, 1, out, 4), 0);
    pool_free(pool);
}

static void test_pool_choose_counts_the_threads_of_a_machine(void **state)
{
    struct pool_test tests[3] = { { .cost_us = 900 * MS, PLAIN },
                                  { .cost_us = 500 * MS, PLAIN },
                                  { .cost_us = 100 * MS, PLAIN } };
    const struct pool_input in = {
        .tests = tests, .test_count = 3, .one_machine = true, .cpus = 4
    };
    struct pool *pool;
    uint32_t out[3];

    (void)state;
    tests[1].threads = 3;
    pool = pool_new(&in);
    for (uint32_t k = 0; k < 3; k++)
        pool_join(pool, k, 1, AVERAGE);
    assert_int_equal(choose_and_take(pool, 0, 1, out, 1), 1);
    assert_int_equal(out[0], 1);
    assert_int_equal(choose_and_take(pool, 1, 1, out, 1), 1);
    assert_int_equal(out[0], 0);
    assert_int_equal(choose(pool, 2, 1, out, 1), 0);
    pool_finish(pool, 1);
    assert_int_equal(choose(pool, 2, 1, out, 1), 1);
    pool_free(pool);
}

/* Tests whose memory together is over the machine's do not overlap; one that is over it alone runs
 * beside tests that need none. */
static void test_pool_choose_counts_the_memory_of_a_machine(void **state)
{
    struct pool_test tests[4] = { { .cost_us = 900 * MS, PLAIN },
                                  { .cost_us = 500 * MS, PLAIN },
                                  { .cost_us = 400 * MS, PLAIN },
                                  { .cost_us = 100 * MS, PLAIN } };
    const struct pool_input in = {
        .tests = tests, .test_count = 4, .one_machine = true, .mem_bytes = 1000u << 20
    };
    struct pool *pool;
    uint32_t out[4];

    (void)state;
    tests[0].mem_bytes = (uint64_t)5000 << 20;
    tests[1].mem_bytes = (uint64_t)600 << 20;
    tests[2].mem_bytes = (uint64_t)500 << 20;
    pool = pool_new(&in);
    for (uint32_t k = 0; k < 3; k++)
        pool_join(pool, k, 1, AVERAGE);
    assert_int_equal(choose_and_take(pool, 0, 1, out, 1), 1);
    assert_int_equal(out[0], 0);
    assert_int_equal(choose_and_take(pool, 1, 1, out, 1), 1);
    assert_int_equal(out[0], 3);
    assert_int_equal(choose(pool, 2, 1, out, 1), 0);
    pool_finish(pool, 0);
    assert_int_equal(choose_and_take(pool, 0, 1, out, 1), 1);
    assert_int_equal(out[0], 1);
    assert_int_equal(choose(pool, 2, 1, out, 1), 0);
    pool_free(pool);
}

/* A worker that was sent home comes back under its old name. */
static void test_pool_join_takes_one_that_has_left(void **state)
{
    struct pool_test tests[2] = { { .cost_us = 900 * MS, PLAIN }, { .cost_us = 500 * MS, PLAIN } };
    const struct pool_input in = { .tests = tests, .test_count = 2, .one_machine = true };
    struct pool *pool = pool_new(&in);
    uint32_t out[2];

    (void)state;
    pool_join(pool, 0, 1, AVERAGE);
    assert_int_equal(choose_and_take(pool, 0, 1, out, 1), 1);
    pool_start(pool, out[0]);
    pool_finish(pool, out[0]);
    pool_leave(pool, 0);
    pool_join(pool, 0, 1, AVERAGE);
    assert_int_equal(choose_and_take(pool, 0, 1, out, 1), 1);
    pool_free(pool);
}

/* The tail of the one that would end last moves; what runs, and what is about to, stays. */
static void test_pool_recall_takes_half_from_the_slowest(void **state)
{
    struct pool_test tests[12];
    const struct pool_input in = { .tests = tests, .test_count = 12 };
    struct pool *pool;
    uint32_t out[12], holder = POOL_NONE, n;

    (void)state;
    for (uint32_t i = 0; i < 12; i++)
        tests[i] = (struct pool_test){ .cost_us = 1000 * MS, PLAIN };
    pool = pool_new(&in);
    for (uint32_t k = 0; k < 3; k++)
        pool_join(pool, k, 1, AVERAGE);
    for (uint32_t i = 0; i < 10; i++)
        pool_take(pool, 0, i);
    pool_take(pool, 1, 10);
    pool_take(pool, 1, 11);
    pool_start(pool, 0);
    n = pool_choose_recall(pool, &(struct pool_ask){ .taker = 2 }, &holder, out, 12);
    assert_int_equal(holder, 0);
    assert_in_range(n, 4, 5);
    for (uint32_t i = 0; i < n; i++)
        assert_in_range(out[i], 5, 9);
    /* Little is left: moving it would take longer than running it. */
    for (uint32_t i = 0; i < 12; i++)
        if (i != 9)
            pool_finish(pool, i);
    assert_int_equal(pool_choose_recall(pool, &(struct pool_ask){ .taker = 2 }, &holder, out, 12),
                     0);
    pool_free(pool);
}

/* An agent's pool: nothing is there until a shard brings it, with its cost. */
static void test_pool_starts_absent_and_learns_costs(void **state)
{
    struct pool_test tests[3];
    const struct pool_input in = {
        .tests = tests, .test_count = 3, .start_absent = true, .one_machine = true
    };
    struct pool *pool;
    uint32_t out[3];

    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        tests[i] = (struct pool_test){ PLAIN };
    pool = pool_new(&in);
    pool_join(pool, 0, 1, AVERAGE);
    pool_join(pool, 1, 1, AVERAGE);
    assert_int_equal(choose(pool, 0, 1, out, 3), 0);
    pool_recost(pool, 0, 10 * MS);
    pool_put_back(pool, 0);
    pool_put_back(pool, 2);
    pool_recost(pool, 2, 20 * MS);
    assert_int_equal(pool_free_us(pool), 30 * MS);
    assert_int_equal(choose_and_take(pool, 0, 1, out, 1), 1);
    assert_int_equal(out[0], 2);
    pool_recost(pool, 2, 50 * MS);
    assert_int_equal(pool_held_us(pool, 0), 50 * MS);
    assert_int_equal(pool_holder(pool, 2), 0);
    pool_finish(pool, 2);
    assert_int_equal(pool_holder(pool, 2), POOL_NONE);
    assert_int_equal(pool_held_us(pool, 0), 0);
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool_choose_gives_the_longest_first),
        cmocka_unit_test(test_pool_choose_stays_with_a_file),
        cmocka_unit_test(test_pool_choose_keeps_the_order_of_collection_for_one_worker),
        cmocka_unit_test(test_pool_choose_keeps_files_together),
        cmocka_unit_test(test_pool_choose_keeps_a_dear_scope_whole),
        cmocka_unit_test(test_pool_choose_keeps_a_unit_where_it_was_begun),
        cmocka_unit_test(test_pool_choose_never_overlaps_a_mutex),
        cmocka_unit_test(test_pool_choose_runs_a_serial_test_alone),
        cmocka_unit_test(test_pool_choose_gives_the_run_to_who_needs_it_alone),
        cmocka_unit_test(test_pool_choose_counts_the_threads_of_a_machine),
        cmocka_unit_test(test_pool_choose_counts_the_memory_of_a_machine),
        cmocka_unit_test(test_pool_join_takes_one_that_has_left),
        cmocka_unit_test(test_pool_recall_takes_half_from_the_slowest),
        cmocka_unit_test(test_pool_starts_absent_and_learns_costs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
