#include "client.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "backoff.h"
#include "id.h"
#include "mem.h"

#define CALL_TIMEOUT_MS  20000u
#define PATH_TEXT_MAX    4096u
#define SHOWN_BODY_BYTES 200

struct client {
    struct client_opts opts;
    struct transport *transport;
    char *run, *session_token;
    struct client_call *calls;
    bool is_away;
    uint64_t away_since_ms, heard_ms;
};

struct client_call {
    struct client *client;
    struct client_call *next, **link;
    struct client_request request; /* path and body are ours */
    struct exchange *exchange;     /* NULL while pausing */
    struct event *pause;
    uint32_t tries;
    uint64_t sent_ms; /* the last of these */
    struct client_reply reply;
};

enum err_code client_new(const struct client_opts *opts, struct client **out, struct err *err)
{
    const struct transport_opts transport = { .base = opts->base,
                                              .url = opts->target->url,
                                              .ca_file = opts->target->ca_file,
                                              .pin = opts->target->pin };
    struct client *c = mem_new(1, sizeof(*c));
    enum err_code rc = transport_new(&transport, &c->transport, err);

    if (rc) {
        free(c);
        return rc;
    }
    c->opts = *opts;
    *out = c;
    return ERR_NONE;
}

static void forget_token(struct client *c)
{
    if (c->session_token)
        secret_wipe(c->session_token, strlen(c->session_token));
    free(c->session_token);
    c->session_token = NULL;
}

static void destroy(struct client_call *call)
{
    if (call->exchange)
        transport_cancel(call->exchange);
    event_free(call->pause);
    free((char *)(uintptr_t)call->request.path);
    free(call->request.take_body);
    free(call);
}

void client_free(struct client *c)
{
    struct client_call *next;

    if (!c)
        return;
    for (struct client_call *call = c->calls; call; call = next) {
        next = call->next;
        destroy(call);
    }
    transport_free(c->transport);
    forget_token(c);
    free(c->run);
    free(c);
}

void client_enter(struct client *c, const char *run, const char *session_token)
{
    forget_token(c);
    free(c->run);
    c->run = mem_strdup(run);
    c->session_token = mem_strdup(session_token);
}

void client_cancel(struct client_call *call)
{
    *call->link = call->next;
    if (call->next)
        call->next->link = call->link;
    destroy(call);
}

/* A status without a problem of ours comes from something in between, such as a load balancer. */
static enum err_code code_of_status(uint32_t status)
{
    if (status == 429 || status == 502 || status == 503 || status == 504 || status == 408)
        return ERR_UNAVAILABLE;
    if (status == 401 || status == 407)
        return ERR_TOKEN;
    if (status == 403)
        return ERR_FORBIDDEN;
    if (status == 404)
        return ERR_NOT_FOUND;
    if (status == 413)
        return ERR_TOO_LARGE;
    return status >= 500 ? ERR_INTERNAL : ERR_INVALID;
}

enum err_code client_refusal(const struct transport_answer *answer, struct err *err)
{
    struct problem problem;
    struct err ignored = ERR_INIT;
    size_t shown = answer->body.len;

    if (!problem_decode(answer->body.at, answer->body.len, &problem, &ignored)) {
        err_set(err, problem.code, "%s",
                problem.detail && *problem.detail ? problem.detail : err_name(problem.code));
        /* Whatever a newer coordinator means: these say "later". */
        if (problem.status == 503 || problem.status == 429)
            err->code = ERR_UNAVAILABLE;
        problem_fini(&problem);
        return err->code;
    }
    for (size_t i = 0; i < shown; i++)
        if ((unsigned char)answer->body.at[i] < ' ')
            shown = i;
    if (shown > SHOWN_BODY_BYTES)
        shown = SHOWN_BODY_BYTES;
    return err_set(err, code_of_status(answer->status),
                   "HTTP status %u that no coordinator gives%s%.*s", answer->status,
                   shown ? ": " : "", (int)shown, answer->body.at);
}

uint64_t client_heard_ms(const struct client *c)
{
    return c->heard_ms;
}

static void note_answered(struct client *c, uint64_t sent_ms)
{
    uint64_t away_ms = clock_mono_ms(c->opts.clock) - c->away_since_ms;

    if (sent_ms > c->heard_ms)
        c->heard_ms = sent_ms;
    if (!c->is_away)
        return;
    c->is_away = false;
    if (c->opts.back)
        c->opts.back(c->opts.ctx, away_ms);
}

