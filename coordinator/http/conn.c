/* One connection: what its buffers tell the guard, and what evhttp must not do while a request is
 * held. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "inner.h"
#include "mem.h"
#include "proto.h"
#include "tls.h"

#define HELD_INPUT_BYTES_MAX (64u << 10)  /* of a next request that is sent before its turn */
#define BIG_REQUEST_BYTES    (256u << 10) /* may be cut when memory for requests runs out */
#define ONE_RECORD_BYTES     (64u << 10)  /* an answer up to this is copied into one piece */

static uint64_t now_ms(const struct conn *conn)
{
    return clock_mono_ms(conn->server->clock);
}

static void forget_request_bytes(struct conn *conn)
{
    conn->server->stats.buffered_bytes -= conn->request_bytes;
    conn->request_bytes = 0;
}

static void count_request_bytes(struct conn *conn, size_t bytes)
{
    struct http_server *server = conn->server;

    if (conn->cut) /* what the kernel still had of it */
        return;
    conn->request_bytes += bytes;
    server->stats.buffered_bytes += bytes;
    if (server->stats.buffered_bytes > server->buffered_bytes_max &&
        conn->request_bytes > BIG_REQUEST_BYTES) {
        server->stats.cut_memory++;
        forget_request_bytes(conn);
        conn_cut(conn);
    }
}

static void on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
    struct conn *conn = arg;

    (void)input;
    if (!info->n_added)
        return;
    guard_step(&conn->guard, GUARD_EV_BYTES, info->n_added, now_ms(conn));
    count_request_bytes(conn, info->n_added);
}

static void on_output(struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg)
{
    struct conn *conn = arg;

    if (info->n_added && info->orig_size == 0 && !conn->ours)
        event_active(conn->error_ev, 0, 0);
    if (!info->n_deleted)
        return;
    if (conn->guard.phase == GUARD_SENDING)
        guard_step(&conn->guard, GUARD_EV_BYTES, info->n_deleted, now_ms(conn));
    if (conn->ends && evbuffer_get_length(output) == 0) {
        tls_session_end(bufferevent_openssl_get_ssl(conn->bev));
        if (conn->refused)
            linger_start(conn->server, bufferevent_getfd(conn->bev));
    }
}

static enum err_code code_of(const char *status)
{
    if (strcmp(status, "413") == 0)
        return ERR_TOO_LARGE;
    return strcmp(status, "501") == 0 ? ERR_METHOD : ERR_MALFORMED;
}

static const char *detail_of(enum err_code code)
{
    if (code == ERR_TOO_LARGE)
        return "the request is over the limit";
    return code == ERR_METHOD ? "the method is not known here" : "this is not well-formed HTTP";
}

/* evhttp answers what it cannot parse with an HTML page. It is still whole in the output buffer
 * here, as a socket is only written to after the next poll, and becomes our kind of error. */
