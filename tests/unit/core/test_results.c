#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture.h"
#include "mem.h"

/* One session that holds all of 3 tests. */
static void hold_all(struct fixture *f)
{
    (void)joins_slot(f, 0, 1);
    seals(f, 3);
    while (pool_free_count(f->run->pool) > 0)
        assert_true(pulls(f, 0) > 0);
}

static void test_results_first_accepted_stands(void **state)
{
    struct fixture *f = *state;

    hold_all(f);
    passes(f, 0, 1);
    assert_int_equal(reports_on(f, 0, 1, 0, OUTCOME_FAILED, false), ERR_NONE);
    assert_int_equal(f->run->tests[1].outcome, OUTCOME_PASSED);
    assert_int_equal(f->run->observation_count, 1);
    assert_int_equal(f->run->flaky_count, 1);
    assert_int_equal(f->run->done_count, 1);
}

/* Results tell what has begun, so that it is not asked back; of what they end themselves that is no
 * news. */
static void test_results_tell_what_runs(void **state)
{
    struct fixture *f = *state;

    hold_all(f);
    begins_and_passes(f, 0, 1, 0);
    assert_int_equal(f->run->tests[0].place, TEST_DONE);
    assert_int_equal(f->run->tests[1].place, TEST_STARTED);
    begins_and_passes(f, 0, 1, 1);
    assert_int_equal(f->run->tests[1].place, TEST_DONE);
}

/* The same request number a second time changes nothing, whatever it says. */
static void test_results_repeated_request_counts_once(void **state)
{
    struct fixture *f = *state;
    struct change change = { .kind = CHANGE_NONE };
    struct result r;
    struct results_request req = { .request = 40, .results = &r, .result_count = 1 };

    hold_all(f);
    r = (struct result){ .test = { .id = (char *)"a.py::t0" },
                         .fence = f->run->tests[0].fence,
                         .outcome = OUTCOME_PASSED };
    assert_int_equal(decide_results(f->run, 0, &req, &change, &f->err), ERR_NONE);
    turn(f, &change);
    r.outcome = OUTCOME_FAILED;
    assert_int_equal(decide_results(f->run, 0, &req, &change, &f->err), ERR_NONE);
    assert_int_equal(change.kind, CHANGE_NONE);
}

/* --maxfail: what has failed on all machines counts, and what this very request brings. */
static void test_results_stop_the_run_after_so_many_bad_ones(void **state)
{
    struct fixture *f = *state;
    struct change change = { .kind = CHANGE_NONE };
    struct result r;
    struct results_request req = { .results = &r, .result_count = 1, .maxfail = 2 };

    hold_all(f);
    for (uint32_t i = 0; i < 2; i++) {
        req.request = 50 + i;
        r = (struct result){ .test = { .id = i ? (char *)"a.py::t1" : (char *)"a.py::t0" },
                             .fence = f->run->tests[i].fence,
                             .outcome = i ? OUTCOME_ERROR : OUTCOME_FAILED };
        assert_int_equal(decide_results(f->run, 0, &req, &change, &f->err), ERR_NONE);
        assert_int_equal(change.as.results.stop != NULL, i == 1);
        turn(f, &change);
    }
    assert_string_equal(f->run->stop, "stopping after 2 failures");
}

/* Two agents skip the same file while they collect; the run keeps one entry, and it is no fault. */
static void test_results_skipped_file_is_kept_once(void **state)
{
    struct fixture *f = *state;
    struct change change = { .kind = CHANGE_NONE };
    struct unit_skip skips[] = { { (char *)"b.py", (char *)"('b.py', 1, 'Skipped: no numpy')" },
                                 { (char *)"b.py", (char *)"again" } };
    struct results_request req = { .request = 30, .skips = skips, .skip_count = 2 };

    hold_all(f);
    assert_int_equal(decide_results(f->run, 0, &req, &change, &f->err), ERR_NONE);
    turn(f, &change);
    req.request = 31;
    assert_int_equal(decide_results(f->run, 0, &req, &change, &f->err), ERR_NONE);
    assert_int_equal(change.kind, CHANGE_NONE);
    assert_int_equal(f->run->skip_count, 1);
    assert_string_equal(f->run->skips[0].id, "b.py");
    assert_int_equal(f->run->faults.count, 0);
}

static void test_results_beat_is_no_change(void **state)
{
    struct fixture *f = *state;
    struct change change = { .kind = CHANGE_NONE };
    struct results_request beat = { .request = 9 };

    hold_all(f);
    assert_int_equal(decide_results(f->run, 0, &beat, &change, &f->err), ERR_NONE);
    assert_int_equal(change.kind, CHANGE_NONE);
}

