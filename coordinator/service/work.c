/* What a session does with its work: pull, results, drain, leave. */
#include <stdlib.h>
#include <string.h>

#include "core/decide.h"
#include "core/index_map.h"
#include "core/lease.h"
#include "core/ledger.h"
#include "log.h"
#include "mem.h"
#include "service/live.h"

enum err_code service_enter(struct service *svc, const struct entry *entry, struct live **out,
                            uint32_t *out_session, struct err *err)
{
    struct live *live = NULL;
    uint32_t session = SESSION_NONE;
    enum err_code rc;

    rc = live_find(svc, entry->run, &live, err);
    if (!rc)
        rc = live_session(live, entry->bearer, entry->session, &session, err);
    if (rc)
        return rc;
    live_expire(live);
    lease_touch(live->run, session, service_now_ms(svc) + PROTO_SESSION_MS);
    *out = live;
    *out_session = session;
    return ERR_NONE;
}

/* ---- pull ---- */

/* What entering the scopes around these tests costs a worker, each once. plan/suite.h: a file, in
 * it a class. */
static void scopes_fill(const struct run *run, const struct session_order *from, struct order *to)
{
    struct index_map known;
    size_t cap = 0;

    index_map_init(&known, 2 * from->test_count);
    for (uint32_t i = 0; i < from->test_count; i++) {
        const char *id = run->manifest->tests[from->tests[i]].id;
        uint32_t scope = pool_scope(run->pool, from->tests[i]), parent;

        for (; scope != POOL_NONE && !index_map_get(&known, scope); scope = parent) {
            parent = pool_scope_parent(run->pool, scope);
            index_map_set(&known, scope, 1);
            if (pool_scope_us(run->pool, scope) == 0)
                continue;
            to->scopes = mem_grow(to->scopes, &cap, to->scope_count + 1u, sizeof(*to->scopes));
            to->scopes[to->scope_count++] = (struct scope_cost){
                .kind = mem_strdup(parent == POOL_NONE ? "module" : "class"),
                .id = view_dup(parent == POOL_NONE ? manifest_id_file(id) : manifest_id_scope(id)),
                .setup_us = pool_scope_us(run->pool, scope),
            };
        }
    }
    index_map_fini(&known);
}

/* The session may not know those that are not of the sealed manifest. */
static void found_fill(const struct run *run, const struct session_order *from, struct order *to)
{
    size_t cap = 0;

    for (uint32_t i = 0; i < from->test_count; i++) {
        if (!test_is_found(run, from->tests[i]))
            continue;
        to->found = mem_grow(to->found, &cap, to->found_count + 1u, sizeof(*to->found));
        to->found[to->found_count++] = found_test_of(&run->manifest->tests[from->tests[i]]);
    }
}

static void order_fill(const struct run *run, const struct session_order *from, struct order *to)
{
    *to = (struct order){ .kind = from->kind,
                          .number = from->number,
                          .fence = from->fence,
                          .complete = from->complete,
                          .exit = from->exit,
                          .text = from->text ? mem_strdup(from->text) : NULL,
                          .tests = mem_new(from->test_count, sizeof(*to->tests)),
                          .test_count = from->test_count };
    for (uint32_t i = 0; i < from->test_count; i++) {
        const struct manifest_test *test = &run->manifest->tests[from->tests[i]];

        to->tests[i] = (struct order_test){ .ref = { .id = mem_strdup(test->id), .k = test->k },
                                            .cost_us = run->costs_us[from->tests[i]],
                                            .first = pool_is_first(run->pool, from->tests[i]) };
    }
    if (from->kind == ORDER_SHARD) {
        scopes_fill(run, from, to);
        found_fill(run, from, to);
    }
}

/* What a session has to be told: its unseen orders. */
static void pull_box(const struct run *run, uint32_t session, struct box *out)
{
    const struct session *s = run->sessions[session];

    *out = (struct box){ .kind = BOX_PULL };
    out->as.pull.beat_ms = PROTO_BEAT_MS;
    if (run->pool && pool_is_in(run->pool, session))
        out->as.pull.speed_ppm = pool_speed_ppm(run->pool, session);
    out->as.pull.order_count = s->order_count;
    out->as.pull.orders = mem_new(s->order_count, sizeof(*out->as.pull.orders));
    for (uint32_t i = 0; i < s->order_count; i++)
        order_fill(run, &s->orders[i], &out->as.pull.orders[i]);
}

