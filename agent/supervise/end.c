/* supervise/end.c - how a run on this machine ends: stopped, interrupted, broken or done. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <event2/event.h>

#include "core/death.h"
#include "inner.h"
#include "json.h"
#include "mem.h"

#define GRACE_BROKEN_MS 2000u
#define PYTEST_USAGE    4u
#define PYTEST_NO_TESTS 5u

void finish(struct supervisor *s)
{
    s->finished = true;
    (void)event_base_loopbreak(s->opts.base);
}

void start_grace(struct supervisor *s, uint64_t ms)
{
    set_timer(s->grace, ms);
}

void on_grace(int fd, short what, void *ctx)
{
    struct supervisor *s = ctx;

    (void)fd;
    (void)what;
    if (!s->killing) {
        running_say(s, "not over in time, and killed: ");
        kill_workers(s);
        start_grace(s, GRACE_END_MS);
        return;
    }
    say(s, "pytest did not end in time and is killed");
    s->report.exit = s->signal        ? SIGNAL_EXIT + s->signal
                     : s->out_of_time ? EXIT_DRAINED
                                      : EXIT_INCOMPLETE;
    finish(s);
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
        s->source->ops->leave(s->source,
                              &(struct source_leave){ .runner_exit = status,
                                                      .worker_bytes = memory_worker_bytes(s),
                                                      .worker_peak_bytes = s->memory.peak_bytes });
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

/* A signal that left time to end, and what was in hand did: nothing was interrupted. */
static bool nothing_was_cut(const struct supervisor *s)
{
    return s->ending == ENDING_INTERRUPTED && s->told_to_go && s->report.granted > 0 &&
           s->report.finished >= s->report.granted;
}

/* A signal to the whole group has ended what pytest was started by (a shell), and pytest is still
 * there to show what ran. Its grace is counted. */
static bool outlived(const struct supervisor *s)
{
    return s->reporter && s->signal && WIFSIGNALED(s->command_status);
}

/* What takes a while and need not wait until pytest has wound up. */
void on_parting(int fd, short what, void *ctx)
{
    struct supervisor *s = ctx;

    (void)fd;
    (void)what;
    if (s->phase != PHASE_END)
        return;
    if (s->source->ops->settled)
        s->source->ops->settled(s->source);
    memory_over(s);
}

void end_reporter(struct supervisor *s)
{
    struct json *doc;

    if (s->phase >= PHASE_END)
        return;
    s->phase = PHASE_END;
    if (nothing_was_cut(s))
        s->ending = ENDING_DONE;
    quit_starters(s);
    if (s->command_ended && !outlived(s))
        leave(s, command_exit(s));
    if (!s->reporter || s->phase == PHASE_LEAVE)
        return;
    doc = json_new_object();
    json_set_text(doc, "reason", ending_word(s->ending));
    json_set_text(doc, "message", s->ending_text);
    if (s->ending_status != FRAME_ANY)
        json_set_u64(doc, "status", s->ending_status);
    else
        json_set_text(doc, "status", NULL);
    tell_json(s->reporter, FRAME_END, s->ending != ENDING_DONE, 0, doc);
    set_timer(s->parting, 0); /* once it is told */
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
            start_grace(s, GRACE_BROKEN_MS);
        dispatch_stop(s->dispatch);
        do_effects(s);
    }
}

static uint32_t guessed_of_granted(const struct supervisor *s)
{
    uint32_t guessed = 0;

    for (uint32_t i = 0; s->suite && i < s->suite->test_count; i++)
        guessed += s->granted[i] && (s->suite->tests[i].flags & POOL_GUESS);
    return guessed;
}

/* All is delivered: the exit status of the process, by invariant 2 of the design. */
void left(struct supervisor *s, uint32_t exit_code, bool complete)
{
    uint32_t runner = command_exit(s);
    bool lost = s->report.finished < s->report.granted;

    s->report.guessed = guessed_of_granted(s);
    s->report.complete = complete && !lost;
    s->report.out_of_time = s->out_of_time;
    s->report.drained = (s->told_to_go || s->out_of_time) && !(s->report.complete && s->report.ran);
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
void gave_up(struct supervisor *s, enum err_code code, const char *text)
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

    /* It was ended, or pytest refused its arguments and has said why. */
    if (s->signal || s->out_of_time ||
        (s->way == INJECT_ARGUMENTS && command_exit(s) == PYTEST_USAGE)) {
        leave(s, command_exit(s));
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

/* It had no last word of its own: neither its terminal nor its reports have the results. */
static void pytest_died(struct supervisor *s)
{
    struct str how = STR_MAX(100);
    struct str text = STR_MAX(PROTO_TEXT_BYTES_MAX);
    struct err ignored = ERR_INIT;

    if (WIFSIGNALED(s->command_status))
        death_signal_name(WTERMSIG(s->command_status), &how);
    else
        (void)!str_addf(&how, &ignored, "exit status %u", command_exit(s));
    (void)!str_addf(&text, &ignored, "pytest ended before its tests did: %s", str_text(&how));
    say(s, "%s", str_text(&text));
    report_error(s, "runner-died", str_text(&text));
    str_fini(&how);
    str_fini(&text);
}

void command_ended(struct supervisor *s)
{
    uint32_t sig = WIFSIGNALED(s->command_status) ? (uint32_t)WTERMSIG(s->command_status) : 0;

    /* A signal to the whole group may be seen here before our own copy of it. */
    if (sig == SIGTERM || sig == SIGHUP || sig == SIGINT)
        infer_signal(s, sig);
    if (sig == SIGTERM || sig == SIGHUP)
        s->told_to_go = true; /* pytest was, whatever was left to do */
    switch (s->phase) {
    case PHASE_JOIN:
    case PHASE_LEAVE:
        return;
    case PHASE_START:
        no_handshake(s);
        return;
    case PHASE_INLINE:
        s->report.exit = s->out_of_time ? EXIT_DRAINED : command_exit(s);
        finish(s);
        return;
    case PHASE_COLLECT:
    case PHASE_SEAL:
    case PHASE_RUN:
        if (!s->ending_known) {
            s->ending_known = true;
            s->ending = ENDING_BROKEN;
        }
        if (s->ending == ENDING_BROKEN && s->signal == 0)
            pytest_died(s);
        /* A signal to the whole group ends pytest before the tests' time is up; what they still
         * give is wanted. */
        if (s->phase == PHASE_RUN && s->signal && !s->killing)
            return;
        if (s->dispatch)
            dispatch_stop(s->dispatch);
        kill_workers(s);
        leave(s, command_exit(s));
        return;
    case PHASE_END:
        if (!outlived(s))
            leave(s, command_exit(s));
        return;
    }
    UNREACHABLE("phase");
}

void reporter_closed(struct supervisor *s)
{
    s->reporter = NULL;
    if (s->phase == PHASE_COLLECT || s->phase == PHASE_SEAL || s->phase == PHASE_RUN)
        stop_tests(s, ENDING_BROKEN, FRAME_ANY, "pytest ended");
    else if (s->phase == PHASE_END && s->command_ended)
        leave(s, command_exit(s));
}
