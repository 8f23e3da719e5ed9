#include "service/live.h"

#include <stdlib.h>
#include <string.h>

#include "core/decide.h"
#include "core/lease.h"
#include "log.h"
#include "mem.h"

#define WAKE_SOME 8u /* held pulls looked at again when a result may have made way for them */

uint64_t service_now_ms(const struct service *svc)
{
    return clock_mono_ms(svc->clock);
}

uint64_t service_wall_ms(const struct service *svc)
{
    return clock_wall_ms(svc->clock);
}

/* ---- answers ---- */

void box_fini(struct box *box)
{
    switch (box->kind) {
    case BOX_NONE:
    case BOX_PART:
    case BOX_RESULTS:
        break;
    case BOX_JOIN:
        join_answer_fini(&box->as.join);
        break;
    case BOX_COLLECTED:
        collected_answer_fini(&box->as.collected);
        break;
    case BOX_PULL:
        pull_answer_fini(&box->as.pull);
        break;
    case BOX_VERDICT:
        verdict_answer_fini(&box->as.verdict);
        break;
    case BOX_STATUS:
        status_fini(&box->as.status);
        break;
    }
    box->kind = BOX_NONE;
}

static void reply_now(struct reply reply, const struct box *box)
{
    union answer answer = { .join = NULL };

    switch (box->kind) {
    case BOX_NONE:
        break;
    case BOX_JOIN:
        answer.join = &box->as.join;
        break;
    case BOX_COLLECTED:
        answer.collected = &box->as.collected;
        break;
    case BOX_PART:
        answer.part = &box->as.part;
        break;
    case BOX_PULL:
        answer.pull = &box->as.pull;
        break;
    case BOX_RESULTS:
        answer.results = &box->as.results;
        break;
    case BOX_VERDICT:
        answer.verdict = &box->as.verdict;
        break;
    case BOX_STATUS:
        answer.status = &box->as.status;
        break;
    }
    if (reply.fn)
        reply.fn(reply.ctx, &answer, &box->err);
}

void reply_err(struct reply reply, const struct err *err)
{
    struct box box = { .kind = BOX_NONE, .err = *err };

    reply_now(reply, &box);
}

static void wait_queue(struct live *live, struct wait *wait)
{
    wait->next = NULL;
    *live->last_wait = wait;
    live->last_wait = &wait->next;
}

static struct wait *wait_pop(struct live *live)
{
    struct wait *wait = live->first_wait;

    live->first_wait = wait->next;
    if (!live->first_wait)
        live->last_wait = &live->first_wait;
    return wait;
}

/* Delivers what is durable, in order. */
static void deliver(struct live *live)
{
    while (live->first_wait && live->first_wait->number <= live->durable) {
        struct wait *wait = wait_pop(live);

        reply_now(wait->reply, &wait->box);
        box_fini(&wait->box);
        free(wait);
    }
}

void live_answer(struct live *live, struct reply reply, struct box *take_box)
{
    struct wait *wait = mem_new(1, sizeof(*wait));

    wait->number = live->run->change_count;
    wait->reply = reply;
    wait->box = *take_box;
    *take_box = (struct box){ .kind = BOX_NONE };
    wait_queue(live, wait);
    deliver(live);
}

void live_refuse(struct live *live, struct reply reply, const struct err *err)
{
    struct box box = { .kind = BOX_NONE, .err = *err };

    live_answer(live, reply, &box);
}

/* ---- changes ---- */

/* What the run's row in the store has to know of a change. */
static void mark_item(const struct run *run, const struct change *change, struct commit_item *item)
{
    if (change->kind == CHANGE_OPEN) {
        item->creates = true;
        item->project = mem_strdup(run->project);
        item->suite = mem_strdup(run->suite);
        item->run_key = mem_strdup(run->run_key);
        item->epoch = run->epoch;
        item->created_ms = run->created_ms;
    } else if (change->kind == CHANGE_SEAL) {
        item->manifest = mem_strdup(run->manifest->digest);
    } else if (change->kind == CHANGE_FINAL) {
        item->closed_ms = run->closed_ms ? run->closed_ms : 1;
        item->verdict = (uint32_t)run->verdict;
    }
}

