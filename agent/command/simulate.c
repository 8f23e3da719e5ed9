/* makespan simulate: how long the suite would take on how many machines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "fleet.h"
#include "json.h"
#include "mem.h"
#include "proto.h"
#include "words.h"

#define BAR_WIDTH   40u
#define ROWS_MAX    64u
#define AGENTS_LAST 32u

static const char about[] =
    "Runs recorded durations on fleets that exist only in virtual time, by the same planner that "
    "real runs use, and prints the time from the start of the jobs to the end of the last test, "
    "for each number of machines. The row marked as the knee is where more machines begin to "
    "bring little.";

static const char tail[] = "Examples:\n"
                           "  makespan simulate --durations .test_durations --startup 45s\n"
                           "  makespan simulate --agents 4,8,16 --workers 4 --lost 1\n";

static enum err_code parse_counts(const char *text, uint32_t *counts, size_t *out_count,
                                  struct err *err)
{
    size_t n = 0;

    while (*text) {
        char word[16];
        size_t len = strcspn(text, ",");

        if (n == ROWS_MAX || len >= sizeof(word))
            return err_set(err, ERR_USAGE, "--agents is up to %u numbers with commas between them",
                           ROWS_MAX);
        memcpy(word, text, len);
        word[len] = '\0';
        if (parse_u32(word, 1, FORECAST_AGENTS_MAX, &counts[n], err))
            return err_set(err, ERR_USAGE, "--agents: '%s' is not a number from 1 to %u", word,
                           FORECAST_AGENTS_MAX);
        if (n && counts[n] <= counts[n - 1])
            return err_set(err, ERR_USAGE, "--agents: each number must be above the one before");
        n++;
        text += len + (text[len] == ',');
    }
    *out_count = n;
    return n ? ERR_NONE : err_set(err, ERR_USAGE, "--agents: no number");
}

/* 1 2 3 4 6 8 12 16 24 32: twice as many in two steps. */
static size_t usual_counts(uint32_t *counts)
{
    size_t n = 0;

    for (uint32_t a = 1; a <= AGENTS_LAST; a = a < 2 || (a & (a - 1)) ? a + (a + 2) / 3 : a + a / 2)
        counts[n++] = a;
    return n;
}

static void print_table(const struct forecast *row, size_t count, const struct fleet *f)
{
    const struct duration *floor = forecast_floor(&f->durations);
    size_t knee = forecast_knee(row, count);
    uint64_t worst_us = 0;

    for (size_t i = 0; i < count; i++)
        worst_us = row[i].time_us > worst_us ? row[i].time_us : worst_us;
    printf("%u tests, %u workers a machine, start-up of a job %.1f s", f->durations.count,
           f->workers, (double)f->opts.startup_us / 1e6);
    if (f->measured_us > 0)
        printf(", of which %.1f s measured until the end of collection",
               (double)f->measured_us / 1e6);
    else
        printf(" (as --startup says; not measured)");
    printf("\n\n");
    printf("machines      time   bound  ratio  machine-minutes\n");
    for (size_t i = 0; i < count; i++) {
        uint64_t width = worst_us ? row[i].time_us * BAR_WIDTH / worst_us : 0;

        printf("%8u %8.1fs %6.1fs %6.3f %16.1f  ", row[i].agents, (double)row[i].time_us / 1e6,
               (double)row[i].bound_us / 1e6,
               row[i].bound_us ? (double)row[i].time_us / (double)row[i].bound_us : 1.0,
               (double)row[i].paid_us / 6e7);
        for (uint64_t b = 0; b < (width ? width : 1); b++)
            printf("#");
        printf("%s\n", count > 2 && i == knee ? "  <- knee" : "");
    }
    printf("\nNo number of machines makes it shorter than its longest test, %.1f s:\n%s\n",
           (double)floor->us / 1e6, floor->id);
}

static void print_json(const struct forecast *row, size_t count, const struct fleet *f)
{
    struct json *doc = json_new_object(), *rows = json_new_array();
    char *text;

    for (size_t i = 0; i < count; i++) {
        struct json *o = json_new_object();

        json_set_u64(o, "agents", row[i].agents);
        json_set_u64(o, "time_us", row[i].time_us);
        json_set_u64(o, "bound_us", row[i].bound_us);
        json_set_u64(o, "paid_us", row[i].paid_us);
        json_append(rows, o);
    }
    json_set_u64(doc, "tests", f->durations.count);
    json_set_u64(doc, "workers", f->workers);
    json_set_u64(doc, "startup_us", f->opts.startup_us);
    json_set_u64(doc, "knee", row[forecast_knee(row, count)].agents);
    json_set_text(doc, "longest_test", forecast_floor(&f->durations)->id);
    json_set_u64(doc, "longest_test_us", forecast_floor(&f->durations)->us);
    json_set(doc, "forecast", rows);
    text = json_finish(doc);
    printf("%s\n", text);
    free(text);
}

static enum err_code run_all(const struct fleet *f, const uint32_t *counts, size_t count,
                             bool as_json, struct err *err)
{
    struct forecast row[ROWS_MAX];
    enum err_code rc = ERR_NONE;

    for (size_t i = 0; !rc && i < count; i++)
        rc = forecast_run(&f->durations, &f->opts, counts[i], &row[i], err);
    if (rc)
        return rc;
    if (as_json)
        print_json(row, count, f);
    else
        print_table(row, count, f);
    return ERR_NONE;
}

enum err_code command_simulate(int argc, char *const *argv, uint32_t *out_exit, struct err *err)
{
    struct fleet f = FLEET_INIT;
    const char *agents = NULL;
    const char *output = "text";
    bool help = false;
    uint32_t counts[ROWS_MAX];
    size_t count = usual_counts(counts);
    struct cfg_option rows[FLEET_ROWS + 2] = {
        { .name = "agents",
          .value = "N,N,...",
          .help = "Numbers of machines (1 to 32 in steps).",
          .kind = CFG_TEXT,
          .into = &agents },
        { .name = "output",
          .value = "FORM",
          .help = "text (default) or json.",
          .kind = CFG_TEXT,
          .into = &output },
    };
    const struct cfg_command command = { .usage = "makespan simulate [OPTIONS]",
                                         .about = about,
                                         .tail = tail,
                                         .options = rows,
                                         .option_count = 2 + fleet_rows(&f, rows + 2) };
    enum err_code rc = words_read(&command, argc, argv, NULL, &help, err);

    if (rc || help)
        goto out;
    if (strcmp(output, "text") != 0 && strcmp(output, "json") != 0)
        rc = err_set(err, ERR_USAGE, "output '%s' is neither text nor json", output);
    if (!rc && agents)
        rc = parse_counts(agents, counts, &count, err);
    if (!rc)
        rc = fleet_open(&f, err);
    if (!rc)
        rc = run_all(&f, counts, count, strcmp(output, "json") == 0, err);
    if (!rc)
        *out_exit = EXIT_OK;
out:
    fleet_fini(&f);
    return rc;
}