/* The teardown of a wider fixture failed after the test was reported. */
static void test_results_amendment_makes_an_error(void **state)
{
    struct fixture *f = *state;

    hold_all(f);
    passes(f, 0, 2);
    assert_int_equal(reports_on(f, 0, 2, 0, OUTCOME_ERROR, true), ERR_NONE);
    assert_int_equal(f->run->tests[2].outcome, OUTCOME_ERROR);
    assert_int_equal(f->run->tests[2].reported, OUTCOME_PASSED);
    assert_int_equal(f->run->counts[OUTCOME_PASSED], 0);
    assert_int_equal(f->run->counts[OUTCOME_ERROR], 1);
    assert_int_equal(f->run->sessions[0]->bad_count, 1);
}

/* A result and its amendment may come in one request. */
static void test_results_amendment_in_the_same_request(void **state)
{
    struct fixture *f = *state;
    struct change change = { .kind = CHANGE_NONE };
    struct result r[2];
    struct results_request req = { .request = 1000, .results = r, .result_count = 2 };

    hold_all(f);
    r[0] = (struct result){ .test = { .id = (char *)"a.py::t0" },
                            .fence = f->run->tests[0].fence,
                            .outcome = OUTCOME_SKIPPED };
    r[1] = r[0];
    r[1].outcome = OUTCOME_ERROR;
    r[1].amends = true;
    assert_int_equal(decide_results(f->run, 0, &req, &change, &f->err), ERR_NONE);
    turn(f, &change);
    assert_int_equal(f->run->tests[0].outcome, OUTCOME_ERROR);
    assert_int_equal(f->run->tests[0].reported, OUTCOME_SKIPPED);
}

/* Only the last good result of each worker dies with its session. */
static void test_results_last_of_a_worker_is_provisional(void **state)
{
    struct fixture *f = *state;

    hold_all(f);
    passes(f, 0, 0);
    passes(f, 0, 1);
    dies(f, 0);
    assert_int_equal(f->run->tests[0].place, TEST_DONE);
    assert_int_equal(f->run->tests[1].place, TEST_FREE);
    assert_int_equal(f->run->tests[2].place, TEST_FREE);
    assert_int_equal(f->run->done_count, 1);
}

/* A bad one cannot get better by what was around it, and stays. */
static void test_results_bad_one_stays_when_its_session_dies(void **state)
{
    struct fixture *f = *state;

    hold_all(f);
    assert_int_equal(reports_on(f, 0, 0, 0, OUTCOME_FAILED, false), ERR_NONE);
    dies(f, 0);
    assert_int_equal(f->run->tests[0].outcome, OUTCOME_FAILED);
}

static void test_results_of_a_session_that_left_are_settled(void **state)
{
    struct fixture *f = *state;

    hold_all(f);
    passes(f, 0, 0);
    (void)leaves(f, 0, 0);
    assert_int_equal(f->run->tests[0].place, TEST_DONE);
    assert_int_equal(f->run->unsettled_count, 0);
    assert_int_equal(pool_free_count(f->run->pool), 2);
}

/* Late results of a dead session are kept; they count for a test only when nobody else finished it,
 * and mark it as flaky when they contradict. */
static void test_results_of_a_dead_session_are_observations(void **state)
{
    struct fixture *f = *state;
    uint64_t fence;

    hold_all(f);
    fence = f->run->tests[0].fence;
    dies(f, 0);
    (void)joins_slot(f, 0, 1);
    collects(f, 1, 3, UINT32_MAX);
    works(f, 1);
    assert_int_equal(reports(f, 0, 0, fence, OUTCOME_FAILED), ERR_SESSION_GONE);
    assert_int_equal(f->run->tests[0].outcome, OUTCOME_PASSED);
    assert_int_equal(f->run->tests[0].session, 1);
    assert_int_equal(f->run->flaky_count, 1);
}

/* Nobody finished the test: what a dead session said of it, if bad, speaks for it at the end. */
static void test_results_late_failure_is_adopted_at_the_end(void **state)
{
    struct fixture *f = *state;
    struct change change = { .kind = CHANGE_NONE };
    uint64_t fence;

    hold_all(f);
    fence = f->run->tests[0].fence;
    dies(f, 0);
    assert_int_equal(reports(f, 0, 0, fence, OUTCOME_FAILED), ERR_SESSION_GONE);
    assert_int_equal(reports(f, 0, 1, f->run->tests[1].fence, OUTCOME_PASSED), ERR_SESSION_GONE);
    decide_close(f->run, 5000, &change);
    turn(f, &change);
    assert_int_equal(f->run->verdict, VERDICT_RED);
    assert_int_equal(f->run->tests[0].outcome, OUTCOME_FAILED);
    assert_int_equal(f->run->tests[1].place, TEST_FREE); /* good, but unsettled */
}

