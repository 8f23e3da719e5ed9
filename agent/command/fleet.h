/* fleet.h - what 'makespan simulate' and 'makespan matrix' have in common: the fleet that is asked
 * for, and the durations of the suite: from a file, or from the coordinator, which also knows what
 * a machine needs until it has collected. */
#pragma once

#include "cfg.h"
#include "core/forecast.h"
#include "options/options.h"

#define FLEET_OWN_ROWS 10u
#define FLEET_ROWS     (FLEET_OWN_ROWS + OPTIONS_ROWS_MAX)

struct fleet {
    struct options options;
    const char *durations_path; /* NULL: the coordinator's history, else FLEET_DURATIONS */
    uint64_t startup_ms, jitter_ms, request_ms;
    uint32_t workers, spread_pct, noise_pct, lost, seed;
    bool speculate;
    struct durations_file *file;
    struct durations durations;
    uint64_t measured_us; /* a machine's start-up as the coordinator has seen it; 0: not known */
    struct forecast_opts opts;
};

#define FLEET_INIT                                                                                 \
    {                                                                                              \
        .options = OPTIONS_INIT, .jitter_ms = 500, .request_ms = 20, .workers = 2,                 \
        .spread_pct = 10, .noise_pct = 10, .seed = 1                                               \
    }

#define FLEET_DURATIONS ".test_durations"

size_t fleet_rows(struct fleet *fleet, struct cfg_option *rows);
MUST_USE enum err_code fleet_open(struct fleet *fleet, struct err *err);
void fleet_fini(struct fleet *fleet);
