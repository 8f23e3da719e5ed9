#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench.h"

static const struct dispatch_input two_workers = { .workers = 2,
                                                   .restarts_max = 8,
                                                   .settle_when_dry = true };

/* Long tests are named one at a time: none waits behind a long one. */
static void test_dispatch_names_late_behind_a_long_test(void **state)
{
    struct bench *b = *state;

    opens(b, 4, A_FILE_EACH, two_workers);
    grant_all(b, 1000000);
    assert_int_equal(b->forks, 2);
    heard(b, 0, WORKER_EV_HELLO, 0);
    heard(b, 1, WORKER_EV_HELLO, 0);
    assert_int_equal(b->runs, 2);
    heard(b, 0, WORKER_EV_START, b->ran[0]);
    assert_int_equal(b->runs, 2);
    heard(b, 0, WORKER_EV_DONE, b->ran[0]);
    assert_int_equal(b->runs, 3);
}

/* Behind a long test the next is named when its call has ended, in time for its teardown. */
static void test_dispatch_names_the_next_test_when_a_worker_asks(void **state)
{
    struct bench *b = *state;

    opens(b, 2, A_FILE_EACH, two_workers);
    grant_all(b, 1000000);
    heard(b, 0, WORKER_EV_HELLO, 0);
    heard(b, 0, WORKER_EV_START, b->ran[0]);
    heard(b, 0, WORKER_EV_ASK, b->ran[0]);
    assert_int_equal(b->runs, 2);
    heard(b, 0, WORKER_EV_DONE, dispatch_worker(b->d, 0)->hand[0]);
    heard(b, 0, WORKER_EV_START, b->ran[0]);
    heard(b, 0, WORKER_EV_ASK, b->ran[0]);
    assert_int_equal(b->runs, 2);
    assert_int_equal(b->lasts, 1);
    assert_int_equal(b->nones, 0);
}

/* More tests may come from elsewhere: then none is the last. */
static void test_dispatch_knows_no_last_test_when_more_may_come(void **state)
{
    struct bench *b = *state;

    opens(b, 1, A_FILE_EACH, (struct dispatch_input){ .workers = 1, .restarts_max = 8 });
    grant_all(b, 1000000);
    heard(b, 0, WORKER_EV_HELLO, 0);
    heard(b, 0, WORKER_EV_START, b->ran[0]);
    heard(b, 0, WORKER_EV_ASK, b->ran[0]);
    assert_int_equal(b->nones, 1);
    assert_int_equal(b->lasts, 0);
}

/* Short tests are named ahead, up to some milliseconds of work and never over the hand's size. */
static void test_dispatch_names_early_behind_short_tests(void **state)
{
    struct bench *b = *state;

    opens(b, 100, A_FILE_EACH, two_workers);
    grant_all(b, 2000);
    heard(b, 0, WORKER_EV_HELLO, 0);
    assert_int_equal(b->runs, 3); /* 2 + 2 ms are under 5 ms, 6 ms are not */
    run_one(b, 0);
    assert_int_equal(b->runs, 4);
    opens(b, 100, A_FILE_EACH, two_workers);
    grant_all(b, 200);
    heard(b, 0, WORKER_EV_HELLO, 0);
    assert_int_equal(b->runs, DISPATCH_EARLY_HAND);
}

