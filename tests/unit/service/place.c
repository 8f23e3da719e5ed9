#include "place.h"
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gz.h"
#include "store/store_mem.h"

static uint64_t mono_us(void *ctx)
{
    return ((struct place *)ctx)->now_ms * 1000;
}

static uint64_t wall_ms(void *ctx)
{
    return 1700000000000 + ((struct place *)ctx)->now_ms;
}

static void on_wake(void *ctx)
{
    ((struct place *)ctx)->woken = true;
}

/* Until nothing more is on its way to the store. */
void settle(struct place *p)
{
    while (p->woken) {
        p->woken = false;
        service_poll(p->svc);
    }
}

void open_service(struct place *p)
{
    struct service_opts opts = { .store = p->store,
                                 .clock = &p->clock,
                                 .keep_ms = PLACE_KEEP_DAYS * DAY_MS,
                                 .commit_mode = COMMIT_INLINE,
                                 .wake = on_wake,
                                 .wake_ctx = p };

    p->svc = service_new(&opts);
    assert_int_equal(service_start(p->svc, &p->err), ERR_NONE);
}

int place_set_up(void **state)
{
    struct place *p = mem_new(1, sizeof(*p));
    struct store *inner = store_mem_new();
    struct auth_new token = { .project = "p", .label = "test", .role = ROLE_AGENT };

    *p = (struct place){ .now_ms = 1000, .err = ERR_INIT };
    p->clock = (struct clock){ .mono_us = mono_us, .wall_ms = wall_ms, .ctx = p };
    p->store = store_fault_new(&inner);
    assert_int_equal(auth_token_new(p->store, &token, p->token, &p->err), ERR_NONE);
    open_service(p);
    *state = p;
    return 0;
}

int place_tear_down(void **state)
{
    struct place *p = *state;

    service_free(p->svc);
    store_close(p->store);
    free(p);
    return 0;
}

/* Every second, as the loop would. */
void passes_time(struct place *p, uint64_t ms)
{
    for (uint64_t end_ms = p->now_ms + ms; p->now_ms < end_ms;) {
        p->now_ms += 500;
        (void)service_tick(p->svc);
        settle(p);
    }
}

static bool take(struct place *p, const struct err *err)
{
    p->answers++;
    p->err = *err;
    return err->code == ERR_NONE;
}

void on_join(void *ctx, const union answer *a, const struct err *err)
{
    struct place *p = ctx;

    if (!take(p, err))
        return;
    memcpy(p->run, a->join->run, strlen(a->join->run) + 1);
    memcpy(p->session, a->join->session, strlen(a->join->session) + 1);
    memcpy(p->session_token, a->join->session_token, strlen(a->join->session_token) + 1);
}

void on_collected(void *ctx, const union answer *a, const struct err *err)
{
    struct place *p = ctx;

    if (take(p, err))
        p->action = a->collected->action;
}

void on_part(void *ctx, const union answer *a, const struct err *err)
{
    struct place *p = ctx;

    if (take(p, err))
        p->sealed = a->part->sealed;
}

void on_pull(void *ctx, const union answer *a, const struct err *err)
{
    struct place *p = ctx;

    if (!take(p, err))
        return;
    p->order_count = a->pull->order_count;
    if (p->order_count == 0)
        return;
    p->order_kind = a->pull->orders[0].kind;
    p->order = a->pull->orders[p->order_count - 1].number;
    p->fence = a->pull->orders[0].fence;
    p->test_count = a->pull->orders[0].test_count;
    p->scope_count = a->pull->orders[0].scope_count;
    if (p->scope_count)
        (void)snprintf(p->scope, sizeof(p->scope), "%s %s %llu", a->pull->orders[0].scopes[0].kind,
                       a->pull->orders[0].scopes[0].id,
                       (unsigned long long)a->pull->orders[0].scopes[0].setup_us / 1000);
}

void on_results(void *ctx, const union answer *a, const struct err *err)
{
    struct place *p = ctx;

    if (take(p, err))
        p->accepted = a->results->accepted;
}

void on_verdict(void *ctx, const union answer *a, const struct err *err)
{
    struct place *p = ctx;

    if (!take(p, err))
        return;
    p->verdict = a->verdict->verdict;
    p->final = a->verdict->final;
    p->exit = a->verdict->exit;
}

void on_runs(void *ctx, const union answer *a, const struct err *err)
{
    struct place *p = ctx;

    if (take(p, err))
        p->rows = a->runs->count;
}

