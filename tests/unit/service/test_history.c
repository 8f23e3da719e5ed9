/* Durations: what a run teaches, and what is known afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "learned.h"
#include "mem.h"
#include "run.h"
#include "service/lesson.h"

static void test_lesson_learns_from_what_ran_to_its_end(void **state)
{
    const char *ids[] = { "a.py::ok",    "a.py::skip", "a.py::bad",
                          "a.py::never", "a.py::xf",   "a.py::carried" };
    struct learned *l = *state;
    struct run *run = learned_run(l, "r1", ids, 6);
    const struct history *history;

    made_finish(run, 0, OUTCOME_PASSED, 5000);
    made_finish(run, 1, OUTCOME_SKIPPED, 500);
    made_finish(run, 2, OUTCOME_CRASHED, 7000);
    made_finish(run, 4, OUTCOME_XFAILED, 9000);
    made_finish(run, 5, OUTCOME_PASSED, 9000);
    run->tests[5].flags = TEST_CARRIED;
    learn(l, run, NOW_MS);
    history = recall(l);
    assert_int_equal(history_count(history), 3);
    assert_about(known_us(history, HISTORY_TEST, "a.py::ok"), 5000);
    assert_about(known_us(history, HISTORY_TEST, "a.py::bad"), 7000);
    assert_about(known_us(history, HISTORY_TEST, "a.py::xf"), 9000);
    assert_null(history_find(history, HISTORY_TEST, "a.py::skip"));
    assert_null(history_find(history, "module", "a.py::ok"));
}

/* What failed when it ran last: not what passed since, and a skip says nothing. */
static void test_lesson_learns_what_failed_last(void **state)
{
    const char *ids[] = { "a.py::bad", "a.py::mended", "a.py::ok", "a.py::skip" };
    const bool wanted[] = { true, false, false, true };
    struct learned *l = *state;
    struct run *first = learned_run(l, "r1", ids, 4), *second = learned_run(l, "r2", ids, 4);
    struct history_tests known;

    made_finish(first, 0, OUTCOME_FAILED, 5000);
    made_finish(first, 1, OUTCOME_CRASHED, 5000);
    made_finish(first, 2, OUTCOME_PASSED, 5000);
    made_finish(first, 3, OUTCOME_ERROR, 5000);
    learn(l, first, NOW_MS);
    made_finish(second, 0, OUTCOME_TIMEOUT, 5000);
    made_finish(second, 1, OUTCOME_PASSED, 5000);
    made_finish(second, 3, OUTCOME_SKIPPED, 5000);
    learn(l, second, NOW_MS);
    history_tests(recall(l), first->manifest, &known);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(known.failed[i], wanted[i]);
    history_tests_fini(&known);
}

/* A crash after a moment must not make a slow test look quick. */
static void test_lesson_takes_a_failure_as_a_lower_bound_only(void **state)
{
    const char *ids[] = { "a.py::t" };
    struct learned *l = *state;
    struct run *first = learned_run(l, "r1", ids, 1);
    struct run *second = learned_run(l, "r2", ids, 1);

    made_finish(first, 0, OUTCOME_PASSED, 5000000);
    learn(l, first, NOW_MS);
    made_finish(second, 0, OUTCOME_CRASHED, 1000);
    learn(l, second, NOW_MS);
    assert_about(known_us(recall(l), HISTORY_TEST, "a.py::t"), 5000000);
}

static void test_lesson_is_folded_once(void **state)
{
    const char *ids[] = { "a.py::t" };
    struct learned *l = *state;
    struct run *run = learned_run(l, "r1", ids, 1);

    made_finish(run, 0, OUTCOME_PASSED, 5000);
    learn(l, run, NOW_MS);
    learn(l, run, NOW_MS); /* as after a restart between the fold and its being known */
    assert_int_equal(history_find(recall(l), HISTORY_TEST, "a.py::t")->samples, 1);
    memcpy(run->id, "r2", 3);
    learn(l, run, NOW_MS);
    assert_int_equal(history_find(recall(l), HISTORY_TEST, "a.py::t")->samples, 2);
}

