#include "supervise.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "fs.h"
#include "id.h"
#include "json.h"
#include "mem.h"
#include "plan/bound.h"
#include "runner/bundle.h"
#include "supervise_inner.h"

#define GRACE_INTERRUPT_MS 2000u /* for the running tests after Ctrl-C */
#define GRACE_DRAIN_MS     5000u /* after SIGTERM: a CI kills some seconds later */
#define GRACE_END_MS       5000u /* for the rest, after the workers were killed */
#define SIGNAL_EXIT        128u
#define PYTEST_USAGE       4u
#define PYTEST_NO_TESTS    5u

static const int signals_taken[] = { SIGINT, SIGTERM, SIGHUP };

uint64_t now_us(const struct supervisor *s)
{
    return clock_mono_us(s->opts.clock);
}

void say(const struct supervisor *s, const char *fmt, ...)
{
    char line[ERR_TEXT_BYTES];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    s->opts.say(s->opts.say_ctx, line);
}

static void finish(struct supervisor *s)
{
    s->finished = true;
    (void)event_base_loopbreak(s->opts.base);
}

static void start_grace(struct supervisor *s, uint64_t ms)
{
    struct timeval tv = { .tv_sec = (time_t)(ms / 1000),
                          .tv_usec = (suseconds_t)(ms % 1000 * 1000) };

    (void)evtimer_add(s->grace, &tv);
}

static void on_grace(evutil_socket_t fd, short what, void *ctx)
{
    struct supervisor *s = ctx;

    (void)fd;
    (void)what;
    if (!s->killing) {
        kill_workers(s);
        start_grace(s, GRACE_END_MS);
        return;
    }
    say(s, "pytest did not end in time and is killed");
    s->report.exit = s->signal ? SIGNAL_EXIT + s->signal : EXIT_INCOMPLETE;
    finish(s);
}

static const char *ending_word(enum ending ending)
{
    switch (ending) {
    case ENDING_DONE:
        return "done";
    case ENDING_STOPPED:
        return "stopped";
    case ENDING_INTERRUPTED:
        return "interrupted";
    case ENDING_CANCELLED:
        return "cancelled";
    case ENDING_NOTHING:
        return "nothing";
    case ENDING_BROKEN:
        return "broken";
    }
    UNREACHABLE("ending");
}

void end_reporter(struct supervisor *s)
{
    struct json *doc;
    char *text;

    if (s->phase >= PHASE_END)
        return;
    s->phase = PHASE_END;
    if (s->zygote)
        peer_send(s->zygote, &(struct frame){ .kind = FRAME_QUIT });
    if (!s->reporter)
        return;
    doc = json_new_object();
    json_set_text(doc, "reason", ending_word(s->ending));
    json_set_text(doc, "message", s->ending_text);
    if (s->ending_status != FRAME_ANY)
        json_set_u64(doc, "status", s->ending_status);
    else
        json_set_text(doc, "status", NULL);
    text = json_dump(doc, JSON_TIGHT);
    peer_send(s->reporter, &(struct frame){ .kind = FRAME_END,
                                            .a = s->ending != ENDING_DONE,
                                            .size = (uint32_t)strlen(text),
                                            .payload = text });
    free(text);
    json_free(doc);
}

void stop_tests(struct supervisor *s, enum ending why, uint32_t status, const char *text)
{
    if (s->ending_known || s->phase >= PHASE_END)
        return;
    s->ending_known = true;
    s->ending = why;
    s->ending_status = status;
    s->ending_text = text ? mem_strdup(text) : NULL;
    if (s->phase == PHASE_COLLECT || s->phase == PHASE_SEAL) {
        end_reporter(s);
    } else if (s->phase == PHASE_RUN) {
        if (why == ENDING_BROKEN)
            start_grace(s, GRACE_INTERRUPT_MS);
        dispatch_stop(s->dispatch);
        do_effects(s);
    }
}

/* How the command ended, as a shell tells it. */
static uint32_t command_exit(const struct supervisor *s)
{
    if (WIFSIGNALED(s->command_status))
        return SIGNAL_EXIT + (uint32_t)WTERMSIG(s->command_status);
    return (uint32_t)WEXITSTATUS(s->command_status);
}

static bool runner_is_content(uint32_t status)
{
    return status == 0 || status == PYTEST_NO_TESTS;
}

/* The source has given up: results that it still holds are said to be undelivered. */
static void leave_without_source(struct supervisor *s)
{
    enum err_code code = s->fail_err.code;
    bool away = code == ERR_UNREACHABLE || code == ERR_TIMEOUT || code == ERR_UNAVAILABLE;

    if (away && s->report.finished > 0) {
        say(s, "results could not be delivered: %s", s->fail_err.text);
        s->fail_err.code = ERR_NONE;
        s->report.exit = EXIT_UNDELIVERED;
    }
    finish(s);
}

