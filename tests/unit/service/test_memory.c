/* Memory: what a run teaches, and what is known afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "learned.h"
#include "mem.h"
#include "run.h"

static uint32_t known_mib(struct learned *l, const char *const *ids, uint32_t count, uint32_t test)
{
    const struct run *run = learned_run(l, "asks", ids, count);
    struct history_tests known;
    uint32_t mib;

    history_tests(recall(l), run->manifest, &known);
    mib = known.mem_mib[test];
    history_tests_fini(&known);
    return mib;
}

/* More at once, less slowly, a failure never less; what was not measured says nothing. */
static void test_lesson_learns_the_memory_of_tests(void **state)
{
    static const struct {
        enum outcome outcome;
        uint32_t mem_mib, known_mib;
    } runs[] = { { OUTCOME_PASSED, 0, 0 },      { OUTCOME_PASSED, 300, 300 },
                 { OUTCOME_PASSED, 1, 262 },    { OUTCOME_CRASHED, 20, 262 },
                 { OUTCOME_PASSED, 0, 262 },    { OUTCOME_SKIPPED, 900, 262 },
                 { OUTCOME_CRASHED, 900, 900 }, { OUTCOME_XFAILED, 850, 850 } };
    const char *ids[] = { "a.py::small", "a.py::big" };
    struct learned *l = *state;

    for (uint32_t i = 0; i < ARRAY_LEN(runs); i++) {
        char id[8] = { 'r', (char)('0' + i) };
        struct run *run = learned_run(l, id, ids, 2);

        made_finish(run, 1, runs[i].outcome, 5000);
        run->tests[1].mem_mib = runs[i].mem_mib;
        learn(l, run, NOW_MS);
        assert_int_equal(known_mib(l, ids, 2, 1), runs[i].known_mib);
    }
    assert_int_equal(known_mib(l, ids, 2, 0), 0);
    assert_about(known_us(recall(l), HISTORY_TEST, "a.py::big"), 5000); /* beside its duration */
}

/* The largest of the run; agents that say nothing, or say it as a scope, change nothing. */
static void test_lesson_learns_the_memory_of_a_worker(void **state)
{
    const char *ids[] = { "a.py::t" };
    static const uint32_t mib[][2] = { { 40, 0 }, { 200, 30 }, { 0, 0 } };
    static const uint32_t known_mib[] = { 40, 200, 200 };
    struct learned *l = *state;
    struct err err = ERR_INIT;
    uint32_t got = 7;

    OK(history_worker_mib(l->store, "web", "unit", &got, &err));
    assert_int_equal(got, 0);
    for (uint32_t i = 0; i < ARRAY_LEN(mib); i++) {
        char id[8] = { 'r', (char)('0' + i) };
        struct run *run = learned_run(l, id, ids, 1);

        made_finish(run, 0, OUTCOME_PASSED, 5000);
        made_session(run, NOW_MS, NOW_MS + 3000);
        made_session(run, NOW_MS, NOW_MS + 3000);
        run->sessions[0]->worker_mib = mib[i][0];
        run->sessions[1]->worker_mib = mib[i][1];
        made_scope(run, HISTORY_WORKER, "", 77000000, 0);
        learn(l, run, NOW_MS);
        OK(history_worker_mib(l->store, "web", "unit", &got, &err));
        assert_int_equal(got, known_mib[i]);
    }
}

/* Durations that come from a file say nothing of memory. */
static void test_history_import_keeps_the_memory(void **state)
{
    const char *ids[] = { "a.py::t" };
    struct duration item = { .id = "a.py::t", .us = 900000 };
    struct durations file = { .items = &item, .count = 1 };
    struct learned *l = *state;
    struct run *run = learned_run(l, "r1", ids, 1);
    struct err err = ERR_INIT;

    made_finish(run, 0, OUTCOME_PASSED, 5000);
    run->tests[0].mem_mib = 300;
    learn(l, run, NOW_MS);
    OK(history_import(l->store, "web", "unit", &file, NOW_MS, &err));
    assert_int_equal(known_mib(l, ids, 1, 0), 300);
    assert_about(known_us(recall(l), HISTORY_TEST, "a.py::t"), 900000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        learned_test(test_lesson_learns_the_memory_of_tests),
        learned_test(test_lesson_learns_the_memory_of_a_worker),
        learned_test(test_history_import_keeps_the_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
