/* transport.h - HTTPS requests to one coordinator, on the caller's event loop.
 *
 * Keeps connections open between requests; a request that is held by the other side does not delay
 * another one. TLS is always verified: by the system's authorities, by a file of certificates, or
 * by the pin of a public key, which then is the whole proof. Not for: retries (client.h) or what
 * the bodies mean. The only door to libcurl. */
#pragma once

#include "str.h"

struct event_base;
struct transport;
struct exchange; /* one request under way */

struct transport_opts {
    struct event_base *base;
    const char *url;     /* "https://host[:port]" */
    const char *ca_file; /* NULL: the system's */
    const char *pin;     /* "sha256//..."; NULL: none */
};

struct transport_request {
    const char *method;       /* "GET", "POST", "PUT" */
    const char *path;         /* begins with "/"; query included */
    const char *token;        /* secret; NULL for none */
    const char *content_type; /* NULL: no body */
    struct view body;         /* lent for the call */
    bool body_as_it_is;       /* large bodies are sent with Content-Encoding: gzip otherwise */
    uint32_t timeout_ms;      /* for the whole exchange */
    size_t answer_bytes_max;
};

/* Lent for the callback. */
struct transport_answer {
    uint32_t status; /* 0: there was none */
    struct view body;
    const char *content_type; /* "" when none */
    uint32_t retry_after_ms;  /* 0: not said */
    const char *date;         /* the Date header, "" when none */
    /* How far the connection came, for diagnosis: microseconds since the start, 0 when not reached
     * or when a connection was there already. */
    uint64_t dns_us, connect_us, tls_us, total_us;
    const char *address; /* the other side's, "" when none */
};

/* err->code: ERR_NONE with any status; ERR_UNREACHABLE, ERR_TIMEOUT, ERR_TLS, ERR_TOO_LARGE. The
 * callback may start and cancel requests, but not free the transport. */
typedef void (*transport_done_fn)(void *ctx, const struct transport_answer *answer,
                                  const struct err *err);

MUST_USE enum err_code transport_new(const struct transport_opts *opts, struct transport **out,
                                     struct err *err);
void transport_free(struct transport *t); /* requests under way are forgotten, not answered */

/* Never calls done from inside. */
struct exchange *transport_send(struct transport *t, const struct transport_request *request,
                                transport_done_fn done, void *ctx);

/* Forgets a request that has not been answered; done is not called. */
void transport_cancel(struct exchange *x);

/* A value as it may stand in a path or query; the caller's. */
char *transport_escape(const char *text);
