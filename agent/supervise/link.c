#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "fs.h"
#include "id.h"
#include "machine/os.h"
#include "mem.h"

#define HELLO_BYTES_MAX (64u << 10)
#define HELLO_SECONDS   30
#define BACKLOG         128
#define ACCEPT_TRIES    20u
#define ACCEPT_WAIT_MS  100
#define PEERS_MAX       (2 * PROTO_WORKERS_MAX)
#define READ_BYTES_MAX  (256u << 10) /* a turn */
#define UNSENT_HIGH     (32u << 20)  /* then nobody else is read until it is below UNSENT_LOW */
#define UNSENT_LOW      (1u << 20)

struct peer {
    struct link *link;
    struct bufferevent *bev;
    struct peer *next, *before;
    enum frame_role role; /* ROLE_NONE before HELLO */
    uint32_t slot, pid;
    bool busy, doomed; /* inside a callback; to be freed at its end */
    bool rests;        /* is not read before the link's timer */
};

struct link {
    struct link_opts opts; /* path belongs to the caller */
    struct evconnlistener *listener;
    struct event *rest;  /* pending while a peer rests */
    struct event *retry; /* pending while nobody is accepted */
    uint32_t failures;   /* of accept, one after another */
    struct peer *peers;
    struct peer *slow; /* the reader that all others wait for */
    uint32_t peer_count;
};

/* A terminal that is held up must not fill our memory: the others wait with what they have to say.
 */
static void pause_for(struct peer *slow)
{
    struct link *link = slow->link;

    if (link->slow)
        return;
    link->slow = slow;
    for (struct peer *peer = link->peers; peer; peer = peer->next) {
        if (peer != slow)
            (void)bufferevent_disable(peer->bev, EV_READ);
    }
}

static void resume(struct link *link)
{
    link->slow = NULL;
    for (struct peer *peer = link->peers; peer; peer = peer->next) {
        peer->rests = false;
        (void)bufferevent_enable(peer->bev, EV_READ);
    }
}

static void rest(struct peer *peer)
{
    const struct timeval wait = { .tv_usec = LINK_REST_MS * 1000 };

    peer->rests = true;
    (void)bufferevent_disable(peer->bev, EV_READ);
    if (!evtimer_pending(peer->link->rest, NULL))
        (void)evtimer_add(peer->link->rest, &wait);
}

static void on_rested(evutil_socket_t fd, short what, void *ctx)
{
    struct link *link = ctx;

    (void)fd;
    (void)what;
    for (struct peer *peer = link->peers; peer && !link->slow; peer = peer->next) {
        if (peer->rests)
            (void)bufferevent_enable(peer->bev, EV_READ);
        peer->rests = false;
    }
}

static void peer_free(struct peer *peer)
{
    if (peer->before)
        peer->before->next = peer->next;
    else
        peer->link->peers = peer->next;
    if (peer->next)
        peer->next->before = peer->before;
    peer->link->peer_count--;
    if (peer->link->slow == peer)
        resume(peer->link);
    bufferevent_free(peer->bev);
    free(peer);
}

void peer_close(struct peer *peer)
{
    if (peer->busy)
        peer->doomed = true;
    else
        peer_free(peer);
}

static void refuse(struct peer *peer, const char *why)
{
    peer->doomed = true;
    peer->link->opts.events->refused(peer->link->opts.ctx, why);
}

static void meet(struct peer *peer, const struct frame *frame)
{
    struct link *link = peer->link;
    struct hello hello;
    struct err err = ERR_INIT;

    if (frame->kind != FRAME_HELLO || frame->size > HELLO_BYTES_MAX) {
        refuse(peer, "its first frame was not a HELLO");
        return;
    }
    if (hello_decode(frame, &hello, &err)) {
        refuse(peer, err.text);
        return;
    }
    if (!secret_eq(hello.key, link->opts.key)) {
        refuse(peer, "its key is wrong");
    } else {
        peer->role = hello.role;
        peer->slot = hello.slot;
        peer->pid = hello.pid;
        bufferevent_set_timeouts(peer->bev, NULL, NULL);
        if (!link->opts.events->joined(link->opts.ctx, peer, &hello))
            peer->doomed = true;
    }
    hello_fini(&hello);
}

