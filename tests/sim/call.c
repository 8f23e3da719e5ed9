/* What agents say and hear, over a network that loses, repeats and delays. */
#include "call.h"

#include <stdlib.h>
#include <string.h>

#include "gz.h"
#include "mem.h"
#include "work.h"

#define PULL_WAIT_MS 5000u
#define TIMEOUT_MS   2500u

static struct call *calls; /* of the one world that runs */

static void call_free(struct call *c)
{
    join_request_fini(&c->join);
    collected_request_fini(&c->collected);
    pull_request_fini(&c->pull);
    results_request_fini(&c->results);
    drain_request_fini(&c->drain);
    leave_request_fini(&c->leave);
    str_fini(&c->part_bytes);
    free(c);
}

struct call *call_find(uint64_t id)
{
    struct call *c = calls;

    while (c && c->id != id)
        c = c->next;
    return c;
}

void call_drop(uint64_t id)
{
    struct call **at = &calls;

    while (*at && (*at)->id != id)
        at = &(*at)->next;
    if (*at) {
        struct call *c = *at;

        *at = c->next;
        if (c->w->svc)
            service_forget(c->w->svc, c);
        call_free(c);
    }
}

void calls_free(void)
{
    while (calls) {
        struct call *c = calls;

        calls = c->next;
        call_free(c);
    }
}

static bool muted(const struct world *w, const struct agent *a)
{
    return w->now_ms >= a->mute_from_ms && w->now_ms < a->mute_to_ms;
}

static uint64_t latency(struct world *w)
{
    return 1 + sim_random(w, sim_chance(w, 50000) ? 400 : 15);
}

void call_send(struct world *w, struct call *c)
{
    struct agent *a = &w->agent[c->agent];
    uint64_t timeout = c->kind == CALL_PULL        ? PULL_WAIT_MS + TIMEOUT_MS
                       : c->kind == CALL_COLLECTED ? 10000 + TIMEOUT_MS
                                                   : TIMEOUT_MS;

    if (!c->sent_ms)
        c->sent_ms = w->now_ms;
    if (!muted(w, a) && !sim_chance(w, w->loss_ppm)) {
        sim_event(w, latency(w), (struct event){ .kind = EV_CALL, .call = c->id });
        if (sim_chance(w, w->loss_ppm)) /* and once more */
            sim_event(w, latency(w), (struct event){ .kind = EV_CALL, .call = c->id });
    }
    sim_event(w, timeout + sim_random(w, 300),
              (struct event){ .kind = EV_TIMEOUT, .agent = c->agent, .call = c->id });
}

static struct call *call_new(struct world *w, uint32_t at, enum call_kind kind)
{
    struct agent *a = &w->agent[at];
    struct call *c = mem_new(1, sizeof(*c));

    c->w = w;
    c->id = ++w->next_call;
    c->agent = at;
    c->kind = kind;
    memcpy(c->run, a->run, sizeof(c->run));
    memcpy(c->token, a->token, sizeof(c->token));
    c->next = calls;
    calls = c;
    a->call[kind] = c->id;
    return c;
}

/* ---- the answer, copied at the moment it leaves the coordinator ---- */

void heard_free(struct heard *heard)
{
    for (uint32_t i = 0; heard && i < heard->order_count; i++)
        free(heard->pieces[i]);
    free(heard);
}

static void hear_orders(const struct world *w, const struct pull_answer *pull, struct heard *h)
{
    for (uint32_t i = 0; i < pull->order_count && i < ARRAY_LEN(h->order); i++) {
        const struct order *o = &pull->orders[i];

        h->order[i] = o->number;
        h->order_kind[i] = o->kind;
        h->complete[i] = o->complete;
        h->piece_count[i] = o->test_count;
        h->pieces[i] = mem_new(o->test_count, sizeof(struct piece));
        for (uint32_t k = 0; k < o->test_count; k++)
            h->pieces[i][k] =
                (struct piece){ .test = sim_test(w, o->tests[k].ref.id), .fence = o->fence };
        h->order_count++;
    }
}

