#include "fleet.h"

#include "fs.h"
#include "proto.h"

#define HOUR_MS ((uint64_t)3600 * 1000)

size_t fleet_rows(struct fleet *f, struct cfg_option *rows)
{
    const struct cfg_option all[] = {
        { .name = "durations",
          .env = "MAKESPAN_DURATIONS",
          .value = "FILE",
          .help = "recorded durations, pytest-split's form (.test_durations)",
          .kind = CFG_TEXT,
          .into = &f->durations_path },
        { .name = "workers",
          .short_name = 'n',
          .value = "W",
          .help = "workers of each machine (2)",
          .kind = CFG_U32,
          .into = &f->workers,
          .min = 1,
          .max = PROTO_WORKERS_MAX },
        { .name = "startup",
          .value = "TIME",
          .help = "from the start of a job to its first test: checkout, install, collection (0)",
          .kind = CFG_DURATION,
          .into = &f->startup_ms,
          .max = HOUR_MS },
        { .name = "jitter",
          .value = "TIME",
          .help = "mean of what start-ups vary by (500ms)",
          .kind = CFG_DURATION,
          .into = &f->jitter_ms,
          .max = HOUR_MS },
        { .name = "request",
          .value = "TIME",
          .help = "of a request to the coordinator (20ms)",
          .kind = CFG_DURATION,
          .into = &f->request_ms,
          .max = 10000 },
        { .name = "spread",
          .value = "PERCENT",
          .help = "by which the speeds of machines differ (10)",
          .kind = CFG_U32,
          .into = &f->spread_pct,
          .max = 100 },
        { .name = "noise",
          .value = "PERCENT",
          .help = "by which tests differ from their record (10)",
          .kind = CFG_U32,
          .into = &f->noise_pct,
          .max = 100 },
        { .name = "lost",
          .value = "K",
          .help = "machines that vanish half way (0)",
          .kind = CFG_U32,
          .into = &f->lost,
          .max = FORECAST_AGENTS_MAX },
        { .name = "seed",
          .value = "N",
          .help = "of all chance; the same seed gives the same figures (1)",
          .kind = CFG_U32,
          .into = &f->seed,
          .max = UINT32_MAX },
    };

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        rows[i] = all[i];
    return ARRAY_LEN(all);
}

enum err_code fleet_open(struct fleet *f, struct err *err)
{
    struct str bytes = STR_MAX(DURATIONS_BYTES_MAX);
    enum err_code rc = fs_read(f->durations_path, &bytes, err);

    if (!rc)
        rc = durations_parse(str_text(&bytes), bytes.len, &f->file, err);
    str_fini(&bytes);
    if (rc) {
        err->code = ERR_INVALID; /* nothing was to be written: the input is wrong */
        return err_wrap(err, "recorded durations are needed (--durations FILE)");
    }
    f->durations = durations_of(f->file);
    if (f->durations.count == 0)
        return err_set(err, ERR_INVALID, "%s has no durations in it", f->durations_path);
    f->opts = (struct forecast_opts){ .workers = f->workers,
                                      .startup_us = f->startup_ms * 1000,
                                      .jitter_us = f->jitter_ms * 1000,
                                      .spread_pct = f->spread_pct,
                                      .noise_pct = f->noise_pct,
                                      .lost = f->lost,
                                      .request_us = f->request_ms * 1000,
                                      .seed = f->seed };
    return ERR_NONE;
}

void fleet_fini(struct fleet *f)
{
    durations_free(f->file);
}
