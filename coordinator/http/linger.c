/* After a refusal the client may still be sending. Closing at once would make the kernel reset the
 * connection and throw the refusal away, so the socket is kept a little longer and what comes is
 * dropped. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "inner.h"
#include "mem.h"

#define LINGER_S          5
#define LINGER_BYTES_MAX  (64u << 20)
#define LINGERS_MAX       32u /* of a server; above it sockets are closed at once */
#define LINGER_READ_BYTES 16384

struct lingerer {
    struct http_server *server;
    struct lingerer *prev, *next;
    struct event *readable, *timeout;
    int fd;
    uint64_t dropped_bytes;
};

static void linger_end(struct lingerer *linger)
{
    struct http_server *server = linger->server;

    if (linger->prev)
        linger->prev->next = linger->next;
    else
        server->lingers = linger->next;
    if (linger->next)
        linger->next->prev = linger->prev;
    server->linger_count--;
    event_free(linger->readable);
    event_free(linger->timeout);
    (void)close(linger->fd);
    free(linger);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct lingerer *linger = arg;
    char dropped[LINGER_READ_BYTES];
    ssize_t n = read(fd, dropped, sizeof(dropped));

    (void)what;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        linger->dropped_bytes += (uint64_t)n;
    if (n <= 0 || linger->dropped_bytes > LINGER_BYTES_MAX)
        linger_end(linger);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    linger_end(arg);
}

void linger_start(struct http_server *server, int fd)
{
    struct lingerer *linger;
    struct timeval most = { .tv_sec = LINGER_S };
    int copy = server->linger_count < LINGERS_MAX ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;

    if (copy < 0)
        return;
    linger = mem_new(1, sizeof(*linger));
    *linger = (struct lingerer){ .server = server, .next = server->lingers, .fd = copy };
    linger->readable = event_new(server->base, copy, EV_READ | EV_PERSIST, on_readable, linger);
    linger->timeout = event_new(server->base, -1, 0, on_timeout, linger);
    INVARIANT(linger->readable && linger->timeout);
    INVARIANT(event_add(linger->readable, NULL) == 0 && event_add(linger->timeout, &most) == 0);
    if (linger->next)
        linger->next->prev = linger;
    server->lingers = linger;
    server->linger_count++;
}

void lingers_free(struct http_server *server)
{
    for (struct lingerer *linger = server->lingers, *next; linger; linger = next) {
        next = linger->next;
        linger_end(linger);
    }
}