static void on_reply(void *ctx, const union answer *answer, const struct err *err)
{
    struct call *c = ctx;
    struct world *w = c->w;
    struct heard *h = mem_new(1, sizeof(*h));

    h->kind = c->kind;
    h->rc = err->code;
    if (!h->rc) {
        switch (c->kind) {
        case CALL_JOIN:
            memcpy(h->run, answer->join->run, strlen(answer->join->run) + 1);
            memcpy(h->session, answer->join->session, strlen(answer->join->session) + 1);
            memcpy(h->token, answer->join->session_token, strlen(answer->join->session_token) + 1);
            break;
        case CALL_COLLECTED:
            h->action = answer->collected->action;
            break;
        case CALL_PART:
            h->sealed = answer->part->sealed;
            break;
        case CALL_PULL:
            hear_orders(w, answer->pull, h);
            break;
        case CALL_RESULTS:
        case CALL_DRAIN:
            break;
        case CALL_LEAVE:
            h->exit = answer->verdict->exit;
            break;
        }
    }
    if (muted(w, &w->agent[c->agent]) || sim_chance(w, w->loss_ppm)) {
        heard_free(h);
        return;
    }
    sim_event(w, latency(w),
              (struct event){ .kind = EV_ANSWER, .agent = c->agent, .call = c->id, .data = h });
}

void call_deliver(struct world *w, const struct event *event)
{
    struct call *c = call_find(event->call);
    struct reply reply = { .fn = on_reply, .ctx = c };

    if (!c || !w->svc)
        return;
    switch (c->kind) {
    case CALL_JOIN:
        service_join(w->svc, w->token, &c->join, reply);
        return;
    case CALL_COLLECTED:
        service_collected(w->svc, c->token, c->run, &c->collected, reply);
        return;
    case CALL_PART:
        service_manifest_part(w->svc, c->token, c->run, &c->part, reply);
        return;
    case CALL_PULL:
        service_pull(w->svc, c->token, c->run, &c->pull, reply);
        return;
    case CALL_RESULTS:
        service_results(w->svc, c->token, c->run, &c->results, reply);
        return;
    case CALL_DRAIN:
        service_drain(w->svc, c->token, c->run, &c->drain, reply);
        return;
    case CALL_LEAVE:
        service_leave(w->svc, c->token, c->run, &c->leave, reply);
        return;
    }
}

/* ---- what an agent says ---- */

static struct test_ref ref_of(const struct world *w, uint32_t test)
{
    return (struct test_ref){ .id = mem_strdup(w->id[test]), .k = 0 };
}

void say_join(struct world *w, uint32_t at)
{
    struct agent *a = &w->agent[at];
    struct call *c = call_new(w, at, CALL_JOIN);

    c->join = (struct join_request){ .project = mem_strdup("p"),
                                     .suite = mem_strdup("s"),
                                     .run_key = mem_strdup("key"),
                                     .instance = mem_strdup(a->instance),
                                     .nonce = mem_strdup(a->nonce),
                                     .fingerprint = mem_strdup("linux"),
                                     .command = mem_strdup("pytest"),
                                     .agent_version = mem_strdup("1"),
                                     .run = a->again ? mem_strdup(a->run) : NULL,
                                     .attempt = a->attempt,
                                     .index = a->index,
                                     .total = a->total,
                                     .workers = a->workers,
                                     .speculate = a->speculate };
    call_send(w, c);
}

static const struct manifest *manifest_of(const struct world *w, const struct agent *a)
{
    return a->odd ? w->odd_manifest : w->manifest;
}

void say_collected(struct world *w, uint32_t at)
{
    struct agent *a = &w->agent[at];
    struct call *c = call_new(w, at, CALL_COLLECTED);

    c->collected = (struct collected_request){ .session = mem_strdup(a->session),
                                               .digest = mem_strdup(manifest_of(w, a)->digest),
                                               .runtime = mem_strdup("cpython"),
                                               .request = ++a->number[CALL_COLLECTED],
                                               .count = manifest_of(w, a)->count };
    call_send(w, c);
}

void say_part(struct world *w, uint32_t at)
{
    struct agent *a = &w->agent[at];
    struct call *c = call_new(w, at, CALL_PART);
    struct str text = STR_MAX(1u << 20);
    struct err err = ERR_INIT;

    c->part_bytes = (struct str)STR_MAX(1u << 20);
    INVARIANT(manifest_encode(manifest_of(w, a), &text, &err) == ERR_NONE);
    INVARIANT(gz_pack(str_text(&text), text.len, &c->part_bytes, &err) == ERR_NONE);
    str_fini(&text);
    memcpy(c->digest, manifest_of(w, a)->digest, sizeof(c->digest));
    c->part =
        (struct manifest_part){ .digest = c->digest,
                                .part = 0,
                                .of = 1,
                                .bytes = { .at = c->part_bytes.at, .len = c->part_bytes.len } };
    call_send(w, c);
}

