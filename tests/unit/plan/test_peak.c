/* What is known of a need for memory, run after run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan/peak.h"

static void test_peak_learn_believes_more_at_once(void **state)
{
    (void)state;
    assert_int_equal(peak_learn(0, 300), 300);
    assert_int_equal(peak_learn(300, 2000), 2000);
    assert_int_equal(peak_learn(300, UINT64_MAX), UINT64_MAX);
}

/* One run that needs less changes little, many do. */
static void test_peak_learn_believes_less_slowly(void **state)
{
    uint64_t known = 800;
    uint32_t runs = 0;

    (void)state;
    assert_int_equal(peak_learn(known, 1), 700);
    for (; known > PEAK_HEAVY_MIB; runs++)
        known = peak_learn(known, 1);
    assert_in_range(runs, 10, 30);
    for (; known > 1 && runs < 100; runs++)
        known = peak_learn(known, 1);
    assert_int_equal(known, 1);
}

/* A figure that swings about the threshold stays above it. */
static void test_peak_learn_holds_what_swings(void **state)
{
    uint64_t known = 0;

    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        known = peak_learn(known, i % 2 ? 60 : 70);
        if (i > 0)
            assert_in_range(known, 60, 70);
    }
}

static void test_peak_learn_keeps_what_nobody_measured(void **state)
{
    (void)state;
    assert_int_equal(peak_learn(300, 0), 300);
    assert_int_equal(peak_learn(0, 0), 0);
}

/* What was cut short may have needed more: it takes nothing away. */
static void test_peak_learn_least_only_raises(void **state)
{
    (void)state;
    assert_int_equal(peak_learn_least(300, 10), 300);
    assert_int_equal(peak_learn_least(300, 900), 900);
    assert_int_equal(peak_learn_least(300, 0), 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peak_learn_believes_more_at_once),
        cmocka_unit_test(test_peak_learn_believes_less_slowly),
        cmocka_unit_test(test_peak_learn_holds_what_swings),
        cmocka_unit_test(test_peak_learn_keeps_what_nobody_measured),
        cmocka_unit_test(test_peak_learn_least_only_raises),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