/* Closed while one result is provisional and a late one speaks for the only other test: all have a
 * result for a moment, but what was around the provisional one was never seen to hold. */
static void test_results_late_pass_does_not_settle_another(void **state)
{
    struct fixture *f = *state;
    struct change change = { .kind = CHANGE_NONE };
    struct result late[2];
    struct results_request req = { .request = 900, .results = late, .result_count = 2 };

    (void)joins_slot(f, 0, 2);
    (void)joins_slot(f, 1, 2);
    seals(f, 2);
    while (pool_free_count(f->run->pool) > 0)
        assert_true(pulls(f, 0) > 0);
    for (uint32_t i = 0; i < 2; i++)
        late[i] = (struct result){ .test = { .id = (char *)f->run->manifest->tests[i].id },
                                   .fence = f->run->tests[i].fence,
                                   .outcome = OUTCOME_PASSED };
    dies(f, 0);
    while (pool_free_count(f->run->pool) > 0)
        assert_true(pulls(f, 1) > 0);
    assert_int_equal(decide_results(f->run, 0, &req, &change, &f->err), ERR_SESSION_GONE);
    turn(f, &change);
    assert_int_equal(f->run->observation_count, 2); /* the first is known to have held */
    passes(f, 1, 1);
    decide_close(f->run, 5000, &change);
    turn(f, &change);
    assert_int_equal(f->run->tests[1].place, TEST_FREE);
    assert_int_equal(f->run->verdict, VERDICT_INCOMPLETE);
}

/* A test that was given back, then reported all the same by its first holder: nobody else finished
 * it, so that is its result; the second holder's is kept beside. */
static void test_results_of_a_former_holder_count_first(void **state)
{
    struct fixture *f = *state;
    uint64_t fence;

    (void)joins_slot(f, 0, 2);
    (void)joins_slot(f, 1, 2);
    seals(f, 1);
    assert_int_equal(pulls(f, 0), 1);
    fence = f->run->tests[0].fence;
    drains(f, 0); /* it had begun, and we did not know */
    assert_int_equal(pulls(f, 1), 1);
    assert_int_equal(f->run->tests[0].session, 1);
    assert_int_equal(reports(f, 0, 0, fence, OUTCOME_PASSED), ERR_NONE);
    assert_int_equal(f->run->tests[0].session, 0);
    assert_int_equal(f->run->sessions[1]->held_count, 0);
    assert_int_equal(reports(f, 1, 0, 2, OUTCOME_PASSED), ERR_NONE);
    assert_int_equal(f->run->done_count, 1);
    assert_int_equal(f->run->observation_count, 1);
}

/* A fence that was never given to this session proves nothing. */
static void test_results_with_a_strange_fence_are_ignored(void **state)
{
    struct fixture *f = *state;

    hold_all(f);
    assert_int_equal(reports(f, 0, 0, 77, OUTCOME_PASSED), ERR_NONE);
    assert_int_equal(reports(f, 0, 0, 0, OUTCOME_PASSED), ERR_NONE);
    assert_int_equal(f->run->done_count, 0);
    assert_int_equal(f->run->observation_count, 0);
}

static void test_results_released_tests_are_free(void **state)
{
    struct fixture *f = *state;

    hold_all(f);
    releases(f, 0, 1);
    assert_int_equal(f->run->tests[1].place, TEST_FREE);
    releases(f, 0, 1); /* again: it is not its any more */
    assert_int_equal(f->run->tests[1].place, TEST_FREE);
}