/* Who has many tests before it lacks anything need not be listened to at once. */
static void test_dispatch_is_far_ahead_only_with_many_tests_to_begin(void **state)
{
    struct bench *b = *state;
    uint32_t left = DISPATCH_EARLY_HAND;

    opens(b, DISPATCH_EARLY_HAND + 2, A_FILE_EACH,
          (struct dispatch_input){ .workers = 1, .restarts_max = 4 });
    assert_false(dispatch_far_ahead(b->d, 0));
    grant_all(b, 100);
    heard(b, 0, WORKER_EV_HELLO, 0);
    heard(b, 0, WORKER_EV_START, dispatch_worker(b->d, 0)->hand[0]);
    assert_true(dispatch_far_ahead(b->d, 0));
    heard(b, 0, WORKER_EV_DONE, dispatch_worker(b->d, 0)->hand[0]);
    for (left += 2 - 1; left > DISPATCH_FAR_AHEAD; left--) {
        assert_true(dispatch_far_ahead(b->d, 0));
        run_one(b, 0);
    }
    heard(b, 0, WORKER_EV_START, dispatch_worker(b->d, 0)->hand[0]);
    assert_false(dispatch_far_ahead(b->d, 0));
    dispatch_stop(b->d); /* it is to answer */
    count_effects(b);
    assert_false(dispatch_far_ahead(b->d, 0));
    opens(b, 100, A_FILE_EACH, two_workers);
    grant_all(b, 2000);
    heard(b, 0, WORKER_EV_HELLO, 0);
    assert_false(dispatch_far_ahead(b->d, 0));
}

/* A bet on short tests is small without history, and is off when few tests are left. */
static void test_dispatch_bets_little_when_a_test_may_be_long(void **state)
{
    struct dispatch_input in = two_workers;
    struct bench *b = *state;

    opens(b, 100, A_FILE_EACH, two_workers);
    dispatch_free(b->d);
    for (uint32_t i = 0; i < 100; i++)
        b->suite->tests[i].flags |= POOL_GUESS;
    in.suite = b->suite;
    b->d = dispatch_new(&in);
    grant_all(b, 300);
    heard(b, 0, WORKER_EV_HELLO, 0);
    assert_int_equal(dispatch_worker(b->d, 0)->hand_count, DISPATCH_GUESS_HAND);
    opens(b, 3, A_FILE_EACH, two_workers);
    grant_all(b, 300);
    heard(b, 0, WORKER_EV_HELLO, 0);
    assert_int_equal(dispatch_worker(b->d, 0)->hand_count, 2);
}

/* With a limit of failures the next test is named only when the one before has ended. */
static void test_dispatch_names_one_at_a_time_when_a_failure_may_end_the_run(void **state)
{
    struct dispatch_input in = two_workers;
    struct bench *b = *state;

    in.one_at_a_time = true;
    opens(b, 100, A_FILE_EACH, in);
    grant_all(b, 300);
    heard(b, 0, WORKER_EV_HELLO, 0);
    assert_int_equal(b->runs, 1);
}

/* The whole life: run dry, settle, end, quit, gone. */
static void test_dispatch_ends_empty_when_all_is_done(void **state)
{
    struct bench *b = *state;

    opens(b, 3, A_FILE_EACH, two_workers);
    grant_all(b, 1000000);
    heard(b, 0, WORKER_EV_HELLO, 0);
    heard(b, 1, WORKER_EV_HELLO, 0);
    run_one(b, 0);
    run_one(b, 0);
    assert_int_equal(b->settles, 1); /* nothing is left for it while the other still runs */
    run_one(b, 1);
    assert_int_equal(b->settles, 2);
    heard(b, 0, WORKER_EV_IDLE, 0);
    heard(b, 1, WORKER_EV_IDLE, 0);
    assert_int_equal(b->quits, 0);
    dispatch_end(b->d);
    count_effects(b);
    assert_int_equal(b->quits, 2);
    for (uint32_t slot = 0; slot < 2; slot++) {
        heard(b, slot, WORKER_EV_BYE, 0);
        assert_int_equal(b->empties, 0);
        heard(b, slot, WORKER_EV_GONE, 0);
    }
    assert_int_equal(b->empties, 1);
    assert_int_equal(b->crashes, 0);
}

/* A worker that dies is replaced under a new number; only the test it was in is lost to the crash.
 */
