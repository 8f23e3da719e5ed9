/* The handler's side of one request: view, answer, and what happens when the client leaves. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "inner.h"
#include "mem.h"
#include "proto.h"
#include "strict.h"
#include "tls.h"

struct http_blob {
    char *bytes;
    size_t len;
    uint32_t holds;
};

/* ---- view ---- */

enum http_method http_call_method(const struct http_call *call)
{
    return call->method;
}

const char *http_call_path(const struct http_call *call)
{
    return call->path;
}

const char *http_call_query(const struct http_call *call)
{
    return call->query;
}

struct view http_call_body(const struct http_call *call)
{
    return (struct view){ .at = call->body, .len = call->body_bytes };
}

const char *http_call_header(const struct http_call *call, const char *name)
{
    return call->req ? evhttp_find_header(evhttp_request_get_input_headers(call->req), name) : NULL;
}

const char *http_method_name(enum http_method method)
{
    switch (method) {
    case HTTP_GET:
        return "GET";
    case HTTP_HEAD:
        return "HEAD";
    case HTTP_POST:
        return "POST";
    case HTTP_PUT:
        return "PUT";
    case HTTP_DELETE:
        return "DELETE";
    case HTTP_OTHER:
        return "OTHER";
    }
    UNREACHABLE("http method");
}

void http_call_server_stats(const struct http_call *call, struct http_stats *out)
{
    *out = call->server->stats;
}

void http_call_set_tag(struct http_call *call, const void *tag)
{
    call->tag = tag;
}

void http_call_on_gone(struct http_call *call, http_gone_fn fn, void *ctx)
{
    call->gone_fn = fn;
    call->gone_ctx = ctx;
}

bool http_call_is_gone(const struct http_call *call)
{
    return !call->req;
}

/* ---- life ---- */

/* Tells who looks on; status 0: the client left. */
static void tell_seen(const struct http_call *call, unsigned status, size_t out_bytes)
{
    const struct http_server *server = call->server;
    const struct http_seen seen = { .method = call->method,
                                    .path = call->path,
                                    .client = call->client,
                                    .tag = call->tag,
                                    .status = status,
                                    .in_bytes = call->body_bytes,
                                    .out_bytes = out_bytes,
                                    .took_us = clock_mono_us(server->clock) - call->began_us };

    if (server->seen)
        server->seen(server->seen_ctx, &seen);
}

static void call_free(struct http_call *call)
{
    call->server->stats.calls--;
    free(call->client);
    free(call->path);
    free(call->query);
    free(call->body);
    free(call);
}

/* The client left, or the server is being freed; in that case evhttp frees the request itself. */
static void on_close(struct evhttp_connection *evcon, void *arg)
{
    struct http_call *call = arg;
    http_gone_fn gone = call->gone_fn;

    (void)evcon;
    if (!evhttp_request_get_connection(call->req))
        evhttp_request_free(call->req);
    call->req = NULL;
    call->gone_fn = NULL;
    if (call->conn->starting == call) { /* the handler never saw it */
        call->conn->starting = NULL;
        tell_seen(call, 0, 0);
        call_free(call);
        return;
    }
    call->conn = NULL;
    if (gone)
        gone(call->gone_ctx);
}

static void on_sent(struct evhttp_request *req, void *arg)
{
    (void)req;
    conn_sent(arg);
}

static bool wants_close(struct http_server *server, struct evhttp_request *req)
{
    const char *connection =
        evhttp_find_header(evhttp_request_get_input_headers(req), "Connection");

    if (server->stopping || (connection && strcasecmp(connection, "close") == 0))
        return true;
    return req->minor == 0 && !(connection && strncasecmp(connection, "keep-alive", 10) == 0);
}

static void answer(struct http_call *call, unsigned status, const char *type, struct evbuffer *body)
{
    struct evhttp_request *req = call->req;
    struct conn *conn = call->conn;
    size_t body_bytes = evbuffer_get_length(body);
    bool ends = req && (wants_close(call->server, req) || call->refused);
    char length[24];

    tell_seen(call, req ? status : 0, req && call->method != HTTP_HEAD ? body_bytes : 0);
    if (!req) {
        evbuffer_free(body);
        call_free(call);
        return;
    }
    (void)snprintf(length, sizeof(length), "%zu", body_bytes);
    if (status != HTTP_NOTMODIFIED)
        http_call_set_header(call, "Content-Length", length);
    if (type)
        http_call_set_header(call, "Content-Type", type);
    if (ends)
        http_call_set_header(call, "Connection", "close");
    if (call->method == HTTP_HEAD) /* evhttp would send it */
        (void)evbuffer_drain(body, body_bytes);
    evhttp_connection_set_closecb(evhttp_request_get_connection(req), NULL, NULL);
    evhttp_request_set_on_complete_cb(req, on_sent, conn);
    call_free(call);
    conn_answering(conn, ends);
    evhttp_send_reply(req, (int)status, NULL, body);
    conn_answered(conn, body_bytes);
    evbuffer_free(body);
}

void http_call_set_header(struct http_call *call, const char *name, const char *value)
{
    if (call->req)
        INVARIANT(evhttp_add_header(evhttp_request_get_output_headers(call->req), name, value) ==
                  0);
}

