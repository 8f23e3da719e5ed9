/* watch.c - makespan watch: the tests again whenever a file changes. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <event2/event.h>

#include "cfg.h"
#include "clock.h"
#include "command.h"
#include "fs.h"
#include "machine/spawn.h"
#include "mem.h"
#include "proto.h"
#include "watch/ignore.h"
#include "watch/rerun.h"
#include "watch/watch.h"
#include "words.h"

#define SETTLE_US        100000u  /* without another change; an editor writes several files */
#define SETTLE_US_MAX    1000000u /* from the first change */
#define IGNORE_BYTES_MAX (1u << 20)
#define SIGNAL_EXIT      128u

extern char **environ;

static const int signals_taken[] = { SIGCHLD, SIGINT, SIGQUIT, SIGTERM, SIGHUP };

struct watching {
    struct event_base *base;
    const struct clock *clock;
    struct ignore *ignore;
    struct watch *watch;
    struct rerun rerun;
    enum rerun_what running; /* NOTHING: waiting for a change */
    pid_t child;
    char **argv; /* of a run; the word before the last "--" is --last-failed, or left out */
    uint32_t words, failed_word;
    char **env;
    char *root;
    struct spawn_signals signals;
    struct event *taken[ARRAY_LEN(signals_taken)], *settle, *keys;
    struct termios terminal; /* as it was */
    bool has_terminal, first, poll;
    char *changed; /* a path that has changed; NULL: none */
    uint64_t changed_us;
    bool leaving;
    uint32_t exit;
    struct err fail;
};

static const char about[] =
    "Runs the tests, and again whenever a file below this folder changes: everything first; while "
    "something fails, what failed; when that passes, everything. What version control, Python and "
    "editors leave behind is not looked at, nor what .gitignore here names. While tests run, only "
    "sources and settings (.py, .toml, .ini, .cfg) count, as tests may write files themselves. It "
    "runs on this machine alone, whatever MAKESPAN_URL says.";

static const char tail[] =
    "Keys, while it waits: enter or a runs everything, f what failed, q quits. Ctrl-C\n"
    "ends it at any time, with 130.\n\n"
    "Examples:\n"
    "  makespan watch -- pytest tests/\n"
    "  makespan watch -n 4 --isolate -- pytest -x\n";

static void say(const char *text)
{
    (void)fprintf(stderr, "makespan: %s\n", text);
}

static void leave(struct watching *w, uint32_t exit_status)
{
    w->exit = exit_status;
    (void)event_base_loopbreak(w->base);
}

/* Keys come at once and are not shown; the tests get the terminal as it was. */
static void listen_to_keys(struct watching *w, bool on)
{
    struct termios raw = w->terminal;

    if (!w->has_terminal || tcgetpgrp(STDIN_FILENO) != getpgrp())
        return;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, on ? &raw : &w->terminal);
    if (on)
        (void)event_add(w->keys, NULL);
    else
        (void)event_del(w->keys);
}

static void forget_change(struct watching *w)
{
    free(w->changed);
    w->changed = NULL;
    (void)evtimer_del(w->settle);
}

static void start_run(struct watching *w, enum rerun_what what)
{
    char **argv = mem_new((size_t)w->words + 1, sizeof(*argv));
    uint32_t used = 0;
    int errnum = 0;

    listen_to_keys(w, false);
    if (w->changed)
        (void)fprintf(stderr, "makespan: changed: %s; ", *w->changed ? w->changed : "many files");
    else
        (void)fputs("makespan: ", stderr);
    (void)fprintf(stderr, "running %s\n", what == RERUN_FAILED ? "what failed" : "everything");
    forget_change(w);
    for (uint32_t i = 0; i < w->words; i++) {
        if (i != w->failed_word || what == RERUN_FAILED)
            argv[used++] = w->argv[i];
    }
    w->child = spawn(argv, w->env, &w->signals, &errnum);
    free(argv);
    if (w->child < 0) {
        err_set(&w->fail, ERR_RUNNER, "cannot start %s: %s", w->argv[0], strerror(errnum));
        leave(w, EXIT_RUNNER);
        return;
    }
    w->running = what;
}

static void wait_for_change(struct watching *w, uint32_t status)
{
    (void)fprintf(stderr, "makespan: exit status %u; watching %u folder%s%s%s\n", status,
                  watch_folders(w->watch), watch_folders(w->watch) == 1 ? "" : "s",
                  watch_polls(w->watch) ? " (looking every second)" : "",
                  w->has_terminal ? "; enter: run all, f: what failed, q: quit" : "");
    listen_to_keys(w, true);
}

