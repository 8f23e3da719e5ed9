/* run.c - makespan run: the user's test command, on this machine alone or as one of many. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "closing.h"
#include "command.h"
#include "core/fallback.h"
#include "fs.h"
#include "hash.h"
#include "json.h"
#include "machine/resources.h"
#include "mem.h"
#include "options/target.h"
#include "source/history.h"
#include "source/remote.h"
#include "source/share.h"
#include "source/solo.h"
#include "supervise/local.h"
#include "supervise/supervise.h"
#include "words.h"

#define PYTEST_NO_TESTS 5u /* its exit status */

extern char **environ;

struct run {
    struct options options;
    struct share share;
    struct fallback fallback;
    bool is_share; /* of a matrix without a coordinator */
    bool fell_back;
    struct local local;
    const char *junit_text;
    struct target target;
    char digest[HASH_HEX_BYTES];
    char *const *argv;
    char *junit, *history;
    struct keeper *keeper;
    struct event_base *base;
    struct supervisor *supervisor;
    struct source *source;
};

static const char about[] =
    "Runs a command that runs pytest: its tests run on forked workers, its output, reports and "
    "exit code stay pytest's own. Without a coordinator all tests run on this machine. With "
    "MAKESPAN_URL and MAKESPAN_TOKEN set, every job that runs the same line under the same run key "
    "takes a share, and no job is green unless every collected test has its verdict.";

static const char tail[] =
    "Examples:\n"
    "  makespan run -- pytest tests/\n"
    "  makespan run -n 4 --junit out.xml -- python -m pytest -x -k fast\n"
    "  makespan run -- uv run pytest\n"
    "\n"
    "Exit status: pytest's own (0 passed, 1 failed, 2 interrupted, 3 internal error,\n"
    "4 usage, 5 no tests), or ours: 64 usage, 65 collections differ, 66 tests lost or\n"
    "unrun, 67 machines missing, 68 no pytest spoke to us, 69 coordinator\n"
    "unreachable, 70 our own fault, 71 refused, 72 the command cannot be started,\n"
    "73 a file cannot be written, 74 results not delivered, 75 told to stop early.\n";

static void say(void *ctx, const char *line)
{
    (void)ctx;
    (void)fprintf(stderr, "makespan: %s\n", line);
}

/* With timers as precise as the clock: by default they come at a tick of the kernel's, 4 ms apart.
 * And with room for what comes first (supervise/signal.c). */
static struct event_base *base_new(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (config && event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER) == 0)
        base = event_base_new_with_config(config);
    if (config)
        event_config_free(config);
    if (base && event_base_priority_init(base, SUPERVISE_PRIORITIES) != 0) {
        event_base_free(base);
        base = NULL;
    }
    return base;
}

/* While pytest runs, between its own lines. */
static void say_between(void *ctx, const char *line)
{
    const struct run *r = ctx;

    supervise_say(r->supervisor, line);
}

static enum err_code read_options(struct run *r, int argc, char *const *argv, bool *out_help,
                                  struct err *err)
{
    struct cfg_option rows[OPTIONS_ROWS_MAX + SHARE_ROWS + FALLBACK_ROWS + LOCAL_ROWS_MAX + 1] = {
        { .name = "junit",
          .value = "FILE",
          .help = "Write this machine's JUnit XML (pytest's --junitxml).",
          .kind = CFG_TEXT,
          .into = &r->junit_text },
    };
    struct cfg_command command = { .usage = "makespan run [OPTIONS] -- COMMAND [ARGS...]",
                                   .about = about,
                                   .tail = tail,
                                   .way_out = "--help lists all; pytest's own options go behind "
                                              "'-- pytest'",
                                   .options = rows };
    enum err_code rc;
    int rest = argc;

    command.option_count = 1 + local_rows(&r->local, rows + 1);
    command.option_count +=
        options_rows(&r->options, OPTIONS_SERVER | OPTIONS_RUN | OPTIONS_SLOT | OPTIONS_OUTPUT,
                     rows + command.option_count);
    command.option_count += share_rows(&r->share, true, rows + command.option_count);
    command.option_count += fallback_rows(&r->fallback, rows + command.option_count);
    INVARIANT(command.option_count <= ARRAY_LEN(rows));
    rc = words_read(&command, argc, argv, &rest, out_help, err);
    if (rc || *out_help)
        return rc;
    if (rest >= argc)
        return err_set(err, ERR_USAGE,
                       "a command to run is needed, for example: makespan run -- pytest tests/");
    r->argv = argv + rest;
    options_command_digest(argc - rest, argv + rest, r->digest);
    return ERR_NONE;
}

