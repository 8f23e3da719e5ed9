#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"
#include "mem.h"

static void test_join_repeated_is_the_same_session(void **state)
{
    struct fixture *f = *state;
    struct join_request req = join_of(0, 2, "job-1");

    assert_int_equal(joins(f, &req, "nonce"), 0);
    assert_int_equal(joins(f, &req, "nonce"), 0);
    assert_int_equal(f->run->session_count, 1);
}

/* A second process in a live slot is refused, even of the same job instance. */
static void test_join_refuses_a_live_slot(void **state)
{
    struct fixture *f = *state;
    struct join_request req = join_of(0, 2, "job-1");

    assert_int_equal(joins(f, &req, "nonce"), 0);
    assert_int_equal(joins(f, &req, "another"), SESSION_NONE);
    assert_int_equal(f->err.code, ERR_SLOT_TAKEN);
    dies(f, 0);
    assert_int_equal(joins(f, &req, "another"), 1);
}

/* The agent that asks for the most is heard; a share that is too small for one test is none. */
static void test_seal_lets_go_first_what_failed_before(void **state)
{
    const bool failed[10] = { [2] = true, [7] = true, [9] = true };
    struct join_request modest = join_of(0, 2, "job-1"), keen = join_of(1, 2, "job-2");
    struct fixture *f = *state;

    modest.first_ppm = 50000;
    keen.first_ppm = 200000;
    assert_int_equal(joins(f, &modest, "n1"), 0);
    assert_int_equal(joins(f, &keen, "n2"), 1);
    seals_failed(f, 10, failed);
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(pool_is_first(f->run->pool, i), i == 2 || i == 7);
    (void)pulls(f, 0);
    assert_int_equal(f->run->sessions[0]->orders[0].tests[0], 2);
    fixture_again(f);
    assert_int_equal(joins(f, &modest, "n1"), 0);
    seals_failed(f, 10, failed);
    for (uint32_t i = 0; i < 10; i++)
        assert_false(pool_is_first(f->run->pool, i));
}

/* The second needs twice what a start takes by history; one test of ten was never seen. */
static void test_seal_tells_what_is_known_of_starts_and_tests(void **state)
{
    struct seal_facts facts = { .manifest = manifest_of(12, UINT32_MAX),
                                .costs_us = mem_new(12, sizeof(uint64_t)),
                                .highs_us = mem_new(12, sizeof(uint64_t)),
                                .scope_us = mem_new(1, sizeof(uint64_t)),
                                .scope_count = 1,
                                .startup_us = 1000000 };
    struct change change = { .kind = CHANGE_NONE };
    struct fixture *f = *state;

    assert_int_equal(joins_slot(f, 0, 2), 0);
    assert_int_equal(joins_slot(f, 1, 2), 1);
    for (uint32_t i = 0; i < 12; i++) {
        facts.costs_us[i] = 1000000;
        facts.highs_us[i] = i == 5 ? 0 : 2000000;
    }
    decide_seal(f->run, &facts, &change);
    turn(f, &change);
    f->now_ms = f->run->sessions[0]->joined_ms + 1000;
    collects_this(f, 0, f->run->manifest);
    f->now_ms = f->run->sessions[1]->joined_ms + 2000;
    collects_this(f, 1, f->run->manifest);
    for (uint32_t i = 0; i < 12; i++)
        assert_int_equal(pool_is_first(f->run->pool, i), i == 5);
    assert_in_range(pool_speed_ppm(f->run->pool, 0), 990000, 1010000);
    assert_in_range(pool_speed_ppm(f->run->pool, 1), 550000, 750000);
    assert_int_equal(pool_speed_ppm(f->shadow->pool, 1), pool_speed_ppm(f->run->pool, 1));
}

static void test_join_refuses_another_fingerprint_or_command(void **state)
{
    struct fixture *f = *state;
    struct join_request req = join_of(0, 2, "job-1");
    char windows[] = "windows";

    assert_int_equal(joins(f, &req, "nonce"), 0);
    req = join_of(1, 2, "job-2");
    req.fingerprint = windows;
    assert_int_equal(joins(f, &req, "n2"), SESSION_NONE);
    assert_int_equal(f->err.code, ERR_FINGERPRINT);
    req = join_of(1, 2, "job-2");
    req.command = windows;
    assert_int_equal(joins(f, &req, "n2"), SESSION_NONE);
    assert_int_equal(f->err.code, ERR_FINGERPRINT);
}

static void test_collected_refuses_another_runtime(void **state)
{
    struct fixture *f = *state;

    (void)joins_slot(f, 0, 2);
    seals(f, 2);
    assert_int_equal(decide_runtime(f->run, "pypy", &f->err), ERR_FINGERPRINT);
    assert_int_equal(decide_runtime(f->run, "cpython", &f->err), ERR_NONE);
}