/* That there is nothing to learn is remembered, or every start would look again. */
static void test_lesson_is_empty_where_agents_collected_different_tests(void **state)
{
    const char *ids[] = { "a.py::t" };
    struct learned *l = *state;
    struct run *run = learned_run(l, "r1", ids, 1);

    made_finish(run, 0, OUTCOME_PASSED, 5000);
    run->mismatch.sessions = 1;
    learn(l, run, NOW_MS);
    run->mismatch.sessions = 0;
    learn(l, run, NOW_MS);
    assert_int_equal(history_count(recall(l)), 0);
}

/* A large suite is folded in parts, and a process that ends between two of them has every row
 * counted once all the same. */
static void test_lesson_is_folded_once_in_parts(void **state)
{
    enum { TESTS = 2 * LESSON_PART_ROWS + 100 };
    struct learned *l = *state;
    char(*texts)[24] = mem_new(TESTS, sizeof(*texts));
    const char **ids = mem_new(TESTS, sizeof(*ids));
    struct run *run;
    struct lesson *lesson;
    const struct history *history;
    struct err err = ERR_INIT;
    bool more = false;

    for (uint32_t i = 0; i < TESTS; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "a.py::t[%u]", i);
        ids[i] = texts[i];
    }
    run = learned_run(l, "r1", ids, TESTS);
    for (uint32_t i = 0; i < TESTS; i++)
        made_finish(run, i, OUTCOME_PASSED, 5000);
    lesson = lesson_of_run(run, NOW_MS);
    OK(lesson_store_part(lesson, l->store, &more, &err));
    assert_true(more);
    lesson_free(lesson);
    history = recall(l);
    assert_int_equal(history_count(history), LESSON_PART_ROWS);
    learn(l, run, NOW_MS);
    learn(l, run, NOW_MS);
    history = recall(l);
    assert_int_equal(history_count(history), TESTS);
    for (uint32_t i = 0; i < TESTS; i++)
        assert_int_equal(history_find(history, HISTORY_TEST, ids[i])->samples, 1);
    free(texts);
    free(ids);
}

/* The median over the machines, so that one slow one says nothing; agents cannot say it. */
static void test_lesson_learns_what_a_machine_needs_to_start(void **state)
{
    const char *ids[] = { "a.py::t" };
    struct learned *l = *state;
    struct run *run = learned_run(l, "r1", ids, 1);

    made_finish(run, 0, OUTCOME_PASSED, 5000);
    made_session(run, NOW_MS, NOW_MS + 3000);
    made_session(run, NOW_MS, NOW_MS + 90000);
    made_session(run, NOW_MS + 500, NOW_MS + 4500);
    made_scope(run, HISTORY_STARTUP, "", 77000000, 0);
    learn(l, run, NOW_MS);
    assert_about(known_us(recall(l), HISTORY_STARTUP, ""), 4000000);
}

/* Two occurrences of one id are two tests. */
static void test_lesson_keeps_occurrences_apart(void **state)
{
    const char *ids[] = { "a.py::t", "a.py::t" };
    struct learned *l = *state;
    struct run *run = learned_run(l, "r1", ids, 2);
    const struct history *history;
    struct history_tests known;

    made_finish(run, 0, OUTCOME_PASSED, 5000);
    made_finish(run, 1, OUTCOME_PASSED, 80000);
    learn(l, run, NOW_MS);
    history = recall(l);
    assert_about(known_us(history, HISTORY_TEST, "a.py::t#1"), 80000);
    history_tests(history, run->manifest, &known);
    assert_int_equal(known.known, 2);
    assert_about(known.costs_us[0], 5000);
    assert_about(known.costs_us[1], 80000);
    history_tests_fini(&known);
}

