#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan/need.h"

#define AS_PREDICTED 1000000u

/* Work that waits goes to those who are free first, so the first to run dry is no longer the one
 * that was nearest. */
static void test_need_pours_waiting_work_over_the_lowest(void **state)
{
    uint64_t left[] = { 900, 100, 300 };
    struct need need = need_of(left, 3, 400, AS_PREDICTED);

    (void)state;
    assert_int_equal(need.backlog_us, 1700);
    assert_int_equal(need.dry_us, 400); /* 100 + 300 and 300 + 100 */
}

static void test_need_is_the_shortest_when_nothing_waits(void **state)
{
    uint64_t left[] = { 900, 100, 300 };

    (void)state;
    assert_int_equal(need_of(left, 3, 0, AS_PREDICTED).dry_us, 100);
}

static void test_need_counts_idle_workers(void **state)
{
    uint64_t left[] = { 0, 500 };

    (void)state;
    assert_int_equal(need_of(left, 2, 200, AS_PREDICTED).dry_us, 200);
    assert_int_equal(need_of(left, 2, 700, AS_PREDICTED).dry_us, 600);
}

/* A machine of half the speed runs dry later; what it has to do is the same. */
static void test_need_tells_time_by_the_machines_speed(void **state)
{
    uint64_t left[] = { 1000 };
    struct need need = need_of(left, 1, 0, AS_PREDICTED / 2);

    (void)state;
    assert_int_equal(need.backlog_us, 1000);
    assert_int_equal(need.dry_us, 2000);
}

/* A machine of half the speed has done half of a test when the whole of it was predicted to be. */
static void test_need_left_counts_a_slow_machines_work(void **state)
{
    (void)state;
    assert_int_equal(need_left_us(100, 100, AS_PREDICTED / 2), 50);
    assert_int_equal(need_left_us(100, 300, AS_PREDICTED / 2), 50);
}

/* A test that has run for three times its prediction may run for as long again as it is over: what
 * waits is for the worker beside it. */
static void test_need_expects_overtime_to_last_as_long_again(void **state)
{
    uint64_t left[] = { need_left_us(100, 300, AS_PREDICTED), need_left_us(100, 40, AS_PREDICTED) };

    (void)state;
    assert_int_equal(left[0], 200);
    assert_int_equal(left[1], 60);
    assert_int_equal(need_left_us(100, 100, AS_PREDICTED), 0);
    assert_int_equal(need_of(left, 2, 100, AS_PREDICTED).dry_us, 160);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_need_pours_waiting_work_over_the_lowest),
        cmocka_unit_test(test_need_is_the_shortest_when_nothing_waits),
        cmocka_unit_test(test_need_counts_idle_workers),
        cmocka_unit_test(test_need_left_counts_a_slow_machines_work),
        cmocka_unit_test(test_need_tells_time_by_the_machines_speed),
        cmocka_unit_test(test_need_expects_overtime_to_last_as_long_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