/* What is said of the time above the bound is of the time that is said. */
static void test_results_parts_of_the_drift_add_up_to_what_it_took(void **state)
{
    struct fixture *f = *state;
    struct result results[3] = { 0 };
    struct change change = { .kind = CHANGE_NONE };
    struct verdict_answer answer = { 0 };
    uint64_t sum_us;

    hold_all(f);
    for (uint32_t i = 0; i < 3; i++)
        results[i] = (struct result){ .test = { .id = (char *)f->run->manifest->tests[i].id },
                                      .fence = f->run->tests[i].fence,
                                      .outcome = OUTCOME_PASSED,
                                      .started_ms = f->now_ms - f->run->sessions[0]->began_ms +
                                                    5000 + 100 * i,
                                      .call_us = 100000 };
    assert_int_equal(decide_results(f->run, 0,
                                    &(struct results_request){
                                        .request = 9, .results = results, .result_count = 3 },
                                    &change, &f->err),
                     ERR_NONE);
    turn(f, &change);
    ledger_answer(f->run, &answer);
    assert_int_equal(answer.makespan_us, 300000);
    sum_us = f->run->drift.bound_us;
    for (uint32_t i = 0; i < answer.drift_count; i++)
        sum_us += answer.drift[i].us;
    assert_in_range(sum_us, 299990, 300000);
    verdict_answer_fini(&answer);
}

/* What failed as soon as it is known; what never ran only when it is sure that it will not. */
static void test_verdict_names_what_is_not_good(void **state)
{
    struct fixture *f = *state;
    struct change change = { .kind = CHANGE_NONE };
    struct verdict_answer answer = { 0 };

    hold_all(f);
    assert_int_equal(reports(f, 0, 2, f->run->tests[2].fence, OUTCOME_CRASHED), ERR_NONE);
    ledger_answer(f->run, &answer);
    assert_int_equal(answer.bad_count, 1);
    assert_string_equal(answer.bad[0].test.id, "a.py::t2");
    assert_int_equal(answer.bad[0].outcome, OUTCOME_CRASHED);
    assert_int_equal(answer.bad[0].index, 0);
    assert_string_equal(answer.message, "1 of 3 tests failed, 2 tests never ran");
    verdict_answer_fini(&answer);
    decide_close(f->run, 5000, &change);
    turn(f, &change);
    ledger_answer(f->run, &answer);
    assert_int_equal(answer.bad_count, 3);
    assert_string_equal(answer.bad[1].test.id, "a.py::t0");
    assert_int_equal(answer.bad[1].outcome, OUTCOME_NONE);
    verdict_answer_fini(&answer);
}

/* As much as one request may hold is stored, and read again. */
static void test_results_as_many_as_fit_with_what_was_cut(void **state)
{
    struct fixture *f = *state;
    struct change change = { .kind = CHANGE_NONE };
    struct result *results = mem_new(PROTO_RESULTS_MAX, sizeof(*results));
    struct try_cut cut = { .test = { .id = (char *)"a.py::t1" } };
    struct results_request req = { .request = 9,
                                   .results = results,
                                   .result_count = PROTO_RESULTS_MAX,
                                   .abandoned = &cut,
                                   .abandoned_count = 1 };

    hold_all(f);
    passes(f, 0, 0);
    for (uint32_t i = 0; i < PROTO_RESULTS_MAX; i++)
        results[i] = (struct result){ .test = { .id = (char *)"a.py::t0" },
                                      .fence = f->run->tests[0].fence,
                                      .outcome = OUTCOME_FAILED };
    cut.fence = f->run->tests[1].fence;
    assert_int_equal(decide_results(f->run, 0, &req, &change, &f->err), ERR_NONE);
    assert_int_equal(change.as.results.item_count, PROTO_RESULTS_MAX + 1);
    turn(f, &change);
    free(results);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(test_results_first_accepted_stands),
        fixture_test(test_results_tell_what_runs),
        fixture_test(test_results_repeated_request_counts_once),
        fixture_test(test_results_stop_the_run_after_so_many_bad_ones),
        fixture_test(test_results_skipped_file_is_kept_once),
        fixture_test(test_results_beat_is_no_change),
        fixture_test(test_results_amendment_makes_an_error),
        fixture_test(test_results_amendment_in_the_same_request),
        fixture_test(test_results_last_of_a_worker_is_provisional),
        fixture_test(test_results_bad_one_stays_when_its_session_dies),
        fixture_test(test_results_of_a_session_that_left_are_settled),
        fixture_test(test_results_of_a_dead_session_are_observations),
        fixture_test(test_results_late_failure_is_adopted_at_the_end),
        fixture_test(test_results_late_pass_does_not_settle_another),
        fixture_test(test_results_of_a_former_holder_count_first),
        fixture_test(test_results_with_a_strange_fence_are_ignored),
        fixture_test(test_results_released_tests_are_free),
        fixture_test(test_verdict_names_what_is_not_good),
        fixture_test(test_results_as_many_as_fit_with_what_was_cut),
        fixture_test(test_results_parts_of_the_drift_add_up_to_what_it_took),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
