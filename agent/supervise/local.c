#include "local.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/limit.h"
#include "core/worker.h"
#include "fs.h"
#include "json.h"
#include "proto.h"

static size_t workers_rows(struct local *local, struct cfg_option *rows)
{
    const struct cfg_option table[] = {
        { .section = "Workers on this machine",
          .name = "workers",
          .short_name = 'n',
          .env = "MAKESPAN_WORKERS",
          .value = "N|auto|logical",
          .kind = CFG_TEXT,
          .into = &local->workers_text,
          .help =
              "How many, at most. auto: as many as this machine has CPUs (within a control group's "
              "quota) and memory for, and more where tests were seen to wait rather than to "
              "compute; logical: whatever the quota; 0: none, plain pytest." },
        { .name = "all-workers",
          .env = "MAKESPAN_ALL_WORKERS",
          .kind = CFG_FLAG,
          .into = &local->all_workers,
          .help = "Start all of -n N at once. Else those beyond the CPUs begin when tests are seen "
                  "to wait rather than to compute: tests that compute end later the more workers "
                  "compete for a CPU." },
        { .name = "start",
          .env = "MAKESPAN_START",
          .value = "MODE",
          .kind = CFG_TEXT,
          .into = &local->start_text,
          .help = "How workers start. fork: as forks of the one process that has collected. early: "
                  "forked before pytest is configured, each collecting for itself. spawn: the "
                  "command once more for each. auto: fork, unless what was found after the "
                  "collection (threads, sockets, open files, who a worker is) makes that unsafe." },
        { .name = "isolate",
          .env = "MAKESPAN_ISOLATE",
          .kind = CFG_FLAG,
          .into = &local->isolate,
          .help = "Run each test in a fork of its own: it may crash or spoil what it likes. Module "
                  "and session fixtures are set up once a worker and inherited. For single tests: "
                  "@pytest.mark.forked." },
        { .name = "tests-per-worker",
          .env = "MAKESPAN_TESTS_PER_WORKER",
          .value = "K",
          .kind = CFG_U32,
          .min = 1,
          .max = WORKER_HAND_MAX,
          .into = &local->threads,
          .help = "Let each worker run up to K tests at a time, in threads, for tests that wait. "
                  "Only the test function runs in a thread; set-up and teardown do not. Alone run: "
                  "tests with fixtures such as monkeypatch, capsys or caplog, tests marked serial, "
                  "whatever is not a plain function. What a test changes in the process (the "
                  "environment, warnings, the working folder, a patched module) the others see; "
                  "output of its child processes may be shown with another test." },
        { .name = "recycle-after",
          .env = "MAKESPAN_RECYCLE_AFTER",
          .value = "K",
          .kind = CFG_U32,
          .min = 1,
          .max = UINT32_MAX,
          .into = &local->recycle_after,
          .help = "Replace a worker by a fresh fork when it has run K tests." },
        { .name = "recycle-above",
          .env = "MAKESPAN_RECYCLE_ABOVE",
          .value = "SIZE",
          .kind = CFG_SIZE,
          .max = (uint64_t)1 << 50,
          .into = &local->recycle_above_bytes,
          .help = "Replace a worker, between two tests, when memory of its own (not shared with "
                  "the others) is over SIZE, for example 500MiB." },
        { .name = "no-gc-freeze",
          .env = "MAKESPAN_NO_GC_FREEZE",
          .kind = CFG_FLAG,
          .into = &local->no_gc_freeze,
          .help = "Let full garbage collections walk what was imported and collected, for tests "
                  "that count objects." },
    };

    memcpy(rows, table, sizeof(table));
    return ARRAY_LEN(table);
}

static size_t order_rows(struct local *local, struct cfg_option *rows)
{
    const struct cfg_option table[] = {
        { .section = "What runs, and what first",
          .name = "last-failed",
          .env = "MAKESPAN_LAST_FAILED",
          .kind = CFG_FLAG,
          .into = &local->last_failed,
          .help = "Run only what failed last time on this machine (pytest's --lf)." },
        { .name = "failed-first",
          .env = "MAKESPAN_FAILED_FIRST",
          .value = "SHARE",
          .bare = "10%",
          .kind = CFG_TEXT,
          .into = &local->first_text,
          .help = "Run what failed when it ran last before everything else, the shortest of them "
                  "up to this share of the predicted time (10% when none is given), so that a "
                  "failure that is still there shows early and the run becomes no longer; pytest's "
                  "own --ff may be given too." },
        { .name = "speculate",
          .env = "MAKESPAN_SPECULATE",
          .kind = CFG_FLAG,
          .into = &local->speculate,
          .help = "With a coordinator: at the end of the run, let machines that would idle run "
                  "what still runs elsewhere and is late, too; the first result counts, the other "
                  "is ended. Only between machines that all say so; never tests with a group, "
                  "mutex, serial or no_speculate." },
    };

    memcpy(rows, table, sizeof(table));
    return ARRAY_LEN(table);
}

