/* The JSON report is JSON, and holds what docs/reports.md says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json.h"
#include "mem.h"
#include "report/report.h"
#include "run.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if (call)                                                                                  \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

static struct json *read_report(const struct run *run)
{
    struct str text = STR_MAX(1 << 20);
    struct json *doc = NULL;
    struct err err = ERR_INIT;

    OK(report_json(run, &text, &err));
    OK(json_parse(text.at, text.len, &doc, &err));
    str_fini(&text);
    return doc;
}

/* A value as JSON text, "absent" when there is none. */
static void assert_member(const struct json *object, const char *key, const char *want)
{
    const struct json *value = json_find(object, key);
    char *got = value ? json_dump(value, JSON_TIGHT) : mem_strdup("absent");

    assert_string_equal(got, want);
    free(got);
}

static const struct json *test_at(const struct json *doc, uint32_t n)
{
    return json_at(json_find(doc, "tests"), n);
}

static void test_json_holds_run_and_tests(void **state)
{
    const char *ids[] = { "a.py::t", "a.py::t", "a.py::\xc3\xa9\"", "a.py::left" };
    struct run *run = made_run("r1", ids, 4);
    struct json *doc;

    (void)state;
    made_finish(run, 0, OUTCOME_PASSED, 1000);
    made_finish(run, 1, OUTCOME_FAILED, 2000);
    made_finish(run, 2, OUTCOME_PASSED, 3000);
    run->tests[1].detail = made_detail("call", "assert 0", NULL);
    run->tests[1].flags = TEST_SEEN_GOOD;
    run->tests[1].mem_mib = 300;
    run->tests[2].flags = TEST_CARRIED;
    doc = read_report(run);
    assert_member(doc, "version", "1");
    assert_member(doc, "run", "\"r1\"");
    assert_member(doc, "state", "\"running\"");
    assert_member(doc, "final", "false");
    assert_member(doc, "total", "4");
    assert_member(doc, "unrun", "1");
    assert_member(doc, "stop", "null");
    assert_member(doc, "errors", "[]");
    assert_member(doc, "agents", "[]");
    assert_member(doc, "mismatch", "absent");
    assert_member(json_find(doc, "counts"), "passed", "2");
    assert_member(json_find(doc, "counts"), "failed", "1");
    assert_member(test_at(doc, 0), "id", "\"a.py::t\"");
    assert_member(test_at(doc, 0), "k", "0");
    assert_member(test_at(doc, 0), "call_us", "700");
    assert_member(test_at(doc, 0), "detail", "absent");
    assert_member(test_at(doc, 1), "k", "1");
    assert_member(test_at(doc, 1), "outcome", "\"failed\"");
    assert_member(test_at(doc, 1), "flaky", "true");
    assert_member(test_at(doc, 1), "mem_mib", "300");
    assert_member(test_at(doc, 0), "mem_mib", "absent");
    assert_member(json_find(test_at(doc, 1), "detail"), "message", "\"assert 0\"");
    assert_member(test_at(doc, 2), "id", "\"a.py::\xc3\xa9\\\"\"");
    assert_member(test_at(doc, 2), "carried", "true");
    assert_member(test_at(doc, 3), "outcome", "null");
    assert_member(test_at(doc, 3), "call_us", "absent");
    json_free(doc);
    run_free(run);
}

static void add_session(struct run *run)
{
    struct session *session = mem_new(1, sizeof(*session));

    memcpy(session->id, "1-abc", 6);
    session->instance = mem_strdup("job 1");
    session->index = 3;
    session->workers = 2;
    session->state = SESSION_LEFT;
    session->exit = EXIT_DRAINED;
    session->worker_peak_mib = 340;
    session->labels = mem_new(2, sizeof(*session->labels));
    session->labels[0] = (struct label){ .key = mem_strdup("os"), .value = mem_strdup("debian") };
    session->labels[1] = (struct label){ .key = mem_strdup("{"), .value = mem_strdup("[") };
    session->label_count = 2;
    run->sessions = mem_grow(run->sessions, &run->session_cap, 1, sizeof(struct session *));
    run->sessions[run->session_count++] = session;
}

static void test_json_holds_agents_and_errors(void **state)
{
    const char *ids[] = { "a.py::t" };
    struct run *run = made_run("r1", ids, 1);
    const struct json *agent;
    struct json *doc;

    (void)state;
    add_session(run);
    made_finish(run, 0, OUTCOME_PASSED, 1000);
    run->tests[0].session = 0;
    run->tests[0].worker = 1;
    made_fault(run, "internal", "no\nluck");
    run->faults.at[0].session = 0;
    made_remark(run, "exit-status", "late");
    run->mismatch.sessions = 1;
    run->mismatch.only_other_total = 30;
    run->state = RUN_FINAL;
    run->verdict = VERDICT_MISMATCH;
    doc = read_report(run);
    assert_member(doc, "verdict", "\"mismatch\"");
    assert_member(doc, "final", "true");
    assert_member(json_find(doc, "mismatch"), "only_other_total", "30");
    assert_member(doc, "errors", "[{\"kind\":\"internal\",\"text\":\"no\\nluck\",\"agent\":0}]");
    agent = json_at(json_find(doc, "agents"), 0);
    assert_member(agent, "session", "\"1-abc\"");
    assert_member(agent, "state", "\"left\"");
    assert_member(agent, "index", "3");
    assert_member(agent, "exit", "75");
    assert_member(doc, "remarks", "[{\"kind\":\"exit-status\",\"text\":\"late\"}]");
    assert_member(agent, "worker_mib", "absent");
    assert_member(agent, "worker_peak_mib", "340");
    assert_member(agent, "labels", "{\"os\":\"debian\",\"{\":\"[\"}");
    assert_member(test_at(doc, 0), "agent", "0");
    assert_member(test_at(doc, 0), "worker", "1");
    json_free(doc);
    run_free(run);
}

static void test_json_ends_at_the_cap(void **state)
{
    const char *ids[] = { "a.py::t" };
    struct run *run = made_run("r1", ids, 1);
    struct str out = STR_MAX(100);
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(report_json(run, &out, &err), ERR_TOO_LARGE);
    str_fini(&out);
    run_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_holds_run_and_tests),
        cmocka_unit_test(test_json_holds_agents_and_errors),
        cmocka_unit_test(test_json_ends_at_the_cap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
