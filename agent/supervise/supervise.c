#include "supervise.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "fs.h"
#include "id.h"
#include "inner.h"
#include "mem.h"
#include "plan/bound.h"
#include "runner/bundle.h"

#define FOLDER_BYTES 65536u /* of the run's own folder; what workers write there as they start */

uint64_t now_us(const struct supervisor *s)
{
    return clock_mono_us(s->opts.clock);
}

uint64_t now_ms(const struct supervisor *s)
{
    return clock_mono_ms(s->opts.clock);
}

void set_timer(struct event *timer, uint64_t ms)
{
    struct timeval tv = { .tv_sec = (time_t)(ms / 1000),
                          .tv_usec = (suseconds_t)(ms % 1000 * 1000) };

    (void)evtimer_add(timer, &tv);
}

void say(const struct supervisor *s, const char *fmt, ...)
{
    char line[ERR_TEXT_BYTES];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    supervise_say(s, line);
}

/* pytest writes to the same place and puts our lines between its own, until the terminal has
 * interrupted it, or any signal before the tests run, when it does not outlive one. */
static bool pytest_says_it(const struct supervisor *s)
{
    bool is_interrupted =
        s->signal && (s->phase < PHASE_RUN || (s->foreground && s->signal == SIGINT));

    return s->reporter && s->one_output && s->phase >= PHASE_COLLECT && s->phase <= PHASE_RUN &&
           !is_interrupted;
}

void supervise_say(const struct supervisor *s, const char *line)
{
    if (s && pytest_says_it(s))
        tell(s->reporter, FRAME_NOTE, 0, 0, line);
    else if (s)
        s->opts.say(s->opts.say_ctx, line);
}

static bool is_one_output(void)
{
    struct stat out, err;

    return fstat(STDOUT_FILENO, &out) == 0 && fstat(STDERR_FILENO, &err) == 0 &&
           out.st_dev == err.st_dev && out.st_ino == err.st_ino;
}

static void keeper_said(struct supervisor *s, const struct keeper_event *event)
{
    struct err err = ERR_INIT;

    switch (event->kind) {
    case KEEPER_SPAWNED:
        s->command_pid = (uint32_t)event->pid;
        return;
    case KEEPER_SPAWN_FAILED:
        err_set(&err, ERR_RUNNER, "cannot start '%s': %s", s->opts.argv[0],
                strerror(event->status));
        gave_up(s, ERR_RUNNER, err.text);
        return;
    case KEEPER_STOPPED:
    case KEEPER_CONTINUED:
        worker_stopped(s, event);
        return;
    case KEEPER_EXITED:
        if ((uint32_t)event->pid == s->command_pid && !s->command_ended) {
            s->command_ended = true;
            s->command_status = event->status;
            command_ended(s);
        } else {
            worker_exited(s, event);
        }
        return;
    }
    UNREACHABLE("keeper event");
}

static void on_keeper(evutil_socket_t fd, short what, void *ctx)
{
    struct supervisor *s = ctx;
    struct keeper_event event;
    struct err err = ERR_INIT;
    bool any = true;

    (void)fd;
    (void)what;
    while (any && !s->finished) {
        if (keeper_next(s->opts.keeper, &event, &any, &err)) {
            s->fail_err = err;
            finish(s);
            return;
        }
        if (any)
            keeper_said(s, &event);
    }
}

static bool shares_terminal(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (isatty(fd))
            return tcgetpgrp(fd) == getpgrp();
    }
    return false;
}

static enum err_code make_folder(struct supervisor *s, struct err *err)
{
    struct str socket = STR_MAX(PATH_BYTES_MAX);
    enum err_code rc;

    if ((rc = fs_tempdir("makespan", &s->folder, err)) != ERR_NONE ||
        (rc = fs_has_room(s->folder, FOLDER_BYTES, err)) != ERR_NONE ||
        (rc = str_addf(&socket, err, "%s/agent", s->folder)) != ERR_NONE)
        goto out;
    s->socket_path = str_take(&socket);
    if ((rc = keeper_sweep(s->opts.keeper, s->folder, err)) == ERR_NONE)
        rc = bundle_place(s->folder, &s->python_folder, err);
out:
    str_fini(&socket);
    return rc;
}

static enum err_code listen_for_runner(struct supervisor *s, struct err *err)
{
    struct link_opts opts = { .base = s->opts.base,
                              .path = s->socket_path,
                              .key = s->key,
                              .events = link_events_of_supervisor(),
                              .ctx = s };

    return link_new(&opts, &s->link, err);
}

