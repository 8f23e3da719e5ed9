/* Tests that turn up after the manifest was sealed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"

static struct found_test found(const char *id, uint32_t k, const char *flags)
{
    return (struct found_test){ .test = { .id = (char *)(uintptr_t)id, .k = k },
                                .group = (char *)(uintptr_t) "",
                                .flags = (char *)(uintptr_t)flags };
}

static enum err_code finds(struct fixture *f, uint32_t session, struct found_test test)
{
    struct results_request req = { .request = ++f->request, .found = &test, .found_count = 1 };
    struct change change = { .kind = CHANGE_NONE };
    enum err_code rc = decide_results(f->run, session, &req, &change, &f->err);

    turn(f, &change);
    return rc;
}

static void test_found_is_given_to_who_tells_first(void **state)
{
    struct fixture *f = *state;

    holds_all(f);
    assert_int_equal(finds(f, 0, found("a.py::new", 0, "")), ERR_NONE);
    assert_int_equal(finds(f, 1, found("a.py::new", 0, "")), ERR_NONE);
    assert_int_equal(f->run->test_count, 4);
    assert_int_equal(f->run->sealed_count, 3);
    assert_int_equal(f->run->tests[3].place, TEST_HELD);
    assert_int_equal(f->run->tests[3].session, 0);
    for (uint32_t i = 0; i < 4; i++) {
        assert_false(ledger_complete(f->run));
        passes(f, 0, i);
    }
    assert_true(ledger_complete(f->run));
    assert_int_equal(f->run->counts[OUTCOME_PASSED], 4);
}

/* The last test of the run and what was found beside it, in one request: it does not end there. */
static void test_found_counts_before_the_results_of_its_request(void **state)
{
    struct fixture *f = *state;
    struct found_test more = found("a.py::new", 0, "");
    struct result r = { .outcome = OUTCOME_PASSED };
    struct results_request req = {
        .results = &r, .result_count = 1, .found = &more, .found_count = 1
    };
    struct change change = { .kind = CHANGE_NONE };

    holds_all(f);
    passes(f, 0, 0);
    passes(f, 0, 1);
    r.test.id = (char *)(uintptr_t)f->run->manifest->tests[2].id;
    r.fence = f->run->tests[2].fence;
    req.request = ++f->request;
    assert_int_equal(decide_results(f->run, 0, &req, &change, &f->err), ERR_NONE);
    turn(f, &change);
    assert_int_equal(f->run->done_count, 3);
    assert_false(ledger_complete(f->run));
    assert_int_equal(f->run->bound_us, 0);
}

/* Nobody asks it back from who found it; when that one dies, it is there for the other. */
static void test_found_stays_with_its_finder_while_that_lives(void **state)
{
    struct fixture *f = *state;

    holds_all(f);
    assert_int_equal(finds(f, 0, found("a.py::new", 0, "")), ERR_NONE);
    passes(f, 0, 0);
    passes(f, 0, 1);
    begins(f, 0, 2);
    (void)pulls(f, 1);
    assert_int_equal(f->run->sessions[0]->recall_count, 0);
    dies(f, 0);
    assert_int_equal(f->run->tests[3].place, TEST_FREE);
    works(f, 1);
    assert_true(ledger_complete(f->run));
}

/* Its finder gives it back and lives on: on another machine it may not be there, so it waits for
 * that one. */
static void test_found_given_back_goes_to_its_finder_again(void **state)
{
    struct fixture *f = *state;

    holds_all(f);
    assert_int_equal(finds(f, 0, found("a.py::new", 0, "")), ERR_NONE);
    releases(f, 0, 0);
    releases(f, 0, 3);
    (void)pulls(f, 1);
    assert_int_equal(f->run->tests[0].session, 1);
    assert_int_equal(f->run->tests[3].place, TEST_FREE);
    passes(f, 1, 0);
    assert_int_equal(pulls(f, 1), 0); /* nor is it told that nothing is left for it */
    passes(f, 0, 1);
    passes(f, 0, 2);
    (void)pulls(f, 0);
    assert_int_equal(f->run->tests[3].session, 0);
}