static size_t limit_rows(struct local *local, struct cfg_option *rows)
{
    const struct cfg_option table[] = {
        { .section = "Time limits",
          .name = "timeout",
          .env = "MAKESPAN_TIMEOUT",
          .value = "TIME",
          .kind = CFG_DURATION,
          .into = &local->timeout_ms,
          .max = LIMIT_MS_MAX,
          .help =
              "How long one test may take, set-up and teardown included (30s, 2m; 0: no limit). "
              "Over it, its worker shows the stacks of all threads, is ended and replaced; the "
              "outcome is 'timeout', and red. A marker timeout(SECONDS) on a test beats it. Where "
              "pytest-timeout limits a test, that plugin acts, and this stands behind it." },
        { .name = "run-timeout",
          .env = "MAKESPAN_RUN_TIMEOUT",
          .value = "TIME",
          .kind = CFG_DURATION,
          .into = &local->run_timeout_ms,
          .max = LIMIT_MS_MAX,
          .help =
              "How long the run may take on this machine, from the start of the command (0: no "
              "limit). Over it, it stops as after Ctrl-C, reports what it has and exits with 75." },
        { .name = "stall-timeout",
          .env = "MAKESPAN_STALL_TIMEOUT",
          .value = "TIME",
          .kind = CFG_DURATION,
          .into = &local->stall_ms,
          .max = LIMIT_MS_MAX,
          .help = "How long a worker may be silent between tests, while it starts, tears down wide "
                  "fixtures or ends, before it is replaced (default 5m; 0: for ever)." },
    };

    memcpy(rows, table, sizeof(table));
    return ARRAY_LEN(table);
}

static size_t output_rows(struct local *local, struct cfg_option *rows)
{
    const struct cfg_option table[] = {
        { .section = "What is shown",
          .name = "slow-after",
          .env = "MAKESPAN_SLOW_AFTER",
          .value = "TIME",
          .kind = CFG_DURATION,
          .into = &local->slow_ms,
          .max = LIMIT_MS_MAX,
          .help = "Name the tests that run, and their workers, when none has ended for so long "
                  "(default 1m; again after twice that time, and so on; 0: never)." },
        { .name = "live",
          .env = "MAKESPAN_LIVE",
          .value = "WORKER",
          .bare = "all",
          .kind = CFG_TEXT,
          .into = &local->live,
          .help = "Show what tests print while they run, line by line, instead of with their "
                  "reports: of one worker (--live=gw0), or of all, each line behind the worker's "
                  "name. pytest's -s does the same for all." },
    };

    memcpy(rows, table, sizeof(table));
    return ARRAY_LEN(table);
}

size_t local_rows(struct local *local, struct cfg_option *rows)
{
    size_t count = workers_rows(local, rows);

    rows[count++] = sharded_row(&local->sharded);
    count += order_rows(local, rows + count);
    count += limit_rows(local, rows + count);
    count += output_rows(local, rows + count);
    INVARIANT(count <= LOCAL_ROWS_MAX);
    return count;
}

static enum err_code check_workers(struct local *local, struct err *err)
{
    const char *text = local->workers_text;
    struct crew_input in;
    struct crew crew;

    local->workers_given = text != NULL;
    local->workers_logical = text && strcmp(text, "logical") == 0;
    local->workers_fixed = text && !local->workers_logical && strcmp(text, "auto") != 0;
    if (!local->workers_fixed) {
        local_crew(local, false, 0, &in);
        crew_plan(&in, &crew);
        local->workers = crew.workers;
        return ERR_NONE;
    }
    if (parse_u32(text, 0, PROTO_WORKERS_MAX, &local->workers, err) == ERR_NONE)
        return ERR_NONE;
    return err_set(err, ERR_USAGE, "-n is a number up to %u, auto or logical, not '%s'",
                   PROTO_WORKERS_MAX, text);
}