/* May this change let a waiting session have something? */
static void note_wake(struct live *live, const struct change *change)
{
    switch (change->kind) {
    case CHANGE_NONE:
    case CHANGE_OPEN:
    case CHANGE_COLLECTED:
        return;
    case CHANGE_JOIN:
        live->wake_all = live->wake_all || change->as.join.widen;
        return;
    case CHANGE_LEAVE:
        live->wake_all =
            live->wake_all || live->run->sessions[change->as.leave.session]->held_count > 0;
        return;
    case CHANGE_SEAL:
    case CHANGE_DRAIN:
    case CHANGE_EXPIRE:
    case CHANGE_FINAL:
        live->wake_all = true;
        return;
    case CHANGE_PULL:
        live->woken = live->woken || change->as.pull.recall.count > 0;
        return;
    case CHANGE_RESULTS:
        live->wake_all =
            live->wake_all || change->as.results.released.count > 0 || change->as.results.stop;
        live->woken = true;
        live->reported = change->as.results.session;
        return;
    }
    UNREACHABLE("change kind");
}

/* When these were heard to have begun: what is left of the run is less since then, and a copy may
 * be worth it when that is long ago. */
static void note_begun(struct live *live, const struct index_list *started)
{
    uint64_t now_ms = service_now_ms(live->svc);

    for (uint32_t i = 0; i < started->count; i++) {
        live->run->tests[started->at[i]].begun_ms = now_ms;
        pool_begun(live->run->pool, started->at[i], now_ms * 1000);
    }
}

static void on_committed(void *ctx, const char *run, uint64_t number, enum err_code rc,
                         const struct err *err);

void live_turn(struct live *live, struct change *take_change)
{
    struct str bytes = STR_MAX(CHANGE_BYTES_MAX);
    struct commit_item *item;
    struct err err = ERR_INIT;

    if (take_change->kind == CHANGE_NONE)
        return;
    /* Requests are bounded so that their changes fit (proto.h); a manifest's costs do too. */
    INVARIANT(change_encode(take_change, &bytes, &err) == ERR_NONE);
    note_wake(live, take_change);
    counts_note(&live->svc->counts, take_change);
    run_apply(live->run, take_change);
    if (take_change->kind == CHANGE_PULL)
        note_begun(live, &take_change->as.pull.started);
    if (take_change->kind == CHANGE_RESULTS)
        note_begun(live, &take_change->as.results.started);
    item = mem_new(1, sizeof(*item));
    memcpy(item->run, live->id, sizeof(item->run));
    item->number = live->run->change_count;
    item->len = bytes.len;
    item->bytes = str_take(&bytes);
    mark_item(live->run, take_change, item);
    if (take_change->kind == CHANGE_FINAL)
        live->final = item->number;
    item->done = on_committed;
    item->ctx = live->svc;
    change_fini(take_change);
    live->in_flight++;
    commit_take(live->svc->commit, &item);
}

static void end_if_over(struct live *live)
{
    struct change change = { .kind = CHANGE_NONE };

    lease_watch(live->run, service_now_ms(live->svc));
    decide_final(live->run, service_now_ms(live->svc), service_wall_ms(live->svc), &change);
    if (change.kind == CHANGE_NONE)
        return;
    live_turn(live, &change);
    log_info("run_final run=%s epoch=%u verdict=%s tests=%u unrun=%u", live->id, live->run->epoch,
             verdict_name(live->run->verdict), live->run->test_count,
             live->run->test_count - live->run->done_count);
}

