#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/stray.h"

#define BYTES(text) ((struct view){ .at = (text), .len = sizeof(text) - 1 })

/* What pytest left in the environment of a process names test and worker. */
static void test_stray_read_environment_names_the_test_when_pytest_said_it(void **state)
{
    char *test = NULL;
    uint32_t worker = STRAY_NO_WORKER;

    (void)state;
    stray_read_environment(BYTES("PATH=/bin\0PYTEST_CURRENT_TEST=a.py::x[(call)] (call)\0"
                                 "PYTEST_XDIST_WORKER=gw12\0"),
                           &test, &worker);
    assert_string_equal(test, "a.py::x[(call)]");
    assert_int_equal(worker, 12);
    free(test);
}

static void test_stray_read_environment_says_nothing_when_there_is_nothing(void **state)
{
    char *test = NULL;
    uint32_t worker = STRAY_NO_WORKER;

    (void)state;
    stray_read_environment(BYTES(""), &test, &worker);
    stray_read_environment(BYTES("PYTEST_CURRENT_TEST=\0PYTEST_XDIST_WORKER=gw1x\0X=gw3"), &test,
                           &worker);
    assert_null(test);
    assert_int_equal(worker, STRAY_NO_WORKER);
}

/* A command line is one line that a terminal can show. */
static void test_stray_read_command_is_one_line_when_it_holds_anything(void **state)
{
    char out[STRAY_COMMAND_BYTES];
    char large[500];

    (void)state;
    stray_read_command(BYTES("sh\0-c\0a\nb\x1b[2J\0\0"), out);
    assert_string_equal(out, "sh -c a?b?[2J");
    stray_read_command(BYTES("ok\xff\xfe"), out);
    assert_string_equal(out, "ok");
    memset(large, 'x', sizeof(large));
    stray_read_command((struct view){ .at = large, .len = sizeof(large) }, out);
    assert_int_equal(strlen(out), STRAY_COMMAND_BYTES - 1);
    assert_string_equal(out + strlen(out) - 4, "x...");
    stray_read_command(BYTES(""), out);
    assert_string_equal(out, "");
}

static const struct stray_run runs[] = {
    { .started_us = 1000000, .ended_us = 1500000, .worker = 0 },
    { .started_us = 1000000, .ended_us = 1500000, .worker = 1 },
    { .started_us = 1600000, .ended_us = 0, .worker = 0 },
    { .started_us = 0 },
};

static void assert_test_at(uint32_t worker, uint64_t at_us, uint32_t test, bool is_sure)
{
    struct stray_time when = { .worker = worker, .at_us = at_us };
    bool sure = !is_sure;

    assert_int_equal(stray_test_at(runs, ARRAY_LEN(runs), &when, &sure), test);
    assert_int_equal(sure, is_sure);
}

/* Without a mark the time tells: the test that ran then in that worker, or nearly then. */
static void test_stray_test_at_goes_by_time_and_worker(void **state)
{
    (void)state;
    assert_test_at(0, 1200000, 0, true);
    assert_test_at(1, 1200000, 1, true);
    assert_test_at(0, 1700000, 2, true);
    assert_test_at(0, 990000, 0, true);
    assert_test_at(0, 1515000, 0, true);
    assert_test_at(0, 100, UINT32_MAX, false);
    assert_test_at(1, 1700000, UINT32_MAX, false);
    assert_test_at(2, 1200000, UINT32_MAX, false);
}

/* Two tests come into question: one is named, and not as the culprit. */
static void test_stray_test_at_is_not_sure_when_there_are_two(void **state)
{
    (void)state;
    assert_test_at(STRAY_NO_WORKER, 1200000, 0, false);
    assert_test_at(STRAY_NO_WORKER, 1700000, 2, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stray_read_environment_names_the_test_when_pytest_said_it),
        cmocka_unit_test(test_stray_read_environment_says_nothing_when_there_is_nothing),
        cmocka_unit_test(test_stray_read_command_is_one_line_when_it_holds_anything),
        cmocka_unit_test(test_stray_test_at_goes_by_time_and_worker),
        cmocka_unit_test(test_stray_test_at_is_not_sure_when_there_are_two),
    };

    return cmocka_run_group_tests_name("stray", tests, NULL, NULL);
}
