/* Delivering. Results gather while a request is under way, and travel together in the next. */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "remote_inner.h"

#define RESULT_BYTES 300u /* a result without its detail, as JSON, about */

static void flush(struct remote *r);

static void soon(struct remote *r)
{
    if (r->state >= REMOTE_JOINED && r->state < REMOTE_LEAVING &&
        !evtimer_pending(r->flush_timer, NULL))
        remote_arm(r->flush_timer, r->away ? REMOTE_SPILL_MS : REMOTE_FLUSH_MS);
}

static size_t text_bytes(const char *text)
{
    return text ? strlen(text) : 0;
}

static size_t result_bytes(const struct result *result)
{
    const struct detail *d = result->detail;

    return RESULT_BYTES + strlen(result->test.id) +
           (d ? text_bytes(d->message) + text_bytes(d->text) + text_bytes(d->out) +
                    text_bytes(d->err) + text_bytes(d->log)
              : 0);
}

static bool anything_pending(const struct remote *r)
{
    const struct results_request *p = &r->pending;

    return p->result_count || p->released_count || p->abandoned_count || p->error_count ||
           p->scope_count || p->skip_count || p->found_count || p->stop;
}

bool remote_results_all_delivered(const struct remote *r)
{
    return !anything_pending(r) && outbox_count(r->outbox) == 0;
}

/* ---- gathering ---- */

static void let_go(struct remote *r, const struct test_ref *ref)
{
    remote_not_running(r, ref);
    if (r->held > 0)
        r->held--;
}

void remote_result(struct source *s, struct result *take_result)
{
    struct remote *r = (struct remote *)s;
    struct results_request *p = &r->pending;

    take_result->test.k = remote_run_k(r, take_result->test.id, take_result->test.k);
    if (!take_result->amends)
        let_go(r, &take_result->test);
    p->results = mem_grow(p->results, &r->result_cap, p->result_count + 1u, sizeof(*p->results));
    p->results[p->result_count++] = *take_result;
    r->pending_bytes += result_bytes(take_result);
    *take_result = (struct result){ 0 };
    soon(r);
}

void remote_cut(struct source *s, struct try_cut *take_cut)
{
    struct remote *r = (struct remote *)s;
    struct results_request *p = &r->pending;

    take_cut->test.k = remote_run_k(r, take_cut->test.id, take_cut->test.k);
    let_go(r, &take_cut->test);
    p->abandoned =
        mem_grow(p->abandoned, &r->abandoned_cap, p->abandoned_count + 1u, sizeof(*p->abandoned));
    p->abandoned[p->abandoned_count++] = *take_cut;
    *take_cut = (struct try_cut){ .fence = 0 };
    remote_results_now(r);
}

void remote_results_running(struct remote *r)
{
    r->running_changed = true;
    soon(r);
}

void remote_release(struct source *s, const struct test_ref *tests, uint32_t count)
{
    struct remote *r = (struct remote *)s;
    struct results_request *p = &r->pending;

    p->released = mem_grow(p->released, &r->released_cap, p->released_count + (size_t)count,
                           sizeof(*p->released));
    for (uint32_t i = 0; i < count; i++) {
        struct test_ref *ref = &p->released[p->released_count++];

        *ref = (struct test_ref){ .id = mem_strdup(tests[i].id),
                                  .k = remote_run_k(r, tests[i].id, tests[i].k) };
        let_go(r, ref);
    }
    remote_results_now(r); /* another machine waits for them */
}

void remote_error(struct source *s, const char *kind, const char *text)
{
    struct remote *r = (struct remote *)s;
    struct results_request *p = &r->pending;

    if (p->error_count >= PROTO_ERRORS_MAX)
        return;
    p->errors = mem_grow(p->errors, &r->error_cap, p->error_count + 1u, sizeof(*p->errors));
    p->errors[p->error_count++] =
        (struct run_error){ .kind = mem_strdup(kind), .text = mem_strdup(text) };
    soon(r);
}