static void on_error_page(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    struct evbuffer *output = bufferevent_get_output(conn->bev);
    char line[13] = ""; /* "HTTP/1.1 400" */
    const char *status = line + 9;
    struct problem problem = { 0 };
    struct err ignored = ERR_INIT;
    char detail[64] = "";
    char *body;

    (void)fd;
    (void)what;
    if (evbuffer_copyout(output, line, sizeof(line) - 1) != (ev_ssize_t)sizeof(line) - 1 ||
        strncmp(line, "HTTP/1.", 7) != 0 || parse_u32(status, 400, 599, &problem.status, &ignored))
        return; /* "100 Continue" */
    problem.code = code_of(status);
    (void)snprintf(detail, sizeof(detail), "%s", detail_of(problem.code));
    problem.detail = detail;
    body = problem_encode(&problem);
    (void)evbuffer_drain(output, evbuffer_get_length(output));
    conn->refused = true;
    conn_answering(conn, true);
    (void)evbuffer_add_printf(output,
                              "HTTP/1.1 %u Refused\r\nContent-Type: application/problem+json\r\n"
                              "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                              problem.status, strlen(body), body);
    free(body);
    conn->server->stats.refused_framing++;
}

static void on_start(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    struct http_call *call = conn->starting;

    (void)fd;
    (void)what;
    conn->starting = NULL;
    if (call)
        call_start(call);
}

/* On the loop's next turn: until then evhttp may still be called for having written "100 Continue",
 * and would take that for having written an answer that is in the output by now. */
void conn_start_later(struct conn *conn, struct http_call *call)
{
    conn->starting = call;
    conn_hold(conn);
    event_active(conn->start_ev, 0, 0);
}

struct bufferevent *conn_new(struct http_server *server)
{
    struct conn *conn = mem_new(1, sizeof(*conn));

    conn->server = server;
    conn->guard = guard_accepted(clock_mono_ms(server->clock));
    conn->error_ev = event_new(server->base, -1, 0, on_error_page, conn);
    conn->start_ev = event_new(server->base, -1, 0, on_start, conn);
    conn->bev = bufferevent_openssl_socket_new(server->base, -1, tls_session_new(server->tls, conn),
                                               BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
    INVARIANT(conn->error_ev && conn->start_ev && conn->bev);
    bufferevent_openssl_set_allow_dirty_shutdown(conn->bev, 1);
    INVARIANT(evbuffer_add_cb(bufferevent_get_input(conn->bev), on_input, conn));
    INVARIANT(evbuffer_add_cb(bufferevent_get_output(conn->bev), on_output, conn));
    conn->next = server->conns;
    if (conn->next)
        conn->next->prev = conn;
    server->conns = conn;
    server->stats.accepted++;
    server->stats.connections++;
    server_count(server);
    return conn->bev;
}

void conn_gone(void *arg)
{
    struct conn *conn = arg;
    struct http_server *server = conn->server;

    if (conn->prev)
        conn->prev->next = conn->next;
    else
        server->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    if (conn->guard.phase == GUARD_SENDING)
        server->stats.sending--;
    forget_request_bytes(conn);
    event_free(conn->error_ev);
    event_free(conn->start_ev);
    free(conn);
    server->stats.connections--;
    server_count(server);
}

void conn_dispatched(struct conn *conn)
{
    guard_step(&conn->guard, GUARD_EV_DISPATCHED, 0, now_ms(conn));
    bufferevent_setwatermark(conn->bev, EV_READ, 0, HELD_INPUT_BYTES_MAX);
}

/* evhttp stops reading while a request is held, and so would not see the client leave. It must not
 * be told of bytes either: in this state it takes them for a bug of its own and ends the program.
 */
void conn_hold(struct conn *conn)
{
    bufferevent_data_cb read_cb = NULL;
    bufferevent_data_cb write_cb = NULL;
    bufferevent_event_cb event_cb = NULL;
    void *arg = NULL;

    bufferevent_getcb(conn->bev, &read_cb, &write_cb, &event_cb, &arg);
    bufferevent_setcb(conn->bev, NULL, write_cb, event_cb, arg);
    (void)bufferevent_enable(conn->bev, EV_READ);
}

void conn_answering(struct conn *conn, bool ends)
{
    if (conn->guard.phase != GUARD_SENDING)
        conn->server->stats.sending++;
    guard_step(&conn->guard, GUARD_EV_ANSWERED, 0, now_ms(conn));
    bufferevent_setwatermark(conn->bev, EV_READ, 0, HELD_INPUT_BYTES_MAX);
    conn->ours = true;
    conn->ends = ends;
}

/* Header and body leave as one record: two would wait for each other (Nagle, delayed ACK). */
void conn_answered(struct conn *conn, size_t body_bytes)
{
    if (body_bytes <= ONE_RECORD_BYTES)
        (void)evbuffer_pullup(bufferevent_get_output(conn->bev), -1);
}

void conn_sent(struct conn *conn)
{
    size_t waiting = evbuffer_get_length(bufferevent_get_input(conn->bev));

    conn->server->stats.sending--;
    guard_step(&conn->guard, GUARD_EV_SENT, 0, now_ms(conn));
    forget_request_bytes(conn);
    conn->ours = false;
    if (waiting) { /* the next request is here already */
        guard_step(&conn->guard, GUARD_EV_BYTES, waiting, now_ms(conn));
        count_request_bytes(conn, waiting);
    }
    bufferevent_setwatermark(conn->bev, EV_READ, 0, 0);
}

void conn_cut(struct conn *conn)
{
    conn->cut = true;
    (void)shutdown(bufferevent_getfd(conn->bev), SHUT_RDWR);
}