/* Tells the owner and dooms the peer, once. */
static void part(struct peer *peer, const char *why)
{
    if (peer->doomed)
        return;
    peer->doomed = true;
    if (peer->role == ROLE_NONE)
        peer->link->opts.events->refused(peer->link->opts.ctx,
                                         why ? why : "it left before its HELLO");
    else
        peer->link->opts.events->closed(peer->link->opts.ctx, peer, why);
}

/* One whole frame from the input; false when there is none. */
static bool take_frame(struct peer *peer, struct evbuffer *input)
{
    uint8_t header[FRAME_HEADER_BYTES];
    struct frame frame;
    struct err err = ERR_INIT;
    size_t whole;

    if (evbuffer_copyout(input, header, sizeof(header)) < (ev_ssize_t)sizeof(header))
        return false;
    if (frame_header_decode(header, &frame, &err)) {
        part(peer, err.text);
        return false;
    }
    if (peer->role == ROLE_NONE && frame.size > HELLO_BYTES_MAX) {
        part(peer, "its first frame is too large");
        return false;
    }
    whole = sizeof(header) + frame.size;
    if (evbuffer_get_length(input) < whole) {
        bufferevent_setwatermark(peer->bev, EV_READ, whole, 0);
        return false;
    }
    frame.payload = (const char *)evbuffer_pullup(input, (ev_ssize_t)whole) + sizeof(header);
    if (peer->role == ROLE_NONE)
        meet(peer, &frame);
    else
        peer->link->opts.events->frame(peer->link->opts.ctx, peer, &frame);
    (void)evbuffer_drain(input, whole);
    return true;
}

static void on_read(struct bufferevent *bev, void *ctx)
{
    struct peer *peer = ctx;
    struct evbuffer *input = bufferevent_get_input(bev);

    INVARIANT(!peer->busy);
    peer->busy = true;
    bufferevent_setwatermark(bev, EV_READ, 0, 0);
    while (!peer->doomed && take_frame(peer, input)) {
    }
    if (!peer->doomed && peer->role != ROLE_NONE && !peer->link->slow &&
        peer->link->opts.events->may_rest(peer->link->opts.ctx, peer))
        rest(peer);
    peer->busy = false;
    if (peer->doomed)
        peer_free(peer);
}

static void on_written(struct bufferevent *bev, void *ctx)
{
    struct peer *peer = ctx;

    (void)bev;
    if (peer->link->slow == peer)
        resume(peer->link);
}

/* It went, and does not hear us any more. What it had said before is still to be read, to its end.
 */
static void stop_writing(struct peer *peer)
{
    struct evbuffer *unsent = bufferevent_get_output(peer->bev);

    (void)bufferevent_disable(peer->bev, EV_WRITE);
    (void)evbuffer_drain(unsent, evbuffer_get_length(unsent));
    if (peer->link->slow == peer)
        resume(peer->link);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
    struct peer *peer = ctx;

    (void)bev;
    if (what & BEV_EVENT_CONNECTED)
        return;
    if ((what & BEV_EVENT_WRITING) && (what & BEV_EVENT_ERROR)) {
        stop_writing(peer);
        return;
    }
    peer->busy = true;
    if (what & BEV_EVENT_TIMEOUT)
        part(peer, "it said nothing");
    else if ((what & BEV_EVENT_ERROR) && errno != 0 && errno != ECONNRESET && errno != EPIPE)
        part(peer, strerror(errno));
    else
        part(peer, NULL);
    peer_free(peer);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int len, void *ctx)
{
    const struct timeval patience = { .tv_sec = HELLO_SECONDS };
    struct link *link = ctx;
    uint32_t uid = UINT32_MAX, pid = 0;
    struct peer *peer;
    int owned = (int)fd;

    (void)listener;
    (void)address;
    (void)len;
    link->failures = 0;
    if (!os_peer(owned, &uid, &pid) || uid != (uint32_t)geteuid() ||
        link->peer_count >= PEERS_MAX) {
        fd_close(&owned);
        link->opts.events->refused(link->opts.ctx, uid == (uint32_t)geteuid()
                                                       ? "too many connections"
                                                       : "it is of another user");
        return;
    }
    peer = mem_new(1, sizeof(*peer));
    peer->link = link;
    peer->bev = bufferevent_socket_new(link->opts.base, fd, BEV_OPT_CLOSE_ON_FREE);
    INVARIANT(peer->bev);
    peer->next = link->peers;
    if (link->peers)
        link->peers->before = peer;
    link->peers = peer;
    link->peer_count++;
    (void)bufferevent_set_max_single_read(peer->bev, READ_BYTES_MAX);
    bufferevent_setcb(peer->bev, on_read, on_written, on_event, peer);
    bufferevent_setwatermark(peer->bev, EV_WRITE, UNSENT_LOW, 0);
    bufferevent_set_timeouts(peer->bev, &patience, NULL);
    (void)bufferevent_enable(peer->bev, EV_READ | EV_WRITE);
}