/* Both differences are kept, and the session runs only what it has. */
static void test_collected_other_set_runs_the_intersection(void **state)
{
    struct fixture *f = *state;

    (void)joins_slot(f, 0, 2);
    seals(f, 3);
    (void)joins_slot(f, 1, 2);
    collects(f, 1, 5, 1); /* without t1, with t3 and t4 */
    assert_int_equal(f->run->mismatch.only_first_total, 1);
    assert_string_equal(f->run->mismatch.only_first[0].id, "a.py::t1");
    assert_int_equal(f->run->mismatch.only_other_total, 2);
    works(f, 1);
    assert_int_equal(f->run->done_count, 2);
    assert_int_equal(f->run->tests[1].place, TEST_FREE);
    assert_int_equal(ledger_verdict_so_far(f->run), VERDICT_MISMATCH);
    works(f, 0);
    (void)leaves(f, 0, 0);
    assert_int_equal(leaves(f, 1, 0), EXIT_MISMATCH);
    assert_true(ends(f));
    assert_int_equal(f->run->verdict, VERDICT_MISMATCH);
}

/* An agent that lacks what is left would wait for ever when it is alone. */
static void test_pull_releases_who_cannot_run_what_is_left(void **state)
{
    struct fixture *f = *state;

    (void)joins_slot(f, 0, 2);
    seals(f, 2);
    (void)joins_slot(f, 1, 2);
    collects(f, 1, 2, 0);
    dies(f, 0);
    works(f, 1);
    assert_true(f->run->sessions[1]->ended);
    assert_int_equal(leaves(f, 1, 0), EXIT_MISMATCH);
}

/* Tests known to run stay with a draining session, the others are free at once. */
static void test_drain_gives_back_what_has_not_begun(void **state)
{
    struct fixture *f = *state;

    (void)joins_slot(f, 0, 1);
    seals(f, 2);
    while (pool_free_count(f->run->pool) > 0)
        assert_true(pulls(f, 0) > 0);
    begins(f, 0, 1);
    drains(f, 0);
    drains(f, 0); /* repeated */
    assert_int_equal(f->run->tests[0].place, TEST_FREE);
    assert_int_equal(f->run->tests[1].place, TEST_STARTED);
    assert_int_equal(pulls(f, 0), 0);
    passes(f, 0, 1);
    assert_int_equal(leaves(f, 0, 0), EXIT_DRAINED);
    assert_int_equal(f->run->tests[1].outcome, OUTCOME_PASSED);
}

/* Exit 0 before the end only while somebody else lives; the last one exits with the verdict. */
static void test_leave_tells_the_truth(void **state)
{
    struct fixture *f = *state;

    (void)joins_slot(f, 0, 2);
    (void)joins_slot(f, 1, 2);
    seals(f, 2);
    assert_int_equal(leaves(f, 0, 0), EXIT_OK);
    assert_int_equal(leaves(f, 1, 0), EXIT_INCOMPLETE);
    assert_int_equal(leaves(f, 1, 0), EXIT_INCOMPLETE); /* repeated: the first answer */
    assert_false(ends(f));
}

static void test_leave_of_the_last_one_is_the_verdict(void **state)
{
    struct fixture *f = *state;

    (void)joins_slot(f, 0, 2);
    (void)joins_slot(f, 1, 2);
    seals(f, 2);
    while (pool_free_count(f->run->pool) > 0)
        assert_true(pulls(f, 0) + pulls(f, 1) > 0);
    assert_int_equal(reports_on(f, f->run->tests[0].session, 0, 0, OUTCOME_FAILED, false),
                     ERR_NONE);
    passes(f, f->run->tests[1].session, 1);
    assert_false(ends(f)); /* provisional: nobody has torn down */
    assert_int_equal(leaves(f, f->run->tests[0].session, 1),
                     f->run->unsettled_count ? EXIT_OK : EXIT_TESTS);
    assert_int_equal(leaves(f, 1 - f->run->tests[0].session, 0), EXIT_TESTS);
    assert_true(ends(f));
    assert_int_equal(f->run->verdict, VERDICT_RED);
}

/* Coverage under its limit, a plugin that fails at the end: no test shows it, the run is red. */
static void test_leave_with_a_strange_exit_is_an_error_of_the_run(void **state)
{
    struct fixture *f = *state;

    (void)joins_slot(f, 0, 1);
    seals(f, 1);
    works(f, 0);
    assert_int_equal(leaves(f, 0, 1), EXIT_TESTS);
    assert_true(ends(f));
    assert_int_equal(f->run->verdict, VERDICT_RED);
    assert_string_equal(f->run->faults.at[0].kind, "exit-status");
}

