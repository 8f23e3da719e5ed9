/* The service as a whole, with the store in memory, inline commits and a clock of the test's own:
 * what happens to runs after their end. tests/sim has the rest of their lives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mem.h"
#include "service/auth.h"
#include "service/service.h"
#include "store/store_mem.h"

#define DAY_MS (24ull * 60 * 60 * 1000)

#define OK(call)                                                                                   \
    do {                                                                                           \
        if (call)                                                                                  \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

struct place {
    uint64_t now_ms;
    struct clock clock;
    struct store *store;
    struct service *svc;
    char token[TOKEN_TEXT_BYTES];
    /* what the last reply said */
    uint32_t replies;
    enum err_code rc;
    char run[ID_TEXT_BYTES];
    char session_token[TOKEN_TEXT_BYTES];
    struct str text;
    bool final;
};

static uint64_t mono_us(void *ctx)
{
    return ((struct place *)ctx)->now_ms * 1000;
}

static uint64_t wall_ms(void *ctx)
{
    return 1800000000000ull + ((struct place *)ctx)->now_ms;
}

static void no_wake(void *ctx)
{
    (void)ctx; /* settle() polls */
}

static void start(struct place *p)
{
    struct service_opts opts = { .store = p->store,
                                 .clock = &p->clock,
                                 .keep_ms = 90 * DAY_MS,
                                 .commit_mode = COMMIT_INLINE,
                                 .wake = no_wake };
    struct err err = ERR_INIT;

    p->svc = service_new(&opts);
    OK(service_start(p->svc, &err));
}

/* What one thing begins ends in the next: a few rounds are enough for all of it. */
static void settle(struct place *p)
{
    for (int i = 0; i < 10; i++)
        service_poll(p->svc);
}

static void pass_ms(struct place *p, uint64_t ms)
{
    p->now_ms += ms;
    (void)service_tick(p->svc); /* after a long gap sessions are given time once more */
    settle(p);
    p->now_ms += 2000;
    (void)service_tick(p->svc);
    settle(p);
}

static int set_up(void **state)
{
    struct place *p = mem_new(1, sizeof(*p));
    struct auth_new want = { .project = "", .label = "", .role = ROLE_AGENT };
    struct err err = ERR_INIT;

    p->now_ms = 1000;
    p->clock = (struct clock){ .mono_us = mono_us, .wall_ms = wall_ms, .ctx = p };
    p->store = store_mem_new();
    p->text = (struct str)STR_MAX(1 << 20);
    OK(auth_token_new(p->store, &want, p->token, &err));
    start(p);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;

    service_free(p->svc);
    store_close(p->store);
    str_fini(&p->text);
    free(p);
    return 0;
}

/* ---- asking ---- */

static void on_join(void *ctx, const union answer *answer, const struct err *err)
{
    struct place *p = ctx;

    p->replies++;
    p->rc = err->code;
    if (err->code)
        return;
    memcpy(p->run, answer->join->run, strlen(answer->join->run) + 1);
    memcpy(p->session_token, answer->join->session_token, strlen(answer->join->session_token) + 1);
}

static void on_verdict(void *ctx, const union answer *answer, const struct err *err)
{
    struct place *p = ctx;

    p->replies++;
    p->rc = err->code;
    p->final = !err->code && answer->verdict->final;
}

static void on_report(void *ctx, const union answer *answer, const struct err *err)
{
    struct place *p = ctx;
    struct err ignored = ERR_INIT;

    p->replies++;
    p->rc = err->code;
    str_clear(&p->text);
    if (!err->code)
        assert_int_equal(str_addz(&p->text, str_text(answer->text), &ignored), ERR_NONE);
}

static struct join_request join_of(char *key)
{
    static char texts[6][24] = { "web", "unit", "job/1", "0123456789abcdef", "linux", "pytest" };

    return (struct join_request){ .project = texts[0],
                                  .suite = texts[1],
                                  .run_key = key,
                                  .instance = texts[2],
                                  .nonce = texts[3],
                                  .fingerprint = texts[4],
                                  .command = texts[5],
                                  .agent_version = texts[5],
                                  .index = PROTO_SLOT_NONE,
                                  .workers = 1 };
}

static void join(struct place *p, char *key)
{
    struct join_request req = join_of(key);

    service_join(p->svc, p->token, &req, (struct reply){ on_join, p });
    settle(p);
    assert_int_equal(p->rc, ERR_NONE);
}

static enum err_code report(struct place *p, const char *bearer, const char *run)
{
    uint32_t before = p->replies;

    service_report(p->svc, bearer, run, REPORT_JUNIT, (struct reply){ on_report, p });
    settle(p);
    assert_int_equal(p->replies, before + 1);
    return p->rc;
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

    OK(store_list(p->store, &query, count_row, &count, &err));
    return count;
}

/* ---- tests ---- */

