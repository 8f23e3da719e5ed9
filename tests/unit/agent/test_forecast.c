#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/forecast.h"

#define TESTS 300u

static const struct forecast_opts usual = { .workers = 2,
                                            .startup_us = 10000000,
                                            .jitter_us = 500000,
                                            .spread_pct = 10,
                                            .noise_pct = 10,
                                            .request_us = 20000,
                                            .seed = 1 };

static struct durations durations_of_suite(void)
{
    static struct duration items[TESTS];
    static char ids[TESTS][32];

    for (uint32_t i = 0; i < TESTS; i++) {
        (void)snprintf(ids[i], sizeof(ids[i]), "t%u.py::test_%03u", i / 100, i);
        items[i] = (struct duration){ .id = ids[i], .us = 100000 + 1000 * i };
    }
    return (struct durations){ .items = items, .count = TESTS };
}

static struct forecast run(const struct forecast_opts *opts, uint32_t agents)
{
    const struct durations durations = durations_of_suite();
    struct forecast f;
    struct err err = ERR_INIT;

    assert_int_equal(forecast_run(&durations, opts, agents, &f, &err), ERR_NONE);
    return f;
}

static void test_forecast_is_between_the_bound_and_a_little_more(void **state)
{
    (void)state;
    for (uint32_t n = 1; n <= 16; n *= 2) {
        struct forecast f = run(&usual, n);

        assert_int_equal(f.agents, n);
        assert_true(f.time_us >= f.bound_us);
        assert_true(f.time_us < f.bound_us + f.bound_us / 20);
        assert_true(f.time_us > usual.startup_us);
        assert_int_equal(f.paid_us, n * f.time_us);
    }
}

static void test_forecast_is_the_same_again_and_another_by_seed(void **state)
{
    struct forecast_opts other = usual;

    (void)state;
    other.seed = 2;
    assert_int_equal(run(&usual, 4).time_us, run(&usual, 4).time_us);
    assert_int_not_equal(run(&usual, 4).time_us, run(&other, 4).time_us);
}

/* In a row of forecasts chance is the same: one more machine joins the same others. */
static void test_forecast_falls_with_every_machine(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct forecast_opts opts = usual;

        opts.seed = seed;
        for (uint32_t n = 2; n <= 8; n++)
            assert_true(run(&opts, n).time_us < run(&opts, n - 1).time_us);
    }
}

/* A machine that vanishes costs time, but the run ends: its tests run elsewhere. */
static void test_forecast_survives_lost_machines(void **state)
{
    struct forecast_opts lossy = usual;

    (void)state;
    lossy.lost = 2;
    assert_true(run(&lossy, 4).time_us > run(&usual, 4).time_us);
    lossy.lost = 100;
    assert_true(run(&lossy, 4).time_us > run(&usual, 4).time_us);
}

/* Of four machines at very different speeds the last test is on a slow one. */
static void test_forecast_is_shorter_with_copies_of_late_tests(void **state)
{
    struct forecast_opts slow = usual, copying;
    uint64_t without_us = 0, with_us = 0;

    (void)state;
    slow.spread_pct = 100;
    for (slow.seed = 1; slow.seed <= 10; slow.seed++) {
        copying = slow;
        copying.speculate = true;
        without_us += run(&slow, 4).time_us;
        with_us += run(&copying, 4).time_us;
    }
    assert_true(with_us < without_us);
}

static void test_forecast_knee_is_where_the_row_bends(void **state)
{
    const struct forecast row[] = { { .agents = 1, .time_us = 100 },
                                    { .agents = 2, .time_us = 50 },
                                    { .agents = 4, .time_us = 26 },
                                    { .agents = 8, .time_us = 20 },
                                    { .agents = 16, .time_us = 18 } };

    (void)state;
    assert_int_equal(forecast_knee(row, 5), 2);
    assert_int_equal(forecast_knee(row, 1), 0);
}

static void test_forecast_floor_is_the_longest_test(void **state)
{
    const struct durations durations = durations_of_suite();

    (void)state;
    assert_string_equal(forecast_floor(&durations)->id, "t2.py::test_299");
}

static void test_forecast_run_refuses_what_has_no_room(void **state)
{
    static struct duration items[1];
    const struct durations many = { .items = items, .count = FORECAST_NODES_MAX };
    struct forecast f;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(forecast_run(&many, &usual, 2, &f, &err), ERR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forecast_is_between_the_bound_and_a_little_more),
        cmocka_unit_test(test_forecast_is_the_same_again_and_another_by_seed),
        cmocka_unit_test(test_forecast_falls_with_every_machine),
        cmocka_unit_test(test_forecast_survives_lost_machines),
        cmocka_unit_test(test_forecast_is_shorter_with_copies_of_late_tests),
        cmocka_unit_test(test_forecast_knee_is_where_the_row_bends),
        cmocka_unit_test(test_forecast_floor_is_the_longest_test),
        cmocka_unit_test(test_forecast_run_refuses_what_has_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
