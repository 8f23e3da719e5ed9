#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan/pace.h"

static void test_pace_is_as_predicted_without_evidence(void **state)
{
    const struct pace agent = { 0 };
    const struct pace_fleet fleet = { 0 };
    const struct pace_machine machine = { 0 };

    (void)state;
    assert_in_range(pace_speed_ppm(&agent), 999990, 1000000);
    assert_in_range(pace_machine_ppm(&fleet, &machine), 999900, 1000100);
}

/* An agent that was told by who can compare machines believes that until it knows better. */
static void test_pace_begins_with_what_it_was_told(void **state)
{
    struct pace agent = { .told_ppm = 500000 };

    (void)state;
    assert_in_range(pace_speed_ppm(&agent), 499000, 500000);
    for (int i = 0; i < 1000; i++)
        pace_add(&agent, 10000, 10000);
    assert_in_range(pace_speed_ppm(&agent), 550000, 1000000);
}

/* Two machines run tests of all lengths, the second always at a fifth less. */
static void test_pace_tells_a_slower_machine(void **state)
{
    struct pace_fleet fleet = { 0 };
    struct pace_machine quick = { 0 }, slow = { 0 };
    uint32_t quick_ppm, slow_ppm;

    (void)state;
    for (uint64_t i = 0; i < 60; i++) {
        uint64_t us = 300u << i % 10;

        pace_learn(&fleet, &quick, us, us);
        pace_learn(&fleet, &slow, us, us * 5 / 4);
    }
    quick_ppm = pace_machine_ppm(&fleet, &quick);
    slow_ppm = pace_machine_ppm(&fleet, &slow);
    assert_in_range((uint64_t)slow_ppm * 100 / quick_ppm, 78, 90);
}

/* The start is heard first and counts as many tests; then the tests themselves are believed. */
static void test_pace_begins_with_what_the_start_took(void **state)
{
    struct pace_fleet fleet = { 0 };
    struct pace_machine slow = { 0 }, quick = { 0 }, silent = { 0 };

    (void)state;
    pace_start(&slow, 1000000, 2000000);
    pace_start(&quick, 1000000, 500000);
    pace_start(&silent, 0, 500000);
    pace_start(&silent, 1000000, 0);
    assert_in_range(pace_machine_ppm(&fleet, &slow), 550000, 750000);
    assert_in_range(pace_machine_ppm(&fleet, &quick), 1400000, 1800000);
    assert_in_range(pace_machine_ppm(&fleet, &silent), 999900, 1000100);
    for (int i = 0; i < 1000; i++)
        pace_learn(&fleet, &slow, 10000, 10000);
    assert_in_range(pace_machine_ppm(&fleet, &slow), 950000, 1050000);
}

/* A record made under load stretches the tests of a few milliseconds: who runs those is not fast.
 */
static void test_pace_takes_no_size_of_tests_for_a_machine(void **state)
{
    struct pace_fleet fleet = { 0 };
    struct pace_machine shorts = { 0 }, longs = { 0 };

    (void)state;
    for (int i = 0; i < 200; i++) {
        pace_learn(&fleet, &shorts, 10000, 3000);
        pace_learn(&fleet, &longs, 1000000, 1000000);
    }
    assert_in_range(pace_machine_ppm(&fleet, &longs) * 100 / pace_machine_ppm(&fleet, &shorts), 88,
                    112);
}

/* What all machines show stands in for what one has not shown yet. */
static void test_pace_leans_on_all_machines(void **state)
{
    struct pace_fleet all = { 0 };
    struct pace_machine own = { 0 }, other = { 0 };

    (void)state;
    for (int i = 0; i < 1000; i++)
        pace_learn(&all, &other, 500000, 1000000);
    assert_in_range(pace_machine_ppm(&all, &own), 500000, 520000);
}

/* When it will be over is believed soon; both together are what was seen. */
static void test_pace_of_all_machines_is_believed_soon(void **state)
{
    struct pace_fleet all = { 0 };
    struct pace_machine own = { 0 };
    uint64_t both_ppm;

    (void)state;
    assert_in_range(pace_fleet_ppm(&all), 999900, 1000100);
    for (int i = 0; i < 100; i++)
        pace_learn(&all, &own, 20000, 10000);
    assert_in_range(pace_machine_ppm(&all, &own), 1000000, 1200000);
    both_ppm = (uint64_t)pace_machine_ppm(&all, &own) * pace_fleet_ppm(&all) / 1000000;
    assert_in_range(both_ppm, 1800000, 2100000);
}

/* One test that took a hundredth of its prediction does not make a machine fast. */
static void test_pace_add_damps_outliers(void **state)
{
    struct pace agent = { 0 };

    (void)state;
    pace_add(&agent, 1000000, 10000);
    assert_in_range(pace_speed_ppm(&agent), 1000000, 2000000);
}

static void test_pace_of_an_agent_forgets(void **state)
{
    struct pace agent = { 0 };

    (void)state;
    for (int i = 0; i < 100; i++)
        pace_add(&agent, 20000, 10000);
    assert_true(pace_speed_ppm(&agent) > 1200000);
    for (int i = 0; i < 100; i++)
        pace_add(&agent, 10000, 10000);
    assert_in_range(pace_speed_ppm(&agent), 950000, 1050000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pace_is_as_predicted_without_evidence),
        cmocka_unit_test(test_pace_tells_a_slower_machine),
        cmocka_unit_test(test_pace_begins_with_what_it_was_told),
        cmocka_unit_test(test_pace_begins_with_what_the_start_took),
        cmocka_unit_test(test_pace_takes_no_size_of_tests_for_a_machine),
        cmocka_unit_test(test_pace_of_all_machines_is_believed_soon),
        cmocka_unit_test(test_pace_leans_on_all_machines),
        cmocka_unit_test(test_pace_add_damps_outliers),
        cmocka_unit_test(test_pace_of_an_agent_forgets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