void say_pull(struct world *w, uint32_t at)
{
    struct agent *a = &w->agent[at];
    struct call *c = call_new(w, at, CALL_PULL);
    uint64_t backlog_us = 0;

    c->pull = (struct pull_request){ .session = mem_strdup(a->session),
                                     .request = ++a->number[CALL_PULL],
                                     .order_seen = a->order_seen,
                                     .free_workers = a->queue_count ? 0 : work_free(a),
                                     .wait_ms = PULL_WAIT_MS,
                                     .running = mem_new(a->workers, sizeof(struct test_ref)) };
    a->said_free = c->pull.free_workers;
    for (uint32_t i = 0; i < a->queue_count; i++)
        backlog_us += w->dur_ms[a->queue[i].test] * 1000ull;
    for (uint32_t i = 0; i < a->workers; i++)
        if (a->worker[i].busy)
            backlog_us += w->dur_ms[a->worker[i].piece.test] * 1000ull;
    c->pull.backlog_us = backlog_us;
    c->pull.dry_us = backlog_us / a->workers + 1;
    c->pull.lead_us = 1000 * sim_random(w, 20);
    for (uint32_t i = 0; i < a->workers; i++)
        if (a->worker[i].busy)
            c->pull.running[c->pull.running_count++] = ref_of(w, a->worker[i].piece.test);
    call_send(w, c);
}

/* All that it met and has not had accepted: before, or with, the results of the same files. */
static void add_found(struct world *w, struct agent *a, struct results_request *r)
{
    r->found = mem_new(w->test_count, sizeof(*r->found));
    for (uint32_t i = 0; i < w->test_count; i++) {
        if (!w->hidden[i] || !a->found[sim_file(i)])
            continue;
        r->found[r->found_count++] = (struct found_test){ .test = ref_of(w, i),
                                                          .group = mem_strdup(""),
                                                          .flags = mem_strdup(sim_flags(w, i)) };
    }
    for (uint32_t f = 0; f < FILES; f++) {
        a->found_said[f] = a->found_said[f] || a->found[f];
        a->found[f] = false;
    }
}

void say_results(struct world *w, uint32_t at)
{
    struct agent *a = &w->agent[at];
    struct call *c = call_new(w, at, CALL_RESULTS);
    struct results_request *r = &c->results;

    r->session = mem_strdup(a->session);
    r->request = ++a->number[CALL_RESULTS];
    r->results = mem_new(a->out_count, sizeof(*r->results));
    for (uint32_t i = 0; i < a->out_count; i++) {
        const struct out *o = &a->outbox[i];

        r->results[r->result_count++] = (struct result){ .test = ref_of(w, o->piece.test),
                                                         .fence = o->piece.fence,
                                                         .worker = o->worker,
                                                         .outcome = o->outcome,
                                                         .call_us = w->dur_ms[o->piece.test] * 1000,
                                                         .amends = o->amends };
    }
    a->sent_count = a->out_count;
    r->released = mem_new(a->release_count, sizeof(*r->released));
    for (uint32_t i = 0; i < a->release_count; i++)
        r->released[r->released_count++] = ref_of(w, a->release[i].test);
    a->release_sent = a->release_count;
    r->abandoned = mem_new(a->cut_count, sizeof(*r->abandoned));
    for (uint32_t i = 0; i < a->cut_count; i++)
        r->abandoned[r->abandoned_count++] = (struct try_cut){ .test = ref_of(w, a->cut[i].test),
                                                               .fence = a->cut[i].fence,
                                                               .took_us = 1000 };
    a->cut_sent = a->cut_count;
    add_found(w, a, r);
    r->running = mem_new(a->workers, sizeof(*r->running));
    for (uint32_t i = 0; i < a->workers; i++)
        if (a->worker[i].busy)
            r->running[r->running_count++] = ref_of(w, a->worker[i].piece.test);
    call_send(w, c);
}

void say_drain(struct world *w, uint32_t at)
{
    struct agent *a = &w->agent[at];
    struct call *c = call_new(w, at, CALL_DRAIN);

    c->drain = (struct drain_request){ .session = mem_strdup(a->session),
                                       .reason = mem_strdup("SIGTERM"),
                                       .request = ++a->number[CALL_DRAIN] };
    call_send(w, c);
}

void say_leave(struct world *w, uint32_t at)
{
    struct agent *a = &w->agent[at];
    struct call *c = call_new(w, at, CALL_LEAVE);

    c->leave = (struct leave_request){ .session = mem_strdup(a->session),
                                       .request = ++a->number[CALL_LEAVE],
                                       .exit = a->bad   ? 1
                                               : a->ran ? 0
                                                        : 5 };
    call_send(w, c);
}