void remote_scope(struct source *s, const char *kind, const char *id, uint64_t setup_us,
                  uint64_t teardown_us)
{
    struct remote *r = (struct remote *)s;
    struct results_request *p = &r->pending;

    if (p->scope_count >= PROTO_TESTS_MAX)
        return;
    p->scopes = mem_grow(p->scopes, &r->scope_cap, p->scope_count + 1u, sizeof(*p->scopes));
    p->scopes[p->scope_count++] = (struct scope_cost){ .kind = mem_strdup(kind),
                                                       .id = mem_strdup(id),
                                                       .setup_us = setup_us,
                                                       .teardown_us = teardown_us };
    soon(r);
}

void remote_skipped(struct source *s, const char *id, const char *text)
{
    struct remote *r = (struct remote *)s;
    struct results_request *p = &r->pending;

    if (p->skip_count >= PROTO_SKIPS_MAX)
        return;
    p->skips = mem_grow(p->skips, &r->skip_cap, p->skip_count + 1u, sizeof(*p->skips));
    p->skips[p->skip_count++] =
        (struct unit_skip){ .id = mem_strdup(id), .text = mem_strdup(text) };
    soon(r);
}

void remote_found(struct source *s, const struct manifest_test *tests, uint32_t count)
{
    struct remote *r = (struct remote *)s;
    struct results_request *p = &r->pending;

    p->found = mem_grow(p->found, &r->found_cap, p->found_count + (size_t)count, sizeof(*p->found));
    for (uint32_t i = 0; i < count; i++)
        p->found[p->found_count++] = found_test_of(&tests[i]);
    remote_results_now(r);
}

void remote_stop(struct source *s, const char *reason)
{
    struct remote *r = (struct remote *)s;

    if (!r->pending.stop)
        r->pending.stop = mem_strdup(reason);
    remote_results_now(r);
}

/* ---- batches ---- */

/* Moves the first count items of an array elsewhere. */
static void *split(void *items, uint32_t *count, uint32_t take, size_t size)
{
    void *taken;

    INVARIANT(items && take <= *count);
    taken = mem_dup(items, take * size);
    memmove(items, (char *)items + take * size, (*count - take) * size);
    *count -= take;
    return taken;
}

/* How many results fit into one request. None before all that was found is told: the last test of a
 * file must not be over while others of it are unknown. */
static uint32_t batch_size(const struct remote *r)
{
    const struct results_request *p = &r->pending;
    size_t bytes = 0;
    uint32_t n = 0;

    if (p->found_count > REMOTE_FOUND_MAX)
        return 0;
    if (r->pending_bytes <= REMOTE_BATCH_BYTES && p->result_count <= REMOTE_BATCH_MAX)
        return p->result_count;
    while (n < p->result_count && n < REMOTE_BATCH_MAX && bytes < REMOTE_BATCH_BYTES)
        bytes += result_bytes(&p->results[n++]);
    return n;
}

static uint32_t at_most(uint32_t count, uint32_t max)
{
    return count < max ? count : max;
}

/* Puts the next batch of what is pending, perhaps nothing (a beat), into the outbox. */
static void close_batch(struct remote *r)
{
    struct results_request *p = &r->pending;
    struct results_request batch = { .session = mem_strdup(r->session),
                                     .request = ++r->results_number,
                                     .result_count = batch_size(r),
                                     .released_count = at_most(p->released_count, PROTO_TESTS_MAX),
                                     .errors = p->errors,
                                     .error_count = p->error_count,
                                     .scopes = p->scopes,
                                     .scope_count = p->scope_count,
                                     .skips = p->skips,
                                     .skip_count = p->skip_count,
                                     .found_count = at_most(p->found_count, REMOTE_FOUND_MAX),
                                     .stop = p->stop,
                                     .maxfail = r->maxfail,
                                     .running = remote_running(r),
                                     .running_count = r->running_count,
                                     .abandoned_count =
                                         at_most(p->abandoned_count, PROTO_WORKERS_MAX) };

    if (batch.result_count)
        batch.results =
            split(p->results, &p->result_count, batch.result_count, sizeof(*p->results));
    if (batch.released_count)
        batch.released =
            split(p->released, &p->released_count, batch.released_count, sizeof(*p->released));
    if (batch.abandoned_count)
        batch.abandoned =
            split(p->abandoned, &p->abandoned_count, batch.abandoned_count, sizeof(*p->abandoned));
    if (batch.found_count)
        batch.found = split(p->found, &p->found_count, batch.found_count, sizeof(*p->found));
    for (uint32_t i = 0; i < batch.result_count; i++)
        r->pending_bytes -= result_bytes(&batch.results[i]);
    p->errors = NULL;
    p->error_count = 0;
    r->error_cap = 0;
    p->scopes = NULL;
    p->scope_count = 0;
    r->scope_cap = 0;
    p->skips = NULL;
    p->skip_count = 0;
    r->skip_cap = 0;
    p->stop = NULL;
    outbox_add(r->outbox, batch.request, results_request_encode(&batch));
    r->running_changed = false;
    free(batch.running); /* its texts are lent */
    batch.running = NULL;
    batch.running_count = 0;
    results_request_fini(&batch);
}