/* Its life after that, too; when it goes for good, the others try. */
static void test_found_waits_for_its_finder_who_joins_again(void **state)
{
    struct fixture *f = *state;
    struct join_request req;
    uint32_t again;

    holds_all(f);
    assert_int_equal(finds(f, 0, found("a.py::new", 0, "")), ERR_NONE);
    dies(f, 0);
    f->now_ms += 30000;
    req = join_of(0, 2, f->run->sessions[0]->instance);
    req.run = f->run->id;
    again = joins(f, &req, "again");
    collects(f, again, 3, UINT32_MAX);
    works(f, 1);
    assert_int_equal(f->run->done_count, 3);
    assert_int_equal(f->run->tests[3].place, TEST_FREE);
    drains(f, again);
    works(f, 1);
    assert_true(ledger_complete(f->run));
}

static void test_found_by_a_dead_session_is_free(void **state)
{
    struct fixture *f = *state;

    holds_all(f);
    dies(f, 0);
    assert_int_equal(finds(f, 0, found("a.py::new", 0, "")), ERR_SESSION_GONE);
    assert_int_equal(f->run->test_count, 4);
    assert_int_equal(f->run->tests[3].place, TEST_FREE);
    works(f, 1);
    assert_true(ledger_complete(f->run));
}

/* It needs the run alone: not while another test is in a hand. */
static void test_found_waits_when_it_must_not_meet_others(void **state)
{
    struct fixture *f = *state;

    holds_all(f);
    assert_int_equal(finds(f, 1, found("a.py::alone", 0, "serial=run")), ERR_NONE);
    assert_int_equal(f->run->tests[3].place, TEST_FREE);
    works(f, 0);
    works(f, 1);
    assert_true(ledger_complete(f->run));
}

/* An occurrence that is not the next cannot have a place: the run is red, nothing is lost in
 * silence. */
static void test_found_without_a_place_is_an_error_of_the_run(void **state)
{
    struct fixture *f = *state;

    holds_all(f);
    assert_int_equal(finds(f, 0, found("a.py::new", 4, "")), ERR_NONE);
    assert_int_equal(f->run->test_count, 3);
    assert_int_equal(f->run->faults.count, 1);
}

/* The next epoch's manifest may lack what was found, so nothing is taken over. */
static void test_found_makes_the_next_epoch_wide(void **state)
{
    struct fixture *f = *state;

    holds_all(f);
    assert_int_equal(finds(f, 0, found("a.py::new", 0, "")), ERR_NONE);
    passes(f, 0, 0);
    passes(f, 0, 1);
    passes(f, 0, 2);
    assert_int_equal(reports_on(f, 0, 3, 0, OUTCOME_FAILED, false), ERR_NONE);
    (void)leaves(f, 0, 1);
    (void)leaves(f, 1, 5);
    assert_true(ends(f));
    assert_int_equal(f->run->verdict, VERDICT_RED);
    assert_int_equal(joins_slot(f, 0, 2), 0);
    seals(f, 3);
    assert_int_equal(f->run->epoch, 2);
    assert_int_equal(f->run->done_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(test_found_is_given_to_who_tells_first),
        fixture_test(test_found_counts_before_the_results_of_its_request),
        fixture_test(test_found_stays_with_its_finder_while_that_lives),
        fixture_test(test_found_given_back_goes_to_its_finder_again),
        fixture_test(test_found_waits_for_its_finder_who_joins_again),
        fixture_test(test_found_by_a_dead_session_is_free),
        fixture_test(test_found_waits_when_it_must_not_meet_others),
        fixture_test(test_found_without_a_place_is_an_error_of_the_run),
        fixture_test(test_found_makes_the_next_epoch_wide),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
