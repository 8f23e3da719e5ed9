#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <stdlib.h>

#include "inner.h"
#include "log.h"
#include "loop.h"
#include "mem.h"
#include "tls.h"

#define SWEEP_MS     1000u
#define EVHTTP_LIMIT 120 /* seconds; above every hold, as the sweep does the cutting */
#define DRAIN_TURNS  64

static struct bufferevent *on_accept(struct event_base *base, void *arg)
{
    (void)base;
    return conn_new(arg);
}

static void on_request(struct evhttp_request *req, void *arg)
{
    call_begin(arg, req);
}

/* Cuts who is too slow; the door follows from who is left (server_count). */
static void on_sweep(void *arg)
{
    struct http_server *server = arg;
    uint64_t now_ms = clock_mono_ms(server->clock);

    for (struct conn *conn = server->conns; conn; conn = conn->next)
        if (!conn->cut && guard_overdue(&conn->guard, &server->limits, server->crowded, now_ms)) {
            server->stats.cut_slow += conn->guard.phase != GUARD_IDLE;
            conn_cut(conn);
        }
    if (!server->crowded && !server->stopping)
        listeners_turn(server->listeners, true); /* one may rest after an error of accept */
}

void server_count(struct http_server *server)
{
    bool full = server->stats.connections >= server->connections_max;

    if (server->stopping || full == server->crowded)
        return;
    server->crowded = full;
    listeners_turn(server->listeners, !full);
}

enum err_code http_server_new(const struct http_opts *opts, struct http_server **out,
                              struct err *err)
{
    struct http_server *server = mem_new(1, sizeof(*server));
    enum err_code rc;

    server->base = loop_base(opts->loop);
    server->clock = opts->clock;
    server->connections_max = opts->connections_max ? opts->connections_max : HTTP_CONNECTIONS_MAX;
    server->buffered_bytes_max =
        opts->buffered_bytes_max ? opts->buffered_bytes_max : HTTP_BUFFERED_BYTES_MAX;
    server->limits = (struct guard_limits){
        .grace_ms = opts->grace_ms ? opts->grace_ms : HTTP_GRACE_MS,
        .slowest_bytes_per_s = HTTP_SLOWEST_BYTES,
        .stall_ms = HTTP_STALL_GRACES * (opts->grace_ms ? opts->grace_ms : HTTP_GRACE_MS),
        .idle_ms = opts->idle_ms ? opts->idle_ms : HTTP_IDLE_MS,
        .idle_crowded_ms = HTTP_IDLE_CROWDED_MS,
    };
    server->handler = opts->handler;
    server->ctx = opts->ctx;
    server->seen = opts->seen;
    server->seen_ctx = opts->seen_ctx;
    rc = tls_new(opts->chain_path, opts->key_path, conn_gone, &server->tls, err);
    if (rc) {
        free(server);
        return rc;
    }
    server->evhttp = evhttp_new(server->base);
    INVARIANT(server->evhttp != NULL);
    evhttp_set_bevcb(server->evhttp, on_accept, server);
    evhttp_set_gencb(server->evhttp, on_request, server);
    evhttp_set_timeout(server->evhttp, EVHTTP_LIMIT);
    evhttp_set_max_headers_size(server->evhttp, HTTP_HEADER_BYTES_MAX);
    evhttp_set_max_body_size(server->evhttp, (ev_ssize_t)opts->body_bytes_max);
    evhttp_set_default_content_type(server->evhttp, NULL);
    evhttp_set_allowed_methods(server->evhttp, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
                                                   EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
                                                   EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE |
                                                   EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
    server->sweep = loop_every(opts->loop, SWEEP_MS, on_sweep, server);
    *out = server;
    return ERR_NONE;
}

void http_server_cut(struct http_server *server)
{
    if (!server->evhttp)
        return;
    server->stopping = true;
    loop_source_free(server->sweep);
    evhttp_free(server->evhttp);
    server->evhttp = NULL;
    listeners_free(server->listeners);
    server->listeners = NULL;
    /* libevent frees connections on the loop's next turns. */
    for (int i = 0; server->conns && i < DRAIN_TURNS; i++)
        (void)event_base_loop(server->base, EVLOOP_NONBLOCK);
    INVARIANT(!server->conns);
    lingers_free(server);
}

void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    http_server_cut(server);
    INVARIANT(server->stats.calls == 0);
    tls_free(server->tls);
    free(server);
}

enum err_code http_server_reload(struct http_server *server, struct err *err)
{
    return tls_reload(server->tls, err);
}

void http_server_stop(struct http_server *server)
{
    server->stopping = true;
    listeners_turn(server->listeners, false);
}

void http_server_stats(const struct http_server *server, struct http_stats *out)
{
    *out = server->stats;
}
