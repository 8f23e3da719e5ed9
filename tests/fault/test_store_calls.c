/* A small run, again and again, with another call of the store failing each time: before it is
 * done, or after (an ambiguous commit). Agents try again as the protocol says. Whatever call it
 * was, nothing that was acknowledged is lost or counted twice, and the run ends green. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gz.h"
#include "log.h"
#include "manifest.h"
#include "mem.h"
#include "service/auth.h"
#include "service/service.h"
#include "store/store_fault.h"
#include "store/store_mem.h"

#define PEERS      2u
#define TESTS      5u
#define TRIES_MAX  50u
#define ROUNDS_MAX 200u
#define CALLS_MAX  2000u
#define START_MS   1800000000000ull
#define STEP_MS    250u

static const char *const ids[TESTS] = { "a.py::t0", "a.py::t1", "b.py::t2", "b.py::t3",
                                        "c.py::t4" };

struct peer { /* one agent with one worker */
    char *run, *session, *token;
    uint64_t pulls, results, order_seen;
    bool ended, left;
};

struct scene {
    uint64_t now_ms;
    struct clock clock;
    struct store *store; /* the fault wrapper */
    struct service *svc;
    char project_token[TOKEN_TEXT_BYTES];
    struct manifest *manifest;
    struct str part;
    struct peer peers[PEERS];
    bool acknowledged[TESTS];
    uint32_t failures; /* answers that were tried again */
    const char *what;  /* for messages */
};

static uint64_t mono_us(void *ctx)
{
    return ((struct scene *)ctx)->now_ms * 1000;
}

static uint64_t wall_ms(void *ctx)
{
    return START_MS + ((struct scene *)ctx)->now_ms;
}

static void no_wake(void *ctx)
{
    (void)ctx; /* every call below polls */
}

/* ---- one answer ---- */

struct heard {
    bool came;
    enum err_code rc;
    char text[ERR_TEXT_BYTES];
    /* what the scene needs of an answer */
    char *run, *session, *token;
    enum collected_action action;
    uint64_t accepted;
    struct pull_answer pull;
    struct verdict_answer verdict;
};

enum asked { ASKED_JOIN, ASKED_COLLECTED, ASKED_PART, ASKED_PULL, ASKED_RESULTS, ASKED_VERDICT };

struct question {
    enum asked asked;
    struct heard heard;
};

/* Copies by the wire: what is kept is what an agent would have read. */
static void keep_pull(const struct pull_answer *from, struct pull_answer *to)
{
    char *text = pull_answer_encode(from);
    struct err err = ERR_INIT;

    assert_int_equal(pull_answer_decode(text, strlen(text), to, &err), ERR_NONE);
    free(text);
}

static void keep_verdict(const struct verdict_answer *from, struct verdict_answer *to)
{
    char *text = verdict_answer_encode(from);
    struct err err = ERR_INIT;

    if (verdict_answer_decode(text, strlen(text), to, &err))
        fail_msg("%s in %s", err.text, text);
    free(text);
}

static void hear(void *ctx, const union answer *answer, const struct err *err)
{
    struct question *q = ctx;
    struct heard *heard = &q->heard;

    assert_false(heard->came); /* every call answers once */
    heard->came = true;
    heard->rc = err->code;
    memcpy(heard->text, err->text, sizeof(heard->text));
    if (err->code)
        return;
    switch (q->asked) {
    case ASKED_JOIN:
        heard->run = mem_strdup(answer->join->run);
        heard->session = mem_strdup(answer->join->session);
        heard->token = mem_strdup(answer->join->session_token);
        return;
    case ASKED_COLLECTED:
        heard->action = answer->collected->action;
        return;
    case ASKED_PART:
        return;
    case ASKED_PULL:
        keep_pull(answer->pull, &heard->pull);
        return;
    case ASKED_RESULTS:
        heard->accepted = answer->results->accepted;
        return;
    case ASKED_VERDICT:
        keep_verdict(answer->verdict, &heard->verdict);
        return;
    }
}

static bool worth_another_try(enum err_code rc)
{
    return rc == ERR_IO || rc == ERR_UNAVAILABLE || rc == ERR_DISK_FULL;
}

static void question_begin(struct question *q, enum asked asked)
{
    *q = (struct question){ .asked = asked };
}