static void run_ended(struct watching *w, uint32_t status)
{
    enum rerun_what what = w->running, next;

    w->running = RERUN_NOTHING;
    w->child = 0;
    if (w->leaving || (w->first && status == EXIT_USAGE)) {
        leave(w, w->leaving ? w->exit : status);
        return;
    }
    w->first = false;
    next = rerun_ended(&w->rerun, what, status);
    if (next == RERUN_NOTHING && w->changed) {
        next = rerun_chase(&w->rerun);
        if (next == RERUN_NOTHING)
            (void)fprintf(stderr,
                          "makespan: %s changes while tests run, again and again: it is "
                          "not followed any more\n",
                          w->changed);
        if (next == RERUN_NOTHING)
            forget_change(w);
    }
    if (next == RERUN_NOTHING)
        wait_for_change(w, status);
    else
        start_run(w, next);
}

static void on_change(void *ctx, const char *path)
{
    struct watching *w = ctx;
    uint64_t now_us = clock_mono_us(w->clock), settle_us = SETTLE_US;
    struct timeval tv;

    if (w->running != RERUN_NOTHING && !rerun_counts(path))
        return;
    if (!w->changed) {
        w->changed = mem_strdup(path);
        w->changed_us = now_us;
    }
    if (now_us - w->changed_us > SETTLE_US_MAX - SETTLE_US)
        settle_us = 0;
    tv = (struct timeval){ .tv_usec = (suseconds_t)settle_us };
    if (w->running == RERUN_NOTHING)
        (void)evtimer_add(w->settle, &tv);
}

static void on_settled(evutil_socket_t fd, short what, void *ctx)
{
    struct watching *w = ctx;

    (void)fd;
    (void)what;
    if (w->running == RERUN_NOTHING && w->changed)
        start_run(w, rerun_changed(&w->rerun));
}

static void on_key(evutil_socket_t fd, short what, void *ctx)
{
    struct watching *w = ctx;
    char key = 'q'; /* the end of the terminal, too */

    (void)what;
    if (read(fd, &key, 1) < 0 && errno == EINTR)
        return;
    switch (key) {
    case '\n':
    case '\r':
    case 'a':
        start_run(w, RERUN_ALL);
        return;
    case 'f':
        start_run(w, RERUN_FAILED);
        return;
    case 'q':
    case 4: /* Ctrl-D */
        leave(w, EXIT_OK);
        return;
    default:
        say("enter or a: run all, f: what failed, q: quit");
        return;
    }
}

static void on_child(struct watching *w)
{
    int status;

    if (w->child <= 0 || waitpid(w->child, &status, WNOHANG) != w->child)
        return;
    run_ended(w, WIFSIGNALED(status) ? SIGNAL_EXIT + (uint32_t)WTERMSIG(status)
                                     : (uint32_t)WEXITSTATUS(status));
}

/* A key of the terminal is told to its whole foreground group, wherever standard input comes from.
 */
static bool told_by_terminal(int sig)
{
    int fd = sig == SIGINT || sig == SIGQUIT ? open("/dev/tty", O_RDONLY | O_CLOEXEC) : -1;
    bool told = fd >= 0 && tcgetpgrp(fd) == getpgrp();

    if (fd >= 0)
        (void)close(fd);
    return told;
}

static void on_signal(evutil_socket_t fd, short what, void *ctx)
{
    struct watching *w = ctx;
    int sig = (int)fd;

    (void)what;
    if (sig == SIGCHLD) {
        on_child(w);
        return;
    }
    if (sig != SIGQUIT) /* that one asks a run for its stacks */
        w->exit = SIGNAL_EXIT + (uint32_t)sig;
    if (w->running != RERUN_NOTHING && !told_by_terminal(sig))
        (void)kill(w->child, sig);
    if (sig == SIGQUIT)
        return;
    if (w->running == RERUN_NOTHING)
        leave(w, w->exit);
    else
        w->leaving = true; /* when the run has cleaned up */
}

/* A run of its own, alone: what would join it to others is left out, and what this command decides.
 */
static char **own_environment(void)
{
    static const char *const dropped[] = { "MAKESPAN_URL=", "MAKESPAN_INDEX=", "MAKESPAN_TOTAL=",
                                           "MAKESPAN_LAST_FAILED=" };
    size_t count = 0, used = 0;
    char **env;

    while (environ[count])
        count++;
    env = mem_new(count + 1, sizeof(*env));
    for (size_t i = 0; i < count; i++) {
        bool keep = true;

        for (size_t j = 0; j < ARRAY_LEN(dropped); j++)
            keep = keep && strncmp(environ[i], dropped[j], strlen(dropped[j])) != 0;
        if (keep)
            env[used++] = environ[i];
    }
    return env;
}