static void test_dispatch_replaces_a_crashed_worker_and_moves_its_unstarted_tests(void **state)
{
    struct bench *b = *state;
    uint32_t total = 10;

    opens(b, total, A_FILE_EACH, (struct dispatch_input){ .workers = 1, .restarts_max = 4 });
    grant_all(b, 6000);
    heard(b, 0, WORKER_EV_HELLO, 0);
    heard(b, 0, WORKER_EV_START, b->ran[0]);
    heard(b, 0, WORKER_EV_GONE, 0);
    assert_int_equal(b->crashes, 1);
    assert_int_equal(b->forks, 2);
    heard(b, 1, WORKER_EV_HELLO, 0);
    for (uint32_t i = 1; i < total; i++)
        run_one(b, 1);
    assert_int_equal(dispatch_backlog_us(b->d), 0);
}

/* Nobody asks for a worker that would find nothing to do. */
static void test_dispatch_does_not_replace_when_no_work_is_left(void **state)
{
    struct bench *b = *state;

    opens(b, 1, A_FILE_EACH, two_workers);
    grant_all(b, 1000000);
    assert_int_equal(b->forks, 1);
    heard(b, 0, WORKER_EV_HELLO, 0);
    heard(b, 0, WORKER_EV_START, 0);
    heard(b, 0, WORKER_EV_GONE, 0);
    assert_int_equal(b->forks, 1);
    dispatch_end(b->d);
    count_effects(b);
    assert_int_equal(b->empties, 1);
}

/* A suite that kills every worker ends, and says that it is broken. */
static void test_dispatch_is_broken_when_restarts_are_used_up(void **state)
{
    struct bench *b = *state;

    opens(b, 50, A_FILE_EACH, (struct dispatch_input){ .workers = 1, .restarts_max = 3 });
    grant_all(b, 1000000);
    for (uint32_t slot = 0; slot < 4; slot++) {
        assert_int_equal(b->brokens, 0);
        heard(b, slot, WORKER_EV_HELLO, 0);
        heard(b, slot, WORKER_EV_START, b->ran[slot]);
        heard(b, slot, WORKER_EV_GONE, 0);
    }
    assert_int_equal(b->forks, 4);
    assert_int_equal(b->brokens, 1);
    dispatch_stop(b->d);
    count_effects(b);
    assert_int_equal(b->empties, 1);
}

/* The source learns that all is over only from the result of that test. */
static void test_dispatch_is_not_broken_by_the_last_test(void **state)
{
    struct bench *b = *state;

    opens(b, 1, A_FILE_EACH, (struct dispatch_input){ .workers = 1, .restarts_max = 0 });
    grant_all(b, 1000000);
    heard(b, 0, WORKER_EV_HELLO, 0);
    heard(b, 0, WORKER_EV_START, b->ran[0]);
    assert_true(dispatch_heard(b->d, 0, WORKER_EV_GONE, 0, 1000));
    dispatch_end(b->d);
    count_effects(b);
    assert_int_equal(b->crashes, 1);
    assert_int_equal(b->brokens, 0);
    assert_int_equal(b->empties, 1);
}

/* After a stop nothing is named; the running test may end, the worker then goes. */
static void test_dispatch_stop_lets_the_running_test_end(void **state)
{
    struct bench *b = *state;

    opens(b, 20, A_FILE_EACH, two_workers);
    grant_all(b, 4000);
    heard(b, 0, WORKER_EV_HELLO, 0);
    heard(b, 0, WORKER_EV_START, dispatch_worker(b->d, 0)->hand[0]);
    b->runs = 0;
    dispatch_stop(b->d);
    count_effects(b);
    assert_int_equal(b->cancels, 1);
    assert_int_equal(b->quits, 2);
    heard(b, 0, WORKER_EV_DONE, dispatch_worker(b->d, 0)->hand[0]);
    heard(b, 0, WORKER_EV_FORGOT, 0);
    heard(b, 1, WORKER_EV_HELLO, 0);
    heard(b, 0, WORKER_EV_BYE, 0);
    heard(b, 0, WORKER_EV_GONE, 0);
    heard(b, 1, WORKER_EV_BYE, 0);
    heard(b, 1, WORKER_EV_GONE, 0);
    assert_int_equal(b->runs, 0);
    assert_int_equal(b->crashes, 0);
    assert_int_equal(b->kills, 0);
    assert_int_equal(b->empties, 1);
}

