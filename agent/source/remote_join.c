/* Joining the run: until the coordinator gives a session, or refuses for good. */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "remote_inner.h"

#define JOIN_PAUSE_MS 1000u

/* Two refusals pass by themselves: the slot's last agent died without a word and its session is not
 * over yet; our own join was carried out, its answer lost, and the session is over by now. */
static bool ask_again(struct remote *r, const struct err *err)
{
    uint64_t now_ms = clock_mono_ms(r->opts.clock);

    if (r->refused_since_ms && now_ms - r->refused_since_ms > REMOTE_JOIN_MS)
        return false;
    if (err->code == ERR_SESSION_GONE) {
        if (!r->refused_since_ms)
            r->refused_since_ms = now_ms;
        id_new(r->nonce);
        remote_arm(r->join_timer, 0);
        return true;
    }
    if (err->code != ERR_SLOT_TAKEN)
        return false;
    if (!r->refused_since_ms) {
        r->refused_since_ms = now_ms;
        remote_say(r, "%s; waiting up to %u s, in case that agent is gone", err->text,
                   REMOTE_JOIN_MS / 1000);
    }
    remote_arm(r->join_timer, JOIN_PAUSE_MS);
    return true;
}

/* Requests of a session count from 1. */
void remote_begin_session(struct remote *r, const struct join_answer *join)
{
    struct timeval tick = { .tv_usec = REMOTE_TICK_MS * 1000 };

    client_enter(r->client, join->run, join->session_token);
    outbox_free(r->outbox);
    r->outbox = outbox_new(join->session);
    free(r->session);
    r->session = mem_strdup(join->session);
    r->beat_ms = join->beat_ms;
    r->session_ms = join->session_ms;
    r->request = r->results_number = r->results_sent = r->order_seen = 0;
    r->pull_tries = r->rounds = 0;
    r->held = r->running_count;
    r->state = REMOTE_JOINED;
    (void)event_add(r->beat, &tick);
}

/* Ids become parts of paths here and there. */
static enum err_code check_id(const char *what, const char *id, struct err *err)
{
    static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

    if (id && *id && id[strspn(id, good)] == '\0')
        return ERR_NONE;
    return err_set(err, ERR_MALFORMED, "the coordinator gave the %s an id that is none", what);
}

static void on_joined(void *ctx, const struct transport_answer *answer, const struct err *why)
{
    struct remote *r = ctx;
    struct join_answer join = { 0 };
    struct err err = *why;

    if (err.code && ask_again(r, &err))
        return;
    if (!err.code)
        err.code = join_answer_decode(answer->body.at, answer->body.len, &join, &err);
    if (!err.code && !check_id("run", join.run, &err))
        err.code = check_id("session", join.session, &err);
    if (err.code || r->again) {
        if (!err.code)
            remote_joined_again(r, &join);
        else if (r->again)
            remote_not_again(r, &err);
        else
            remote_fail(r, &err);
        join_answer_fini(&join);
        return;
    }
    r->run = mem_strdup(join.run);
    remote_begin_session(r, &join);
    remote_say(r, "joined run %s (epoch %u)", join.run, join.epoch);
    if (r->want_leave)
        remote_leave_when_delivered(r);
    else
        r->source.events->joined(r->source.ctx, join.seed, (uint64_t)join.worker_mib << 20);
    join_answer_fini(&join);
}

void remote_join(struct remote *r)
{
    const struct target *t = r->opts.target;
    struct join_request said = { .project = t->project,
                                 .suite = t->suite,
                                 .run_key = t->run_key,
                                 .instance = t->instance,
                                 .nonce = r->nonce,
                                 .run = r->again ? r->run : NULL,
                                 .attempt = t->attempt,
                                 .index = t->index,
                                 .total = t->total,
                                 .workers = r->opts.workers,
                                 .first_ppm = r->opts.first_ppm,
                                 .speculate = r->opts.speculate,
                                 .labels = t->labels,
                                 .label_count = t->label_count };
    struct client_request request = { .kind = CLIENT_INSIST,
                                      .method = "POST",
                                      .path = "/v1/join",
                                      .content_type = "application/json",
                                      .project_token = true };

    said.fingerprint = (char *)(uintptr_t)r->opts.fingerprint; /* these are only read */
    said.command = (char *)(uintptr_t)r->opts.command;
    said.agent_version = (char *)(uintptr_t)MAKESPAN_VERSION;
    request.take_body = join_request_encode(&said);
    request.body_bytes = strlen(request.take_body);
    remote_sent(r);
    (void)client_send(r->client, &request, (struct client_reply){ on_joined, r });
}

void remote_on_join_timer(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    remote_join(ctx);
}
