#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan/estimate.h"
#include "plan/fixlog.h"

static void assert_near(uint64_t got, uint64_t want, uint64_t tolerance)
{
    assert_in_range(got, want - tolerance, want + tolerance);
}

static struct estimate seen(uint64_t us)
{
    struct estimate est = { 0 };

    estimate_add(&est, us, false);
    return est;
}

static void test_fixlog_is_exact_to_a_millionth(void **state)
{
    (void)state;
    assert_int_equal(fixlog_ppm(0), 0);
    assert_int_equal(fixlog_ppm(1), 0);
    assert_int_equal(fixlog_ppm(2), 693147);
    assert_int_equal(fixlog_ppm(10), 2302585);
    assert_int_equal(fixlog_ppm(1000000), 13815511);
    assert_int_equal(fixlog_ppm(UINT64_MAX), 44361420);
    assert_int_equal(fixlog_exp(-5), 1);
    assert_int_equal(fixlog_exp(0), 1);
    assert_int_equal(fixlog_exp(693147), 2);
    assert_near(fixlog_exp(13815511), 1000000, 1);
    for (uint64_t v = 1; v < (uint64_t)1 << 50; v = v * 3 + 1)
        assert_near(fixlog_exp(fixlog_ppm(v)), v, v / 1000000 + 1);
}

static void test_estimate_us_is_the_sample_when_there_is_one(void **state)
{
    struct estimate none = { 0 }, one = seen(123456);

    (void)state;
    assert_int_equal(estimate_us(&none), 0);
    assert_near(estimate_us(&one), 123456, 1);
    one = seen(0);
    assert_int_equal(estimate_us(&one), 1);
}

/* One run on a bad machine moves the estimate a step, not to where it points. */
static void test_estimate_add_damps_an_outlier(void **state)
{
    struct estimate est = { 0 };

    (void)state;
    for (int i = 0; i < 10; i++)
        estimate_add(&est, 100000, false);
    estimate_add(&est, 100000000, false);
    assert_in_range(estimate_us(&est), 100000, 115000);
}

/* A test that has really become slower is followed within a few runs. */
static void test_estimate_add_follows_a_lasting_change(void **state)
{
    struct estimate est = { 0 };

    (void)state;
    for (int i = 0; i < 10; i++)
        estimate_add(&est, 100000, false);
    for (int i = 0; i < 20; i++)
        estimate_add(&est, 400000, false);
    assert_in_range(estimate_us(&est), 330000, 480000);
}

/* A try cut short at 30 s says "at least 30 s" and nothing when that is known already. */
static void test_estimate_add_takes_a_censored_sample_as_a_lower_bound(void **state)
{
    struct estimate est = { 0 };
    uint64_t before_us;

    (void)state;
    for (int i = 0; i < 4; i++)
        estimate_add(&est, 10000000, false);
    before_us = estimate_us(&est);
    estimate_add(&est, 1000, true);
    assert_int_equal(estimate_us(&est), before_us);
    estimate_add(&est, 30000000, true);
    assert_true(estimate_us(&est) > before_us);
}

/* Family before file before suite before nothing. */
static void test_estimate_fill_falls_back_step_by_step(void **state)
{
    static const char *const ids[] = { "a.py::test_p[1]", "a.py::test_p[2]", "a.py::test_p[x]",
                                       "a.py::test_q",    "b.py::test_r",    "a.py::test_s" };
    struct estimate known[6] = { { 0 } };
    uint64_t costs_us[6] = { 0 };

    (void)state;
    assert_int_equal(estimate_fill(ids, known, 6, costs_us), 0);
    for (int i = 0; i < 6; i++)
        assert_int_equal(costs_us[i], ESTIMATE_UNKNOWN_US);
    known[0] = seen(100);
    known[1] = seen(300);
    known[3] = seen(2000);
    assert_int_equal(estimate_fill(ids, known, 6, costs_us), 3);
    assert_int_equal(costs_us[2], 200);
    assert_int_equal(costs_us[5], 800);
    assert_int_equal(costs_us[4], 800);
    assert_int_equal(costs_us[3], 2000);
}

/* One sample of a short test among many alike may be noise; of a long one, or one of many samples,
 * it is not. */
static void test_estimate_fill_draws_noise_towards_the_family(void **state)
{
    static const char *const ids[] = { "a.py::t[0]", "a.py::t[1]", "a.py::t[2]", "a.py::t[3]",
                                       "a.py::t[4]" };
    struct estimate known[5];
    uint64_t costs_us[5];

    (void)state;
    for (int i = 0; i < 5; i++)
        known[i] = seen(i < 4 ? 400 : 4000);
    assert_int_equal(estimate_fill(ids, known, 5, costs_us), 5);
    assert_in_range(costs_us[4], 3500, 3980);
    known[4] = seen(1600);
    (void)estimate_fill(ids, known, 5, costs_us);
    assert_in_range(costs_us[4], 1300, 1570);
    for (int i = 0; i < 20; i++)
        estimate_add(&known[4], 1600, false);
    (void)estimate_fill(ids, known, 5, costs_us);
    assert_near(costs_us[4], 1600, 5);
    known[4] = seen(4000000);
    (void)estimate_fill(ids, known, 5, costs_us);
    assert_near(costs_us[4], 4000000, 30000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixlog_is_exact_to_a_millionth),
        cmocka_unit_test(test_estimate_us_is_the_sample_when_there_is_one),
        cmocka_unit_test(test_estimate_add_damps_an_outlier),
        cmocka_unit_test(test_estimate_add_follows_a_lasting_change),
        cmocka_unit_test(test_estimate_add_takes_a_censored_sample_as_a_lower_bound),
        cmocka_unit_test(test_estimate_fill_falls_back_step_by_step),
        cmocka_unit_test(test_estimate_fill_draws_noise_towards_the_family),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