static void question_fini(struct question *q)
{
    free(q->heard.run);
    free(q->heard.session);
    free(q->heard.token);
    pull_answer_fini(&q->heard.pull);
    verdict_answer_fini(&q->heard.verdict);
}

static void settle(struct scene *s)
{
    service_poll(s->svc);
    s->now_ms += STEP_MS;
    (void)service_tick(s->svc);
    service_poll(s->svc);
}

/* True when it was answered with success; false: ask again. Anything else is a broken promise. */
static bool answered(struct scene *s, struct question *q)
{
    for (uint32_t i = 0; !q->heard.came && i < TRIES_MAX; i++)
        settle(s);
    if (!q->heard.came)
        fail_msg("%s: question %d was never answered", s->what, (int)q->asked);
    if (q->heard.rc == ERR_NONE)
        return true;
    if (!worth_another_try(q->heard.rc))
        fail_msg("%s: question %d got %s: %s", s->what, (int)q->asked, err_name(q->heard.rc),
                 q->heard.text);
    s->failures++;
    settle(s);
    return false;
}

#define ASK(s, q, kind, call)                                                                      \
    do {                                                                                           \
        bool ok = false;                                                                           \
        for (uint32_t tries = 0; !ok; tries++) {                                                   \
            if (tries == TRIES_MAX)                                                                \
                fail_msg("%s: %s failed for ever", (s)->what, #kind);                              \
            question_begin((q), (kind));                                                           \
            call;                                                                                  \
            ok = answered((s), (q));                                                               \
            if (!ok)                                                                               \
                question_fini(q);                                                                  \
        }                                                                                          \
    } while (0)

/* ---- what an agent does ---- */

static struct reply reply_to(struct question *q)
{
    return (struct reply){ .fn = hear, .ctx = q };
}

static void join(struct scene *s, uint32_t index)
{
    struct peer *peer = &s->peers[index];
    char name[40];
    struct join_request req = { .project = (char[]){ "web" },
                                .suite = (char[]){ "unit" },
                                .run_key = (char[]){ "key" },
                                .instance = name,
                                .nonce = name,
                                .fingerprint = (char[]){ "linux" },
                                .command = (char[]){ "command" },
                                .agent_version = (char[]){ "1" },
                                .index = index,
                                .total = PEERS,
                                .workers = 1 };
    struct question q;

    (void)snprintf(name, sizeof(name), "agent %u, a job of its own", index);
    ASK(s, &q, ASKED_JOIN, service_join(s->svc, s->project_token, &req, reply_to(&q)));
    peer->run = mem_strdup(q.heard.run);
    peer->session = mem_strdup(q.heard.session);
    peer->token = mem_strdup(q.heard.token);
    question_fini(&q);
}

static void upload(struct scene *s, struct peer *peer)
{
    struct manifest_part part = { .digest = s->manifest->digest,
                                  .part = 0,
                                  .of = 1,
                                  .bytes = { .at = s->part.at, .len = s->part.len } };
    struct question q;

    question_begin(&q, ASKED_PART);
    service_manifest_part(s->svc, peer->token, peer->run, &part, reply_to(&q));
    /* A part that is refused is asked for again, by collected. */
    for (uint32_t i = 0; !q.heard.came && i < TRIES_MAX; i++)
        settle(s);
    assert_true(q.heard.came);
    question_fini(&q);
}

static void collect(struct scene *s, struct peer *peer)
{
    enum collected_action action = COLLECTED_WAIT;

    for (uint32_t round = 0; action != COLLECTED_GO; round++) {
        struct collected_request req = { .session = peer->session,
                                         .digest = s->manifest->digest,
                                         .runtime = (char[]){ "cpython" },
                                         .request = 1,
                                         .count = TESTS };
        struct question q;

        assert_true(round < ROUNDS_MAX);
        ASK(s, &q, ASKED_COLLECTED,
            service_collected(s->svc, peer->token, peer->run, &req, reply_to(&q)));
        action = q.heard.action;
        question_fini(&q);
        if (action == COLLECTED_UPLOAD)
            upload(s, peer);
    }
}

/* All tests of a shard have passed; the answer acknowledges them. */
static void report(struct scene *s, struct peer *peer, const struct order *order)
{
    struct result *results = mem_new(order->test_count, sizeof(*results));
    struct results_request req = { .session = peer->session,
                                   .request = ++peer->results,
                                   .results = results,
                                   .result_count = order->test_count };
    struct question q;

    for (uint32_t i = 0; i < order->test_count; i++)
        results[i] = (struct result){ .test = order->tests[i].ref,
                                      .fence = order->fence,
                                      .outcome = OUTCOME_PASSED,
                                      .setup_us = 10,
                                      .call_us = 1000,
                                      .teardown_us = 10,
                                      .started_ms = s->now_ms };
    ASK(s, &q, ASKED_RESULTS, service_results(s->svc, peer->token, peer->run, &req, reply_to(&q)));
    assert_int_equal(q.heard.accepted, req.request);
    question_fini(&q);
    for (uint32_t i = 0; i < order->test_count; i++) {
        uint32_t at = manifest_find(s->manifest, order->tests[i].ref.id, order->tests[i].ref.k);

        assert_true(at < TESTS);
        if (s->acknowledged[at])
            fail_msg("%s: %s was given out again", s->what, ids[at]);
        s->acknowledged[at] = true;
    }
    free(results);
}

static void leave(struct scene *s, struct peer *peer)
{
    struct leave_request req = { .session = peer->session, .request = 1 };
    struct question q;

    ASK(s, &q, ASKED_VERDICT, service_leave(s->svc, peer->token, peer->run, &req, reply_to(&q)));
    assert_int_equal(q.heard.verdict.exit, 0);
    question_fini(&q);
    peer->left = true;
}

static void pull(struct scene *s, struct peer *peer)
{
    struct pull_request req = { .session = peer->session,
                                .request = ++peer->pulls,
                                .order_seen = peer->order_seen,
                                .free_workers = 1,
                                .wait_ms = STEP_MS };
    struct question q;

    ASK(s, &q, ASKED_PULL, service_pull(s->svc, peer->token, peer->run, &req, reply_to(&q)));
    for (uint32_t i = 0; i < q.heard.pull.order_count; i++) {
        const struct order *order = &q.heard.pull.orders[i];

        if (order->number <= peer->order_seen)
            continue;
        peer->order_seen = order->number;
        if (order->kind == ORDER_SHARD)
            report(s, peer, order);
        peer->ended = peer->ended || order->kind == ORDER_END;
    }
    question_fini(&q);
}

/* ---- the scene ---- */

static void scene_begin(struct scene *s, const char *what)
{
    struct store *inner = store_mem_new();
    struct auth_new token = {
        .project = "", .label = "test", .role = ROLE_AGENT, .now_ms = START_MS
    };
    struct str text = STR_MAX(1 << 16);
    struct err err = ERR_INIT;

    *s = (struct scene){ .what = what, .now_ms = 1000, .part.max = 1 << 16 };
    s->clock = (struct clock){ .mono_us = mono_us, .wall_ms = wall_ms, .ctx = s };
    s->store = store_fault_new(&inner);
    assert_int_equal(auth_token_new(s->store, &token, s->project_token, &err), ERR_NONE);
    s->manifest = manifest_new();
    for (uint32_t i = 0; i < TESTS; i++)
        assert_int_equal(manifest_add(s->manifest, view_of(ids[i]), view_of(""), view_of(""), &err),
                         ERR_NONE);
    manifest_seal(s->manifest);
    assert_int_equal(manifest_encode(s->manifest, &text, &err), ERR_NONE);
    assert_int_equal(gz_pack(text.at, text.len, &s->part, &err), ERR_NONE);
    str_fini(&text);
}

static void service_open(struct scene *s)
{
    struct service_opts opts = {
        .store = s->store, .clock = &s->clock, .commit_mode = COMMIT_INLINE, .wake = no_wake
    };
    struct err err = ERR_INIT;

    s->svc = service_new(&opts);
    /* A coordinator that cannot read its store does not start; its supervisor tries again. */
    while (service_start(s->svc, &err)) {
        assert_true(worth_another_try(err.code));
        s->failures++;
        service_free(s->svc);
        s->svc = service_new(&opts);
    }
}

/* After every trouble is over: what does a fresh coordinator read from the store? */
static void check_end(struct scene *s)
{
    struct store_fault_plan none = { .kind = STORE_FAULT_NONE };
    struct question q;

    store_fault_set(s->store, &none);
    service_free(s->svc);
    service_open(s);
    ASK(s, &q, ASKED_VERDICT,
        service_verdict(s->svc, s->project_token, s->peers[0].run, 0, reply_to(&q)));
    if (!q.heard.verdict.final || q.heard.verdict.verdict != VERDICT_GREEN ||
        q.heard.verdict.counts[OUTCOME_PASSED] != TESTS || q.heard.verdict.unrun != 0)
        fail_msg("%s: the run ended as %s with %u of %u passed", s->what,
                 verdict_name(q.heard.verdict.verdict), q.heard.verdict.counts[OUTCOME_PASSED],
                 TESTS);
    for (uint32_t i = 0; i < TESTS; i++)
        assert_true(s->acknowledged[i]);
    question_fini(&q);
}

static enum err_code check_samples(void *ctx, const struct store_estimate *row, struct err *err)
{
    (void)ctx;
    (void)err;
    assert_int_equal(row->est.samples, 1);
    return ERR_NONE;
}

static void scene_end(struct scene *s)
{
    struct err err = ERR_INIT;

    /* Folded once, or not at all when that was what failed. */
    assert_int_equal(store_history_load(s->store, "web", "unit", check_samples, NULL, &err),
                     ERR_NONE);
    service_free(s->svc);
    store_close(s->store);
    manifest_free(s->manifest);
    str_fini(&s->part);
    for (uint32_t i = 0; i < PEERS; i++) {
        free(s->peers[i].run);
        free(s->peers[i].session);
        free(s->peers[i].token);
    }
}

/* Returns how many calls of the store the run made. */
static uint64_t play(struct scene *s, const struct store_fault_plan *plan)
{
    uint64_t calls;

    store_fault_set(s->store, plan);
    service_open(s);
    for (uint32_t i = 0; i < PEERS; i++)
        join(s, i);
    for (uint32_t i = 0; i < PEERS; i++)
        collect(s, &s->peers[i]);
    for (uint32_t round = 0; !s->peers[0].left || !s->peers[1].left; round++) {
        struct peer *peer = &s->peers[round % PEERS];

        if (round == ROUNDS_MAX)
            fail_msg("%s: the run never ended", s->what);
        if (peer->ended && !peer->left)
            leave(s, peer);
        else if (!peer->left)
            pull(s, peer);
    }
    settle(s);
    calls = store_fault_calls(s->store);
    check_end(s);
    return calls;
}

static void fail_each_call(enum store_fault_kind kind, enum err_code code, uint64_t in_a_row)
{
    struct store_fault_plan plan = { .kind = kind, .code = code, .call_count = in_a_row };
    uint64_t calls = 1;
    uint32_t noticed = 0;
    struct scene scene;
    char what[100];

    for (plan.first_call = 1; plan.first_call <= calls; plan.first_call++) {
        (void)snprintf(what, sizeof(what), "%s %s at call %u, %u in a row",
                       kind == STORE_FAULT_BEFORE ? "before" : "after", err_name(code),
                       (unsigned)plan.first_call, (unsigned)in_a_row);
        scene_begin(&scene, what);
        calls = play(&scene, &plan);
        noticed += scene.failures > 0;
        scene_end(&scene);
        assert_true(calls < CALLS_MAX);
    }
    assert_true(calls > 20);  /* the scene does use the store */
    assert_true(noticed > 0); /* and not every fault is absorbed by trying the group again */
}

static void test_run_survives_each_store_call_failing(void **state)
{
    (void)state;
    fail_each_call(STORE_FAULT_BEFORE, ERR_IO, 1);
    fail_each_call(STORE_FAULT_BEFORE, ERR_DISK_FULL, 1);
}

/* A group fails, and its run alone as well: the run is stopped and loaded again. */
static void test_run_survives_store_calls_failing_in_a_row(void **state)
{
    (void)state;
    fail_each_call(STORE_FAULT_BEFORE, ERR_IO, 2);
    fail_each_call(STORE_FAULT_BEFORE, ERR_IO, 5);
}

static void test_run_survives_each_commit_being_ambiguous(void **state)
{
    (void)state;
    fail_each_call(STORE_FAULT_AFTER, ERR_IO, 1);
    fail_each_call(STORE_FAULT_AFTER, ERR_IO, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run_survives_each_store_call_failing),
        cmocka_unit_test(test_run_survives_store_calls_failing_in_a_row),
        cmocka_unit_test(test_run_survives_each_commit_being_ambiguous),
    };

    log_setup(LOG_ERROR, LOG_TEXT); /* the faults are meant */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
