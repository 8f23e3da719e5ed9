#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "watch/rerun.h"

/* Failed only, until that is green; then everything, without waiting. */
static void test_rerun_runs_everything_when_what_failed_passes(void **state)
{
    struct rerun r = { 0 };

    (void)state;
    assert_int_equal(rerun_ended(&r, RERUN_ALL, 1), RERUN_NOTHING);
    assert_int_equal(rerun_changed(&r), RERUN_FAILED);
    assert_int_equal(rerun_ended(&r, RERUN_FAILED, 1), RERUN_NOTHING);
    assert_int_equal(rerun_changed(&r), RERUN_FAILED);
    assert_int_equal(rerun_ended(&r, RERUN_FAILED, 0), RERUN_ALL);
    assert_int_equal(rerun_ended(&r, RERUN_ALL, 0), RERUN_NOTHING);
    assert_int_equal(rerun_changed(&r), RERUN_ALL);
}

/* A file that cannot be imported (2) does not make green what was red. */
static void test_rerun_keeps_what_failed_when_nothing_could_run(void **state)
{
    struct rerun r = { 0 };

    (void)state;
    assert_int_equal(rerun_ended(&r, RERUN_ALL, 1), RERUN_NOTHING);
    assert_int_equal(rerun_ended(&r, RERUN_FAILED, 2), RERUN_NOTHING);
    assert_int_equal(rerun_changed(&r), RERUN_FAILED);
}

/* Without pytest's cache nobody knows what failed: everything runs each time. */
static void test_rerun_runs_everything_when_the_cache_is_off(void **state)
{
    struct rerun r = { 0 };

    (void)state;
    assert_int_equal(rerun_ended(&r, RERUN_ALL, 1), RERUN_NOTHING);
    assert_int_equal(rerun_changed(&r), RERUN_FAILED);
    assert_int_equal(rerun_ended(&r, RERUN_FAILED, 4), RERUN_ALL);
    assert_int_equal(rerun_ended(&r, RERUN_ALL, 1), RERUN_NOTHING);
    assert_int_equal(rerun_changed(&r), RERUN_ALL);
}

/* Tests that write sources do not keep themselves running. */
static void test_rerun_stops_when_tests_chase_themselves(void **state)
{
    struct rerun r = { 0 };

    (void)state;
    for (uint32_t i = 0; i < RERUN_CHASES_MAX; i++)
        assert_int_equal(rerun_chase(&r), RERUN_ALL);
    assert_int_equal(rerun_chase(&r), RERUN_NOTHING);
    assert_int_equal(rerun_changed(&r), RERUN_ALL);
    assert_int_equal(rerun_chase(&r), RERUN_ALL);
    assert_true(rerun_counts("tests/test_a.py"));
    assert_true(rerun_counts("pyproject.toml"));
    assert_false(rerun_counts("out/result.json"));
    assert_false(rerun_counts(".py"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rerun_runs_everything_when_what_failed_passes),
        cmocka_unit_test(test_rerun_keeps_what_failed_when_nothing_could_run),
        cmocka_unit_test(test_rerun_runs_everything_when_the_cache_is_off),
        cmocka_unit_test(test_rerun_stops_when_tests_chase_themselves),
    };

    return cmocka_run_group_tests_name("agent/rerun", tests, NULL, NULL);
}
