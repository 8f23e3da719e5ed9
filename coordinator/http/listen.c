/* Sockets to listen on: addresses as people write them, both kinds of IP, clear refusals. */
#include <errno.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fs.h"
#include "inner.h"
#include "log.h"
#include "mem.h"

#define BACKLOG        4096
#define HOST_BYTES_MAX 254
#define UNSENT_BYTES   (128 << 10)

struct listener {
    struct listener *next;
    struct evconnlistener *socket; /* evhttp's to free */
};

void listeners_turn(struct listener *listeners, bool on)
{
    for (struct listener *l = listeners; l; l = l->next)
        (void)(on ? evconnlistener_enable(l->socket) : evconnlistener_disable(l->socket));
}

void listeners_free(struct listener *listeners)
{
    while (listeners) {
        struct listener *next = listeners->next;

        free(listeners);
        listeners = next;
    }
}

/* "[V6]:PORT", "HOST:PORT" or ":PORT" into its two halves. */
static enum err_code split(const char *address, char host[HOST_BYTES_MAX], const char **out_port,
                           struct err *err)
{
    const char *colon = strrchr(address, ':');
    const char *from = address;
    size_t len = colon ? (size_t)(colon - address) : 0;
    uint32_t port;

    if (!colon || parse_u32(colon + 1, 0, 65535, &port, err))
        return err_set(err, ERR_USAGE, "address '%s' is not HOST:PORT, [IPV6]:PORT or :PORT",
                       address);
    if (len >= 2 && from[0] == '[' && colon[-1] == ']') {
        from++;
        len -= 2;
    } else if (memchr(from, ':', len)) {
        return err_set(err, ERR_USAGE, "address '%s': put brackets around the IPv6 address",
                       address);
    }
    if (len >= HOST_BYTES_MAX)
        return err_set(err, ERR_USAGE, "address '%s': the host is too long", address);
    memcpy(host, from, len);
    host[len] = '\0';
    *out_port = colon + 1;
    return ERR_NONE;
}

static enum err_code bound_socket(const struct addrinfo *at, const char *address, int *out_fd,
                                  struct err *err)
{
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    int off = 0;
    int unsent_bytes = UNSENT_BYTES;
    enum err_code rc = ERR_NONE;

    if (fd < 0)
        return err_errno(err, errno, "listen on %s", address);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    /* Accepted sockets inherit both. The second lets an answer move on in small steps, so that a
     * slow reader is told from one that stands still. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_bytes, sizeof(unsent_bytes));
    if (at->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, at->ai_addr, at->ai_addrlen) || listen(fd, BACKLOG)) {
        if (errno == EADDRINUSE)
            rc = err_set(err, ERR_CONFLICT, "%s is in use by another program", address);
        else
            rc = err_errno(err, errno, "listen on %s", address);
        fd_close(&fd);
        return rc;
    }
    *out_fd = fd;
    return ERR_NONE;
}

static enum err_code listen_on(const char *host, const char *port, const char *address, int *out_fd,
                               struct err *err)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    struct addrinfo *list = NULL;
    enum err_code rc = ERR_NONE;
    int found = getaddrinfo(*host ? host : "::", port, &hints, &list);
    bool every = !*host || strcmp(host, "::") == 0;

    if (found)
        return err_set(err, ERR_INVALID, "listen on %s: %s", address, gai_strerror(found));
    rc = bound_socket(list, address, out_fd, err);
    freeaddrinfo(list);
    if (rc == ERR_IO && every) /* no IPv6 on this machine */
        return listen_on("0.0.0.0", port, address, out_fd, err);
    return rc;
}

static void name_of(int fd, char out[HTTP_ADDRESS_BYTES])
{
    struct sockaddr_storage at = { 0 };
    socklen_t len = sizeof(at);
    char host[64] = "?"; /* numeric */
    char port[8] = "0";

    INVARIANT(getsockname(fd, (struct sockaddr *)&at, &len) == 0);
    (void)getnameinfo((struct sockaddr *)&at, len, host, sizeof(host), port, sizeof(port),
                      NI_NUMERICHOST | NI_NUMERICSERV);
    (void)snprintf(out, HTTP_ADDRESS_BYTES, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

/* No descriptor or memory for the next client: rest until the sweep turns this listener on again.
 * arg is evhttp's. */
static void on_accept_error(struct evconnlistener *socket, void *arg)
{
    (void)arg;
    log_warn("accept_failed why=\"%s\"", strerror(errno));
    (void)evconnlistener_disable(socket);
}

enum err_code http_server_listen(struct http_server *server, const char *address,
                                 char out[HTTP_ADDRESS_BYTES], struct err *err)
{
    struct listener *listener;
    char host[HOST_BYTES_MAX] = "";
    const char *port = NULL;
    int fd = -1;
    enum err_code rc = split(address, host, &port, err);

    if (!rc)
        rc = listen_on(host, port, address, &fd, err);
    if (rc)
        return rc;
    listener = mem_new(1, sizeof(*listener));
    listener->socket = evconnlistener_new(server->base, NULL, NULL,
                                          LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    INVARIANT(listener->socket && evhttp_bind_listener(server->evhttp, listener->socket));
    evconnlistener_set_error_cb(listener->socket, on_accept_error);
    listener->next = server->listeners;
    server->listeners = listener;
    name_of(fd, out);
    return ERR_NONE;
}
