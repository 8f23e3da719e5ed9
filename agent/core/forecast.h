/* forecast.h - how long a suite would take on n machines: the simulator over recorded durations.
 * Pure.
 *
 * For 'makespan simulate' and 'makespan matrix'. Durations are planned with as recorded and
 * executed with noise, so that a forecast is not better than a run can be. */
#pragma once

#include "durations.h"

#define FORECAST_AGENTS_MAX 256u
#define FORECAST_NODES_MAX  8000000u /* tests times machines: what a simulation has room for */

struct forecast_opts {
    uint32_t workers;    /* of each machine */
    uint64_t startup_us; /* from the start of a job to its first test */
    uint64_t jitter_us;  /* start-ups are longer by an exponential time of this mean */
    uint32_t spread_pct; /* speeds of machines: log-normal deviation */
    uint32_t noise_pct;  /* durations against their record: log-normal deviation */
    uint32_t lost;       /* machines that vanish half way */
    uint64_t request_us;
    bool speculate; /* idle machines run copies of what is late elsewhere */
    uint64_t seed;
};

struct forecast {
    uint32_t agents;
    uint64_t time_us;  /* from the start of the jobs to the last end, start-ups included */
    uint64_t bound_us; /* no schedule is shorter */
    uint64_t paid_us;  /* machine time from start to end, all machines */
};

/* ERR_TOO_LARGE over FORECAST_NODES_MAX. */
MUST_USE enum err_code forecast_run(const struct durations *durations,
                                    const struct forecast_opts *opts, uint32_t agents,
                                    struct forecast *out, struct err *err);

/* The point of a falling row after which more machines bring little: farthest below the straight
 * line between its ends. */
size_t forecast_knee(const struct forecast *row, size_t count);

/* The test that no number of machines makes the suite shorter than. */
const struct duration *forecast_floor(const struct durations *durations);
