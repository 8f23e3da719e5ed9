/* Speculative copies: given, first result wins, the loser is told, nobody is counted twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/copies.h"
#include "fixture.h"

#define SLOW 0u /* who runs the test */
#define IDLE 1u /* who gets the copy */

static uint32_t joins_too(struct fixture *f, uint32_t index, bool speculate)
{
    struct join_request req = join_of(index, 2, index ? "job-1" : "job-0");

    req.speculate = speculate;
    return joins(f, &req, index ? "n1" : "n0");
}

/* Two machines; the first runs the only test since 20 times its prediction, the second is idle. */
static void stuck(struct fixture *f, bool speculate)
{
    assert_int_equal(joins_too(f, 0, true), SLOW);
    assert_int_equal(joins_too(f, 1, speculate), IDLE);
    seals(f, 1);
    (void)pulls(f, SLOW);
    begins(f, SLOW, 0);
    f->run->tests[0].begun_ms = f->now_ms;
    f->now_ms += 20000;
}

static void copied(struct fixture *f)
{
    stuck(f, true);
    (void)pulls(f, IDLE);
    assert_non_null(copies_find(f->run, 0, IDLE));
    begins(f, IDLE, 0);
}

static uint64_t fence_of_copy(const struct fixture *f)
{
    return copies_find(f->run, 0, IDLE)->fence;
}

static const struct session_order *last_order(const struct fixture *f, uint32_t session)
{
    const struct session *s = f->run->sessions[session];

    return s->order_count ? &s->orders[s->order_count - 1] : NULL;
}

static void test_copy_is_given_when_the_test_is_overdue(void **state)
{
    struct fixture *f = *state;

    stuck(f, true);
    assert_int_equal(pulls(f, IDLE), 1);
    assert_int_equal(last_order(f, IDLE)->kind, ORDER_SHARD);
    assert_int_equal(last_order(f, IDLE)->fence, 2);
    assert_int_equal(f->run->copies_given, 1);
    assert_int_equal(f->run->tests[0].session, SLOW); /* it stays its holder's */
    begins(f, IDLE, 0);
    assert_int_equal(pulls(f, IDLE), 0); /* one copy at a time */
}

/* Nobody gets one who did not ask for it, and not while the test is in its time. */
static void test_copy_is_not_given_without_need_or_consent(void **state)
{
    struct fixture *f = *state;

    stuck(f, false);
    assert_int_equal(pulls(f, IDLE), 0);
    fixture_again(f);
    stuck(f, true);
    f->now_ms -= 18000; /* twice its prediction */
    assert_int_equal(pulls(f, IDLE), 0);
}

static void test_copy_that_is_first_wins_and_the_other_is_told(void **state)
{
    struct fixture *f = *state;

    copied(f);
    assert_int_equal(reports(f, IDLE, 0, fence_of_copy(f), OUTCOME_PASSED), ERR_NONE);
    assert_int_equal(f->run->tests[0].session, IDLE);
    assert_int_equal(f->run->copies_won, 1);
    assert_int_equal(f->run->copy_count, 0);
    assert_int_equal(last_order(f, SLOW)->kind, ORDER_ABANDON);
    assert_int_equal(last_order(f, SLOW)->tests[0], 0);
    assert_true(ledger_complete(f->run));
    abandons(f, SLOW, 0, 1);
    assert_int_equal(f->run->observation_count, 1);
    assert_int_equal(f->run->observations[0].outcome, OUTCOME_NONE);
    assert_int_equal(f->run->flaky_count, 0);
    (void)leaves(f, SLOW, 0);
    assert_int_equal(leaves(f, IDLE, 0), EXIT_OK);
    assert_true(ends(f));
    assert_int_equal(f->run->verdict, VERDICT_GREEN);
}

static void test_copy_that_is_second_is_told(void **state)
{
    struct fixture *f = *state;

    copied(f);
    passes(f, SLOW, 0);
    assert_int_equal(f->run->copies_won, 0);
    assert_int_equal(last_order(f, IDLE)->kind, ORDER_ABANDON);
    assert_int_equal(f->run->sessions[IDLE]->copy_count, 0);
    assert_int_equal(f->run->counts[OUTCOME_PASSED], 1);
}

/* The first accepted result stands; the second, which came before it heard, makes it flaky. */
static void test_copy_that_contradicts_makes_the_test_flaky(void **state)
{
    struct fixture *f = *state;
    uint64_t fence;

    copied(f);
    fence = fence_of_copy(f);
    passes(f, SLOW, 0);
    assert_int_equal(reports(f, IDLE, 0, fence, OUTCOME_FAILED), ERR_NONE);
    assert_int_equal(f->run->tests[0].outcome, OUTCOME_PASSED);
    assert_int_equal(f->run->flaky_count, 1);
    assert_int_equal(f->run->done_count, 1);
}

static void test_copy_takes_over_when_the_holder_dies(void **state)
{
    struct fixture *f = *state;
    uint64_t fence;

    copied(f);
    fence = fence_of_copy(f);
    dies(f, SLOW);
    assert_int_equal(f->run->tests[0].session, IDLE);
    assert_int_equal(f->run->tests[0].place, TEST_STARTED);
    assert_int_equal(f->run->tests[0].fence, fence);
    assert_int_equal(f->run->copy_count, 0);
    passes(f, IDLE, 0);
    assert_int_equal(leaves(f, IDLE, 0), EXIT_OK);
}