void on_status(void *ctx, const union answer *a, const struct err *err)
{
    struct place *p = ctx;

    if (take(p, err))
        p->live = a->status->verdict->sessions_live;
}

void on_text(void *ctx, const union answer *a, const struct err *err)
{
    struct place *p = ctx;

    if (take(p, err))
        memcpy(p->text, a->text->at, a->text->len < 199 ? a->text->len : 199);
}

void on_durations(void *ctx, const union answer *a, const struct err *err)
{
    struct place *p = ctx;

    if (take(p, err))
        p->duration_count = a->durations->count;
}

struct reply to(struct place *p, reply_fn fn)
{
    return (struct reply){ .fn = fn, .ctx = p };
}

void joins(struct place *p, const char *project, const char *nonce, uint32_t index)
{
    struct join_request req = { .project = (char *)project,
                                .suite = (char *)"s",
                                .run_key = (char *)"key",
                                .instance = (char *)nonce,
                                .nonce = (char *)nonce,
                                .fingerprint = (char *)"linux",
                                .command = (char *)"pytest",
                                .agent_version = (char *)"1",
                                .index = index,
                                .total = 2,
                                .workers = 1 };

    service_join(p->svc, p->token, &req, to(p, on_join));
    settle(p);
}

static struct manifest *two_tests(void)
{
    struct manifest *m = manifest_new();
    struct err err = ERR_INIT;

    assert_int_equal(manifest_add(m, view_of("a.py::x"), view_of(""), view_of(""), &err), 0);
    assert_int_equal(manifest_add(m, view_of("a.py::y"), view_of(""), view_of(""), &err), 0);
    manifest_seal(m);
    return m;
}

void collects(struct place *p)
{
    struct manifest *m = two_tests();
    struct collected_request req = { .session = p->session,
                                     .request = 1,
                                     .digest = m->digest,
                                     .runtime = (char *)"cpython",
                                     .count = 2 };

    service_collected(p->svc, p->session_token, p->run, &req, to(p, on_collected));
    settle(p);
    manifest_free(m);
}

void uploads(struct place *p, const char *digest)
{
    struct manifest *m = two_tests();
    struct str text = STR_MAX(10000);
    struct str packed = STR_MAX(10000);
    struct manifest_part part = { .digest = digest ? digest : m->digest, .part = 0, .of = 1 };

    assert_int_equal(manifest_encode(m, &text, &p->err), ERR_NONE);
    assert_int_equal(gz_pack(text.at, text.len, &packed, &p->err), ERR_NONE);
    part.bytes = (struct view){ .at = packed.at, .len = packed.len };
    service_manifest_part(p->svc, p->session_token, p->run, &part, to(p, on_part));
    settle(p);
    str_fini(&text);
    str_fini(&packed);
    manifest_free(m);
}

/* A session of slot 0 with a sealed run of two tests. */
void sealed(struct place *p)
{
    joins(p, "p", NONCE, 0);
    collects(p);
    assert_int_equal(p->action, COLLECTED_UPLOAD);
    uploads(p, NULL);
    assert_true(p->sealed);
}

void pulls(struct place *p, uint64_t seen, uint32_t wait_ms)
{
    struct pull_request req = { .session = p->session,
                                .request = p->now_ms,
                                .order_seen = seen,
                                .free_workers = 1,
                                .wait_ms = wait_ms };

    service_pull(p->svc, p->session_token, p->run, &req, to(p, on_pull));
    settle(p);
}

void reports(struct place *p, uint64_t request, const char *id, enum outcome outcome)
{
    struct result r = {
        .test = { .id = (char *)id }, .fence = p->fence, .outcome = outcome, .call_us = 5000
    };
    struct results_request req = {
        .session = p->session, .request = request, .results = &r, .result_count = 1
    };

    service_results(p->svc, p->session_token, p->run, &req, to(p, on_results));
    settle(p);
}

void leaves(struct place *p)
{
    struct leave_request req = { .session = p->session, .request = 99 };

    service_leave(p->svc, p->session_token, p->run, &req, to(p, on_verdict));
    settle(p);
}

/* Both tests pass and the session leaves. */
void finishes(struct place *p)
{
    for (uint64_t i = 1; i < 10; i++) {
        pulls(p, p->order, 0);
        if (p->order_count && p->order_kind == ORDER_END)
            break;
        reports(p, i * 2, "a.py::x", OUTCOME_PASSED);
        reports(p, i * 2 + 1, "a.py::y", OUTCOME_PASSED);
    }
    assert_int_equal(p->order_kind, ORDER_END);
    leaves(p);
}
