#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture.h"

/* Two slots, four tests; slot 0 passes its own, slot 1 fails one of its own. Both leave. */
static void first_epoch(struct fixture *f, enum outcome outcome)
{
    uint32_t bad;

    (void)joins_slot(f, 0, 2);
    (void)joins_slot(f, 1, 2);
    seals(f, 4);
    while (pool_free_count(f->run->pool) > 0)
        assert_true(pulls(f, 0) + pulls(f, 1) > 0);
    bad = f->run->sessions[1]->held_first;
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(reports_on(f, f->run->tests[i].session, i, 0,
                                    i == bad ? outcome : OUTCOME_PASSED, false),
                         ERR_NONE);
    (void)leaves(f, 0, 0);
    (void)leaves(f, 1, f->run->counts[OUTCOME_FAILED] ? 1 : 0);
    assert_true(ends(f));
}

static enum attempt_way way(const struct fixture *f, uint32_t index, uint32_t attempt,
                            const char *instance)
{
    struct join_request req = join_of(index, 2, instance);

    req.attempt = attempt;
    return attempt_way(f->run, &req);
}

static void test_attempt_of_a_failed_slot_runs_what_failed(void **state)
{
    struct fixture *f = *state;

    first_epoch(f, OUTCOME_FAILED);
    assert_int_equal(f->run->verdict, VERDICT_RED);
    assert_int_equal(joins_slot(f, 1, 2), 0);
    assert_int_equal(f->run->epoch, 2);
    seals(f, 4);
    assert_int_equal(f->run->done_count, 3);
    assert_int_equal(pool_free_count(f->run->pool), 1);
    works(f, 0);
    assert_int_equal(leaves(f, 0, 0), EXIT_OK);
    assert_true(ends(f));
    assert_int_equal(f->run->verdict, VERDICT_GREEN);
}

/* A slot that had exited 0 comes again: everything is being run again. */
static void test_attempt_of_a_good_slot_runs_everything(void **state)
{
    struct fixture *f = *state;

    first_epoch(f, OUTCOME_FAILED);
    assert_int_equal(joins_slot(f, 0, 2), 0);
    seals(f, 4);
    assert_int_equal(f->run->epoch, 2);
    assert_int_equal(f->run->done_count, 0);
}

/* The failed slot comes first and the epoch is narrow; then the good one comes too. */
static void test_attempt_widens_when_a_good_slot_follows(void **state)
{
    struct fixture *f = *state;

    first_epoch(f, OUTCOME_FAILED);
    (void)joins_slot(f, 1, 2);
    seals(f, 4);
    assert_int_equal(f->run->done_count, 3);
    (void)joins_slot(f, 0, 2);
    assert_int_equal(f->run->epoch, 2);
    assert_int_equal(f->run->done_count, 0);
    assert_true(f->run->wide);
}

static void test_attempt_with_another_manifest_runs_everything(void **state)
{
    struct fixture *f = *state;

    first_epoch(f, OUTCOME_FAILED);
    (void)joins_slot(f, 1, 2);
    seals(f, 5);
    assert_int_equal(f->run->done_count, 0);
}

/* Red by an error of the run alone: nothing failed, so everything is run. */
static void test_attempt_never_turns_green_on_an_empty_share(void **state)
{
    struct fixture *f = *state;

    (void)joins_slot(f, 0, 1);
    seals(f, 2);
    works(f, 0);
    (void)leaves(f, 0, 1);
    assert_true(ends(f));
    assert_int_equal(f->run->verdict, VERDICT_RED);
    (void)joins_slot(f, 0, 1);
    seals(f, 2);
    assert_int_equal(f->run->done_count, 0);
}

/* A runner that died is known by its tests, so such an error alone would leave nothing to run. */
static void test_attempt_after_a_dead_runner_alone_runs_everything(void **state)
{
    struct fixture *f = *state;
    struct run_error error = { .kind = (char *)"runner-died", .text = (char *)"signal 9" };
    struct results_request req = { .request = 900, .errors = &error, .error_count = 1 };
    struct change change = { .kind = CHANGE_NONE };

    (void)joins_slot(f, 0, 1);
    seals(f, 2);
    works(f, 0);
    assert_int_equal(decide_results(f->run, 0, &req, &change, &f->err), ERR_NONE);
    turn(f, &change);
    (void)leaves(f, 0, 1);
    assert_true(ends(f));
    assert_int_equal(f->run->verdict, VERDICT_RED);
    (void)joins_slot(f, 0, 1);
    assert_false(f->run->wide);
    seals(f, 2);
    assert_true(f->run->wide);
    assert_int_equal(f->run->done_count, 0);
}

/* Who comes late to a run that is over and green learns that all is done. */
static void test_attempt_of_a_late_slot_is_told_the_verdict(void **state)
{
    struct fixture *f = *state;

    (void)joins_slot(f, 0, 2);
    seals(f, 2);
    works(f, 0);
    (void)leaves(f, 0, 0);
    assert_true(ends(f));
    assert_int_equal(way(f, 1, 0, "late"), ATTEMPT_LATE);
    assert_int_equal(way(f, 0, 0, "again"), ATTEMPT_NEXT);
    assert_int_equal(joins_slot(f, 1, 2), 1);
    assert_true(f->run->sessions[1]->late);
    assert_int_equal(pulls(f, 1), 1);
    assert_int_equal(f->run->sessions[1]->orders[0].kind, ORDER_END);
    assert_int_equal(leaves(f, 1, 5), EXIT_OK);
}

/* A failed slot joins an epoch that is still open. */
static void test_attempt_of_a_slot_joins_an_open_epoch(void **state)
{
    struct fixture *f = *state;

    (void)joins_slot(f, 0, 2);
    (void)joins_slot(f, 1, 2);
    seals(f, 2);
    dies(f, 1);
    assert_int_equal(joins_slot(f, 1, 2), 2);
    assert_int_equal(f->run->epoch, 1);
}

/* Without slots the attempt of the CI tells a new pass from a latecomer. */
static void test_attempt_without_slots_goes_by_the_number(void **state)
{
    struct fixture *f = *state;
    struct join_request req = join_of(PROTO_SLOT_NONE, 0, "job-1");

    req.attempt = 1;
    (void)joins(f, &req, "n1");
    seals(f, 1);
    works(f, 0);
    (void)leaves(f, 0, 0);
    assert_true(ends(f));
    assert_int_equal(way(f, PROTO_SLOT_NONE, 1, "job-2"), ATTEMPT_LATE);
    assert_int_equal(way(f, PROTO_SLOT_NONE, 2, "job-2"), ATTEMPT_NEXT);
    assert_int_equal(way(f, PROTO_SLOT_NONE, 0, "job-1"), ATTEMPT_NEXT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(test_attempt_of_a_failed_slot_runs_what_failed),
        fixture_test(test_attempt_of_a_good_slot_runs_everything),
        fixture_test(test_attempt_widens_when_a_good_slot_follows),
        fixture_test(test_attempt_with_another_manifest_runs_everything),
        fixture_test(test_attempt_never_turns_green_on_an_empty_share),
        fixture_test(test_attempt_after_a_dead_runner_alone_runs_everything),
        fixture_test(test_attempt_of_a_late_slot_is_told_the_verdict),
        fixture_test(test_attempt_of_a_slot_joins_an_open_epoch),
        fixture_test(test_attempt_without_slots_goes_by_the_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