static enum err_code pull_turn(struct live *live, uint32_t session, const struct pull_request *req,
                               struct err *err)
{
    struct change change = { .kind = CHANGE_NONE };
    uint64_t now_ms = service_now_ms(live->svc);
    enum err_code rc;

    if (live->run->sessions[session]->progress_ms == 0)
        live->run->sessions[session]->progress_ms =
            now_ms; /* from here on it could have had work */
    rc = decide_pull(live->run, session, req, now_ms, &change, err);

    if (change.kind == CHANGE_PULL && change.as.pull.shard.count)
        live->run->sessions[session]->progress_ms = now_ms;
    live_turn(live, &change);
    return rc;
}

static void pull_answer_now(struct live *live, uint32_t session, struct reply reply)
{
    struct box box;

    pull_box(live->run, session, &box);
    live_answer(live, reply, &box);
}

static uint64_t less(uint64_t from, uint64_t by)
{
    return from > by ? from - by : 0;
}

/* What was said when the pull came may be long ago: work was done meanwhile, and results tell that
 * more workers are free. */
static void refresh(const struct session *s, struct held *held, uint64_t now_ms)
{
    struct pull_request *req = &held->pull;
    uint32_t idle = session_busy(s) < s->workers ? s->workers - session_busy(s) : 0;
    uint64_t gone_us = (now_ms - held->told_ms) * 1000;

    held->told_ms = now_ms;
    req->backlog_us = less(req->backlog_us, gone_us * (s->workers - idle));
    if (req->dry_us)
        req->dry_us = less(req->dry_us, gone_us) + 1;
    if (idle > req->free_workers) {
        req->free_workers = idle;
        req->backlog_us = 0;
    }
}

bool pull_again(struct live *live, struct held *held)
{
    struct err err = ERR_INIT;

    refresh(live->run->sessions[held->session], held, service_now_ms(live->svc));
    if (pull_turn(live, held->session, &held->pull, &err)) {
        live_refuse(live, held->reply, &err);
    } else if (live->run->sessions[held->session]->order_count > 0) {
        held_over(live, held);
        pull_answer_now(live, held->session, held->reply);
    } else {
        return false;
    }
    held_free(held);
    return true;
}

/* A session has one request waiting; an older one belongs to a connection that was given up. False
 * when the one that waits is the newer: they came in the wrong order. */
static bool answer_older(struct live *live, uint32_t session, uint64_t request)
{
    for (struct held **at = &live->held; *at; at = &(*at)->next) {
        struct held *held = *at;

        if (held->kind != HELD_PULL || held->session != session)
            continue;
        if (held->pull.request > request && held->reply.fn)
            return false;
        *at = held->next;
        live->held_count--;
        held_answer(live, held);
        return true;
    }
    return true;
}

static void pull_copy(const struct pull_request *from, struct pull_request *to)
{
    *to = *from;
    to->session = mem_strdup(from->session);
    to->running = NULL; /* noted already, once */
    to->running_count = 0;
}

void service_pull(struct service *svc, const char *bearer, const char *run,
                  const struct pull_request *req, struct reply reply)
{
    struct err err = ERR_INIT;
    struct live *live = NULL;
    uint32_t session = SESSION_NONE;
    uint32_t wait_ms = req->wait_ms < PROTO_WAIT_MS_MAX ? req->wait_ms : PROTO_WAIT_MS_MAX;
    bool newest;

    if (service_enter(svc, &(struct entry){ bearer, run, req->session }, &live, &session, &err)) {
        reply_err(reply, &err);
        return;
    }
    newest = answer_older(live, session, req->request);
    if (pull_turn(live, session, req, &err)) {
        live_refuse(live, reply, &err);
    } else if (live->run->sessions[session]->order_count > 0 || wait_ms == 0 || !newest ||
               svc->releasing) {
        pull_answer_now(live, session, reply);
    } else {
        struct held *held;
        uint64_t until_ms;

        /* Who has work must be heard from: only an idle session waits for long. */
        if (session_busy(live->run->sessions[session]) > 0 && wait_ms > PROTO_BEAT_MS)
            wait_ms = PROTO_BEAT_MS;
        until_ms = service_now_ms(svc) + wait_ms;
        held = live_hold(live, HELD_PULL, reply, until_ms);
        held->session = session;
        pull_copy(req, &held->pull);
        held->told_ms = service_now_ms(svc);
        lease_touch(live->run, session, until_ms + PROTO_SESSION_MS);
    }
    live_settle(live);
}

