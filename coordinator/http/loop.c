#include "loop.h"

#include <event2/event.h>
#include <event2/thread.h>
#include <signal.h>
#include <stdlib.h>

#include "log.h"
#include "mem.h"

struct loop {
    struct event_base *base;
};
struct loop_source {
    struct event *ev;
    loop_fn fn;
    void *ctx;
};

static void to_our_log(int severity, const char *text)
{
    enum log_level level = severity >= EVENT_LOG_ERR    ? LOG_ERROR
                           : severity == EVENT_LOG_WARN ? LOG_WARN
                                                        : LOG_DEBUG;

    log_event(level, "libevent why=\"%s\"", text);
}

enum err_code loop_new(struct loop **out, struct err *err)
{
    struct loop *loop;
    struct event_base *base;

    event_set_log_callback(to_our_log);
    if (evthread_use_pthreads() || !(base = event_base_new()))
        return err_set(err, ERR_IO, "cannot make an event loop");
    (void)signal(SIGPIPE, SIG_IGN); /* a closed peer is seen as EPIPE */
    loop = mem_new(1, sizeof(*loop));
    loop->base = base;
    *out = loop;
    return ERR_NONE;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    event_base_free(loop->base);
    free(loop);
}

void loop_run(struct loop *loop)
{
    (void)event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void loop_stop(struct loop *loop)
{
    (void)event_base_loopbreak(loop->base);
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct loop_source *source = arg;

    (void)fd;
    (void)what;
    source->fn(source->ctx);
}

static struct loop_source *source_new(struct loop *loop, int fd, short what, loop_fn fn, void *ctx)
{
    struct loop_source *source = mem_new(1, sizeof(*source));

    *source = (struct loop_source){ .fn = fn, .ctx = ctx };
    source->ev = event_new(loop->base, fd, what, on_event, source);
    INVARIANT(source->ev != NULL);
    return source;
}

void loop_arm(struct loop_source *timer, uint64_t delay_ms)
{
    struct timeval delay = { .tv_sec = (time_t)(delay_ms / 1000),
                             .tv_usec = (suseconds_t)(delay_ms % 1000 * 1000) };

    INVARIANT(event_add(timer->ev, &delay) == 0);
}

struct loop_source *loop_every(struct loop *loop, uint64_t interval_ms, loop_fn fn, void *ctx)
{
    struct loop_source *timer = source_new(loop, -1, EV_PERSIST, fn, ctx);

    loop_arm(timer, interval_ms);
    return timer;
}

struct loop_source *loop_timer(struct loop *loop, loop_fn fn, void *ctx)
{
    return source_new(loop, -1, 0, fn, ctx);
}

struct loop_source *loop_on_signal(struct loop *loop, int signo, loop_fn fn, void *ctx)
{
    struct loop_source *sig = source_new(loop, signo, EV_SIGNAL | EV_PERSIST, fn, ctx);

    INVARIANT(event_add(sig->ev, NULL) == 0);
    return sig;
}

struct loop_source *loop_bell(struct loop *loop, loop_fn fn, void *ctx)
{
    return source_new(loop, -1, 0, fn, ctx);
}

void loop_ring(struct loop_source *bell)
{
    event_active(bell->ev, 0, 0);
}

void loop_source_free(struct loop_source *source)
{
    if (source)
        event_free(source->ev);
    free(source);
}
