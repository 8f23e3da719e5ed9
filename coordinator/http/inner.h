/* inner.h - what server.c, conn.c and call.c share: the structs behind http_server.h. */
#pragma once

#include "guard.h"
#include "http_server.h"

struct bufferevent;
struct event;
struct event_base;
struct evhttp;
struct evhttp_request;

struct conn;
struct lingerer;
struct listener;

struct http_server {
    struct event_base *base;
    const struct clock *clock;
    struct tls *tls;
    struct evhttp *evhttp;
    struct listener *listeners;
    struct loop_source *sweep;
    struct conn *conns;       /* every open connection */
    struct lingerer *lingers; /* refused connections whose last bytes are awaited */
    uint32_t linger_count;
    struct guard_limits limits;
    uint32_t connections_max;
    uint64_t buffered_bytes_max;
    bool crowded;  /* the cap is reached: listeners are off */
    bool stopping; /* for good */
    http_handler_fn handler;
    void *ctx;
    http_seen_fn seen; /* may be NULL */
    void *seen_ctx;
    struct http_stats stats;
};

/* One connection, from accept until OpenSSL frees its session (tls.h's gone). */
struct conn {
    struct http_server *server;
    struct conn *prev, *next;
    struct bufferevent *bev;
    struct guard guard;
    struct event *error_ev; /* runs once evhttp has written an error page of its own */
    struct event *start_ev; /* runs when `starting` may start */
    struct http_call *starting;
    uint64_t request_bytes; /* received since the last answer */
    bool cut;               /* its socket is shut, evhttp will see to the rest */
    bool ours;              /* what is in the output is http_answer's */
    bool ends;              /* the connection closes after this answer */
    bool refused;           /* and the client may still be sending */
};

struct http_call {
    struct http_server *server;
    struct conn *conn;
    struct evhttp_request *req; /* NULL once the client has gone */
    enum http_method method;
    char *path, *query;
    char *body;
    size_t body_bytes;
    bool refused; /* the connection is to close after the answer */
    char *client;
    const void *tag;
    uint64_t began_us;
    http_gone_fn gone_fn;
    void *gone_ctx;
};

/* conn.c */
struct bufferevent *conn_new(struct http_server *server); /* for evhttp, on accept */
void conn_gone(void *arg);                                /* OpenSSL freed the session */
void conn_dispatched(struct conn *conn);                  /* the request is whole */
void conn_hold(struct conn *conn);                        /* and stays unanswered for now */
void conn_start_later(struct conn *conn, struct http_call *call);
void conn_answering(struct conn *conn, bool ends);        /* the answer is about to be written */
void conn_answered(struct conn *conn, size_t body_bytes); /* and is in the output buffer */
void conn_sent(struct conn *conn);                        /* and has left */
void conn_cut(struct conn *conn); /* shuts the socket; evhttp then cleans up */

/* call.c: the handler's side of one request. */
void call_begin(struct http_server *server, struct evhttp_request *req);
void call_start(struct http_call *call);

/* server.c: a connection came or went. */
void server_count(struct http_server *server);

/* listen.c */
void listeners_turn(struct listener *listeners, bool on);
void listeners_free(struct listener *listeners); /* what evhttp does not free */

/* linger.c: keeps a copy of the socket until the client has read its refusal. */
void linger_start(struct http_server *server, int fd);
void lingers_free(struct http_server *server);
