/* client.h - the coordinator's requests as typed calls.
 *
 * A call encodes, sends, decodes, and turns a refusal into struct err. Calls of the kind CLIENT_TRY
 * are made once; CLIENT_INSIST are repeated as they are, with growing pauses, while what stands in
 * the way may pass (backoff.h) and the patience lasts. Every callback comes exactly once, unless
 * the call is cancelled; never from inside the call that starts it. Not for: what to say
 * (remote.c). */
#pragma once

#include "clock.h"
#include "options/target.h"
#include "proto.h"
#include "transport.h"

struct client;
struct client_call; /* one call under way */

struct client_opts {
    struct event_base *base;
    const struct clock *clock;
    const struct target *target; /* lent for the life of the client */
    /* Told once when the coordinator stops answering, once when it answers again; may be NULL. */
    void (*away)(void *ctx, const struct err *why);
    void (*back)(void *ctx, uint64_t away_ms);
    void *ctx;
};

MUST_USE enum err_code client_new(const struct client_opts *opts, struct client **out,
                                  struct err *err);
void client_free(struct client *c); /* calls under way are forgotten */

/* From join's answer: calls of the run use them. Copies. */
void client_enter(struct client *c, const char *run, const char *session_token);

/* When that request was sent which the coordinator has answered last; 0: none. */
uint64_t client_heard_ms(const struct client *c);

enum client_kind { CLIENT_TRY, CLIENT_INSIST };

/* The answer's body is lent; NULL body and err set on failure. */
struct client_reply {
    void (*fn)(void *ctx, const struct transport_answer *answer, const struct err *err);
    void *ctx;
};

struct client_request {
    enum client_kind kind;
    const char *method;
    const char *path;         /* below the url, "/v1/..."; lent */
    const char *content_type; /* NULL: no body */
    char *take_body;          /* given away */
    size_t body_bytes;
    bool body_as_it_is;
    bool project_token;  /* not the session's: join and what people ask */
    uint32_t timeout_ms; /* 0: the usual */
};

struct client_call *client_send(struct client *c, const struct client_request *request,
                                struct client_reply reply);
void client_cancel(struct client_call *call);

/* POST of a JSON body (given away) to "/v1/runs/<run>/<what>" with the session's token. */
struct client_call *client_post(struct client *c, enum client_kind kind, const char *what,
                                char *take_json, uint32_t timeout_ms, struct client_reply reply);

/* PUT of a part of the manifest: gzip. */
struct client_call *client_put_part(struct client *c, const char *digest, uint32_t part,
                                    uint32_t of, struct str *take_gzip, struct client_reply reply);

/* GET with the project's token. */
struct client_call *client_get(struct client *c, const char *path, uint32_t timeout_ms,
                               struct client_reply reply);

/* Whether a call of kind CLIENT_TRY that failed so is worth being made again, and after how long;
 * counts as part of the same outage as everything else. */
struct client_trouble {
    uint32_t tries;    /* that failed, at least 1 */
    uint32_t asked_ms; /* Retry-After */
};
bool client_pause(struct client *c, const struct err *err, struct client_trouble trouble,
                  uint32_t *out_wait_ms);

/* Reads a refusal: the status and the problem's code and detail, or what a foreign answer says. */
enum err_code client_refusal(const struct transport_answer *answer, struct err *err);
