/* Every machine runs everything: each gets its own lane, whole, and nobody another's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"

#define TESTS 3u

/* Two machines of two, and what they collected on each. */
static void sealed(struct fixture *f)
{
    struct manifest *one = manifest_of(TESTS, UINT32_MAX), *whole = NULL;

    (void)joins_slot(f, 0, 2);
    (void)joins_slot(f, 1, 2);
    assert_int_equal(lanes_make(one, 2, &whole, &f->err), ERR_NONE);
    manifest_free(one);
    seals_this(f, whole, NULL);
}

static void test_lanes_give_each_machine_all_of_its_own(void **state)
{
    struct fixture *f = *state;

    sealed(f);
    assert_int_equal(f->run->lanes.count, 2);
    for (uint32_t session = 0; session < 2; session++) {
        assert_int_equal(pulls(f, session), 1);
        assert_int_equal(f->run->sessions[session]->orders[0].test_count, TESTS);
        for (uint32_t i = 0; i < TESTS; i++)
            assert_int_equal(f->run->tests[session * TESTS + i].session, session);
    }
}

/* A machine that has run everything may go; nobody gets what another has left behind. */
static void test_lanes_of_a_lost_machine_wait_for_its_slot(void **state)
{
    struct fixture *f = *state;

    sealed(f);
    works(f, 0);
    assert_true(f->run->sessions[0]->ended);
    assert_int_equal(f->run->done_count, TESTS);
    (void)pulls(f, 1);
    dies(f, 1);
    assert_int_not_equal(leaves(f, 0, 0), EXIT_OK); /* nobody is left who would run them */
    (void)joins_slot(f, 1, 2);
    collects_this(f, 2, f->run->manifest);
    works(f, 2);
    assert_true(ledger_complete(f->run));
    assert_int_equal(leaves(f, 2, 0), EXIT_OK);
}

/* A test that needs the run alone still does, among the machines that all have it. */
static void test_lanes_keep_apart_what_must_not_meet(void **state)
{
    struct manifest *one = manifest_new(), *whole = NULL;
    struct fixture *f = *state;

    (void)joins_slot(f, 0, 2);
    (void)joins_slot(f, 1, 2);
    assert_int_equal(
        manifest_add(one, view_of("a.py::t"), view_of(""), view_of("mutex=port"), &f->err),
        ERR_NONE);
    manifest_seal(one);
    assert_int_equal(lanes_make(one, 2, &whole, &f->err), ERR_NONE);
    manifest_free(one);
    seals_this(f, whole, NULL);
    assert_int_equal(pulls(f, 0), 1);
    assert_int_equal(pulls(f, 1), 0);
    passes(f, 0, 0);
    assert_int_equal(pulls(f, 1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(test_lanes_give_each_machine_all_of_its_own),
        fixture_test(test_lanes_of_a_lost_machine_wait_for_its_slot),
        fixture_test(test_lanes_keep_apart_what_must_not_meet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