static void free_bytes(const void *bytes, size_t len, void *arg)
{
    (void)bytes;
    (void)len;
    free(arg);
}

void http_answer(struct http_call *call, unsigned status, const char *type, char **take_body,
                 size_t body_bytes)
{
    struct evbuffer *body = evbuffer_new();

    INVARIANT(body != NULL);
    if (take_body && *take_body) {
        INVARIANT(evbuffer_add_reference(body, *take_body, body_bytes, free_bytes, *take_body) ==
                  0);
        *take_body = NULL;
    }
    answer(call, status, type, body);
}

struct http_blob *http_blob_new(char **take_bytes, size_t len)
{
    struct http_blob *blob = mem_new(1, sizeof(*blob));

    *blob = (struct http_blob){ .bytes = *take_bytes, .len = len, .holds = 1 };
    *take_bytes = NULL;
    return blob;
}

void http_blob_drop(struct http_blob *blob)
{
    if (!blob || --blob->holds)
        return;
    free(blob->bytes);
    free(blob);
}

static void drop_hold(const void *bytes, size_t len, void *arg)
{
    (void)bytes;
    (void)len;
    http_blob_drop(arg);
}

void http_answer_blob(struct http_call *call, const char *type, struct http_blob *blob)
{
    struct evbuffer *body = evbuffer_new();

    INVARIANT(body != NULL);
    blob->holds++;
    INVARIANT(evbuffer_add_reference(body, blob->bytes, blob->len, drop_hold, blob) == 0);
    answer(call, 200, type, body);
}

/* ---- a request has come ---- */

static enum http_method method_of(enum evhttp_cmd_type type)
{
    if (type == EVHTTP_REQ_GET)
        return HTTP_GET;
    if (type == EVHTTP_REQ_HEAD)
        return HTTP_HEAD;
    if (type == EVHTTP_REQ_POST)
        return HTTP_POST;
    if (type == EVHTTP_REQ_PUT)
        return HTTP_PUT;
    return type == EVHTTP_REQ_DELETE ? HTTP_DELETE : HTTP_OTHER;
}

static char *address_of(struct evhttp_connection *evcon)
{
    char *address = NULL; /* lent */
    ev_uint16_t port = 0;

    evhttp_connection_get_peer(evcon, &address, &port);
    return mem_strdup(address ? address : "");
}

static enum err_code framing(struct evhttp_request *req, struct err *err)
{
    enum evhttp_cmd_type type = evhttp_request_get_command(req);
    struct strict strict = {
        .major = (unsigned char)req->major,
        .minor = (unsigned char)req->minor,
        .may_have_body =
            type == EVHTTP_REQ_POST || type == EVHTTP_REQ_PUT || type == EVHTTP_REQ_PATCH,
    };
    struct evkeyvalq *headers = evhttp_request_get_input_headers(req);

    for (struct evkeyval *h = headers->tqh_first; h; h = h->next.tqe_next)
        strict_header(&strict, h->key, h->value);
    return strict_check(&strict, err);
}

static void refuse(struct http_call *call, const struct err *err)
{
    struct err copy = *err;
    struct problem problem = { .status = 400, .code = copy.code, .detail = copy.text };
    char *text = problem_encode(&problem);

    call->refused = true;
    call->conn->refused = true;
    call->server->stats.refused_framing++;
    http_answer(call, problem.status, "application/problem+json", &text, strlen(text));
}

void call_begin(struct http_server *server, struct evhttp_request *req)
{
    struct evhttp_connection *evcon = evhttp_request_get_connection(req);
    struct bufferevent *bev = evhttp_connection_get_bufferevent(evcon);
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
    struct evbuffer *input = evhttp_request_get_input_buffer(req);
    const char *path = evhttp_uri_get_path(uri);
    const char *query = evhttp_uri_get_query(uri);
    struct http_call *call = mem_new(1, sizeof(*call));
    struct conn *conn = tls_session_user(server->tls, bufferevent_openssl_get_ssl(bev));

    *call = (struct http_call){ .server = server, .conn = conn, .req = req };
    call->method = method_of(evhttp_request_get_command(req));
    call->client = address_of(evcon);
    call->began_us = clock_mono_us(server->clock);
    call->path = mem_strdup(path && *path ? path : "/");
    call->query = mem_strdup(query ? query : "");
    call->body_bytes = evbuffer_get_length(input);
    call->body = mem_new(call->body_bytes + 1, 1);
    INVARIANT(evbuffer_remove(input, call->body, call->body_bytes) == (int)call->body_bytes);
    server->stats.requests++;
    server->stats.calls++;
    evhttp_connection_set_closecb(evcon, on_close, call);
    conn_dispatched(conn);
    if (http_call_header(call, "Expect"))
        conn_start_later(conn, call);
    else
        call_start(call);
}

void call_start(struct http_call *call)
{
    struct conn *conn = call->conn;
    struct err err = ERR_INIT;

    if (framing(call->req, &err)) {
        refuse(call, &err);
        return;
    }
    call->server->handler(call->server->ctx, call);
    if (conn->guard.phase == GUARD_HELD) /* the call may be freed by now, the connection is not */
        conn_hold(conn);
}
