#include "remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "remote_inner.h"

#define LEAVE_TIMEOUT_MS 60000u
#define LINE_BYTES_MAX   (ERR_TEXT_BYTES + 200u)

void remote_arm(struct event *timer, uint32_t delay_ms)
{
    struct timeval tv = { .tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000 };

    INVARIANT(event_add(timer, &tv) == 0);
}

void remote_say(struct remote *r, const char *fmt, ...)
{
    char line[LINE_BYTES_MAX];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (r->opts.say)
        r->opts.say(r->opts.say_ctx, line);
}

void remote_sent(struct remote *r)
{
    r->last_request_ms = clock_mono_ms(r->opts.clock);
}

/* ---- the coordinator is away, and back ---- */

static void on_away(void *ctx, const struct err *why)
{
    struct remote *r = ctx;

    r->away = true;
    r->results_us = 0;
    remote_say(r,
               "the coordinator does not answer (%s); going on, and trying again for up to %llu s",
               why->text, (unsigned long long)(r->opts.target->patience_ms / 1000));
    if (r->state >= REMOTE_JOINED)
        remote_arm(r->flush_timer, REMOTE_SPILL_MS);
}

static void on_back(void *ctx, uint64_t away_ms)
{
    struct remote *r = ctx;

    r->away = false;
    remote_say(r, "the coordinator answers again after %llu.%llu s",
               (unsigned long long)(away_ms / 1000), (unsigned long long)(away_ms % 1000 / 100));
}

/* ---- ending ---- */

/* Tells how it ended, from the loop: whoever is told may free the source. */
static void on_finish(evutil_socket_t fd, short what, void *ctx)
{
    struct remote *r = ctx;

    (void)fd;
    (void)what;
    if (r->error.code)
        r->source.events->failed(r->source.ctx, &r->error);
    else
        r->source.events->left(r->source.ctx, r->verdict.exit, &r->verdict);
}

static void stop_timers(struct remote *r)
{
    (void)event_del(r->join_timer);
    (void)event_del(r->beat);
    (void)event_del(r->pull_timer);
    (void)event_del(r->flush_timer);
}

/* One code for "no answer within the patience", and what a person can do. */
static void explain(struct remote *r, struct err *err)
{
    const char *folder = r->outbox ? outbox_folder(r->outbox) : NULL;

    if (err->code == ERR_TIMEOUT || err->code == ERR_UNAVAILABLE || err->code == ERR_UNREACHABLE) {
        err->code = ERR_UNREACHABLE;
        err_wrap(err, "no answer from the coordinator for %llu s",
                 (unsigned long long)(r->opts.target->patience_ms / 1000));
    } else if (err->code == ERR_SESSION_GONE) {
        err_wrap(err, "the coordinator gave this machine up and its tests to others");
    }
    if (folder)
        remote_say(r, "results that were not delivered are kept in %s", folder);
}

void remote_fail(struct remote *r, const struct err *why)
{
    if (r->state == REMOTE_DONE)
        return;
    r->state = REMOTE_DONE;
    r->error = *why;
    remote_pull_stop(r);
    stop_timers(r);
    remote_results_keep(r);
    explain(r, &r->error);
    remote_arm(r->finish, 0);
}

static void tell_cut_off(struct remote *r)
{
    if (!r->cut_off && (r->state == REMOTE_RUNNING || r->state == REMOTE_ENDED))
        r->source.events->cut_off(r->source.ctx);
    r->cut_off = true;
}

void remote_gone(struct remote *r, const struct err *why)
{
    if (!r->gone.code)
        r->gone = *why;
    remote_pull_stop(r);
    (void)event_del(r->beat);
    tell_cut_off(r);
    if (!remote_results_all_delivered(r))
        remote_results_now(r);
    else if (remote_may_join_again(r))
        remote_join_again(r);
    else
        remote_fail(r, &r->gone);
}

static void on_left(void *ctx, const struct transport_answer *answer, const struct err *why)
{
    struct remote *r = ctx;
    struct err err = *why;

    if (!err.code)
        err.code = verdict_answer_decode(answer->body.at, answer->body.len, &r->verdict, &err);
    if (err.code) {
        remote_fail(r, &err);
        return;
    }
    r->state = REMOTE_DONE;
    stop_timers(r);
    remote_arm(r->finish, 0);
}

static uint32_t mib_of(uint64_t bytes)
{
    uint64_t mib = (bytes + ((1u << 20) - 1)) >> 20;

    return mib < PROTO_MEM_MIB_MAX ? (uint32_t)mib : PROTO_MEM_MIB_MAX;
}

void remote_leave_when_delivered(struct remote *r)
{
    struct leave_request leave;

    if (!r->want_leave || r->gone.code || r->state < REMOTE_JOINED || r->state >= REMOTE_LEAVING)
        return;
    if (!remote_results_all_delivered(r)) {
        remote_results_now(r);
        return;
    }
    remote_pull_stop(r);
    r->state = REMOTE_LEAVING;
    leave = (struct leave_request){ .session = r->session,
                                    .request = ++r->request,
                                    .exit = r->how.runner_exit & UINT8_MAX,
                                    .worker_mib = mib_of(r->how.worker_bytes),
                                    .worker_peak_mib = mib_of(r->how.worker_peak_bytes) };
    remote_sent(r);
    (void)client_post(r->client, CLIENT_INSIST, "leave", leave_request_encode(&leave),
                      LEAVE_TIMEOUT_MS, (struct client_reply){ on_left, r });
}