/* Without it the number of workers is chosen with less knowledge, and that is all. */
static void read_footprint(struct local *local)
{
    char cwd[PATH_BYTES_MAX];
    struct err ignored = ERR_INIT;

    if (getcwd(cwd, sizeof(cwd)) &&
        footprint_path(cwd, &local->footprint_path, &ignored) == ERR_NONE)
        (void)!footprint_load(local->footprint_path, &local->footprint, &ignored);
}

void local_crew(const struct local *local, bool logical, uint32_t at_most, struct crew_input *out)
{
    uint64_t recorded = local->footprint.worker_bytes;

    *out = (struct crew_input){ .machine = &local->machine,
                                .logical = logical || local->workers_logical,
                                .at_most = at_most,
                                .worker_bytes = recorded ? recorded : CREW_LEAST_BYTES,
                                .busy_ppm = local->footprint.busy_ppm,
                                .source = recorded ? CREW_RECORDED : CREW_ASSUMED };
}

void local_fini(struct local *local)
{
    footprint_fini(&local->footprint);
    free(local->footprint_path);
    local->footprint_path = NULL;
}

static enum err_code check_first(struct local *local, struct err *err)
{
    const char *text = local->first_text;
    char digits[8] = "";
    size_t len = text ? strcspn(text, "%") : 0;
    uint32_t percent = 0;

    if (!text)
        return ERR_NONE;
    if (len < sizeof(digits) && (!text[len] || !text[len + 1])) {
        memcpy(digits, text, len);
        if (parse_u32(digits, 0, 100, &percent, err) == ERR_NONE) {
            local->first_ppm = percent * (PROTO_PPM_MAX / 100);
            return ERR_NONE;
        }
    }
    return err_set(err, ERR_USAGE, "--failed-first is a share from 0%% to 100%%, not '%s'", text);
}

static enum err_code check_threads(const struct local *local, struct err *err)
{
    if (local->threads > 1 && local->speculate)
        return err_set(err, ERR_USAGE,
                       "--speculate ends a test by ending its worker's work; with "
                       "--tests-per-worker that would end others, too: choose one of them");
    return ERR_NONE;
}

static enum err_code check_live(struct local *local, struct err *err)
{
    local->live_slot = UINT32_MAX;
    if (!local->live || strcmp(local->live, "all") == 0)
        return ERR_NONE;
    if (strncmp(local->live, "gw", 2) == 0 &&
        parse_u32(local->live + 2, 0, PROTO_WORKERS_MAX - 1, &local->live_slot, err) == ERR_NONE) {
        if (!local->workers_fixed || local->workers == 0 || local->live_slot < local->workers)
            return ERR_NONE;
        return err_set(err, ERR_USAGE,
                       "--live=%s: there is no such worker; with -n %u the last is gw%u",
                       local->live, local->workers, local->workers - 1);
    }
    *err = (struct err)ERR_INIT;
    return err_set(err, ERR_USAGE, "--live is all or the name of a worker, such as gw0, not '%s'",
                   local->live);
}

enum err_code local_check(struct local *local, struct err *err)
{
    enum err_code rc;

    resources_read("", &local->machine);
    read_footprint(local);
    rc = check_workers(local, err);
    if (!rc)
        rc = start_parse(local->start_text, &local->start, err);
    if (!rc)
        rc = check_live(local, err);
    if (!rc)
        rc = check_threads(local, err);
    return rc ? rc : check_first(local, err);
}

void local_unused_inline(const struct local *local, struct str *out)
{
    const struct {
        bool given;
        const char *name;
    } options[] = {
        { local->start != START_AUTO, "--start" },
        { local->timeout_ms > 0, "--timeout" },
        { local->isolate, "--isolate" },
        { local->threads > 1, "--tests-per-worker" },
        { local->recycle_after > 0, "--recycle-after" },
        { local->recycle_above_bytes > 0, "--recycle-above" },
        { local->first_ppm > 0, "--failed-first" },
        { local->live != NULL, "--live" },
    };
    struct err ignored = ERR_INIT;

    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if (options[i].given)
            (void)!str_addf(out, &ignored, "%s%s", out->len ? ", " : "", options[i].name);
}

void local_tell(const struct local *local, struct json *config)
{
    json_set_bool(config, "isolate", local->isolate);
    json_set_text(config, "live", local->live);
    json_set_bool(config, "gc_freeze", !local->no_gc_freeze);
    sharded_tell(&local->sharded, config);
}