bool client_pause(struct client *c, const struct err *err, struct client_trouble trouble,
                  uint32_t *out_wait_ms)
{
    uint64_t now_ms = clock_mono_ms(c->opts.clock);
    uint32_t wait_ms = backoff_ms(trouble.tries, id_random_u64(), trouble.asked_ms);

    if (!backoff_retryable(err->code))
        return false;
    if (!c->is_away) {
        c->is_away = true;
        c->away_since_ms = now_ms;
        if (c->opts.away)
            c->opts.away(c->opts.ctx, err);
    }
    if (!backoff_within(c->away_since_ms, now_ms, wait_ms, c->opts.target->patience_ms))
        return false;
    *out_wait_ms = wait_ms;
    return true;
}

static void on_exchange(void *ctx, const struct transport_answer *answer, const struct err *why);

static void call_start(struct client_call *call)
{
    struct client *c = call->client;
    const struct client_request *r = &call->request;
    const struct transport_request request = {
        .method = r->method,
        .path = r->path,
        .token = r->project_token ? c->opts.target->token : c->session_token,
        .content_type = r->content_type,
        .body = { .at = r->take_body ? r->take_body : "", .len = r->body_bytes },
        .body_as_it_is = r->body_as_it_is,
        .timeout_ms = r->timeout_ms ? r->timeout_ms : CALL_TIMEOUT_MS,
        .answer_bytes_max = PROTO_DECODED_BYTES_MAX,
    };

    call->tries++;
    call->sent_ms = clock_mono_ms(c->opts.clock);
    call->exchange = transport_send(c->transport, &request, on_exchange, call);
}

static void on_pause(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    call_start(ctx);
}

static void on_exchange(void *ctx, const struct transport_answer *answer, const struct err *why)
{
    struct client_call *call = ctx;
    struct client *c = call->client;
    struct client_reply reply = call->reply;
    struct err err = *why;
    uint32_t wait_ms = 0;

    call->exchange = NULL;
    if (!err.code && (answer->status < 200 || answer->status > 299))
        client_refusal(answer, &err);
    if (!backoff_retryable(err.code)) {
        note_answered(c, call->sent_ms);
    } else if (call->request.kind == CLIENT_INSIST &&
               client_pause(c, &err, (struct client_trouble){ call->tries, answer->retry_after_ms },
                            &wait_ms)) {
        struct timeval tv;

        tv = (struct timeval){ .tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000 };
        (void)evtimer_add(call->pause, &tv);
        return;
    }
    client_cancel(call);
    reply.fn(reply.ctx, answer, &err);
}

struct client_call *client_send(struct client *c, const struct client_request *request,
                                struct client_reply reply)
{
    struct client_call *call = mem_new(1, sizeof(*call));

    call->client = c;
    call->request = *request;
    call->request.path = mem_strdup(request->path);
    call->reply = reply;
    call->pause = evtimer_new(c->opts.base, on_pause, call);
    INVARIANT(call->pause);
    call->next = c->calls;
    call->link = &c->calls;
    if (call->next)
        call->next->link = &call->next;
    c->calls = call;
    call_start(call);
    return call;
}

struct client_call *client_post(struct client *c, enum client_kind kind, const char *what,
                                char *take_json, uint32_t timeout_ms, struct client_reply reply)
{
    struct str path = STR_MAX(PATH_TEXT_MAX);
    struct err err = ERR_INIT;
    struct client_request request = { .kind = kind,
                                      .method = "POST",
                                      .content_type = "application/json",
                                      .take_body = take_json,
                                      .body_bytes = strlen(take_json),
                                      .timeout_ms = timeout_ms };
    struct client_call *call;

    INVARIANT(!str_addf(&path, &err, "/v1/runs/%s/%s", c->run, what));
    request.path = path.at;
    call = client_send(c, &request, reply);
    str_fini(&path);
    return call;
}

struct client_call *client_put_part(struct client *c, const char *digest, uint32_t part,
                                    uint32_t of, struct str *take_gzip, struct client_reply reply)
{
    struct str path = STR_MAX(PATH_TEXT_MAX);
    struct err err = ERR_INIT;
    struct client_request request = { .kind = CLIENT_INSIST,
                                      .method = "PUT",
                                      .content_type = "application/gzip",
                                      .body_as_it_is = true,
                                      .body_bytes = take_gzip->len };
    struct client_call *call;

    INVARIANT(!str_addf(&path, &err, "/v1/runs/%s/manifest/%s/%u?of=%u", c->run, digest, part, of));
    request.path = path.at;
    request.take_body = str_take(take_gzip);
    call = client_send(c, &request, reply);
    str_fini(&path);
    return call;
}

struct client_call *client_get(struct client *c, const char *path, uint32_t timeout_ms,
                               struct client_reply reply)
{
    const struct client_request request = { .kind = CLIENT_INSIST,
                                            .method = "GET",
                                            .path = path,
                                            .project_token = true,
                                            .timeout_ms = timeout_ms };

    return client_send(c, &request, reply);
}
