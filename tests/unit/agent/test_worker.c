#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/worker.h"

static void up(struct worker *w)
{
    worker_init(w);
    assert_int_equal(worker_step(w, WORKER_EV_HELLO, 0), WORKER_FX_READY);
}

static void running(struct worker *w, uint32_t test)
{
    up(w);
    assert_int_equal(worker_step(w, WORKER_EV_RUN, test), WORKER_FX_NONE);
    assert_int_equal(worker_step(w, WORKER_EV_START, test), WORKER_FX_NONE);
}

/* One test from naming to done: the worker is ready again and remembers the test for late errors.
 */
static void test_worker_step_runs_a_test_when_all_goes_well(void **state)
{
    struct worker w;

    (void)state;
    running(&w, 7);
    assert_int_equal(worker_running(&w), 7);
    assert_int_equal(worker_step(&w, WORKER_EV_DONE, 7), WORKER_FX_READY);
    assert_int_equal(w.state, WORKER_WAITING);
    assert_int_equal(w.last, 7);
    assert_int_equal(worker_running(&w), WORKER_NO_TEST);
}

/* A worker whose test is over but for the teardown asks for the next; one that has it need not. */
static void test_worker_step_remembers_that_it_asks_when_nothing_is_named(void **state)
{
    struct worker w;

    (void)state;
    running(&w, 1);
    assert_int_equal(worker_step(&w, WORKER_EV_ASK, 2), WORKER_FX_BROKE);
    assert_int_equal(worker_step(&w, WORKER_EV_ASK, 1), WORKER_FX_NONE);
    assert_true(w.asks);
    (void)worker_step(&w, WORKER_EV_RUN, 2);
    assert_false(w.asks);
    assert_int_equal(worker_step(&w, WORKER_EV_ASK, 1), WORKER_FX_NONE);
    assert_false(w.asks);
}

/* Tests are done in the order in which they were named; anything else is a broken worker. */
static void test_worker_step_finds_out_when_order_is_broken(void **state)
{
    struct worker w;

    (void)state;
    running(&w, 1);
    assert_int_equal(worker_step(&w, WORKER_EV_RUN, 2), WORKER_FX_NONE);
    assert_int_equal(worker_step(&w, WORKER_EV_START, 2), WORKER_FX_BROKE);
    assert_int_equal(worker_step(&w, WORKER_EV_DONE, 2), WORKER_FX_BROKE);
    assert_int_equal(worker_step(&w, WORKER_EV_IDLE, 0), WORKER_FX_BROKE);
    assert_int_equal(worker_step(&w, WORKER_EV_FORGOT, 0), WORKER_FX_BROKE);
    assert_int_equal(worker_step(&w, WORKER_EV_HELLO, 0), WORKER_FX_BROKE);
    assert_int_equal(w.hand_count, 2);
}

/* A death without BYE is a crash in the running test; what was only named can move on. */
static void test_worker_step_crashes_in_the_running_test_when_it_dies(void **state)
{
    struct worker w;
    uint32_t unstarted[WORKER_HAND_MAX];

    (void)state;
    running(&w, 1);
    (void)worker_step(&w, WORKER_EV_RUN, 2);
    (void)worker_step(&w, WORKER_EV_RUN, 3);
    assert_int_equal(worker_step(&w, WORKER_EV_GONE, 0), WORKER_FX_CRASHED);
    assert_int_equal(worker_take_unstarted(&w, unstarted), 2);
    assert_int_equal(unstarted[0], 2);
    assert_int_equal(unstarted[1], 3);
    assert_int_equal(worker_running(&w), 1);
    assert_int_equal(worker_step(&w, WORKER_EV_DONE, 1), WORKER_FX_NONE);
}

/* After BYE the end is in order, even in the middle of a test (pytest.exit). */
static void test_worker_step_leaves_in_order_when_it_said_bye(void **state)
{
    struct worker w;

    (void)state;
    running(&w, 1);
    assert_int_equal(worker_step(&w, WORKER_EV_BYE, 0), WORKER_FX_NONE);
    assert_false(worker_can_take(&w));
    assert_int_equal(worker_step(&w, WORKER_EV_GONE, 0), WORKER_FX_LEFT);
    assert_int_equal(worker_running(&w), 1);
}