static void leave(struct supervisor *s, uint32_t status)
{
    if (s->phase == PHASE_LEAVE)
        return;
    s->phase = PHASE_LEAVE;
    if (s->source_failed)
        leave_without_source(s);
    else
        s->source->ops->leave(s->source, status);
}

/* All is delivered: the exit status of the process, by invariant 2 of the design. */
void left(struct supervisor *s, uint32_t exit_code, bool complete)
{
    uint32_t runner = command_exit(s);
    bool lost = s->report.finished < s->report.granted;

    s->report.complete = complete && !lost;
    s->report.drained = s->signal != 0 && s->signal != SIGINT && !s->report.complete;
    if (s->report.drained)
        s->report.exit = EXIT_DRAINED;
    else if (!runner_is_content(runner))
        s->report.exit = runner;
    else if (s->ending == ENDING_BROKEN || (lost && s->ending == ENDING_DONE))
        s->report.exit = EXIT_INCOMPLETE;
    else
        s->report.exit = s->opts.alone ? runner : exit_code;
    finish(s);
}

void fail(struct supervisor *s, const struct err *err)
{
    if (s->fail_err.code == ERR_NONE)
        s->fail_err = *err;
    s->source_failed = true;
    switch (s->phase) {
    case PHASE_JOIN:
    case PHASE_START:
    case PHASE_INLINE:
        finish(s);
        return;
    case PHASE_COLLECT:
    case PHASE_SEAL:
    case PHASE_RUN: /* pytest tells what it has; the failure is told after that */
        stop_tests(s, ENDING_BROKEN, FRAME_ANY, err->text);
        return;
    case PHASE_END:
        return;
    case PHASE_LEAVE:
        leave_without_source(s);
        return;
    }
    UNREACHABLE("phase");
}

/* The command is over before its time: say so where it counts, and go. */
static void gave_up(struct supervisor *s, enum err_code code, const char *text)
{
    err_set(&s->fail_err, code, "%s", text);
    if (s->opts.alone) {
        finish(s);
        return;
    }
    report_error(s, "runner-died", text);
    leave(s, EXIT_HANDSHAKE);
}

static void no_handshake(struct supervisor *s)
{
    struct err text = ERR_INIT;

    if (s->signal || (s->way == INJECT_ARGUMENTS && command_exit(s) == PYTEST_USAGE)) {
        leave(s, command_exit(s)); /* pytest refused its arguments, and has said why */
        return;
    }
    err_set(&text, ERR_HANDSHAKE,
            "the command '%s' ended with status %u and no pytest in it spoke to makespan: "
            "%s",
            s->opts.argv[0], command_exit(s),
            s->way == INJECT_ARGUMENTS
                ? "is pytest installed for that Python?"
                : "does it pass PYTEST_ADDOPTS, PYTHONPATH and _MAKESPAN_* on to pytest?");
    gave_up(s, ERR_HANDSHAKE, text.text);
}