/* Workers that were asked for and can no longer come do not hold up the end. */
static void test_dispatch_ends_when_a_starting_worker_never_comes(void **state)
{
    struct bench *b = *state;

    opens(b, 20, A_FILE_EACH, two_workers);
    grant_all(b, 1000000);
    heard(b, 0, WORKER_EV_HELLO, 0);
    dispatch_stop(b->d);
    dispatch_barren(b->d);
    count_effects(b);
    heard(b, 0, WORKER_EV_FORGOT, 0);
    heard(b, 0, WORKER_EV_BYE, 0);
    heard(b, 0, WORKER_EV_GONE, 0);
    assert_int_equal(b->crashes, 0);
    assert_int_equal(b->empties, 1);
}

/* pytest.exit in a test: no verdict for it, no crash. */
static void test_dispatch_calls_a_test_unrun_when_its_worker_leaves_in_order(void **state)
{
    struct bench *b = *state;

    opens(b, 1, A_FILE_EACH, two_workers);
    grant_all(b, 1000000);
    heard(b, 0, WORKER_EV_HELLO, 0);
    heard(b, 0, WORKER_EV_START, 0);
    heard(b, 0, WORKER_EV_BYE, 0);
    heard(b, 0, WORKER_EV_GONE, 0);
    assert_int_equal(b->unruns, 1);
    assert_int_equal(b->crashes, 0);
}

/* What no worker has can be given back, once; what runs cannot. */
static void test_dispatch_release_gives_back_only_what_nobody_has(void **state)
{
    struct bench *b = *state;
    uint32_t running, released = 0;

    opens(b, 5, A_FILE_EACH, (struct dispatch_input){ .workers = 1, .restarts_max = 4 });
    grant_all(b, 1000000);
    heard(b, 0, WORKER_EV_HELLO, 0);
    running = b->ran[0];
    heard(b, 0, WORKER_EV_START, running);
    for (uint32_t i = 0; i < 5; i++)
        released += dispatch_release(b->d, i);
    assert_int_equal(released, 4);
    assert_false(dispatch_release(b->d, (running + 1) % 5));
    heard(b, 0, WORKER_EV_DONE, running);
    assert_int_equal(b->runs, 1);
    assert_int_equal(dispatch_free_workers(b->d), 1);
    dispatch_grant(b->d, (running + 1) % 5, 1000); /* it may come again */
    dispatch_granted(b->d);
    count_effects(b);
    assert_int_equal(b->runs, 2);
}

/* Without any history one worker starts first; a suite of a few short tests needs no other. */
static void test_dispatch_starts_one_worker_first_when_nothing_is_known(void **state)
{
    struct bench *b = *state;
    struct dispatch_input in = two_workers;

    b->manifest = NULL;
    opens(b, 3, A_FILE_EACH, two_workers);
    for (uint32_t i = 0; i < 3; i++)
        b->suite->tests[i].flags |= POOL_GUESS;
    dispatch_free(b->d);
    in.suite = b->suite;
    b->d = dispatch_new(&in);
    grant_all(b, 1000000);
    assert_int_equal(b->forks, 1);
    heard(b, 0, WORKER_EV_HELLO, 0);
    assert_int_equal(b->forks, 2);
}

/* One worker alone gains nothing by another order than pytest's own. */
static void test_dispatch_keeps_the_order_of_collection_when_asked(void **state)
{
    struct bench *b = *state;

    opens(b, 20, A_FILE_EACH,
          (struct dispatch_input){ .workers = 1, .restarts_max = 4, .in_order = true });
    for (uint32_t i = 0; i < 20; i++)
        dispatch_grant(b->d, i, 1000000 + (i * 7919) % 13 * 100000);
    dispatch_granted(b->d);
    count_effects(b);
    heard(b, 0, WORKER_EV_HELLO, 0);
    for (uint32_t i = 0; i < 20; i++) {
        assert_int_equal(dispatch_worker(b->d, 0)->hand[0], i);
        run_one(b, 0);
    }
}

