#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "chance.h"
#include "plan/drift.h"

#define STAYS   UINT64_MAX
#define AVERAGE 1000000u

static struct drift drift(const struct drift_worker *workers, uint32_t worker_count,
                          const struct drift_try *tries, uint32_t try_count, uint64_t setups_us)
{
    const struct drift_input in = { .workers = workers,
                                    .worker_count = worker_count,
                                    .tries = tries,
                                    .try_count = try_count,
                                    .setups_once_us = setups_us };
    struct drift d;

    drift_of(&in, &d);
    return d;
}

static void test_drift_of_a_perfect_run_is_nothing(void **state)
{
    const struct drift_worker workers[] = { { 0, STAYS, AVERAGE }, { 0, STAYS, AVERAGE } };
    const struct drift_try tries[] = { { 0, 0, 0, 100, 100, 0, TRY_COUNTED },
                                       { 1, 1, 0, 100, 100, 0, TRY_COUNTED } };
    struct drift d = drift(workers, 2, tries, 2, 0);

    (void)state;
    assert_int_equal(d.makespan_us, 100);
    assert_int_equal(d.bound_us, 100);
    for (uint32_t p = 0; p < DRIFT_PARTS; p++)
        assert_int_equal(d.parts_us[p], 0);
    d = drift(workers, 2, tries, 0, 0);
    assert_int_equal(d.makespan_us, 0);
}

/* One worker comes 40 late, waits 20 in the middle, and 60 at the end for a test that was predicted
 * to take 50 less: each is found where it belongs. */
static void test_drift_of_names_each_part(void **state)
{
    const struct drift_worker workers[] = { { 1000, STAYS, AVERAGE }, { 1040, STAYS, AVERAGE } };
    const struct drift_try tries[] = { { 0, 0, 1000, 1100, 100, 0, TRY_COUNTED },
                                       { 2, 0, 1100, 1200, 50, 0, TRY_COUNTED },
                                       { 1, 1, 1060, 1140, 80, 0, TRY_COUNTED } };
    struct drift d = drift(workers, 2, tries, 3, 0);

    (void)state;
    assert_int_equal(d.makespan_us, 200);
    assert_int_equal(d.work_us, 280);
    assert_int_equal(d.bound_us, 140);
    assert_int_equal(d.parts_us[DRIFT_STARTUP], 20);
    assert_int_equal(d.parts_us[DRIFT_IDLE], 10);
    assert_int_equal(d.parts_us[DRIFT_PREDICTION], 25);
    assert_int_equal(d.parts_us[DRIFT_TAIL], 5);
}

static void test_drift_of_names_the_floor(void **state)
{
    const struct drift_worker workers[] = { { 0, STAYS, AVERAGE }, { 0, STAYS, AVERAGE } };
    const struct drift_try tries[] = { { 7, 0, 0, 900, 900, 0, TRY_COUNTED },
                                       { 1, 1, 0, 100, 100, 0, TRY_COUNTED } };
    struct drift d = drift(workers, 2, tries, 2, 0);

    (void)state;
    assert_true(d.floor);
    assert_int_equal(d.floor_test, 7);
    assert_int_equal(d.bound_us, 900);
    assert_int_equal(d.parts_us[DRIFT_TAIL], 0);
}

/* A lost machine: what it ran does not count, and it is missing afterwards. */
static void test_drift_of_counts_recovery(void **state)
{
    const struct drift_worker workers[] = { { 0, STAYS, AVERAGE }, { 0, 60, AVERAGE } };
    const struct drift_try tries[] = { { 0, 0, 0, 100, 100, 0, TRY_COUNTED },
                                       { 1, 0, 100, 200, 100, 0, TRY_COUNTED },
                                       { 1, 1, 0, 60, 100, 0, TRY_LOST } };
    struct drift d = drift(workers, 2, tries, 3, 0);

    (void)state;
    assert_int_equal(d.makespan_us, 200);
    assert_int_equal(d.parts_us[DRIFT_RECOVERY], 100);
}

static void test_drift_of_counts_setups_paid_again(void **state)
{
    const struct drift_worker workers[] = { { 0, STAYS, AVERAGE }, { 0, STAYS, AVERAGE } };
    const struct drift_try tries[] = { { 0, 0, 0, 100, 100, 40, TRY_COUNTED },
                                       { 1, 1, 0, 100, 100, 40, TRY_COUNTED } };
    struct drift d = drift(workers, 2, tries, 2, 40);

    (void)state;
    assert_int_equal(d.parts_us[DRIFT_SETUP], 20);
    assert_int_equal(d.bound_us, 80);
}

/* Where fixtures are timed apart, they are what fills the gaps between tests. */
static void test_drift_of_takes_setups_out_of_idling(void **state)
{
    const struct drift_worker workers[] = { { 0, STAYS, AVERAGE } };
    const struct drift_try tries[] = { { 0, 0, 50, 100, 50, 0, TRY_COUNTED },
                                       { 1, 0, 160, 200, 40, 0, TRY_COUNTED } };
    const struct drift_input in = { .workers = workers,
                                    .worker_count = 1,
                                    .tries = tries,
                                    .try_count = 2,
                                    .setups_once_us = 50,
                                    .setups_apart_us = 100 };
    struct drift d;

    (void)state;
    drift_of(&in, &d);
    assert_int_equal(d.bound_us, 140);
    assert_int_equal(d.parts_us[DRIFT_SETUP], 50);
    assert_int_equal(d.parts_us[DRIFT_IDLE], 10);
}

/* Whatever happened, the parts account for the time above the bound, but for rounding and for what
 * fast machines gave back. */
static void test_drift_parts_add_up(void **state)
{
    uint64_t chance = 9;

    (void)state;
    for (uint32_t n = 0; n < 5000; n++) {
        struct drift_worker workers[4];
        struct drift_try tries[40];
        uint32_t worker_count = 1 + chance_below(&chance, 4), try_count = 0;
        uint64_t sum_us = 0;
        struct drift d;

        for (uint32_t w = 0; w < worker_count; w++) {
            uint64_t at_us = chance_below(&chance, 1000);

            workers[w] = (struct drift_worker){ at_us, STAYS, AVERAGE };
            for (uint32_t i = chance_below(&chance, 10); i-- > 0;) {
                uint64_t start_us = at_us + chance_below(&chance, 2) * chance_below(&chance, 100);

                at_us = start_us + chance_below(&chance, 1000);
                tries[try_count++] =
                    (struct drift_try){ .test = i,
                                        .worker = w,
                                        .start_us = start_us,
                                        .end_us = at_us,
                                        .predicted_us = chance_below(&chance, 900),
                                        .worth = (enum drift_worth)chance_below(&chance, 3) };
            }
        }
        d = drift(workers, worker_count, tries, try_count, 0);
        if (!try_count)
            continue;
        for (uint32_t p = 0; p < DRIFT_PARTS; p++)
            sum_us += d.parts_us[p];
        if (!d.floor)
            assert_in_range(d.bound_us + sum_us, d.makespan_us - DRIFT_PARTS, d.makespan_us);
        else
            assert_true(d.bound_us + sum_us + DRIFT_PARTS >= d.makespan_us);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drift_of_a_perfect_run_is_nothing),
        cmocka_unit_test(test_drift_of_names_each_part),
        cmocka_unit_test(test_drift_of_names_the_floor),
        cmocka_unit_test(test_drift_of_counts_recovery),
        cmocka_unit_test(test_drift_of_counts_setups_paid_again),
        cmocka_unit_test(test_drift_of_takes_setups_out_of_idling),
        cmocka_unit_test(test_drift_parts_add_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