/* Between CANCEL and its answer nothing is named; then the unstarted tests are free. */
static void test_worker_step_takes_nothing_when_being_recalled(void **state)
{
    struct worker w;
    uint32_t unstarted[WORKER_HAND_MAX];

    (void)state;
    running(&w, 1);
    (void)worker_step(&w, WORKER_EV_RUN, 2);
    (void)worker_step(&w, WORKER_EV_CANCEL, 0);
    assert_false(worker_can_take(&w));
    assert_int_equal(worker_step(&w, WORKER_EV_DONE, 1), WORKER_FX_READY);
    assert_int_equal(worker_step(&w, WORKER_EV_FORGOT, 0), WORKER_FX_FORGOT);
    assert_int_equal(worker_take_unstarted(&w, unstarted), 1);
    assert_int_equal(unstarted[0], 2);
    assert_true(worker_can_take(&w));
    assert_int_equal(w.state, WORKER_WAITING);
}

static void test_worker_step_is_idle_when_it_has_settled(void **state)
{
    struct worker w;

    (void)state;
    running(&w, 1);
    (void)worker_step(&w, WORKER_EV_DONE, 1);
    (void)worker_step(&w, WORKER_EV_SETTLE, 0);
    assert_false(worker_can_take(&w));
    assert_true(worker_is_up(&w));
    assert_int_equal(worker_step(&w, WORKER_EV_IDLE, 0), WORKER_FX_READY);
    assert_true(worker_can_take(&w));
}

/* A worker told to go before it said HELLO stays on its way out. */
static void test_worker_step_goes_when_told_before_hello(void **state)
{
    struct worker w;

    (void)state;
    worker_init(&w);
    (void)worker_step(&w, WORKER_EV_QUIT, 0);
    assert_int_equal(worker_step(&w, WORKER_EV_HELLO, 0), WORKER_FX_NONE);
    assert_false(worker_is_up(&w));
    (void)worker_step(&w, WORKER_EV_BYE, 0);
    assert_int_equal(worker_step(&w, WORKER_EV_GONE, 0), WORKER_FX_LEFT);
}

/* One with threads begins and ends tests in any order, so many at a time; the first is "the" one.
 */
static void test_worker_step_runs_several_when_it_has_threads(void **state)
{
    struct worker w;
    uint32_t unstarted[WORKER_HAND_MAX];

    (void)state;
    worker_init(&w);
    w.threads = 2;
    (void)worker_step(&w, WORKER_EV_HELLO, 0);
    for (uint32_t test = 1; test <= 4; test++)
        (void)worker_step(&w, WORKER_EV_RUN, test);
    assert_int_equal(worker_step(&w, WORKER_EV_START, 2), WORKER_FX_NONE);
    assert_int_equal(worker_step(&w, WORKER_EV_START, 1), WORKER_FX_NONE);
    assert_int_equal(worker_step(&w, WORKER_EV_START, 3), WORKER_FX_BROKE);
    assert_true(worker_runs(&w, 1) && worker_runs(&w, 2) && !worker_runs(&w, 3));
    assert_int_equal(worker_running(&w), 2);
    assert_int_equal(worker_step(&w, WORKER_EV_DONE, 2), WORKER_FX_READY);
    assert_int_equal(worker_step(&w, WORKER_EV_DONE, 2), WORKER_FX_BROKE);
    assert_int_equal(worker_running(&w), 1);
    assert_int_equal(worker_take_unstarted(&w, unstarted), 2);
    assert_int_equal(unstarted[0] + unstarted[1], 3 + 4);
    assert_int_equal(worker_step(&w, WORKER_EV_DONE, 1), WORKER_FX_READY);
    assert_int_equal(w.state, WORKER_WAITING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worker_step_runs_a_test_when_all_goes_well),
        cmocka_unit_test(test_worker_step_remembers_that_it_asks_when_nothing_is_named),
        cmocka_unit_test(test_worker_step_finds_out_when_order_is_broken),
        cmocka_unit_test(test_worker_step_crashes_in_the_running_test_when_it_dies),
        cmocka_unit_test(test_worker_step_leaves_in_order_when_it_said_bye),
        cmocka_unit_test(test_worker_step_takes_nothing_when_being_recalled),
        cmocka_unit_test(test_worker_step_is_idle_when_it_has_settled),
        cmocka_unit_test(test_worker_step_goes_when_told_before_hello),
        cmocka_unit_test(test_worker_step_runs_several_when_it_has_threads),
    };

    return cmocka_run_group_tests_name("agent/worker", tests, NULL, NULL);
}
