/* drive.c - plays the supervisor for remote.h: "runs" tests by waiting, so that the network side
 * can be tested without Python.
 *
 *   drive TESTS WORKERS MS [OPTIONS of makespan run]
 *
 * Prints what it is told, a line each, and exits with what it was told to. SIGTERM drains. */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "options/target.h"
#include "source/remote.h"

#define TESTS_MAX   1000000u
#define WORKERS_MAX 64u
#define ID_BYTES    300

struct job {
    char *id;
    uint64_t fence;
};

struct worker {
    struct drive *drive;
    struct event *timer;
    struct job job; /* id NULL: idle */
};

struct drive {
    struct event_base *base;
    struct source *source;
    struct manifest *manifest;
    uint32_t tests, worker_count, ms;
    struct worker workers[WORKERS_MAX];
    struct job *queue; /* the next one is the last */
    size_t queue_len, queue_cap;
    bool ending, left;
    uint32_t exit;
};

static uint32_t free_workers(const struct drive *d)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < d->worker_count; i++)
        n += d->workers[i].job.id == NULL;
    return n;
}

static void tell_idle(struct drive *d)
{
    struct need need = { .backlog_us = (uint64_t)d->queue_len * d->ms * 1000 };

    need.dry_us = need.backlog_us / d->worker_count;
    d->source->ops->idle(d->source, free_workers(d), need);
    if (d->ending && free_workers(d) == d->worker_count && !d->left) {
        d->left = true;
        d->source->ops->leave(d->source, &(struct source_leave){ .runner_exit = 0 });
    }
}

static void feed(struct drive *d)
{
    struct timeval tv = { .tv_sec = d->ms / 1000, .tv_usec = d->ms % 1000 * 1000 };

    for (uint32_t i = 0; i < d->worker_count && d->queue_len > 0; i++) {
        struct worker *w = &d->workers[i];

        if (w->job.id)
            continue;
        w->job = d->queue[--d->queue_len];
        d->source->ops->started(d->source, w->job.id, 0);
        (void)evtimer_add(w->timer, &tv);
    }
}

static void on_done(evutil_socket_t fd, short what, void *ctx)
{
    struct worker *w = ctx;
    struct result result = { .test = { .id = w->job.id },
                             .fence = w->job.fence,
                             .worker = (uint32_t)(w - w->drive->workers),
                             .outcome = OUTCOME_PASSED,
                             .call_us = (uint64_t)w->drive->ms * 1000 };

    (void)fd;
    (void)what;
    w->job = (struct job){ 0 };
    w->drive->source->ops->result(w->drive->source, &result);
    feed(w->drive);
    tell_idle(w->drive);
}

static void on_joined(void *ctx, uint64_t seed, uint64_t worker_bytes)
{
    struct drive *d = ctx;
    struct view none = { .at = "", .len = 0 };
    struct err err = ERR_INIT;
    char id[ID_BYTES];

    (void)worker_bytes;
    printf("joined %llu\n", (unsigned long long)seed);
    for (uint32_t i = 0; i < d->tests; i++) {
        /* Long and different from their beginning on, so that a large manifest has several parts.
         */
        int len = snprintf(id, sizeof(id), "%08x/test_%u.py::test_%0*u", i * 2654435761u, i,
                           d->tests > 5000 ? 200 : 1, i);

        INVARIANT(!manifest_add(d->manifest, (struct view){ .at = id, .len = (size_t)len }, none,
                                none, &err));
    }
    manifest_seal(d->manifest);
    d->source->ops->collected(
        d->source, &(struct source_collected){ .manifest = d->manifest, .runtime = "drive-1" });
}

static void on_sealed(void *ctx, const struct source_costs *costs)
{
    (void)costs;
    printf("sealed\n");
    tell_idle(ctx);
}

static void on_granted(void *ctx, uint64_t fence, const struct order_test *tests, uint32_t count)
{
    struct drive *d = ctx;

    d->queue = mem_grow(d->queue, &d->queue_cap, d->queue_len + count, sizeof(*d->queue));
    for (uint32_t i = 0; i < count; i++)
        d->queue[d->queue_len++] =
            (struct job){ .id = mem_strdup(tests[i].ref.id), .fence = fence };
    feed(d);
    tell_idle(d);
}

/* Gives back what is queued and, if tests are named, is one of them. */
static void release(struct drive *d, const struct order_test *tests, uint32_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < d->queue_len; i++) {
        bool named = tests == NULL;

        for (uint32_t k = 0; k < count && !named; k++)
            named = strcmp(tests[k].ref.id, d->queue[i].id) == 0;
        if (named) {
            const struct test_ref ref = { .id = d->queue[i].id };

            d->source->ops->release(d->source, &ref, 1);
            printf("released %s\n", ref.id);
            free(d->queue[i].id);
        } else {
            d->queue[kept++] = d->queue[i];
        }
    }
    d->queue_len = kept;
}

