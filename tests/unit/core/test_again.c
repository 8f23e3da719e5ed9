/* An agent whose session was given up joins again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"

/* The first session runs the last of three tests when it is given up. */
static void lose_one(struct fixture *f)
{
    holds_all(f);
    begins(f, 0, 2);
    dies(f, 0);
}

static uint32_t joins_again(struct fixture *f, const char *nonce)
{
    struct join_request req = join_of(0, 2, f->run->sessions[0]->instance);
    uint32_t session;

    req.run = f->run->id;
    f->now_ms += 30000;
    session = joins(f, &req, nonce);
    collects(f, session, 3, UINT32_MAX);
    return session;
}

static void tells_it_runs(struct fixture *f, uint32_t session, uint32_t test)
{
    struct test_ref ref = { .id = (char *)(uintptr_t)f->run->manifest->tests[test].id };
    struct pull_request req = { .free_workers = 1, .running = &ref, .running_count = 1 };
    struct change change = { .kind = CHANGE_NONE };

    assert_int_equal(decide_pull(f->run, session, &req, f->now_ms, &change, &f->err), ERR_NONE);
    turn(f, &change);
}

/* Under a fence of its own, so the result of its former life does not count twice. */
static void test_again_is_given_what_it_runs(void **state)
{
    struct fixture *f = *state;
    uint64_t before;
    uint32_t session;

    lose_one(f);
    before = f->run->tests[2].fence;
    session = joins_again(f, "again");
    tells_it_runs(f, session, 2);
    assert_int_equal(f->run->tests[2].place, TEST_HELD);
    assert_int_equal(f->run->tests[2].session, session);
    assert_int_equal(f->run->tests[0].place, TEST_FREE);
    assert_int_equal(reports(f, session, 2, before, OUTCOME_PASSED), ERR_NONE);
    assert_int_equal(f->run->done_count, 0);
    passes(f, session, 2);
    assert_int_equal(f->run->done_count, 1);
}

/* Another has it by now: that one's result is the run's. */
static void test_again_is_not_given_what_another_has(void **state)
{
    struct fixture *f = *state;
    uint32_t session;

    lose_one(f);
    while (pool_free_count(f->run->pool) > 0)
        assert_true(pulls(f, 1) > 0);
    session = joins_again(f, "again");
    tells_it_runs(f, session, 2);
    assert_int_equal(f->run->tests[2].session, 1);
    works(f, 1);
    assert_true(ledger_complete(f->run));
}

/* Another was given it and has not begun: the result of the former life is there first, and the
 * other is asked to leave it alone. */
static void test_again_counts_what_another_has_not_begun(void **state)
{
    struct fixture *f = *state;
    const struct session_order *last;
    uint64_t before;
    uint32_t session;

    lose_one(f);
    before = f->run->tests[2].fence;
    while (pool_free_count(f->run->pool) > 0)
        assert_true(pulls(f, 1) > 0);
    session = joins_again(f, "again");
    tells_it_runs(f, session, 2);
    assert_int_equal(reports(f, session, 2, before, OUTCOME_PASSED), ERR_NONE);
    assert_int_equal(f->run->tests[2].place, TEST_DONE);
    assert_int_equal(f->run->tests[2].session, session);
    assert_int_equal(f->run->unsettled_count, 1); /* what is around it may still fail */
    last = &f->run->sessions[1]->orders[f->run->sessions[1]->order_count - 1];
    assert_int_equal(last->kind, ORDER_RECALL);
    assert_int_equal(last->tests[0], 2);
    works(f, 1);
    assert_int_equal(f->run->observation_count, 0);
    assert_true(ledger_complete(f->run));
}

/* Who has begun it ends it; both results are known. */
static void test_again_does_not_count_what_another_runs(void **state)
{
    struct fixture *f = *state;
    uint64_t before;
    uint32_t session;

    lose_one(f);
    before = f->run->tests[2].fence;
    while (pool_free_count(f->run->pool) > 0)
        assert_true(pulls(f, 1) > 0);
    begins(f, 1, 2);
    session = joins_again(f, "again");
    assert_int_equal(reports(f, session, 2, before, OUTCOME_PASSED), ERR_NONE);
    assert_int_equal(f->run->tests[2].place, TEST_STARTED);
    assert_int_equal(f->run->observation_count, 1);
}

/* Who has been given something tells what runs of that, and is given nothing for it. */
static void test_again_is_for_the_first_pull_only(void **state)
{
    struct fixture *f = *state;
    uint32_t session;

    lose_one(f);
    session = joins_again(f, "again");
    tells_it_runs(f, session, 0);
    tells_it_runs(f, session, 1);
    assert_int_equal(f->run->tests[0].place, TEST_HELD);
    assert_int_equal(f->run->tests[1].place, TEST_FREE);
}

/* A test that another has run by then has failed here: it is flaky, and the runner that says so is
 * no error of the run. */
static void test_again_explains_what_failed_before(void **state)
{
    struct fixture *f = *state;
    uint64_t before;
    uint32_t session;

    lose_one(f);
    before = f->run->tests[2].fence;
    session = joins_again(f, "again");
    works(f, 1);
    assert_int_equal(reports(f, session, 2, before, OUTCOME_FAILED), ERR_NONE);
    assert_int_equal(f->run->tests[2].outcome, OUTCOME_PASSED);
    assert_int_equal(f->run->flaky_count, 1);
    (void)leaves(f, session, 1);
    (void)leaves(f, 1, 0);
    assert_true(ends(f));
    assert_int_equal(f->run->verdict, VERDICT_GREEN);
}

/* It goes on telling times since its first join, also in a third life. */
static void test_again_counts_from_the_first_join(void **state)
{
    struct fixture *f = *state;
    uint32_t session;

    lose_one(f);
    session = joins_again(f, "again");
    dies(f, session);
    session = joins_again(f, "once more");
    assert_int_equal(f->run->sessions[session]->began_ms, f->run->sessions[0]->joined_ms);
    assert_int_equal(f->run->sessions[session]->joined_ms,
                     f->run->sessions[0]->joined_ms + 2ull * 30000);
}

/* It had collected long ago: that it says so at once does not make it fast. */
static void test_again_tells_nothing_of_its_speed(void **state)
{
    struct join_request req;
    struct fixture *f = *state;
    uint32_t session;

    lose_one(f);
    f->run->startup_us = f->shadow->startup_us = 1000000;
    req = join_of(0, 2, f->run->sessions[0]->instance);
    req.run = f->run->id;
    f->now_ms += 30000;
    session = joins(f, &req, "again");
    f->now_ms += 10;
    collects(f, session, 3, UINT32_MAX);
    assert_in_range(pool_speed_ppm(f->run->pool, session), 990000, 1010000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(test_again_is_given_what_it_runs),
        fixture_test(test_again_is_not_given_what_another_has),
        fixture_test(test_again_counts_what_another_has_not_begun),
        fixture_test(test_again_does_not_count_what_another_runs),
        fixture_test(test_again_is_for_the_first_pull_only),
        fixture_test(test_again_explains_what_failed_before),
        fixture_test(test_again_counts_from_the_first_join),
        fixture_test(test_again_tells_nothing_of_its_speed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