static void test_copy_dies_with_its_session(void **state)
{
    struct fixture *f = *state;

    copied(f);
    dies(f, IDLE);
    assert_int_equal(f->run->copy_count, 0);
    assert_int_equal(f->run->tests[0].session, SLOW);
    passes(f, SLOW, 0);
    assert_true(ledger_complete(f->run));
}

/* It was told to abandon, the winner died before its fixtures were down, and the test came back:
 * what it abandons under the old fence does not take the new try away. */
static void test_copy_abandoned_late_leaves_the_next_try_alone(void **state)
{
    struct fixture *f = *state;

    copied(f);
    assert_int_equal(reports(f, IDLE, 0, fence_of_copy(f), OUTCOME_PASSED), ERR_NONE);
    dies(f, IDLE); /* its last result was provisional */
    assert_int_equal(f->run->tests[0].place, TEST_FREE);
    (void)pulls(f, SLOW);
    assert_int_equal(f->run->tests[0].fence, 3);
    abandons(f, SLOW, 0, 1);
    assert_int_equal(f->run->tests[0].place, TEST_HELD);
    abandons(f, SLOW, 0, 3);
    assert_int_equal(f->run->tests[0].place, TEST_FREE);
}

static void test_copy_is_given_back_by_a_session_that_drains(void **state)
{
    struct fixture *f = *state;

    stuck(f, true);
    (void)pulls(f, IDLE);
    drains(f, IDLE);
    assert_int_equal(f->run->copy_count, 0); /* it had not begun */
    fixture_again(f);
    stuck(f, true);
    (void)pulls(f, IDLE);
    releases(f, IDLE, 0);
    assert_int_equal(f->run->copy_count, 0);
    assert_int_equal(f->run->tests[0].session, SLOW);
}

/* The run is over when the copy has won; that the loser's runner fails afterwards is remarked, for
 * whoever wonders why that job is red. */
static void test_loser_that_fails_after_the_end_is_a_remark(void **state)
{
    struct fixture *f = *state;
    struct verdict_answer answer = { 0 };
    struct run_error error = { .kind = (char *)"session-teardown", .text = (char *)"server" };

    copied(f);
    assert_int_equal(reports(f, IDLE, 0, fence_of_copy(f), OUTCOME_PASSED), ERR_NONE);
    abandons(f, SLOW, 0, 1);
    assert_int_equal(leaves(f, IDLE, 0), EXIT_OK);
    assert_true(ends(f));
    tells_error(f, SLOW, &error);
    tells_error(f, SLOW, &error); /* once is enough */
    (void)leaves(f, SLOW, 3);
    assert_int_equal(session_exit(f->run->sessions[SLOW]), 3);
    ledger_answer(f->run, &answer);
    assert_int_equal(answer.verdict, VERDICT_GREEN);
    assert_int_equal(answer.exit, EXIT_OK);
    assert_int_equal(answer.error_count, 0);
    assert_int_equal(answer.remark_count, 1); /* the error tells why it exited so */
    assert_string_equal(answer.remarks[0].kind, "session-teardown");
    verdict_answer_fini(&answer);
}

static void test_loser_that_exits_strangely_after_the_end_is_a_remark(void **state)
{
    struct fixture *f = *state;

    copied(f);
    assert_int_equal(reports(f, IDLE, 0, fence_of_copy(f), OUTCOME_PASSED), ERR_NONE);
    abandons(f, SLOW, 0, 1);
    (void)leaves(f, IDLE, 0);
    assert_true(ends(f));
    (void)leaves(f, SLOW, 1);
    assert_int_equal(f->run->faults.count, 0);
    assert_int_equal(f->run->remarks.count, 1);
    assert_string_equal(f->run->remarks.at[0].kind, "exit-status");
    assert_int_equal(f->run->verdict, VERDICT_GREEN);
}

/* Its pytest exits with 1 for a test that is shown as flaky: no error of the run besides. */
static void test_loser_that_failed_explains_its_exit(void **state)
{
    struct fixture *f = *state;
    uint64_t fence;

    copied(f);
    fence = fence_of_copy(f);
    passes(f, SLOW, 0);
    assert_int_equal(reports(f, IDLE, 0, fence, OUTCOME_FAILED), ERR_NONE);
    (void)leaves(f, IDLE, 1);
    (void)leaves(f, SLOW, 0);
    assert_true(ends(f));
    assert_int_equal(f->run->verdict, VERDICT_GREEN);
    assert_int_equal(f->run->flaky_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(test_copy_is_given_when_the_test_is_overdue),
        fixture_test(test_copy_is_not_given_without_need_or_consent),
        fixture_test(test_copy_that_is_first_wins_and_the_other_is_told),
        fixture_test(test_copy_that_is_second_is_told),
        fixture_test(test_copy_that_contradicts_makes_the_test_flaky),
        fixture_test(test_copy_takes_over_when_the_holder_dies),
        fixture_test(test_copy_dies_with_its_session),
        fixture_test(test_copy_abandoned_late_leaves_the_next_try_alone),
        fixture_test(test_copy_is_given_back_by_a_session_that_drains),
        fixture_test(test_loser_that_fails_after_the_end_is_a_remark),
        fixture_test(test_loser_that_exits_strangely_after_the_end_is_a_remark),
        fixture_test(test_loser_that_failed_explains_its_exit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