static void on_recalled(void *ctx, const struct order_test *tests, uint32_t count)
{
    release(ctx, tests, count);
    tell_idle(ctx);
}

static void on_cancelled(void *ctx, const char *reason)
{
    printf("cancelled %s\n", reason);
    release(ctx, NULL, 0);
}

static void on_cut_off(void *ctx)
{
    (void)ctx;
    printf("cut off\n");
}

static void on_ended(void *ctx, const char *message)
{
    struct drive *d = ctx;

    printf("ended %s\n", message);
    d->ending = true;
    tell_idle(d);
}

static void on_left(void *ctx, uint32_t exit, const struct verdict_answer *verdict)
{
    struct drive *d = ctx;

    printf("left %u %s\n", exit, verdict_name(verdict->verdict));
    d->exit = exit;
    (void)event_base_loopbreak(d->base);
}

static void on_failed(void *ctx, const struct err *err)
{
    struct drive *d = ctx;

    printf("failed %s: %s\n", err_name(err->code), err->text);
    d->exit = EXIT_UNDELIVERED;
    (void)event_base_loopbreak(d->base);
}

static void on_term(evutil_socket_t fd, short what, void *ctx)
{
    struct drive *d = ctx;

    (void)fd;
    (void)what;
    d->source->ops->drain(d->source, "SIGTERM");
    release(d, NULL, 0);
    d->ending = true;
    tell_idle(d);
}

static void say(void *ctx, const char *line)
{
    (void)ctx;
    printf("say %s\n", line);
}

static void run(struct drive *d, const struct target *target)
{
    static const struct source_events events = {
        .joined = on_joined,
        .sealed = on_sealed,
        .granted = on_granted,
        .recalled = on_recalled,
        .cut_off = on_cut_off,
        .cancelled = on_cancelled,
        .ended = on_ended,
        .left = on_left,
        .failed = on_failed,
    };
    const struct remote_opts opts = { .base = d->base,
                                      .clock = clock_system(),
                                      .target = target,
                                      .workers = d->worker_count,
                                      .fingerprint = "drive",
                                      .command = "drive",
                                      .say = say };
    struct event *term = evsignal_new(d->base, SIGTERM, on_term, d);
    struct err err = ERR_INIT;

    INVARIANT(term && evsignal_add(term, NULL) == 0);
    for (uint32_t i = 0; i < d->worker_count; i++) {
        d->workers[i] = (struct worker){ .drive = d };
        d->workers[i].timer = evtimer_new(d->base, on_done, &d->workers[i]);
        INVARIANT(d->workers[i].timer);
    }
    d->manifest = manifest_new();
    INVARIANT(!remote_new(&opts, &events, d, &d->source, &err));
    d->source->ops->start(d->source);
    (void)event_base_dispatch(d->base);
    d->source->ops->free(d->source);
    manifest_free(d->manifest);
    for (uint32_t i = 0; i < d->worker_count; i++) {
        event_free(d->workers[i].timer);
        free(d->workers[i].job.id);
    }
    for (size_t i = 0; i < d->queue_len; i++)
        free(d->queue[i].id);
    free(d->queue);
    event_free(term);
}

int main(int argc, char **argv)
{
    struct drive d = { 0 };
    struct event_config *config = event_config_new();
    struct options options = OPTIONS_INIT;
    struct target target;
    struct cfg_option rows[OPTIONS_ROWS_MAX];
    struct cfg_command command = { .usage = "drive", .about = "", .options = rows };
    struct err err = ERR_INIT;
    int rest = 0;
    bool help = false;

    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc < 4 || parse_u32(argv[1], 1, TESTS_MAX, &d.tests, &err) ||
        parse_u32(argv[2], 1, WORKERS_MAX, &d.worker_count, &err) ||
        parse_u32(argv[3], 0, 100000, &d.ms, &err))
        return EXIT_USAGE;
    command.option_count =
        options_rows(&options, OPTIONS_SERVER | OPTIONS_RUN | OPTIONS_SLOT, rows);
    if (cfg_parse(&command, argc - 3, argv + 3, &rest, &help, &err) ||
        target_resolve(&options, "drive", &target, &err) ||
        (!target.url && err_set(&err, ERR_USAGE, "MAKESPAN_URL is not set"))) {
        printf("failed %s: %s\n", err_name(err.code), err.text);
        return EXIT_USAGE;
    }
    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    d.base = event_base_new_with_config(config);
    INVARIANT(d.base);
    event_config_free(config);
    run(&d, &target);
    event_base_free(d.base);
    target_fini(&target);
    options_fini(&options);
    return (int)d.exit;
}