static void test_empty_manifest_is_not_green(void **state)
{
    struct fixture *f = *state;

    (void)joins_slot(f, 0, 1);
    seals(f, 0);
    assert_true(ends(f));
    assert_int_equal(f->run->verdict, VERDICT_INCOMPLETE);
    assert_int_equal(leaves(f, 0, 5), EXIT_NO_TESTS);
}

static void test_close_names_machines_that_never_came(void **state)
{
    struct fixture *f = *state;
    struct change change = { .kind = CHANGE_NONE };

    (void)joins_slot(f, 0, 3);
    seals(f, 2);
    (void)leaves(f, 0, 0);
    decide_close(f->run, 9, &change);
    turn(f, &change);
    assert_int_equal(f->run->verdict, VERDICT_MACHINES);
    assert_int_equal(ledger_slots_missing(f->run), 2);
}

/* Machines that never came do not matter when the others did everything. */
static void test_complete_run_is_green_without_the_missing(void **state)
{
    struct fixture *f = *state;

    (void)joins_slot(f, 0, 3);
    seals(f, 2);
    works(f, 0);
    assert_int_equal(leaves(f, 0, 0), EXIT_OK);
    assert_true(ends(f));
    assert_int_equal(f->run->verdict, VERDICT_GREEN);
}

/* Closed while a result is still provisional: what was around it was never seen to hold. */
static void test_close_before_teardown_is_not_green(void **state)
{
    struct fixture *f = *state;
    struct change change = { .kind = CHANGE_NONE };

    (void)joins_slot(f, 0, 1);
    seals(f, 1);
    works(f, 0);
    decide_close(f->run, 9, &change);
    turn(f, &change);
    assert_int_equal(f->run->verdict, VERDICT_INCOMPLETE);
    dies(f, 0); /* and nothing moves any more */
    assert_int_equal(f->run->verdict, VERDICT_INCOMPLETE);
}

static void test_epoch_ends_after_a_quiet_time(void **state)
{
    struct fixture *f = *state;

    (void)joins_slot(f, 0, 1);
    seals(f, 1);
    (void)leaves(f, 0, 0);
    lease_watch(f->run, f->now_ms);
    f->now_ms += LEASE_QUIET_MS - 1;
    assert_false(ends(f));
    f->now_ms += 1;
    assert_true(ends(f));
    assert_int_equal(f->run->verdict, VERDICT_INCOMPLETE);
}

/* At its deadline a session is still good; a request moves it. */
static void test_lease_expires_only_after_the_deadline(void **state)
{
    struct fixture *f = *state;
    struct change change = { .kind = CHANGE_NONE };

    (void)joins_slot(f, 0, 2);
    (void)joins_slot(f, 1, 2);
    lease_touch(f->run, 0, 5000);
    lease_touch(f->run, 1, 6000);
    lease_expire(f->run, 5000, &change);
    assert_int_equal(change.kind, CHANGE_NONE);
    lease_touch(f->run, 0, 5500);
    lease_expire(f->run, 5100, &change);
    assert_int_equal(change.kind, CHANGE_NONE);
    lease_expire(f->run, 5501, &change);
    assert_int_equal(change.kind, CHANGE_EXPIRE);
    assert_int_equal(change.as.expire.sessions.count, 1);
    assert_int_equal(change.as.expire.sessions.at[0], 0);
    turn(f, &change);
    lease_expire(f->run, 6001, &change);
    assert_int_equal(change.kind, CHANGE_EXPIRE);
    turn(f, &change);
    assert_int_equal(f->run->live_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(test_join_repeated_is_the_same_session),
        fixture_test(test_join_refuses_a_live_slot),
        fixture_test(test_seal_lets_go_first_what_failed_before),
        fixture_test(test_seal_tells_what_is_known_of_starts_and_tests),
        fixture_test(test_join_refuses_another_fingerprint_or_command),
        fixture_test(test_collected_refuses_another_runtime),
        fixture_test(test_collected_other_set_runs_the_intersection),
        fixture_test(test_pull_releases_who_cannot_run_what_is_left),
        fixture_test(test_drain_gives_back_what_has_not_begun),
        fixture_test(test_leave_tells_the_truth),
        fixture_test(test_leave_of_the_last_one_is_the_verdict),
        fixture_test(test_leave_with_a_strange_exit_is_an_error_of_the_run),
        fixture_test(test_empty_manifest_is_not_green),
        fixture_test(test_close_names_machines_that_never_came),
        fixture_test(test_complete_run_is_green_without_the_missing),
        fixture_test(test_close_before_teardown_is_not_green),
        fixture_test(test_epoch_ends_after_a_quiet_time),
        fixture_test(test_lease_expires_only_after_the_deadline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
