/* fleet.h - what 'makespan simulate' and 'makespan matrix' have in common: the fleet that is asked
 * for, and the durations of the suite. */
#pragma once

#include "cfg.h"
#include "forecast.h"

#define FLEET_ROWS 9u

struct fleet {
    const char *durations_path;
    uint64_t startup_ms, jitter_ms, request_ms;
    uint32_t workers, spread_pct, noise_pct, lost, seed;
    struct durations_file *file;
    struct durations durations;
    struct forecast_opts opts;
};

#define FLEET_INIT                                                                                 \
    {                                                                                              \
        .durations_path = ".test_durations", .jitter_ms = 500, .request_ms = 20, .workers = 2,     \
        .spread_pct = 10, .noise_pct = 10, .seed = 1                                               \
    }

size_t fleet_rows(struct fleet *fleet, struct cfg_option *rows);
MUST_USE enum err_code fleet_open(struct fleet *fleet, struct err *err);
void fleet_fini(struct fleet *fleet);
