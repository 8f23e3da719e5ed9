#include "death.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define GROWN_KIB_TOLD (10u << 10)

static const struct {
    int number;
    const char *name;
} signals[] = {
    { SIGSEGV, "SIGSEGV" }, { SIGABRT, "SIGABRT" }, { SIGKILL, "SIGKILL" }, { SIGBUS, "SIGBUS" },
    { SIGFPE, "SIGFPE" },   { SIGILL, "SIGILL" },   { SIGTERM, "SIGTERM" }, { SIGINT, "SIGINT" },
    { SIGHUP, "SIGHUP" },   { SIGPIPE, "SIGPIPE" }, { SIGALRM, "SIGALRM" }, { SIGXCPU, "SIGXCPU" },
    { SIGSYS, "SIGSYS" },   { SIGTRAP, "SIGTRAP" }, { SIGQUIT, "SIGQUIT" }, { SIGSTOP, "SIGSTOP" },
    { SIGTSTP, "SIGTSTP" }, { SIGTTIN, "SIGTTIN" }, { SIGTTOU, "SIGTTOU" }, { SIGUSR1, "SIGUSR1" },
    { SIGUSR2, "SIGUSR2" }, { SIGXFSZ, "SIGXFSZ" },
};

void death_signal_name(int sig, struct str *out)
{
    struct err ignored = ERR_INIT;

    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        if (signals[i].number == sig) {
            (void)!str_addf(out, &ignored, "%s (%d)", signals[i].name, sig);
            return;
        }
    }
    (void)!str_addf(out, &ignored, "signal %d", sig);
}

const char *death_when(enum death_phase phase)
{
    switch (phase) {
    case DEATH_IN_SETUP:
        return "setup";
    case DEATH_IN_TEARDOWN:
    case DEATH_IN_WIDER:
        return "teardown";
    case DEATH_IN_CALL:
    case DEATH_IN_NOTHING:
    case DEATH_IN_FINISH:
    case DEATH_IN_COLLECTION:
        return "call";
    }
    return "call"; /* a byte that is none of these */
}

static const char *what_it_did(enum death_phase phase)
{
    switch (phase) {
    case DEATH_IN_SETUP:
        return " in its set-up";
    case DEATH_IN_CALL:
        return " in its call";
    case DEATH_IN_TEARDOWN:
        return " in its teardown";
    case DEATH_IN_WIDER:
        return " in the teardown of wider fixtures";
    case DEATH_IN_FINISH:
        return " at the end of the session";
    case DEATH_IN_COLLECTION:
        return " while collecting";
    case DEATH_IN_NOTHING:
        return "";
    }
    return "";
}

static void add_cause(const struct death *d, struct str *out, struct err *ignored)
{
    double seconds = (double)d->limit_ms / 1e3;

    switch (d->cause) {
    case DEATH_CRASH:
        if (d->test && d->phase != DEATH_IN_WIDER)
            (void)!str_addf(out, ignored, "worker 'gw%u' crashed while running '%s'%s", d->worker,
                            d->test, what_it_did(d->phase));
        else
            (void)!str_addf(out, ignored, "worker 'gw%u' crashed%s%s%s%s%s", d->worker,
                            d->phase == DEATH_IN_COLLECTION ? "" : " between tests",
                            what_it_did(d->phase), d->test ? ", after '" : "",
                            d->test ? d->test : "", d->test ? "'" : "");
        return;
    case DEATH_TIMEOUT:
        (void)!str_addf(out, ignored, "'%s' was over its time limit of %g s%s (worker 'gw%u')",
                        d->test ? d->test : "?", seconds, what_it_did(d->phase), d->worker);
        return;
    case DEATH_BACKSTOP:
        (void)!str_addf(out, ignored,
                        "'%s' still ran %g s after its start%s, when pytest-timeout should have "
                        "ended it (worker 'gw%u')",
                        d->test ? d->test : "?", seconds, what_it_did(d->phase), d->worker);
        return;
    case DEATH_SILENT:
        (void)!str_addf(out, ignored, "worker 'gw%u' did not answer for %g s between tests%s",
                        d->worker, seconds, what_it_did(d->phase));
        if (d->test)
            (void)!str_addf(out, ignored, ", after '%s'", d->test);
        return;
    case DEATH_STOPPED:
        (void)!str_addf(out, ignored, "worker 'gw%u' was stopped by ", d->worker);
        death_signal_name(d->stop_signal, out);
        (void)!str_addf(out, ignored, " and did not go on%s%s%s",
                        d->test ? ", while running '" : "", d->test ? d->test : "",
                        d->test ? "'" : "");
        return;
    }
    UNREACHABLE("death cause");
}

void death_text(const struct death *d, struct str *out)
{
    struct err ignored = ERR_INIT;

    add_cause(d, out, &ignored);
    if (!d->exited) {
        (void)!str_addz(out, ": its end was not seen", &ignored);
    } else if (WIFSIGNALED(d->status)) {
        (void)!str_addz(out, ": killed by ", &ignored);
        death_signal_name(WTERMSIG(d->status), out);
    } else {
        (void)!str_addf(out, &ignored, ": exit status %d", WEXITSTATUS(d->status));
    }
    if (d->grown_kib >= GROWN_KIB_TOLD)
        (void)!str_addf(out, &ignored, ", its memory grew by up to %llu MiB",
                        (unsigned long long)(d->grown_kib / 1024));
    if (d->core)
        (void)!str_addf(out, &ignored, ", core dumped: %s", d->core);
}

#define FRAMES_KEPT 3u

static bool holds(struct view line, const char *word)
{
    size_t len = strlen(word);

    for (size_t i = 0; i + len <= line.len; i++) {
        if (memcmp(line.at + i, word, len) == 0)
            return true;
    }
    return false;
}

static bool is_machinery(struct view line)
{
    static const char *const places[] = { "/_pytest/", "/pluggy/", "/_makespan_runner/",
                                          "/pytest/__main__.py", "<frozen runpy>" };

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        if (holds(line, places[i]))
            return true;
    }
    return false;
}

void death_trim_stacks(struct view stacks, struct str *out)
{
    struct err ignored = ERR_INIT;
    uint32_t kept = 0;     /* frames of the thread */
    bool seen_own = false; /* one of them is not of the machinery */
    bool left_out = false;

    for (size_t at = 0; at < stacks.len;) {
        const char *end = memchr(stacks.at + at, '\n', stacks.len - at);
        size_t len = end ? (size_t)(end - stacks.at) + 1 - at : stacks.len - at;
        struct view line = { .at = stacks.at + at, .len = len };
        bool is_frame = len > 8 && memcmp(line.at, "  File \"", 8) == 0;
        bool is_ours = is_frame && is_machinery(line);

        at += len;
        if (!is_frame) {
            kept = 0;
            seen_own = false;
        }
        if (is_ours && (seen_own || kept >= FRAMES_KEPT)) {
            if (!left_out)
                (void)!str_addz(out, "  (frames of pytest)\n", &ignored);
            left_out = true;
            continue;
        }
        kept += is_frame;
        seen_own = seen_own || (is_frame && !is_ours);
        left_out = false;
        (void)!str_add(out, line.at, line.len, &ignored);
    }
}