/* The words before "--" that are not for a run. */
static bool is_own(const char *word)
{
    return strcmp(word, "--poll") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* "makespan run OPTIONS --last-failed -- COMMAND", where "--" is argv[at]. */
static enum err_code build_argv(struct watching *w, int argc, char *const *argv, int at,
                                struct err *err)
{
    char self[PATH_BYTES_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (at + 1 >= argc)
        return err_set(err, ERR_USAGE,
                       "a command is needed behind --, for example: makespan watch -- pytest");
    self[len > 0 ? len : 0] = '\0';
    w->argv = mem_new((size_t)argc + 3, sizeof(*w->argv));
    w->argv[w->words++] = mem_strdup(len > 0 ? self : "makespan");
    w->argv[w->words++] = mem_strdup("run");
    for (int i = 1; i < argc; i++) {
        if (i == at) {
            w->failed_word = w->words;
            w->argv[w->words++] = mem_strdup("--last-failed");
        }
        if (i >= at || !is_own(argv[i]))
            w->argv[w->words++] = mem_strdup(argv[i]);
    }
    return ERR_NONE;
}

static void read_gitignore(struct watching *w)
{
    struct str text = STR_MAX(IGNORE_BYTES_MAX);
    struct err ignored = ERR_INIT;

    if (fs_exists(".gitignore") && fs_read(".gitignore", &text, &ignored) == ERR_NONE)
        ignore_add(w->ignore, str_text(&text), text.len);
    str_fini(&text);
}

static enum err_code begin(struct watching *w, struct err *err)
{
    char cwd[PATH_BYTES_MAX];
    struct watch_opts opts = { .base = w->base,
                               .ignore = w->ignore,
                               .poll_ms = w->poll ? WATCH_POLL_MS : 0,
                               .changed = on_change,
                               .ctx = w };

    if (!getcwd(cwd, sizeof(cwd)))
        return err_errno(err, errno, "the working directory");
    w->root = mem_strdup(cwd);
    opts.root = w->root;
    read_gitignore(w);
    w->settle = evtimer_new(w->base, on_settled, w);
    w->keys = event_new(w->base, STDIN_FILENO, EV_READ | EV_PERSIST, on_key, w);
    INVARIANT(w->settle && w->keys);
    w->has_terminal = tcgetattr(STDIN_FILENO, &w->terminal) == 0;
    spawn_signals_save(&w->signals);
    for (size_t i = 0; i < ARRAY_LEN(signals_taken); i++) {
        w->taken[i] = evsignal_new(w->base, signals_taken[i], on_signal, w);
        INVARIANT(w->taken[i] && event_add(w->taken[i], NULL) == 0);
    }
    return watch_new(&opts, &w->watch, err);
}

static void watching_fini(struct watching *w)
{
    watch_free(w->watch);
    ignore_free(w->ignore);
    for (size_t i = 0; i < ARRAY_LEN(signals_taken); i++) {
        if (w->taken[i])
            event_free(w->taken[i]);
    }
    if (w->settle)
        event_free(w->settle);
    if (w->keys)
        event_free(w->keys);
    event_base_free(w->base);
    for (uint32_t i = 0; i < w->words; i++)
        free(w->argv[i]);
    free(w->argv);
    free(w->env);
    free(w->root);
    free(w->changed);
}

static enum err_code read_words(struct watching *w, int argc, char *const *argv, bool *out_help,
                                struct err *err)
{
    struct cfg_option rows[] = {
        { .name = "poll",
          .env = "MAKESPAN_WATCH_POLL",
          .kind = CFG_FLAG,
          .into = &w->poll,
          .help = "Look every second instead of being told: for folders that another machine "
                  "changes (network file systems)." },
    };
    struct cfg_command command = { .usage = "makespan watch [--poll] [OPTIONS OF RUN] -- COMMAND "
                                            "[ARGS...]",
                                   .about = about,
                                   .tail = tail,
                                   .options = rows,
                                   .option_count = ARRAY_LEN(rows) };
    char **own = mem_new((size_t)argc + 1, sizeof(*own));
    int own_count = 0, at = 1, rest = 0;
    enum err_code rc;

    own[own_count++] = argv[0];
    for (; at < argc && strcmp(argv[at], "--") != 0; at++) {
        if (is_own(argv[at]))
            own[own_count++] = argv[at];
    }
    rc = words_read(&command, own_count, own, &rest, out_help, err);
    free(own);
    return rc || *out_help ? rc : build_argv(w, argc, argv, at, err);
}

enum err_code command_watch(int argc, char *const *argv, uint32_t *out_exit, struct err *err)
{
    struct watching w = { .clock = clock_system(), .first = true };
    bool help = false;
    enum err_code rc = ERR_NONE;

    w.base = event_base_new();
    INVARIANT(w.base);
    w.ignore = ignore_new();
    if ((rc = read_words(&w, argc, argv, &help, err)) == ERR_NONE && !help &&
        (rc = begin(&w, err)) == ERR_NONE) {
        w.env = own_environment();
        start_run(&w, RERUN_ALL);
        if (w.fail.code == ERR_NONE)
            (void)event_base_loop(w.base, 0);
        listen_to_keys(&w, false);
        *out_exit = w.exit;
        if (w.fail.code) {
            *err = w.fail;
            rc = err->code;
        }
    }
    watching_fini(&w);
    return rc;
}
