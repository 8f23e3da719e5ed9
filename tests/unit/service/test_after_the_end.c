/* What happens to runs after their end, and beside it; tests/sim has the rest of their lives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "place.h"

static void join_as(struct place *p, const char *key, const char *nonce, uint32_t index)
{
    struct join_request req = { .project = (char *)"p",
                                .suite = (char *)"s",
                                .run_key = (char *)key,
                                .instance = (char *)"job/1",
                                .nonce = (char *)nonce,
                                .fingerprint = (char *)"linux",
                                .command = (char *)"pytest",
                                .agent_version = (char *)"1",
                                .index = index,
                                .total = index == PROTO_SLOT_NONE ? 0 : 2,
                                .workers = 1 };

    service_join(p->svc, p->token, &req, to(p, on_join));
}

static void join(struct place *p, const char *key)
{
    join_as(p, key, NONCE, PROTO_SLOT_NONE);
    settle(p);
    assert_int_equal(p->err.code, ERR_NONE);
}

/* In one step: after a long gap sessions are given time once more. */
static void pass_ms(struct place *p, uint64_t ms)
{
    p->now_ms += ms;
    (void)service_tick(p->svc);
    settle(p);
    p->now_ms += 2000;
    (void)service_tick(p->svc);
    settle(p);
}

static enum err_code report(struct place *p, const char *bearer, const char *run)
{
    uint32_t before = p->answers;

    service_report(p->svc, bearer, run, REPORT_JUNIT, to(p, on_text));
    settle(p);
    assert_int_equal(p->answers, before + 1);
    return p->err.code;
}

static enum err_code count_row(void *ctx, const struct store_run *run, struct err *err)
{
    (void)run;
    (void)err;
    ++*(uint32_t *)ctx;
    return ERR_NONE;
}

static uint32_t stored(struct place *p, enum store_runs state)
{
    struct store_query query = { .state = state };
    struct err err = ERR_INIT;
    uint32_t count = 0;

    assert_int_equal(store_list(p->store, &query, count_row, &count, &err), ERR_NONE);
    return count;
}

static void test_service_removes_runs_closed_longer_ago_than_asked(void **state)
{
    struct place *p = *state;

    join(p, "first");
    service_close(p->svc, p->token, p->run, to(p, on_verdict));
    settle(p);
    assert_true(p->final);
    pass_ms(p, (PLACE_KEEP_DAYS - 1) * DAY_MS);
    assert_int_equal(stored(p, STORE_RUNS_CLOSED), 1);
    join(p, "second");
    pass_ms(p, 2 * DAY_MS);
    assert_int_equal(stored(p, STORE_RUNS_CLOSED), 0);
    assert_int_equal(stored(p, STORE_RUNS_OPEN), 1);
    assert_int_equal(report(p, p->token, p->run), ERR_NONE);
}

/* Nobody may learn from a run whose end can still be lost. */
static void test_service_teaches_a_run_when_its_end_is_durable(void **state)
{
    struct place *p = *state;

    join(p, "key");
    service_close(p->svc, p->token, p->run, to(p, on_verdict));
    assert_int_equal(stored(p, STORE_RUNS_CLOSED), 0);
    settle(p);
    assert_int_equal(stored(p, STORE_RUNS_CLOSED), 1);
    assert_int_equal(stored(p, STORE_RUNS_UNFOLDED), 0);
}

/* As after a kill between the two. */
static void test_service_teaches_after_a_start_what_was_left(void **state)
{
    struct place *p = *state;

    join(p, "key");
    service_close(p->svc, p->token, p->run, to(p, on_verdict));
    service_free(p->svc); /* writes the end down, begins nothing new */
    assert_int_equal(stored(p, STORE_RUNS_UNFOLDED), 1);
    open_service(p);
    pass_ms(p, 100);
    assert_int_equal(stored(p, STORE_RUNS_UNFOLDED), 0);
}

static void test_service_reports_to_those_who_may_read(void **state)
{
    struct place *p = *state;
    struct auth_new want = { .project = "other", .label = "", .role = ROLE_ADMIN };
    char other[TOKEN_TEXT_BYTES];
    struct err err = ERR_INIT;

    assert_int_equal(auth_token_new(p->store, &want, other, &err), ERR_NONE);
    join(p, "key");
    assert_int_equal(report(p, p->token, p->run), ERR_NONE);
    assert_non_null(strstr(p->text, "<testsuites>"));
    assert_int_equal(report(p, p->session_token, p->run), ERR_NONE);
    assert_int_equal(report(p, other, p->run), ERR_FORBIDDEN);
    assert_int_equal(report(p, "msp_nobody", p->run), ERR_TOKEN);
    assert_int_equal(report(p, NULL, p->run), ERR_TOKEN);
    assert_int_equal(report(p, p->token, "none"), ERR_RUN_UNKNOWN);
    assert_int_equal(report(p, "msp_nobody", "none"), ERR_TOKEN);
}

/* Many large requests at once are refused, not queued without end; who went away costs nothing. */
static void test_service_refuses_more_reports_than_it_keeps(void **state)
{
    struct place *p = *state;
    uint32_t before;
    int gone;

    join(p, "key");
    before = p->answers;
    for (uint32_t i = 0; i < 256; i++)
        service_report(p->svc, p->token, p->run, REPORT_JSON, (struct reply){ on_text, &gone });
    assert_int_equal(p->answers, before);
    service_report(p->svc, p->token, p->run, REPORT_JSON, to(p, on_text));
    assert_int_equal(p->answers, before + 1);
    assert_int_equal(p->err.code, ERR_UNAVAILABLE);
    service_forget(p->svc, &gone);
    settle(p);
    assert_int_equal(report(p, p->token, p->run), ERR_NONE);
}

/* A request that makes no sense must not leave an epoch without agents behind. */
static void test_service_join_with_a_strange_index_opens_nothing(void **state)
{
    struct place *p = *state;

    join_as(p, "key", NONCE, 2);
    settle(p);
    assert_int_equal(p->err.code, ERR_INVALID);
    assert_int_equal(stored(p, STORE_RUNS_ALL), 0);
}

/* The slot is taken by a join that may yet be lost: nobody is told before it is durable. */
static void test_service_join_is_refused_when_the_reason_is_durable(void **state)
{
    struct place *p = *state;

    join_as(p, "key", NONCE, 0);
    join_as(p, "key", NONCE "2", 0);
    assert_int_equal(p->answers, 0);
    settle(p);
    assert_int_equal(p->answers, 2);
    assert_int_equal(p->err.code, ERR_SLOT_TAKEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(test_service_removes_runs_closed_longer_ago_than_asked),
        place_test(test_service_teaches_a_run_when_its_end_is_durable),
        place_test(test_service_teaches_after_a_start_what_was_left),
        place_test(test_service_refuses_more_reports_than_it_keeps),
        place_test(test_service_join_with_a_strange_index_opens_nothing),
        place_test(test_service_join_is_refused_when_the_reason_is_durable),
        place_test(test_service_reports_to_those_who_may_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
