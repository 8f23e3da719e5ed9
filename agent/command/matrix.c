/* makespan matrix: how many parallel jobs, as a CI wants to be told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "fleet.h"
#include "json.h"
#include "proto.h"
#include "words.h"

#define SLOTS_MAX 256u /* of a GitHub matrix */

static const char about[] =
    "Prints the parallel jobs for a CI: as many as --agents says, or the fewest whose predicted "
    "time, start-up included, is within --target. The form github is a matrix for fromJSON, with "
    "index and total; gitlab is the number for 'parallel'; json is both with the forecast.";

static const char tail[] =
    "Examples:\n"
    "  echo \"matrix=$(makespan matrix --target 5m --startup 45s --format github)\" "
    ">>\"$GITHUB_OUTPUT\"\n"
    "  makespan matrix --agents 8 --format gitlab\n";

struct matrix {
    struct fleet fleet;
    uint64_t target_ms;
    uint32_t agents;
    const char *format;
};

/* Whether so many machines could do it if nothing were lost and all were a good deal faster. */
static bool may_do(const struct matrix *m, uint64_t work_us, uint32_t machines)
{
    uint64_t least_us = work_us / ((uint64_t)machines * m->fleet.workers);

    return least_us <= m->target_ms * 1000 / 3 * 4;
}

/* The fewest machines in time; what is simulated wobbles, so the first that is, not a bisection. */
static enum err_code find_agents(const struct matrix *m, struct forecast *out, struct err *err)
{
    const struct duration *floor = forecast_floor(&m->fleet.durations);
    struct forecast f = { 0 };
    uint64_t work_us = 0;
    uint32_t n = 1;

    for (uint32_t i = 0; i < m->fleet.durations.count; i++)
        work_us += m->fleet.durations.items[i].us;
    for (; n <= SLOTS_MAX; n++) {
        enum err_code rc = ERR_NONE;

        if (!may_do(m, work_us, n))
            continue;
        rc = forecast_run(&m->fleet.durations, &m->fleet.opts, n, &f, err);
        if (rc)
            return rc;
        if (f.time_us <= m->target_ms * 1000) {
            *out = f;
            return ERR_NONE;
        }
        if (n >= 8 && f.bound_us > m->target_ms * 1000 &&
            floor->us + m->fleet.opts.startup_us > m->target_ms * 1000)
            break; /* more of them do not help */
    }
    if (n > SLOTS_MAX)
        return err_set(err, ERR_INVALID,
                       "not even %u machines of %u workers, the most a matrix has, do %.3f s of "
                       "tests in %.3f s: a longer --target, or more --workers",
                       SLOTS_MAX, m->fleet.workers, (double)work_us / 1e6,
                       (double)m->target_ms / 1e3);
    return err_set(err, ERR_INVALID,
                   "no number of machines does it in %.3f s: start-up %.3f s, and the longest test "
                   "takes %.3f s: %s",
                   (double)m->target_ms / 1e3, (double)m->fleet.opts.startup_us / 1e6,
                   (double)floor->us / 1e6, floor->id);
}

static struct json *github_matrix(uint32_t agents)
{
    struct json *doc = json_new_object(), *index = json_new_array(), *total = json_new_array();

    for (uint32_t i = 0; i < agents; i++)
        json_append_u64(index, i);
    json_append_u64(total, agents);
    json_set(doc, "index", index);
    json_set(doc, "total", total);
    return doc;
}

static void print_doc(struct json *take_doc)
{
    char *text = json_finish(take_doc);

    printf("%s\n", text);
    free(text);
}

static void print_answer(const struct matrix *m, const struct forecast *f)
{
    struct json *doc;

    if (!strcmp(m->format, "gitlab")) {
        printf("%u\n", f->agents);
        return;
    }
    if (!strcmp(m->format, "github")) {
        print_doc(github_matrix(f->agents));
        return;
    }
    doc = json_new_object();
    json_set_u64(doc, "agents", f->agents);
    json_set(doc, "github", github_matrix(f->agents));
    json_set_u64(doc, "gitlab_parallel", f->agents);
    if (f->time_us) {
        json_set_u64(doc, "startup_us", m->fleet.opts.startup_us);
        json_set_u64(doc, "predicted_us", f->time_us);
        json_set_u64(doc, "bound_us", f->bound_us);
        json_set_u64(doc, "machine_us", f->paid_us);
    }
    print_doc(doc);
}

static enum err_code answer(struct matrix *m, struct err *err)
{
    struct forecast f = { .agents = m->agents };
    enum err_code rc = ERR_NONE;

    if (!m->agents == !m->target_ms)
        return err_set(err, ERR_USAGE, "matrix needs either --target TIME or --agents N%s",
                       m->agents ? ", not both" : "");
    if (strcmp(m->format, "json") != 0 && strcmp(m->format, "github") != 0 &&
        strcmp(m->format, "gitlab") != 0)
        return err_set(err, ERR_USAGE, "format '%s' is none of json, github, gitlab", m->format);
    if (m->target_ms)
        rc = fleet_open(&m->fleet, err);
    if (!rc && m->target_ms)
        rc = find_agents(m, &f, err);
    if (!rc)
        print_answer(m, &f);
    return rc;
}

enum err_code command_matrix(int argc, char *const *argv, uint32_t *out_exit, struct err *err)
{
    struct matrix m = { .fleet = FLEET_INIT, .format = "json" };
    struct cfg_option rows[FLEET_ROWS + 3] = {
        { .name = "target",
          .value = "TIME",
          .help = "How long the whole may take.",
          .kind = CFG_DURATION,
          .into = &m.target_ms,
          .max = (uint64_t)86400 * 1000 },
        { .name = "agents",
          .value = "N",
          .help = "So many machines, without asking why.",
          .kind = CFG_U32,
          .into = &m.agents,
          .min = 1,
          .max = SLOTS_MAX },
        { .name = "format",
          .value = "FORM",
          .help = "json (default), github or gitlab.",
          .kind = CFG_TEXT,
          .into = &m.format },
    };
    const struct cfg_command command = { .usage =
                                             "makespan matrix --target TIME | --agents N [OPTIONS]",
                                         .about = about,
                                         .tail = tail,
                                         .options = rows,
                                         .option_count = 3 + fleet_rows(&m.fleet, rows + 3) };
    bool help = false;
    enum err_code rc = words_read(&command, argc, argv, NULL, &help, err);

    if (rc || help)
        goto out;
    rc = answer(&m, err);
    if (!rc)
        *out_exit = EXIT_OK;
out:
    fleet_fini(&m.fleet);
    return rc;
}