void held_over(struct live *live, const struct held *held)
{
    if (held->kind != HELD_VERDICT)
        lease_shorten(live->run, held->session, service_now_ms(live->svc) + PROTO_SESSION_MS);
}

void held_answer(struct live *live, struct held *take_held)
{
    struct box box = { .kind = BOX_NONE };

    held_over(live, take_held);
    switch (take_held->kind) {
    case HELD_PULL:
        pull_box(live->run, take_held->session, &box);
        break;
    case HELD_VERDICT:
        box.kind = BOX_VERDICT;
        ledger_answer(live->run, &box.as.verdict);
        break;
    case HELD_COLLECTED:
        box.kind = BOX_COLLECTED;
        box.as.collected.action = COLLECTED_WAIT;
        break;
    }
    live_answer(live, take_held->reply, &box);
    held_free(take_held);
}

/* ---- results, drain, leave ---- */

void service_results(struct service *svc, const char *bearer, const char *run,
                     const struct results_request *req, struct reply reply)
{
    struct err err = ERR_INIT;
    struct live *live = NULL;
    uint32_t session = SESSION_NONE;
    struct change change = { .kind = CHANGE_NONE };
    struct box box = { .kind = BOX_RESULTS, .as.results.accepted = req->request };
    enum err_code rc;

    if (service_enter(svc, &(struct entry){ bearer, run, req->session }, &live, &session, &err)) {
        reply_err(reply, &err);
        return;
    }
    rc = decide_results(live->run, session, req, &change, &err);
    if (req->result_count)
        live->run->sessions[session]->progress_ms = service_now_ms(svc);
    live_turn(live, &change); /* also what a dead session says is kept */
    if (rc)
        live_refuse(live, reply, &err);
    else
        live_answer(live, reply, &box);
    live_settle(live);
}

void service_drain(struct service *svc, const char *bearer, const char *run,
                   const struct drain_request *req, struct reply reply)
{
    struct err err = ERR_INIT;
    struct live *live = NULL;
    uint32_t session = SESSION_NONE;
    struct change change = { .kind = CHANGE_NONE };
    struct box box = { .kind = BOX_RESULTS, .as.results.accepted = req->request };

    if (service_enter(svc, &(struct entry){ bearer, run, req->session }, &live, &session, &err)) {
        reply_err(reply, &err);
        return;
    }
    if (decide_drain(live->run, session, &change, &err)) {
        live_refuse(live, reply, &err);
    } else {
        if (change.kind == CHANGE_DRAIN)
            log_info("session_drains run=%s session=%s", live->id, req->session);
        live_turn(live, &change);
        live_answer(live, reply, &box);
    }
    live_settle(live);
}

void service_leave(struct service *svc, const char *bearer, const char *run,
                   const struct leave_request *req, struct reply reply)
{
    struct err err = ERR_INIT;
    struct live *live = NULL;
    uint32_t session = SESSION_NONE;
    struct change change = { .kind = CHANGE_NONE };
    struct box box = { .kind = BOX_VERDICT };

    if (service_enter(svc, &(struct entry){ bearer, run, req->session }, &live, &session, &err)) {
        reply_err(reply, &err);
        return;
    }
    if (decide_leave(live->run, session, req, &change, &err)) {
        live_refuse(live, reply, &err);
        live_settle(live);
        return;
    }
    (void)answer_older(live, session, UINT64_MAX); /* none is newer than the end */
    live_turn(live, &change);
    live_settle(live); /* the verdict may follow from this, and goes along */
    ledger_answer(live->run, &box.as.verdict);
    box.as.verdict.exit = live->run->sessions[session]->exit;
    live_answer(live, reply, &box);
    live_settle(live);
}