/* A file must be writable before anything runs: that it is missed at the end is too late. */
static enum err_code check_writable(const char *option, const char *path, struct err *err)
{
    bool existed = fs_exists(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

    if (fd < 0)
        return err_errno(err, errno, "%s: %s cannot be written", option, path);
    fd_close(&fd);
    if (!existed)
        (void)unlink(path); /* made when there is something to write; until then there is none */
    return ERR_NONE;
}

static enum err_code check_files(struct run *r, struct err *err)
{
    enum err_code rc = ERR_NONE;

    if (r->junit_text && (rc = fs_absolute(r->junit_text, &r->junit, err)) == ERR_NONE)
        rc = check_writable("--junit", r->junit, err);
    if (!rc && r->share.store_path)
        rc = check_writable("--store-durations", r->share.store_path, err);
    return rc;
}

/* Where durations are kept; without a place for them the run still goes on. */
static void find_history(struct run *r)
{
    char cwd[PATH_BYTES_MAX];
    struct err err = ERR_INIT;

    if (!getcwd(cwd, sizeof(cwd)) || history_path(cwd, &r->history, &err))
        say(NULL, "durations are not kept: no cache folder (set XDG_CACHE_HOME or HOME)");
}

static enum err_code open_sharded(struct run *r, struct err *err)
{
    struct str note = STR_MAX(200);
    enum err_code rc;

    sharded_fini(&r->local.sharded);
    rc = sharded_open(&r->local.sharded, &r->target, r->is_share ? &r->share : NULL, &note, err);
    if (!rc && note.len)
        say(NULL, str_text(&note));
    str_fini(&note);
    return rc;
}

/* In a matrix without a coordinator: this machine runs its part of a split that all compute. Only
 * if index and total were given to us: a CI counts jobs of a matrix that are no parts of one suite.
 * With the fallback in mind the split is looked at before it is needed. */
static enum err_code find_share(struct run *r, struct err *err)
{
    struct str note = STR_MAX(PATH_BYTES_MAX + 100);
    enum err_code rc = fallback_check(&r->fallback, &r->target, err);
    const char *idle = fallback_idle(&r->fallback, &r->target);
    bool has_index = r->options.index != PROTO_SLOT_NONE, has_total = r->options.total > 0;

    if (idle)
        say(NULL, idle);
    if (!rc && !r->target.url && has_index != has_total)
        return err_set(err, ERR_USAGE,
                       "--%s without --%s: without a coordinator (MAKESPAN_URL) a machine's part "
                       "of the suite needs both",
                       has_index ? "index" : "total", has_index ? "total" : "index");
    r->is_share = !r->target.url && has_index && has_total;
    if (!rc && (r->is_share || (r->target.url && r->fallback.wanted)))
        rc = share_open(&r->share, r->target.index, r->target.total, &note, err);
    if (!rc && note.len)
        say(NULL, str_text(&note));
    str_fini(&note);
    return rc ? rc : open_sharded(r, err);
}

static bool tell_share(void *ctx, const struct manifest *manifest, const uint32_t *tests,
                       uint32_t count, const struct split_about *plan)
{
    const struct run *r = ctx;
    struct str text = STR_MAX(500);
    struct err ignored = ERR_INIT;

    (void)manifest;
    (void)tests;
    (void)count;
    (void)!str_addz(&text, "no coordinator: a static split, ", &ignored);
    split_text(plan, &r->share.split, &text);
    say_between(ctx, str_text(&text));
    str_clear(&text);
    if (split_warning(plan, &text))
        say_between(ctx, str_text(&text));
    str_clear(&text);
    if (split_unkept(plan, &text))
        say_between(ctx, str_text(&text));
    str_fini(&text);
    return true;
}

static enum err_code make_source(struct run *r, struct err *err)
{
    struct remote_opts remote = { .base = r->base,
                                  .clock = clock_system(),
                                  .target = &r->target,
                                  .workers = r->local.workers,
                                  .first_ppm = r->local.first_ppm,
                                  .speculate = r->local.speculate,
                                  .fingerprint = MAKESPAN_PLATFORM,
                                  .command = r->digest,
                                  .say = say_between,
                                  .say_ctx = r };
    bool is_split = r->is_share && r->local.sharded.total == 0; /* else what is collected is ours */