/* A file that is begun goes on, whatever comes meanwhile. */
static void test_dispatch_ends_a_file_before_what_came_later(void **state)
{
    struct bench *b = *state;

    opens(b, 6, ONE_FILE, (struct dispatch_input){ .workers = 1, .restarts_max = 4 });
    for (uint32_t i = 2; i < 6; i++)
        dispatch_grant(b->d, i, 1000000);
    dispatch_granted(b->d);
    count_effects(b);
    heard(b, 0, WORKER_EV_HELLO, 0);
    assert_int_equal(b->ran[0], 2);
    heard(b, 0, WORKER_EV_START, 2);
    dispatch_grant(b->d, 0, 1000000);
    dispatch_grant(b->d, 1, 1000000);
    dispatch_granted(b->d);
    count_effects(b);
    heard(b, 0, WORKER_EV_DONE, 2);
    for (uint32_t i = 3; i < 6; i++) {
        assert_int_equal(b->ran[0], i);
        run_one(b, 0);
    }
    assert_int_equal(b->ran[0], 0);
}

/* What stays together is not parted because others would have a part of it. */
static void test_dispatch_keeps_what_is_recalled_of_a_unit_that_is_begun(void **state)
{
    struct bench *b = *state;

    opens(b, 3, ONE_FILE,
          (struct dispatch_input){ .workers = 2, .restarts_max = 4, .policy = POOL_FILE });
    grant_all(b, 1000000);
    assert_true(dispatch_release(b->d, 2));
    dispatch_again(b->d, 2);
    count_effects(b);
    heard(b, 0, WORKER_EV_HELLO, 0);
    assert_false(dispatch_release(b->d, 2));
    run_one(b, 0);
    assert_false(dispatch_release(b->d, 2));
}

/* A worker that answers what was not asked is killed, and its death is a crash. */
static void test_dispatch_kills_a_worker_when_it_speaks_out_of_turn(void **state)
{
    struct bench *b = *state;

    opens(b, 2, A_FILE_EACH, two_workers);
    grant_all(b, 1000000);
    heard(b, 0, WORKER_EV_HELLO, 0);
    heard(b, 0, WORKER_EV_DONE, 1 - b->ran[0]);
    assert_int_equal(b->kills, 1);
    assert_false(dispatch_heard(b->d, 99, WORKER_EV_HELLO, 0, 0));
}

/* A worker that has run its share of tests goes; a fresh one has its name and is no loss. */
static void test_dispatch_recycles_a_worker_after_its_tests(void **state)
{
    struct dispatch_input in = two_workers;
    struct bench *b = *state;

    in.workers = 1;
    in.restarts_max = 0;
    in.recycle_after = 2;
    opens(b, 3, A_FILE_EACH, in);
    grant_all(b, 10);
    heard(b, 0, WORKER_EV_HELLO, 0);
    assert_int_equal(b->runs, 2);
    run_one(b, 0);
    assert_int_equal(b->quits, 0);
    run_one(b, 0);
    assert_int_equal(b->runs, 2);
    assert_int_equal(b->quits, 1);
    heard(b, 0, WORKER_EV_BYE, 0);
    heard(b, 0, WORKER_EV_GONE, 0);
    assert_int_equal(b->forks, 2);
    assert_int_equal(dispatch_slots(b->d), 1);
    heard(b, 0, WORKER_EV_HELLO, 0);
    run_one(b, 0);
    assert_int_equal(b->runs, 3);
    assert_int_equal(b->crashes + b->brokens, 0);
}