enum err_code supervise_new(const struct supervise_opts *opts, struct supervisor **out,
                            struct err *err)
{
    struct supervisor *s = mem_new(1, sizeof(*s));
    enum err_code rc;

    s->opts = *opts;
    s->report.exit = EXIT_INTERNAL; /* until somebody knows better */
    s->ending_status = s->collector = FRAME_ANY;
    s->max_restarts = FRAME_ANY;
    s->foreground = shares_terminal();
    s->one_output = is_one_output();
    s->manifest = manifest_new();
    s->grace = evtimer_new(opts->base, on_grace, s);
    s->alone = evtimer_new(opts->base, on_alone, s);
    s->parting = evtimer_new(opts->base, on_parting, s);
    s->quiet = evtimer_new(opts->base, on_quiet, s);
    s->crew_timer = evtimer_new(opts->base, on_crew, s);
    INVARIANT(s->grace && s->alone && s->parting && s->quiet);
    limits_new(s);
    stacks_new(s);
    token_new("mk", s->key);
    id_new(s->run_uid);
    if ((rc = make_folder(s, err)) != ERR_NONE || (rc = listen_for_runner(s, err)) != ERR_NONE) {
        supervise_free(s);
        return rc;
    }
    *out = s;
    return ERR_NONE;
}

void supervise_free(struct supervisor *s)
{
    if (!s)
        return;
    link_free(s->link);
    slots_free(s);
    memory_fini(s);
    dispatch_free(s->dispatch);
    paid_free(s->paid);
    suite_free(s->suite);
    manifest_free(s->manifest);
    for (size_t i = 0; i < ARRAY_LEN(s->signals); i++) {
        if (s->signals[i])
            event_free(s->signals[i]);
    }
    if (s->keeper_event)
        event_free(s->keeper_event);
    event_free(s->grace);
    event_free(s->alone);
    event_free(s->parting);
    event_free(s->quiet);
    event_free(s->crew_timer);
    limits_free(s);
    stacks_free(s);
    strays_free(s);
    free(s->folder);
    free(s->python_folder);
    free(s->socket_path);
    free(s->abandoned);
    free(s->fences);
    free(s->granted);
    free(s->took_us);
    free(s->dist);
    free(s->start_why);
    free(s->early_why);
    free(s->runtime);
    free(s->ending_text);
    free(s);
}

/* The lower bound: all work, fixtures of files counted once, spread evenly; or the longest test. */
static void measure(struct supervisor *s)
{
    uint32_t workers = s->dispatch ? s->wanted : s->workers;
    struct bound_taker here = { .workers = workers * (s->threads > 1 ? s->threads : 1),
                                .speed_ppm = 1000000 };
    uint64_t spread_us;

    s->report.start = s->start;
    s->report.workers = s->dispatch ? dispatch_most_up(s->dispatch) : 0;
    if (s->first_us == 0)
        return;
    s->report.wall_us = s->last_us > s->first_us ? s->last_us - s->first_us : 0;
    for (uint32_t i = 0; i < s->manifest->count; i++)
        s->report.work_us += s->took_us[i];
    s->report.work_us += paid_least_us(s->paid);
    if (s->each)
        s->report.work_us *= s->workers;
    s->report.bound_us = bound_us(s->took_us, s->manifest->count, &here, 1);
    spread_us = s->report.work_us / here.workers;
    if (spread_us > s->report.bound_us)
        s->report.bound_us = spread_us;
}

static void listen_to_processes(struct supervisor *s)
{
    s->keeper_event =
        event_new(s->opts.base, keeper_fd(s->opts.keeper), EV_READ | EV_PERSIST, on_keeper, s);
    INVARIANT(s->keeper_event && event_add(s->keeper_event, NULL) == 0);
    take_signals(s);
}

bool supervise_joined(const struct supervisor *s)
{
    return s->phase != PHASE_JOIN;
}

enum err_code supervise_run(struct supervisor *s, struct source *source,
                            struct supervise_report *out, struct err *err)
{
    INVARIANT(!supervise_joined(s));
    if (!s->source)
        listen_to_processes(s);
    s->source = source;
    s->finished = s->source_failed = false;
    s->fail_err = (struct err)ERR_INIT;
    source->ops->start(source);
    while (!s->finished && event_base_loop(s->opts.base, EVLOOP_ONCE) == 0) {
    }
    stacks_tell_owed(s);
    strays_find(s);
    measure(s);
    memory_report(s);
    if (s->fail_err.code) {
        *err = s->fail_err;
        return err->code;
    }
    *out = s->report;
    return ERR_NONE;
}