/* A scope costs what one worker pays for it, however many paid. */
static void test_lesson_averages_what_workers_paid_for_a_scope(void **state)
{
    const char *ids[] = { "a.py::T::t", "b.py::t" };
    struct learned *l = *state;
    struct run *run = learned_run(l, "r1", ids, 2);
    struct suite *suite = suite_new(run->manifest);
    uint64_t *costs_us = mem_new(suite->scope_count, sizeof(*costs_us));
    const struct history *history;

    made_scope(run, "module", "a.py", 20000, 0);
    made_scope(run, "module", "a.py", 40000, 0);
    made_scope(run, "module", "a.py", 0, 5000); /* its teardown comes by itself */
    made_scope(run, "class", "a.py::T", 1000, 1000);
    made_scope(run, HISTORY_TEST, "b.py::t", 1, 1); /* an agent may say anything */
    learn(l, run, NOW_MS);
    history = recall(l);
    assert_int_equal(history_count(history), 2);
    history_scope_costs(history, suite, costs_us);
    assert_about(costs_us[suite_find_scope(suite, "module", "a.py")], 35000);
    assert_about(costs_us[suite_find_scope(suite, "class", "a.py::T")], 2000);
    assert_int_equal(costs_us[suite_find_scope(suite, "module", "b.py")], 0);
    free(costs_us);
    suite_free(suite);
}

static void test_history_costs_of_unknown_tests_come_from_their_neighbours(void **state)
{
    const char *ids[] = { "a.py::t", "a.py::new", "b.py::new" };
    struct learned *l = *state;
    struct run *run = learned_run(l, "r1", ids, 3);
    const struct history *history = recall(l);
    struct history_tests known;

    history_tests(history, run->manifest, &known);
    assert_int_equal(known.known, 0);
    assert_int_equal(known.costs_us[0], ESTIMATE_UNKNOWN_US);
    history_tests_fini(&known);
    made_finish(run, 0, OUTCOME_PASSED, 5000);
    learn(l, run, NOW_MS);
    history = recall(l);
    history_tests(history, run->manifest, &known);
    assert_int_equal(known.known, 1);
    for (int i = 0; i < 3; i++)
        assert_about(known.costs_us[i], 5000);
    history_tests_fini(&known);
}

static void test_lesson_forgets_what_was_not_seen_for_long(void **state)
{
    const char *ids[] = { "a.py::old", "a.py::new" };
    struct learned *l = *state;
    struct run *first = learned_run(l, "r1", ids, 2);
    struct run *second = learned_run(l, "r2", ids, 2);
    const struct history *history;

    made_finish(first, 0, OUTCOME_PASSED, 5000);
    learn(l, first, NOW_MS);
    made_finish(second, 1, OUTCOME_PASSED, 5000);
    learn(l, second, NOW_MS + HISTORY_UNSEEN_MS);
    history = recall(l);
    assert_int_equal(history_count(history), 2);
    memcpy(second->id, "r3", 3);
    learn(l, second, NOW_MS + HISTORY_UNSEEN_MS + 1);
    history = recall(l);
    assert_int_equal(history_count(history), 1);
    assert_non_null(history_find(history, HISTORY_TEST, "a.py::new"));
}

static void test_history_exports_what_was_imported(void **state)
{
    const struct duration given[] = { { "a.py::t[1]", 1000, 0 },
                                      { "a.py::t[2]", 250000, 0 },
                                      { "b.py::t", 12000000, 0 } };
    struct durations in = { .items = given, .count = 3 };
    struct learned *l = *state;
    struct duration *out = NULL;
    uint32_t out_count = 0;
    struct err err = ERR_INIT;

    OK(history_import(l->store, "web", "unit", &in, NOW_MS, &err));
    OK(history_import(l->store, "web", "unit", &in, NOW_MS, &err));
    history_export(recall(l), &out, &out_count);
    assert_int_equal(out_count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_string_equal(out[i].id, given[i].id);
        assert_about(out[i].us, given[i].us);
    }
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        learned_test(test_lesson_learns_from_what_ran_to_its_end),
        learned_test(test_lesson_learns_what_failed_last),
        learned_test(test_lesson_takes_a_failure_as_a_lower_bound_only),
        learned_test(test_lesson_is_folded_once),
        learned_test(test_lesson_is_empty_where_agents_collected_different_tests),
        learned_test(test_lesson_is_folded_once_in_parts),
        learned_test(test_lesson_learns_what_a_machine_needs_to_start),
        learned_test(test_lesson_keeps_occurrences_apart),
        learned_test(test_lesson_averages_what_workers_paid_for_a_scope),
        learned_test(test_history_costs_of_unknown_tests_come_from_their_neighbours),
        learned_test(test_lesson_forgets_what_was_not_seen_for_long),
        learned_test(test_history_exports_what_was_imported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