static void command_ended(struct supervisor *s)
{
    switch (s->phase) {
    case PHASE_JOIN:
    case PHASE_LEAVE:
        return;
    case PHASE_START:
        no_handshake(s);
        return;
    case PHASE_INLINE:
        s->report.exit = command_exit(s);
        finish(s);
        return;
    case PHASE_COLLECT:
    case PHASE_SEAL:
    case PHASE_RUN:
        if (!s->ending_known) {
            report_error(s, "runner-died", "pytest ended before its tests did");
            s->ending_known = true;
            s->ending = ENDING_BROKEN;
        }
        if (s->dispatch)
            dispatch_stop(s->dispatch);
        kill_workers(s);
        leave(s, command_exit(s));
        return;
    case PHASE_END:
        leave(s, command_exit(s));
        return;
    }
    UNREACHABLE("phase");
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
    case KEEPER_EXITED:
        if ((uint32_t)event->pid == s->command_pid && !s->command_ended) {
            s->command_ended = true;
            s->command_status = event->status;
            command_ended(s);
        } else {
            (void)worker_exited(s, event);
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

static void first_signal(struct supervisor *s, uint32_t sig)
{
    bool terminal_told_it = s->foreground && sig == SIGINT;

    switch (s->phase) {
    case PHASE_JOIN:
        s->report.exit = SIGNAL_EXIT + sig;
        finish(s);
        return;
    case PHASE_START:
    case PHASE_INLINE:
        if (!terminal_told_it && s->command_pid > 0)
            keeper_signal(s->opts.keeper, s->command_pid, (int)sig);
        return;
    case PHASE_COLLECT:
    case PHASE_SEAL:
    case PHASE_RUN:
        say(s, "stopping: running tests have %u s to end; a second signal kills them",
            (sig == SIGINT ? GRACE_INTERRUPT_MS : GRACE_DRAIN_MS) / 1000);
        s->source->ops->drain(s->source, sig == SIGINT ? "SIGINT" : "SIGTERM");
        start_grace(s, sig == SIGINT ? GRACE_INTERRUPT_MS : GRACE_DRAIN_MS);
        if (sig == SIGINT)
            interrupt_workers(s);
        stop_tests(s, ENDING_INTERRUPTED, FRAME_ANY, sig == SIGINT ? "SIGINT" : "SIGTERM");
        return;
    case PHASE_END:
    case PHASE_LEAVE:
        return;
    }
    UNREACHABLE("phase");
}

static void on_signal(evutil_socket_t fd, short what, void *ctx)
{
    struct supervisor *s = ctx;
    uint32_t sig = (uint32_t)fd;

    (void)what;
    /* A debugger or a prompt of pytest's own handles Ctrl-C; only its end is ours. */
    if (s->phase == PHASE_INLINE && sig == SIGINT && s->foreground)
        return;
    if (s->signal == 0) {
        s->signal = sig;
        first_signal(s, sig);
        return;
    }
    s->report.exit = SIGNAL_EXIT + sig;
    finish(s);
}

/* A signal that was ignored when we started (nohup) stays so. */
static void take_signals(struct supervisor *s)
{
    for (size_t i = 0; i < ARRAY_LEN(signals_taken); i++) {
        struct sigaction was;

        if (sigaction(signals_taken[i], NULL, &was) != 0 || was.sa_handler == SIG_IGN)
            continue;
        s->signals[i] = evsignal_new(s->opts.base, signals_taken[i], on_signal, s);
        INVARIANT(s->signals[i] && event_add(s->signals[i], NULL) == 0);
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
    struct str path = STR_MAX(PATH_BYTES_MAX), socket = STR_MAX(PATH_BYTES_MAX);
    enum err_code rc;

    if ((rc = fs_tempdir("makespan", &s->folder, err)) != ERR_NONE ||
        (rc = str_addf(&path, err, "%s/py", s->folder)) != ERR_NONE ||
        (rc = str_addf(&socket, err, "%s/agent", s->folder)) != ERR_NONE ||
        (rc = fs_mkdirs(str_text(&path), FS_PRIVATE, err)) != ERR_NONE)
        goto out;
    s->python_folder = str_take(&path);
    s->socket_path = str_take(&socket);
    if ((rc = keeper_sweep(s->opts.keeper, s->folder, err)) == ERR_NONE)
        rc = bundle_write(s->python_folder, err);
out:
    str_fini(&path);
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
    s->ending_status = FRAME_ANY;
    s->max_restarts = FRAME_ANY;
    s->left_complete = true;
    s->foreground = shares_terminal();
    s->manifest = manifest_new();
    s->grace = evtimer_new(opts->base, on_grace, s);
    INVARIANT(s->grace);
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
    free(s->folder);
    free(s->python_folder);
    free(s->socket_path);
    free(s->fences);
    free(s->granted);
    free(s->took_us);
    free(s->dist);
    free(s->runtime);
    free(s->ending_text);
    free(s);
}

/* The lower bound: all work, fixtures of files counted once, spread evenly; or the longest test. */
static void measure(struct supervisor *s)
{
    struct bound_taker here = { .workers = s->workers, .speed_ppm = 1000000 };
    uint64_t spread_us;

    s->report.workers = s->dispatch ? dispatch_most_up(s->dispatch) : 0;
    if (s->first_us == 0)
        return;
    s->report.wall_us = s->last_us > s->first_us ? s->last_us - s->first_us : 0;
    for (uint32_t i = 0; i < s->manifest->count; i++)
        s->report.work_us += s->took_us[i];
    s->report.work_us += paid_least_us(s->paid);
    s->report.bound_us = bound_us(s->took_us, s->manifest->count, &here, 1);
    spread_us = s->report.work_us / s->workers;
    if (spread_us > s->report.bound_us)
        s->report.bound_us = spread_us;
}

enum err_code supervise_run(struct supervisor *s, struct source *source,
                            struct supervise_report *out, struct err *err)
{
    s->source = source;
    s->keeper_event =
        event_new(s->opts.base, keeper_fd(s->opts.keeper), EV_READ | EV_PERSIST, on_keeper, s);
    INVARIANT(s->keeper_event && event_add(s->keeper_event, NULL) == 0);
    take_signals(s);
    source->ops->start(source);
    while (!s->finished && event_base_loop(s->opts.base, EVLOOP_ONCE) == 0) {
    }
    measure(s);
    if (s->fail_err.code) {
        *err = s->fail_err;
        return err->code;
    }
    *out = s->report;
    return ERR_NONE;
}