static void spill(struct remote *r)
{
    struct err err = ERR_INIT;

    /* Memory holds what the disk does not take. */
    if (outbox_spill(r->outbox, &err))
        err.code = ERR_NONE;
}

static void on_results(void *ctx, const struct transport_answer *answer, const struct err *why)
{
    struct remote *r = ctx;
    struct results_answer results = { 0 };
    struct err err = *why;

    r->results_call = NULL;
    if (r->state == REMOTE_DONE)
        return;
    if (!err.code)
        err.code = results_answer_decode(answer->body.at, answer->body.len, &results, &err);
    if (err.code == ERR_SESSION_GONE) {
        outbox_acknowledge(r->outbox, r->results_sent); /* taken, as an observation */
        remote_gone(r, &err);
        return;
    }
    if (err.code) {
        remote_fail(r, &err);
        return;
    }
    if (results.accepted < r->results_sent) {
        err_set(&err, ERR_INTERNAL, "the coordinator accepted request %llu where %llu was sent",
                (unsigned long long)results.accepted, (unsigned long long)r->results_sent);
        remote_fail(r, &err);
        return;
    }
    if (r->results_us)
        remote_took(r, clock_mono_us(r->opts.clock) - r->results_us);
    outbox_acknowledge(r->outbox, r->results_sent);
    if (r->gone.code) {
        remote_gone(r, &r->gone); /* as a pull has told: what is left, or what comes after */
        return;
    }
    if (outbox_count(r->outbox) > 0 || r->want_leave || r->urgent)
        flush(r);
    else if (anything_pending(r) || r->running_changed)
        soon(r);
    remote_leave_when_delivered(r);
}

static void flush(struct remote *r)
{
    char *body = NULL;
    struct err err = ERR_INIT;

    if (r->state < REMOTE_JOINED || r->state >= REMOTE_LEAVING)
        return;
    if (r->results_call) {
        /* Gather on, but not in memory alone when nobody answers. */
        if (r->away) {
            if (anything_pending(r))
                close_batch(r);
            spill(r);
            remote_arm(r->flush_timer, REMOTE_SPILL_MS);
        }
        return;
    }
    if (outbox_count(r->outbox) == 0) {
        if (!anything_pending(r) && !r->running_changed)
            return;
        close_batch(r);
    }
    r->urgent = false;
    if (outbox_first(r->outbox, &r->results_sent, &body, &err)) {
        remote_fail(r, &err);
        return;
    }
    remote_sent(r);
    r->results_us = clock_mono_us(r->opts.clock);
    r->results_call = client_post(r->client, CLIENT_INSIST, "results", body, 0,
                                  (struct client_reply){ on_results, r });
}

void remote_results_now(struct remote *r)
{
    (void)event_del(r->flush_timer);
    r->urgent = true;
    flush(r);
}

void remote_results_beat(struct remote *r)
{
    if (r->results_call || r->state < REMOTE_JOINED || r->state >= REMOTE_LEAVING)
        return;
    if (!anything_pending(r) && outbox_count(r->outbox) == 0)
        close_batch(r);
    flush(r);
}

void remote_on_flush_timer(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    flush(ctx);
}

void remote_results_keep(struct remote *r)
{
    if (r->results_call)
        client_cancel(r->results_call);
    r->results_call = NULL;
    if (!r->outbox)
        return;
    while (anything_pending(r))
        close_batch(r);
    spill(r);
}
