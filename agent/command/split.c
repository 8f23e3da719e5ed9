/* makespan split: which tests fall to one machine of a matrix, without a coordinator. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "command.h"
#include "fs.h"
#include "mem.h"
#include "proto.h"
#include "source/share.h"
#include "source/solo.h"
#include "supervise/supervise.h"
#include "words.h"

#define IDS_BYTES_MAX   (256u << 20)
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

extern char **environ;

struct split {
    struct share share;
    uint32_t index, total;
    const char *ids_path;
    char *const *argv; /* the runner's command, NULL for none */
    struct str ids;    /* what is printed */
    struct err failed; /* why it cannot be */
    bool collected;
};

static const char about[] =
    "Prints the ids of the tests that fall to one machine of a matrix, one a line, in running "
    "order. Every machine computes the whole split from the same ids and the same file of "
    "durations, so no test is left out and none runs twice. The ids come from a command that runs "
    "pytest, which then only collects, or from a file with one id a line. 'makespan run' with the "
    "same options runs them.";

static const char tail[] =
    "Examples:\n"
    "  makespan split --index 0 --total 4 -- pytest tests/\n"
    "  makespan split --index 2 --total 8 --algorithm least_duration --ids ids.txt\n"
    "  pytest --collect-only -q | grep :: | makespan split --index 0 --total 2 --ids -\n";

static void say(void *ctx, const char *line)
{
    (void)ctx;
    (void)fprintf(stderr, "makespan: %s\n", line);
}

static enum err_code read_options(struct split *s, int argc, char *const *argv, bool *out_help,
                                  struct err *err)
{
    struct cfg_option rows[SHARE_ROWS + 3] = {
        { .name = "index",
          .env = "MAKESPAN_INDEX",
          .value = "I",
          .help = "Which machine of the matrix, from 0.",
          .kind = CFG_U32,
          .into = &s->index,
          .max = SHARE_MACHINES_MAX },
        { .name = "total",
          .env = "MAKESPAN_TOTAL",
          .value = "N",
          .help = "How many machines there are.",
          .kind = CFG_U32,
          .into = &s->total,
          .min = 1,
          .max = SHARE_MACHINES_MAX },
        { .name = "ids",
          .value = "FILE",
          .help = "One id a line, in the order of collection; - is standard input.",
          .kind = CFG_TEXT,
          .into = &s->ids_path },
    };
    const struct cfg_command command = {
        .usage = "makespan split --index I --total N [OPTIONS] --ids FILE\n"
                 "makespan split --index I --total N [OPTIONS] -- COMMAND [ARGS...]",
        .about = about,
        .tail = tail,
        .options = rows,
        .option_count = 3 + share_rows(&s->share, false, rows + 3),
    };
    int rest = argc;
    enum err_code rc = words_read(&command, argc, argv, &rest, out_help, err);

    if (rc || *out_help)
        return rc;
    if (s->total == 0 || s->index == PROTO_SLOT_NONE)
        return err_set(err, ERR_USAGE, "split needs --index I and --total N");
    if (!s->ids_path == (rest >= argc))
        return err_set(err, ERR_USAGE, "split needs either --ids FILE or -- and a command");
    s->argv = rest < argc ? argv + rest : NULL;
    return ERR_NONE;
}

/* Keeps the ids for printing; what follows on the runner's side does not run. */
static bool keep_ids(void *ctx, const struct manifest *manifest, const uint32_t *tests,
                     uint32_t count, const struct split_about *plan)
{
    struct split *s = ctx;
    struct str text = STR_MAX(500);

    s->collected = true;
    for (uint32_t i = 0; i < count && !s->failed.code; i++)
        if (!str_addz(&s->ids, manifest->tests[tests[i]].id, &s->failed))
            (void)!str_addz(&s->ids, "\n", &s->failed);
    if (split_warning(plan, &text))
        say(NULL, str_text(&text));
    str_clear(&text);
    if (split_unkept(plan, &text))
        say(NULL, str_text(&text));
    str_clear(&text);
    split_text(plan, &s->share.split, &text);
    say(NULL, str_text(&text));
    if (count == 0)
        say(NULL, "no id is printed: a pytest that is given none runs everything ('makespan run' "
                  "with the same options runs nothing)");
    str_fini(&text);
    return false;
}

/* One id a line; an empty line is no id, and a byte order mark is none's beginning. */
static enum err_code read_manifest(const struct str *bytes, struct manifest *m, struct err *err)
{
    const char *text = str_text(bytes);
    enum err_code rc = ERR_NONE;