    if (r->target.url && r->share.store_path && !r->fallback.wanted)
        say(NULL, "--store-durations: the coordinator keeps what tests took; no file is written");
    if (r->target.url)
        return remote_new(&remote, supervise_events(), r->supervisor, &r->source, err);
    find_history(r);
    r->source = solo_new(&(struct solo_opts){ .history = r->history,
                                              .split = is_split ? &r->share.split : NULL,
                                              .is_dealt = r->is_share && !is_split,
                                              .first_ppm = r->local.first_ppm,
                                              .store = r->share.store_path,
                                              .shared = tell_share,
                                              .shared_ctx = r,
                                              .say = say_between,
                                              .say_ctx = r },
                         supervise_events(), r->supervisor);
    return ERR_NONE;
}

static enum closing_mode mode_of(const struct run *r)
{
    if (r->target.url)
        return CLOSING_SHARED;
    if (r->fell_back)
        return CLOSING_FALLBACK;
    return r->is_share ? CLOSING_SPLIT : CLOSING_ALONE;
}

/* From here on there is no coordinator. */
static void fall_back(struct run *r, const struct err *why)
{
    say(NULL, why->text);
    say(NULL, "falling back: this machine runs its share of a static split, and nobody checks that "
              "the other shares run; what it finds reaches no coordinator");
    r->source->ops->free(r->source);
    r->source = NULL;
    free(r->target.url);
    r->target.url = NULL;
    r->is_share = r->fell_back = true;
}

static enum err_code run_source(struct run *r, struct supervise_report *out, struct err *err)
{
    enum err_code rc = make_source(r, err);
    const char *why_not = NULL;

    if (!rc)
        rc = supervise_run(r->supervisor, r->source, out, err);
    if (rc &&
        fallback_may(&r->fallback, &r->target, supervise_joined(r->supervisor), rc, &why_not)) {
        fall_back(r, err);
        *err = (struct err)ERR_INIT;
        if ((rc = open_sharded(r, err)) == ERR_NONE)
            rc = make_source(r, err);
        return rc ? rc : supervise_run(r->supervisor, r->source, out, err);
    }
    if (rc && why_not)
        say(NULL, why_not);
    return rc;
}

static enum err_code perform(struct run *r, uint32_t *out_exit, struct err *err)
{
    struct supervise_opts opts = { .clock = clock_system(),
                                   .keeper = r->keeper,
                                   .argv = r->argv,
                                   .env = environ,
                                   .junit = r->junit,
                                   .local = &r->local,
                                   .alone = !r->target.url && !r->is_share,
                                   .say = say };
    struct supervise_report report = { .exit = EXIT_INTERNAL };
    const char *why = NULL;
    enum err_code rc;

    r->base = opts.base = base_new();
    INVARIANT(r->base);
    resources_raise_files();
    if (!keeper_holds_all(r->keeper))
        say(NULL, "this system does not let us adopt orphans: what a test detaches may survive it");
    if ((rc = supervise_new(&opts, &r->supervisor, err)) != ERR_NONE ||
        (rc = run_source(r, &report, err)) != ERR_NONE)
        return rc;
    if (report.exit == EXIT_MISMATCH)
        sharded_forget(&r->local.sharded);
    if (r->local.sharded.total > 0 && report.ran && report.exit == PYTEST_NO_TESTS)
        report.exit = EXIT_OK; /* there are fewer files than machines */
    if (report.ran && r->fell_back)
        report.exit = fallback_exit(&r->fallback, &r->target, report.exit, &why);
    if (report.ran && r->target.output_json)
        closing_json(mode_of(r), &report);
    else if (report.ran)
        closing_text(mode_of(r), &report);
    if (why)
        say(NULL, why);
    *out_exit = report.exit;
    return ERR_NONE;
}

/* Everything below the keeper ends before the folder that it uses goes. */
static void run_fini(struct run *r)
{
    keeper_stop(r->keeper);
    if (r->source)
        r->source->ops->free(r->source);
    supervise_free(r->supervisor);
    if (r->base)
        event_base_free(r->base);
    target_fini(&r->target);
    options_fini(&r->options);
    local_fini(&r->local);
    share_fini(&r->share);
    sharded_fini(&r->local.sharded);
    free(r->junit);
    free(r->history);
}

enum err_code command_run(int argc, char *const *argv, uint32_t *out_exit, struct err *err)
{
    struct run r = { .options = OPTIONS_INIT, .local = LOCAL_INIT };
    bool help = false;
    enum err_code rc = read_options(&r, argc, argv, &help, err);

    if (!rc && !help && (rc = local_check(&r.local, err)) == ERR_NONE &&
        (rc = check_files(&r, err)) == ERR_NONE &&
        (rc = keeper_start(&r.keeper, err)) == ERR_NONE &&
        (rc = target_resolve(&r.options, r.digest, &r.target, err)) == ERR_NONE &&
        (rc = find_share(&r, err)) == ERR_NONE) {
        if ((r.target.url || r.is_share) && r.local.last_failed)
            rc = err_set(err, ERR_USAGE,
                         "--last-failed is of this machine; a suite that machines share must be "
                         "collected the same on all: leave it out%s",
                         r.is_share ? "" : ", or pass --lf to pytest where all restore one cache");
        else if (r.target.url && r.local.workers_given && r.local.workers == 0)
            rc = err_set(err, ERR_USAGE, "-n 0 runs no workers; a shared run needs at least one");
        else
            rc = perform(&r, out_exit, err);
    }
    run_fini(&r);
    return rc;
}