static void test_service_removes_runs_closed_longer_ago_than_asked(void **state)
{
    struct place *p = *state;
    char first[] = "first";
    char second[] = "second";

    join(p, first);
    service_close(p->svc, p->token, p->run, (struct reply){ on_verdict, p });
    settle(p);
    assert_true(p->final);
    pass_ms(p, 89 * DAY_MS);
    assert_int_equal(stored(p, STORE_RUNS_CLOSED), 1);
    join(p, second);
    pass_ms(p, 2 * DAY_MS);
    assert_int_equal(stored(p, STORE_RUNS_CLOSED), 0);
    assert_int_equal(stored(p, STORE_RUNS_OPEN), 1);
    assert_int_equal(report(p, p->token, p->run), ERR_NONE);
}

/* Nobody may learn from a run whose end can still be lost. */
static void test_service_teaches_a_run_when_its_end_is_durable(void **state)
{
    struct place *p = *state;
    char key[] = "key";

    join(p, key);
    service_close(p->svc, p->token, p->run, (struct reply){ on_verdict, p });
    assert_int_equal(stored(p, STORE_RUNS_CLOSED), 0);
    settle(p);
    assert_int_equal(stored(p, STORE_RUNS_CLOSED), 1);
    assert_int_equal(stored(p, STORE_RUNS_UNFOLDED), 0);
}

/* As after a kill between the two. */
static void test_service_teaches_after_a_start_what_was_left(void **state)
{
    struct place *p = *state;
    char key[] = "key";

    join(p, key);
    service_close(p->svc, p->token, p->run, (struct reply){ on_verdict, p });
    service_free(p->svc); /* writes the end down, begins nothing new */
    assert_int_equal(stored(p, STORE_RUNS_UNFOLDED), 1);
    start(p);
    pass_ms(p, 100);
    assert_int_equal(stored(p, STORE_RUNS_UNFOLDED), 0);
}

static void test_service_reports_to_those_who_may_read(void **state)
{
    struct place *p = *state;
    struct auth_new want = { .project = "other", .label = "", .role = ROLE_ADMIN };
    char other[TOKEN_TEXT_BYTES];
    struct err err = ERR_INIT;
    char key[] = "key";

    OK(auth_token_new(p->store, &want, other, &err));
    join(p, key);
    assert_int_equal(report(p, p->token, p->run), ERR_NONE);
    assert_non_null(strstr(str_text(&p->text), "<testsuites>"));
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
    char key[] = "key";
    uint32_t before;
    int gone;

    join(p, key);
    before = p->replies;
    for (uint32_t i = 0; i < 256; i++)
        service_report(p->svc, p->token, p->run, REPORT_JSON, (struct reply){ on_report, &gone });
    assert_int_equal(p->replies, before);
    service_report(p->svc, p->token, p->run, REPORT_JSON, (struct reply){ on_report, p });
    assert_int_equal(p->replies, before + 1);
    assert_int_equal(p->rc, ERR_UNAVAILABLE);
    service_forget(p->svc, &gone);
    settle(p);
    assert_int_equal(report(p, p->token, p->run), ERR_NONE);
}

/* A request that makes no sense must not leave an epoch without agents behind. */
static void test_service_join_with_a_strange_index_opens_nothing(void **state)
{
    struct place *p = *state;
    char key[] = "key";
    struct join_request req = join_of(key);

    req.index = 2;
    req.total = 2;
    service_join(p->svc, p->token, &req, (struct reply){ on_join, p });
    settle(p);
    assert_int_equal(p->rc, ERR_INVALID);
    assert_int_equal(stored(p, STORE_RUNS_ALL), 0);
}

/* The slot is taken by a join that may yet be lost: nobody is told before it is durable. */
static void test_service_join_is_refused_when_the_reason_is_durable(void **state)
{
    struct place *p = *state;
    static char nonce[] = "another nonce 16";
    char key[] = "key";
    struct join_request req = join_of(key);

    req.index = 0;
    service_join(p->svc, p->token, &req, (struct reply){ on_join, p });
    req.nonce = nonce;
    service_join(p->svc, p->token, &req, (struct reply){ on_join, p });
    assert_int_equal(p->replies, 0);
    settle(p);
    assert_int_equal(p->replies, 2);
    assert_int_equal(p->rc, ERR_SLOT_TAKEN);
}

#define IN_PLACE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_PLACE(test_service_removes_runs_closed_longer_ago_than_asked),
        IN_PLACE(test_service_teaches_a_run_when_its_end_is_durable),
        IN_PLACE(test_service_teaches_after_a_start_what_was_left),
        IN_PLACE(test_service_refuses_more_reports_than_it_keeps),
        IN_PLACE(test_service_join_with_a_strange_index_opens_nothing),
        IN_PLACE(test_service_join_is_refused_when_the_reason_is_durable),
        IN_PLACE(test_service_reports_to_those_who_may_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