    if (strlen(text) != bytes->len)
        return err_set(err, ERR_INVALID,
                       "the ids hold a zero byte, behind byte %zu: ids are text, one a line",
                       strlen(text));
    if (!strncmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)))
        text += strlen(BYTE_ORDER_MARK);
    while (!rc && *text) {
        size_t len = strcspn(text, "\n");
        size_t used = len && text[len - 1] == '\r' ? len - 1 : len;
        const struct view none = { .at = "", .len = 0 };

        if (used)
            rc = manifest_add(m, (struct view){ .at = text, .len = used }, none, none, err);
        text += len + (text[len] == '\n');
    }
    manifest_seal(m);
    return rc;
}

static enum err_code split_file(struct split *s, struct err *err)
{
    struct str bytes = STR_MAX(IDS_BYTES_MAX);
    struct manifest *m = manifest_new();
    enum err_code rc = fs_read_given(s->ids_path, &bytes, err);

    if (!rc)
        rc = read_manifest(&bytes, m, err);
    if (!rc) {
        uint32_t *tests = mem_new(m->count, sizeof(*tests));
        uint64_t *costs_us = mem_new(m->count, sizeof(*costs_us));
        struct split_about plan;
        uint32_t count = split_tests(m, &s->share.split, tests, costs_us, &plan);

        (void)keep_ids(s, m, tests, count, &plan);
        free(tests);
        free(costs_us);
    }
    manifest_free(m);
    str_fini(&bytes);
    return rc;
}

/* Only ids may stand on standard output: what the runner prints goes to standard error. */
static enum err_code divert_stdout(int *out_kept, struct err *err)
{
    int kept = dup(STDOUT_FILENO);

    if (kept < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return err_errno(err, errno, "standard output");
    *out_kept = kept;
    return ERR_NONE;
}

static enum err_code split_collected(struct split *s, struct err *err)
{
    struct keeper *keeper = NULL;
    struct event_base *base = NULL;
    struct supervisor *supervisor = NULL;
    struct source *source = NULL;
    struct supervise_report report = { .exit = EXIT_INTERNAL };
    const struct local one_worker = { .workers = 1, .workers_given = true };
    const struct solo_opts opts = {
        .split = &s->share.split, .shared = keep_ids, .shared_ctx = s, .say = say
    };
    enum err_code rc = keeper_start(&keeper, err);

    if (!rc) {
        base = event_base_new();
        INVARIANT(base);
        rc = supervise_new(&(struct supervise_opts){ .base = base,
                                                     .clock = clock_system(),
                                                     .keeper = keeper,
                                                     .argv = s->argv,
                                                     .env = environ,
                                                     .local = &one_worker,
                                                     .alone = true,
                                                     .say = say },
                           &supervisor, err);
    }
    if (!rc) {
        source = solo_new(&opts, supervise_events(), supervisor);
        rc = supervise_run(supervisor, source, &report, err);
    }
    if (!rc && !s->collected)
        rc = err_set(err, ERR_RUNNER, "the command collected no tests (its exit status is %u)",
                     report.exit);
    keeper_stop(keeper);
    if (source)
        source->ops->free(source);
    supervise_free(supervisor);
    if (base)
        event_base_free(base);
    return rc;
}

static enum err_code print_ids(const struct split *s, int fd, struct err *err)
{
    if (s->failed.code)
        return err_set(err, s->failed.code, "%s", s->failed.text);
    return fs_write_all(fd, str_text(&s->ids), s->ids.len, err);
}

enum err_code command_split(int argc, char *const *argv, uint32_t *out_exit, struct err *err)
{
    struct split s = { .index = PROTO_SLOT_NONE, .ids = STR_MAX(IDS_BYTES_MAX) };
    struct str note = STR_MAX(PATH_BYTES_MAX + 100);
    bool help = false;
    int out = STDOUT_FILENO;
    enum err_code rc = read_options(&s, argc, argv, &help, err);

    if (rc || help)
        goto out;
    rc = share_open(&s.share, s.index, s.total, &note, err);
    if (!rc && note.len)
        say(NULL, str_text(&note));
    if (!rc && s.argv)
        rc = divert_stdout(&out, err);
    if (!rc)
        rc = s.argv ? split_collected(&s, err) : split_file(&s, err);
    if (!rc)
        rc = print_ids(&s, out, err);
    if (!rc)
        *out_exit = EXIT_OK;
out:
    if (out != STDOUT_FILENO)
        fd_close(&out);
    share_fini(&s.share);
    str_fini(&s.ids);
    str_fini(&note);
    return rc;
}
