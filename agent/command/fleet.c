#include "fleet.h"

#include <string.h>

#include "fs.h"
#include "json.h"
#include "reading.h"

#define HOUR_MS         ((uint64_t)3600 * 1000)
#define FACTS_BYTES_MAX (64u << 10)

size_t fleet_rows(struct fleet *f, struct cfg_option *rows)
{
    const struct cfg_option all[] = {
        { .name = "durations",
          .env = "MAKESPAN_DURATIONS",
          .value = "FILE",
          .help = "Recorded durations, pytest-split's form; without it the coordinator's history "
                  "when there is a --url, else .test_durations.",
          .kind = CFG_TEXT,
          .into = &f->durations_path },
        { .name = "workers",
          .short_name = 'n',
          .value = "W",
          .help = "Workers of each machine (2).",
          .kind = CFG_U32,
          .into = &f->workers,
          .min = 1,
          .max = PROTO_WORKERS_MAX },
        { .name = "startup",
          .value = "TIME",
          .help = "From the start of a job to its first test: checkout, install (0). Collection is "
                  "counted by itself where the coordinator has measured it.",
          .kind = CFG_DURATION,
          .into = &f->startup_ms,
          .max = HOUR_MS },
        { .name = "jitter",
          .value = "TIME",
          .help = "Mean of what start-ups vary by (500ms).",
          .kind = CFG_DURATION,
          .into = &f->jitter_ms,
          .max = HOUR_MS },
        { .name = "request",
          .value = "TIME",
          .help = "How long a request to the coordinator takes (20ms).",
          .kind = CFG_DURATION,
          .into = &f->request_ms,
          .max = 10000 },
        { .name = "spread",
          .value = "PERCENT",
          .help = "By which the speeds of machines differ (10).",
          .kind = CFG_U32,
          .into = &f->spread_pct,
          .max = 100 },
        { .name = "noise",
          .value = "PERCENT",
          .help = "By which tests differ from their record (10).",
          .kind = CFG_U32,
          .into = &f->noise_pct,
          .max = 100 },
        { .name = "lost",
          .value = "K",
          .help = "Machines that vanish half way (0).",
          .kind = CFG_U32,
          .into = &f->lost,
          .max = FORECAST_AGENTS_MAX },
        { .name = "speculate",
          .env = "MAKESPAN_SPECULATE",
          .help = "Machines that would idle run what is late elsewhere, too, as 'makespan run "
                  "--speculate' does.",
          .kind = CFG_FLAG,
          .into = &f->speculate },
        { .name = "seed",
          .value = "N",
          .help = "Of all chance: the same seed gives the same figures (1).",
          .kind = CFG_U32,
          .into = &f->seed,
          .max = UINT32_MAX },
    };

    _Static_assert(ARRAY_LEN(all) == FLEET_OWN_ROWS, "room for the rows");
    memcpy(rows, all, sizeof(all));
    return ARRAY_LEN(all) +
           options_rows(&f->options, OPTIONS_SERVER | OPTIONS_RUN, rows + ARRAY_LEN(all));
}

static enum err_code take_file(struct fleet *f, struct str *bytes, struct err *err)
{
    const char *path = f->durations_path ? f->durations_path : FLEET_DURATIONS;
    enum err_code rc = fs_read_given(path, bytes, err);

    if (!rc)
        rc = durations_parse(str_text(bytes), bytes->len, &f->file, err);
    return rc ? err_wrap(err, "recorded durations are needed (--durations FILE, or --url)")
              : ERR_NONE;
}

static enum err_code take_facts(struct fleet *f, struct ask *ask, const struct target *target,
                                struct err *err)
{
    struct str bytes = STR_MAX(FACTS_BYTES_MAX);
    struct json *doc = NULL;
    enum err_code rc = reading_get_suite(ask, target, "", &bytes, err);

    if (!rc)
        rc = json_parse(str_text(&bytes), bytes.len, &doc, err);
    if (!rc)
        rc = json_opt_u64(doc, "startup_us", 0, HOUR_MS * 1000, &f->measured_us, err);
    json_free(doc);
    str_fini(&bytes);
    return rc;
}

static enum err_code take_history(struct fleet *f, const struct target *target, struct str *bytes,
                                  struct err *err)
{
    struct ask *ask = NULL;
    enum err_code rc = ask_open(target, &ask, err);

    if (!rc)
        rc = reading_get_suite(ask, target, "/durations", bytes, err);
    if (!rc)
        rc = durations_parse(str_text(bytes), bytes->len, &f->file, err);
    if (!rc)
        rc = take_facts(f, ask, target, err);
    ask_close(ask);
    return rc;
}

static enum err_code take_durations(struct fleet *f, struct err *err)
{
    struct str bytes = STR_MAX(DURATIONS_BYTES_MAX);
    struct target target = { .url = NULL };
    enum err_code rc = ERR_NONE;

    if (!f->durations_path)
        rc = target_resolve(&f->options, NULL, &target, err);
    if (!rc && target.url)
        rc = take_history(f, &target, &bytes, err);
    else if (!rc)
        rc = take_file(f, &bytes, err);
    if (!rc)
        f->durations = durations_of(f->file);
    if (!rc && f->durations.count == 0)
        rc = target.url ? err_set(err, ERR_INVALID,
                                  "the coordinator has no durations of suite '%s' of project '%s' "
                                  "yet: let it finish one run",
                                  target.suite, target.project)
                        : err_set(err, ERR_INVALID, "%s has no durations in it",
                                  f->durations_path ? f->durations_path : FLEET_DURATIONS);
    target_fini(&target);
    str_fini(&bytes);
    return rc;
}

enum err_code fleet_open(struct fleet *f, struct err *err)
{
    enum err_code rc = take_durations(f, err);

    if (rc)
        return rc;
    f->opts = (struct forecast_opts){ .workers = f->workers,
                                      .startup_us = f->startup_ms * 1000 + f->measured_us,
                                      .jitter_us = f->jitter_ms * 1000,
                                      .spread_pct = f->spread_pct,
                                      .noise_pct = f->noise_pct,
                                      .lost = f->lost,
                                      .request_us = f->request_ms * 1000,
                                      .speculate = f->speculate,
                                      .seed = f->seed };
    return ERR_NONE;
}

void fleet_fini(struct fleet *f)
{
    durations_free(f->file);
    options_fini(&f->options);
}