static void remote_leave(struct source *s, const struct source_leave *how)
{
    struct remote *r = (struct remote *)s;

    r->want_leave = true;
    r->how = *how;
    remote_leave_when_delivered(r);
}

static void on_drained(void *ctx, const struct transport_answer *answer, const struct err *err)
{
    (void)answer;
    if (err->code)
        remote_fail(ctx, err);
}

static void send_drain(struct remote *r, const char *reason)
{
    struct drain_request drain = { .session = r->session, .request = ++r->request };

    drain.reason = (char *)(uintptr_t)reason; /* only read */
    remote_sent(r);
    (void)client_post(r->client, CLIENT_INSIST, "drain", drain_request_encode(&drain), 0,
                      (struct client_reply){ on_drained, r });
}

static void remote_drain(struct source *s, const char *reason)
{
    struct remote *r = (struct remote *)s;

    if (r->draining || r->state == REMOTE_DONE || r->state == REMOTE_LEAVING)
        return;
    r->draining = true;
    if (r->state >= REMOTE_JOINED)
        send_drain(r, reason);
}

/* ---- living ---- */

/* Our session lives on for session_ms from when the coordinator heard of us last, which was not
 * before that request was sent. */
static void watch_session(struct remote *r, uint64_t now_ms)
{
    if (now_ms - client_heard_ms(r->client) + REMOTE_CUT_MS > r->session_ms)
        tell_cut_off(r);
    else
        r->cut_off = false;
}

static void on_beat(evutil_socket_t fd, short what, void *ctx)
{
    struct remote *r = ctx;
    uint64_t now_ms = clock_mono_ms(r->opts.clock);

    (void)fd;
    (void)what;
    watch_session(r, now_ms);
    /* A held pull is as good as a beat only for who has no work. */
    if (now_ms - r->last_request_ms + REMOTE_TICK_MS < r->beat_ms ||
        (r->held == 0 && remote_pull_held(r)))
        return;
    remote_results_beat(r);
}

static void remote_start(struct source *s)
{
    struct remote *r = (struct remote *)s;

    INVARIANT(r->state == REMOTE_NEW);
    r->state = REMOTE_JOINING;
    remote_join(r);
}

static void remote_free(struct source *s)
{
    struct remote *r = (struct remote *)s;

    if (!r)
        return;
    client_free(r->client);
    outbox_free(r->outbox);
    event_free(r->join_timer);
    event_free(r->beat);
    event_free(r->pull_timer);
    event_free(r->dry_timer);
    event_free(r->flush_timer);
    event_free(r->finish);
    results_request_fini(&r->pending);
    verdict_answer_fini(&r->verdict);
    str_fini(&r->text);
    manifest_free(r->whole);
    free(r->running);
    free(r->runtime);
    free(r->session);
    free(r->run);
    free(r);
}

static const struct source_ops remote_ops = {
    .start = remote_start,
    .collected = remote_collected,
    .result = remote_result,
    .error = remote_error,
    .skipped = remote_skipped,
    .scope = remote_scope,
    .found = remote_found,
    .release = remote_release,
    .cut = remote_cut,
    .idle = remote_idle,
    .started = remote_started,
    .stop = remote_stop,
    .drain = remote_drain,
    .leave = remote_leave,
    .free = remote_free,
};

enum err_code remote_new(const struct remote_opts *opts, const struct source_events *events,
                         void *ctx, struct source **out, struct err *err)
{
    struct remote *r = mem_new(1, sizeof(*r));
    const struct client_opts client = { .base = opts->base,
                                        .clock = opts->clock,
                                        .target = opts->target,
                                        .away = on_away,
                                        .back = on_back,
                                        .ctx = r };
    enum err_code rc = client_new(&client, &r->client, err);

    if (rc) {
        free(r);
        return rc;
    }
    r->source = (struct source){ .ops = &remote_ops, .events = events, .ctx = ctx };
    r->opts = *opts;
    r->text.max = MANIFEST_TEXT_BYTES_MAX;
    r->free_workers = opts->workers;
    r->beat_ms = PROTO_BEAT_MS;
    r->session_ms = PROTO_SESSION_MS;
    id_new(r->nonce);
    r->join_timer = evtimer_new(opts->base, remote_on_join_timer, r);
    r->beat = event_new(opts->base, -1, EV_PERSIST, on_beat, r);
    r->pull_timer = evtimer_new(opts->base, remote_on_pull_timer, r);
    r->dry_timer = evtimer_new(opts->base, remote_on_dry_timer, r);
    r->flush_timer = evtimer_new(opts->base, remote_on_flush_timer, r);
    r->finish = evtimer_new(opts->base, on_finish, r);
    INVARIANT(r->join_timer && r->beat && r->pull_timer && r->dry_timer && r->flush_timer &&
              r->finish);
    for (uint32_t i = 0; i < REMOTE_PULLS; i++)
        r->pulls[i].remote = r;
    *out = &r->source;
    return ERR_NONE;
}