static void on_retry(evutil_socket_t fd, short what, void *ctx)
{
    const struct link *link = ctx;

    (void)fd;
    (void)what;
    (void)evconnlistener_enable(link->listener);
}

/* Memory or descriptors may be short for a moment only. Until it has passed, whoever wants to
 * connect waits, and must not be noticed again and again. */
static void on_accept_error(struct evconnlistener *listener, void *ctx)
{
    const struct timeval wait = { .tv_usec = ACCEPT_WAIT_MS * 1000 };
    struct link *link = ctx;
    int why = EVUTIL_SOCKET_ERROR();

    (void)evconnlistener_disable(listener);
    if (++link->failures == ACCEPT_TRIES)
        link->opts.events->deaf(link->opts.ctx, why);
    else
        (void)evtimer_add(link->retry, &wait);
}

enum err_code link_new(const struct link_opts *opts, struct link **out, struct err *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct link *link;
    size_t len = strlen(opts->path);

    if (len >= sizeof(address.sun_path))
        return err_set(err, ERR_USAGE,
                       "the path %s is too long for a socket (%zu bytes); set TMPDIR to a shorter "
                       "folder",
                       opts->path, sizeof(address.sun_path) - 1);
    memcpy(address.sun_path, opts->path, len + 1);
    link = mem_new(1, sizeof(*link));
    link->opts = *opts;
    link->rest = evtimer_new(opts->base, on_rested, link);
    link->retry = evtimer_new(opts->base, on_retry, link);
    INVARIANT(link->rest && link->retry);
    link->listener = evconnlistener_new_bind(opts->base, on_accept, link,
                                             LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, BACKLOG,
                                             (struct sockaddr *)&address, (int)sizeof(address));
    if (!link->listener) {
        event_free(link->rest);
        event_free(link->retry);
        free(link);
        return err_errno(err, errno, "listen at %s", opts->path);
    }
    evconnlistener_set_error_cb(link->listener, on_accept_error);
    *out = link;
    return ERR_NONE;
}

void link_free(struct link *link)
{
    if (!link)
        return;
    evconnlistener_free(link->listener);
    (void)unlink(link->opts.path); /* its folder goes too */
    for (struct peer *peer = link->peers, *next; peer; peer = next) {
        next = peer->next;
        peer_free(peer);
    }
    event_free(link->rest);
    event_free(link->retry);
    free(link);
}

void peer_send(struct peer *peer, const struct frame *frame)
{
    uint8_t header[FRAME_HEADER_BYTES];
    struct evbuffer *output = bufferevent_get_output(peer->bev);

    frame_header_encode(frame, header);
    INVARIANT(evbuffer_add(output, header, sizeof(header)) == 0);
    INVARIANT(frame->size == 0 || evbuffer_add(output, frame->payload, frame->size) == 0);
    if (evbuffer_get_length(output) > UNSENT_HIGH)
        pause_for(peer);
}

enum frame_role peer_role(const struct peer *peer)
{
    return peer->role;
}

uint32_t peer_slot(const struct peer *peer)
{
    return peer->slot;
}

uint32_t peer_pid(const struct peer *peer)
{
    return peer->pid;
}
