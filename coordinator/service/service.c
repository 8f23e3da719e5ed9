#include "service/service.h"

#include <stdlib.h>
#include <string.h>

#include "core/lease.h"
#include "log.h"
#include "mem.h"
#include "service/errand.h"
#include "service/live.h"

#define TICK_MS_MAX    1000u
#define TICK_MS_MIN    10u
#define WAKE_EVERY_MS  500u   /* held pulls are decided again: what a clock alone changes */
#define UNLOAD_IDLE_MS 60000u /* a final run that nobody asks for is forgotten */

struct service *service_new(const struct service_opts *opts)
{
    struct service *svc = mem_new(1, sizeof(*svc));
    struct commit_opts commit = { .store = opts->store,
                                  .mode = opts->commit_mode,
                                  .wake = opts->wake,
                                  .wake_ctx = opts->wake_ctx };

    svc->store = opts->store;
    svc->clock = opts->clock;
    svc->ticked_ms = clock_mono_ms(opts->clock);
    svc->keep_ms = opts->keep_ms;
    svc->commit = commit_new(&commit);
    svc->sealing = commit_new(&commit);
    svc->aside = commit_new(&commit);
    return svc;
}

void live_each(struct service *svc, void (*fn)(struct live *live, void *ctx), void *ctx)
{
    for (size_t i = 0; i < LIVE_BUCKETS; i++) {
        struct live *live = svc->buckets[i];

        while (live) {
            struct live *next = live->next;

            fn(live, ctx);
            live = next;
        }
    }
}

static void forget_live(struct live *live, void *ctx)
{
    for (struct wait *w = live->first_wait; w; w = w->next)
        if (w->reply.ctx == ctx)
            w->reply.fn = NULL;
    for (struct held *h = live->held; h; h = h->next) {
        if (h->reply.ctx != ctx || !h->reply.fn)
            continue;
        h->reply.fn = NULL; /* the next tick frees it; it is given nothing until then */
        h->until_ms = 0;
        if (h->kind != HELD_VERDICT)
            lease_shorten(live->run, h->session, service_now_ms(live->svc) + PROTO_SESSION_MS);
    }
    for (struct upload *u = live->uploads; u; u = u->next)
        if (u->reply.ctx == ctx)
            u->reply.fn = NULL;
}

void service_forget(struct service *svc, const void *ctx)
{
    live_each(svc, forget_live, (void *)ctx);
    errands_forget(svc, ctx);
}

static void silence_live(struct live *live, void *ctx)
{
    (void)ctx; /* all of it */
    for (struct wait *w = live->first_wait; w; w = w->next)
        w->reply.fn = NULL;
    for (struct held *h = live->held; h; h = h->next)
        h->reply.fn = NULL;
    for (struct upload *u = live->uploads; u; u = u->next)
        u->reply.fn = NULL;
}

static void drop_live(struct live *live, void *ctx)
{
    (void)ctx; /* all of it */
    live_drop(live);
}

void service_free(struct service *svc)
{
    if (!svc)
        return;
    live_each(svc, silence_live, NULL);
    errands_silence(svc);
    svc->ending = true;
    commit_flush(svc->sealing); /* first: what they did may be work for the other */
    commit_flush(svc->aside);
    commit_flush(svc->commit);
    commit_free(svc->sealing);
    commit_free(svc->aside);
    commit_free(svc->commit);
    teach_free(svc);
    live_each(svc, drop_live, NULL);
    free(svc);
}

/* ---- start ---- */

struct ids {
    char (*items)[ID_TEXT_BYTES];
    size_t count, cap;
};

static enum err_code note_id(void *ctx, const struct store_run *run, struct err *err)
{
    struct ids *ids = ctx;

    if (strlen(run->id) >= ID_TEXT_BYTES)
        return err_set(err, ERR_IO, "stored run id '%s'", run->id);
    ids->items = mem_grow(ids->items, &ids->cap, ids->count + 1, sizeof(*ids->items));
    memcpy(ids->items[ids->count++], run->id, strlen(run->id) + 1);
    return ERR_NONE;
}

enum err_code service_start(struct service *svc, struct err *err)
{
    struct store_query query = { .state = STORE_RUNS_OPEN };
    struct ids ids = { .items = NULL };
    enum err_code rc = store_list(svc->store, &query, note_id, &ids, err);

    for (size_t i = 0; !rc && i < ids.count; i++) {
        struct err why = ERR_INIT;
        struct live *live = NULL;

        if (live_find(svc, ids.items[i], &live, &why))
            log_error("run_not_loaded run=%s code=%s why=\"%s\"", ids.items[i], err_name(why.code),
                      why.text);
        else
            log_info("run_loaded run=%s change=%llu tests=%u done=%u", live->id,
                     (unsigned long long)live->run->change_count, live->run->test_count,
                     live->run->done_count);
    }
    free(ids.items);
    return rc;
}

void service_poll(struct service *svc)
{
    (void)commit_poll(svc->commit);  /* how many were settled is of no interest */
    (void)commit_poll(svc->sealing); /* as above */
    (void)commit_poll(svc->aside);   /* as above */
}

/* ---- time ---- */

struct tick {
    uint64_t now_ms, next_ms;
};

static void sooner(struct tick *tick, uint64_t at_ms)
{
    if (at_ms && at_ms < tick->next_ms)
        tick->next_ms = at_ms;
}

/* Answers the held requests whose time is up. */
static void time_out(struct live *live, struct tick *tick)
{
    struct held **at = &live->held;

    while (*at) {
        struct held *held = *at;

        if (held->until_ms > tick->now_ms && !live->svc->releasing) {
            sooner(tick, held->until_ms);
            at = &held->next;
            continue;
        }
        *at = held->next;
        live->held_count--;
        held_answer(live, held);
    }
}

static void tick_live(struct live *live, void *ctx)
{
    struct tick *tick = ctx;
    uint64_t used_ms = live->used_ms;

    if (live->broken) {
        live_mend(live);
        return;
    }
    live_expire(live);
    if (tick->now_ms - live->woken_ms >= WAKE_EVERY_MS && live->held_count) {
        live->woken_ms = tick->now_ms;
        live->wake_all = true;
    }
    live_settle(live);
    time_out(live, tick);
    uploads_tick(live, tick->now_ms);
    live_settle(live);
    live->used_ms = used_ms; /* our own looking is no use */
    sooner(tick, live->run->next_deadline_ms ? live->run->next_deadline_ms + 1 : 0);
    if (live->run->state == RUN_FINAL && live->in_flight == 0 && !live->held && !live->first_wait &&
        tick->now_ms - used_ms > UNLOAD_IDLE_MS)
        live_drop(live);
}

static void extend_live(struct live *live, void *ctx)
{
    lease_extend(live->run, *(const uint64_t *)ctx);
}

uint64_t service_tick(struct service *svc)
{
    uint64_t now_ms = service_now_ms(svc);
    struct tick tick = { .now_ms = now_ms, .next_ms = now_ms + TICK_MS_MAX };
    uint64_t gap_ms = now_ms - svc->ticked_ms;

    if (gap_ms > STALL_MS) {
        log_warn("stalled ms=%llu", (unsigned long long)gap_ms);
        live_each(svc, extend_live, &gap_ms);
    }
    svc->ticked_ms = now_ms;
    live_each(svc, tick_live, &tick);
    upkeep_tick(svc);
    if (tick.next_ms < now_ms + TICK_MS_MIN)
        return TICK_MS_MIN;
    return tick.next_ms - now_ms;
}

void service_release_held(struct service *svc)
{
    svc->releasing = true;
    (void)service_tick(svc); /* nothing is held after it */
}