/* Held requests that a change may have an answer for. */
static void wake_held(struct live *live)
{
    bool all = live->wake_all;
    uint32_t reported = live->reported;
    uint32_t looked = 0;
    struct held **at = &live->held;

    live->wake_all = false;
    live->woken = false;
    live->reported = SESSION_NONE;
    while (*at) {
        struct held *held = *at;
        bool mine =
            held->kind == HELD_PULL &&
            (held->session == reported || live->run->sessions[held->session]->order_count > 0);
        bool over = live->run->state == RUN_FINAL;
        bool look = held->kind == HELD_PULL && held->reply.fn &&
                    (all || over || mine || looked < WAKE_SOME);
        bool ready = held->kind == HELD_VERDICT && over;

        if (!look && !ready) {
            at = &held->next;
            continue;
        }
        looked += look && !mine;
        *at = held->next;
        live->held_count--;
        if (ready)
            held_answer(live, held);
        else if (!pull_again(live, held)) {
            held->next = *at; /* nothing for it: back where it was */
            *at = held;
            live->held_count++;
            at = &held->next;
        }
    }
}

void live_settle(struct live *live)
{
    live->used_ms = service_now_ms(live->svc);
    end_if_over(live);
    while (!live->broken && (live->wake_all || live->woken)) {
        wake_held(live);
        end_if_over(live);
    }
    deliver(live);
}

void live_expire(struct live *live)
{
    struct change change = { .kind = CHANGE_NONE };

    if (service_now_ms(live->svc) - live->svc->ticked_ms > STALL_MS)
        return; /* what they sent meanwhile is not read yet; the tick makes up for it */
    lease_expire(live->run, service_now_ms(live->svc), &change);
    if (change.kind == CHANGE_NONE)
        return;
    for (uint32_t i = 0; i < change.as.expire.sessions.count; i++)
        log_warn("session_lost run=%s session=%s", live->id,
                 live->run->sessions[change.as.expire.sessions.at[i]]->id);
    live_turn(live, &change);
}

/* ---- held ---- */

struct held *live_hold(struct live *live, enum held_kind kind, struct reply reply,
                       uint64_t until_ms)
{
    struct held *held = mem_new(1, sizeof(*held));

    held->kind = kind;
    held->reply = reply;
    held->until_ms = until_ms;
    held->next = live->held;
    live->held = held;
    live->held_count++;
    return held;
}

void held_free(struct held *held)
{
    if (!held)
        return;
    pull_request_fini(&held->pull);
    free(held->digest);
    free(held->runtime);
    free(held);
}

/* ---- after a commit ---- */

struct live *live_loaded(const struct service *svc, const char *run_id)
{
    struct live *live = svc->buckets[hash_fast(run_id, strlen(run_id)) % LIVE_BUCKETS];

    while (live && strcmp(live->id, run_id) != 0)
        live = live->next;
    return live;
}

/* Everybody who waits hears that it did not work; what they asked for is asked again. */
static void break_run(struct live *live, const struct err *why)
{
    struct box box = { .kind = BOX_NONE };

    live->broken = true;
    (void)err_set(&box.err, why->code == ERR_DISK_FULL ? ERR_DISK_FULL : ERR_UNAVAILABLE, "%s",
                  why->text);
    while (live->first_wait) {
        struct wait *wait = wait_pop(live);

        reply_now(wait->reply, &box);
        box_fini(&wait->box);
        free(wait);
    }
    while (live->held) {
        struct held *held = live->held;

        live->held = held->next;
        live->held_count--;
        reply_now(held->reply, &box);
        held_free(held);
    }
    uploads_free(live);
}

static void on_committed(void *ctx, const char *run, uint64_t number, enum err_code rc,
                         const struct err *err)
{
    struct service *svc = ctx;
    struct live *live = live_loaded(svc, run);

    if (!live)
        return;
    live->in_flight--;
    if (rc && !live->broken) {
        log_error("commit_failed run=%s change=%llu code=%s why=\"%s\"", run,
                  (unsigned long long)number, err_name(rc), err->text);
        break_run(live, err);
    }
    if (!rc && !live->broken) {
        live->durable = number;
        deliver(live);
        if (live->final && live->final <= number) {
            live->final = 0;
            teach_run(svc, live->id);
        }
    }
    live_mend(live);
}
