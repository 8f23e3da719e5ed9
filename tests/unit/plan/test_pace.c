#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan/pace.h"

static void test_pace_is_as_predicted_without_evidence(void **state)
{
    const struct pace agent = PACE_OF_AGENT, fleet = PACE_OF_FLEET;

    (void)state;
    assert_in_range(pace_speed_ppm(&agent, NULL), 999990, 1000000);
    assert_in_range(pace_speed_ppm(&agent, &fleet), 999990, 1000000);
}

static void test_pace_follows_a_machine_that_is_twice_as_slow(void **state)
{
    struct pace fleet = PACE_OF_FLEET;

    (void)state;
    for (int i = 0; i < 1000; i++)
        pace_add(&fleet, 500000, 1000000);
    assert_in_range(pace_speed_ppm(&fleet, NULL), 500000, 520000);
}

/* What all machines show stands in for what one has not shown yet. */
static void test_pace_leans_on_all_machines(void **state)
{
    struct pace all = PACE_OF_FLEET, own = PACE_OF_FLEET;

    (void)state;
    for (int i = 0; i < 1000; i++)
        pace_add(&all, 500000, 1000000);
    assert_in_range(pace_speed_ppm(&own, &all), 500000, 520000);
}

/* One test that took a hundredth of its prediction does not make a machine fast. */
static void test_pace_add_damps_outliers(void **state)
{
    struct pace agent = PACE_OF_AGENT;

    (void)state;
    pace_add(&agent, 1000000, 10000);
    assert_in_range(pace_speed_ppm(&agent, NULL), 1000000, 2000000);
}

static void test_pace_of_an_agent_forgets(void **state)
{
    struct pace agent = PACE_OF_AGENT;

    (void)state;
    for (int i = 0; i < 100; i++)
        pace_add(&agent, 20000, 10000);
    assert_true(pace_speed_ppm(&agent, NULL) > 1200000);
    for (int i = 0; i < 100; i++)
        pace_add(&agent, 10000, 10000);
    assert_in_range(pace_speed_ppm(&agent, NULL), 950000, 1050000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pace_is_as_predicted_without_evidence),
        cmocka_unit_test(test_pace_follows_a_machine_that_is_twice_as_slow),
        cmocka_unit_test(test_pace_leans_on_all_machines),
        cmocka_unit_test(test_pace_add_damps_outliers),
        cmocka_unit_test(test_pace_of_an_agent_forgets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
