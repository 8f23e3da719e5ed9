#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan/bound.h"

#define AVERAGE 1000000u

static void test_bound_is_work_over_capacity(void **state)
{
    const uint64_t costs_us[] = { 100, 200, 300, 200 };
    const struct bound_taker two[] = { { 0, 1, AVERAGE, 0 }, { 0, 1, AVERAGE, 0 } };

    (void)state;
    assert_int_equal(bound_us(costs_us, 4, two, 2), 400);
    assert_int_equal(bound_us(costs_us, 4, two, 1), 800);
    assert_int_equal(bound_us(costs_us, 0, two, 2), 0);
    assert_int_equal(bound_us(costs_us, 4, two, 0), 0);
}

static void test_bound_is_the_longest_test_on_the_fastest_taker(void **state)
{
    const uint64_t costs_us[] = { 9000, 1, 1 };
    const struct bound_taker takers[] = { { 0, 4, AVERAGE, 0 }, { 500, 4, 2 * AVERAGE, 0 } };

    (void)state;
    assert_int_equal(bound_us(costs_us, 3, takers, 2), 5000);
}

/* A late taker does no work before it starts, and one that starts after the end none at all. */
static void test_bound_counts_start_times(void **state)
{
    const uint64_t costs_us[] = { 250, 250, 250, 250 };
    const struct bound_taker takers[] = { { 600, 1, AVERAGE, 0 },
                                          { 0, 1, AVERAGE, 0 },
                                          { 5000, 9, AVERAGE, 0 } };

    (void)state;
    assert_int_equal(bound_us(costs_us, 4, takers, 3), 800);
}

/* One that goes does no work after that; what it had begun may be the longest test. */
static void test_bound_counts_who_goes(void **state)
{
    const uint64_t costs_us[] = { 500, 400, 300 };
    const struct bound_taker takers[] = { { 0, 1, AVERAGE, 0 }, { 100, 2, AVERAGE, 300 } };
    const struct bound_taker slow[] = { { 0, 8, AVERAGE / 4, 0 }, { 0, 1, AVERAGE, 300 } };
    const struct bound_taker never[] = { { 0, 1, AVERAGE, 0 }, { 700, 9, AVERAGE, 600 } };

    (void)state;
    assert_int_equal(bound_us(costs_us, 3, takers, 2), 800);
    assert_int_equal(bound_us(costs_us, 3, takers + 1, 1), 0);
    assert_int_equal(bound_us(costs_us, 1, slow, 2), 500);
    assert_int_equal(bound_us(costs_us, 3, never, 2), 1200);
}

/* Large numbers do not wrap: a million hours on a thousand fast machines. */
static void test_bound_does_not_overflow(void **state)
{
    static uint64_t costs_us[1000000];
    static struct bound_taker takers[1000];
    uint64_t hour_us = (uint64_t)3600 * 1000000;

    (void)state;
    for (size_t i = 0; i < 1000000; i++)
        costs_us[i] = hour_us;
    for (size_t i = 0; i < 1000; i++)
        takers[i] = (struct bound_taker){ hour_us * i, 100, 4 * AVERAGE, 0 };
    assert_in_range(bound_us(costs_us, 1000000, takers, 1000), hour_us, hour_us * 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound_is_work_over_capacity),
        cmocka_unit_test(test_bound_is_the_longest_test_on_the_fastest_taker),
        cmocka_unit_test(test_bound_counts_start_times),
        cmocka_unit_test(test_bound_counts_who_goes),
        cmocka_unit_test(test_bound_does_not_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