/* When memory is short: what was named early goes to others, new tests too; resumed, it works. */
static void test_dispatch_gives_a_held_worker_nothing_until_it_is_resumed(void **state)
{
    struct bench *b = *state;

    opens(b, 40, A_FILE_EACH, two_workers);
    grant_all(b, 1000);
    heard(b, 0, WORKER_EV_HELLO, 0);
    heard(b, 1, WORKER_EV_HELLO, 0);
    heard(b, 0, WORKER_EV_START, dispatch_worker(b->d, 0)->hand[0]);
    assert_true(dispatch_worker(b->d, 0)->hand_count > 1);
    dispatch_hold(b->d, 0);
    count_effects(b);
    assert_int_equal(b->cancels, 1);
    heard(b, 0, WORKER_EV_FORGOT, 0);
    heard(b, 0, WORKER_EV_DONE, dispatch_worker(b->d, 0)->hand[0]);
    assert_int_equal(dispatch_worker(b->d, 0)->hand_count, 0);
    assert_int_equal(dispatch_free_workers(b->d), 0);
    run_one(b, 1);
    assert_int_equal(dispatch_worker(b->d, 0)->hand_count, 0);
    dispatch_resume(b->d, 0);
    count_effects(b);
    assert_true(dispatch_worker(b->d, 0)->hand_count > 0);
}

/* Fewer workers than before: the retired one is not replaced until the limit rises again. */
static void test_dispatch_keeps_to_a_limit_that_moves(void **state)
{
    struct bench *b = *state;

    opens(b, 40, A_FILE_EACH, two_workers);
    grant_all(b, 1000000);
    heard(b, 0, WORKER_EV_HELLO, 0);
    heard(b, 1, WORKER_EV_HELLO, 0);
    heard(b, 1, WORKER_EV_START, dispatch_worker(b->d, 1)->hand[0]);
    dispatch_limit(b->d, 1);
    dispatch_retire(b->d, 1);
    count_effects(b);
    assert_int_equal(b->quits, 1);
    heard(b, 1, WORKER_EV_FORGOT, 0);
    heard(b, 1, WORKER_EV_DONE, dispatch_worker(b->d, 1)->hand[0]);
    heard(b, 1, WORKER_EV_BYE, 0);
    heard(b, 1, WORKER_EV_GONE, 0);
    assert_int_equal(b->forks, 2);
    dispatch_limit(b->d, 2);
    count_effects(b);
    assert_int_equal(b->forks, 3);
    assert_int_equal(dispatch_slots(b->d), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        bench_test(test_dispatch_names_late_behind_a_long_test),
        bench_test(test_dispatch_names_the_next_test_when_a_worker_asks),
        bench_test(test_dispatch_knows_no_last_test_when_more_may_come),
        bench_test(test_dispatch_names_early_behind_short_tests),
        bench_test(test_dispatch_is_far_ahead_only_with_many_tests_to_begin),
        bench_test(test_dispatch_bets_little_when_a_test_may_be_long),
        bench_test(test_dispatch_names_one_at_a_time_when_a_failure_may_end_the_run),
        bench_test(test_dispatch_ends_empty_when_all_is_done),
        bench_test(test_dispatch_replaces_a_crashed_worker_and_moves_its_unstarted_tests),
        bench_test(test_dispatch_does_not_replace_when_no_work_is_left),
        bench_test(test_dispatch_is_broken_when_restarts_are_used_up),
        bench_test(test_dispatch_is_not_broken_by_the_last_test),
        bench_test(test_dispatch_stop_lets_the_running_test_end),
        bench_test(test_dispatch_ends_when_a_starting_worker_never_comes),
        bench_test(test_dispatch_calls_a_test_unrun_when_its_worker_leaves_in_order),
        bench_test(test_dispatch_release_gives_back_only_what_nobody_has),
        bench_test(test_dispatch_starts_one_worker_first_when_nothing_is_known),
        bench_test(test_dispatch_keeps_the_order_of_collection_when_asked),
        bench_test(test_dispatch_ends_a_file_before_what_came_later),
        bench_test(test_dispatch_keeps_what_is_recalled_of_a_unit_that_is_begun),
        bench_test(test_dispatch_kills_a_worker_when_it_speaks_out_of_turn),
        bench_test(test_dispatch_recycles_a_worker_after_its_tests),
        bench_test(test_dispatch_gives_a_held_worker_nothing_until_it_is_resumed),
        bench_test(test_dispatch_keeps_to_a_limit_that_moves),
    };

    return cmocka_run_group_tests_name("agent/dispatch", tests, NULL, NULL);
}
