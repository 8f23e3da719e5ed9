/* drift.h - where the time above the lower bound went, after a run. Pure.
 *
 * Every worker's time from the first start to the last end is counted once: tests, set-ups, waiting
 * for the start, gaps, the wait at the end. Divided by the number of workers, the parts add up to
 * the makespan; so "0.8 s start-up" means that the run would have been about so much shorter. */
#pragma once

#include <stdbool.h>

#include "base.h"

enum drift_part {
    DRIFT_STARTUP,    /* workers that came after the first */
    DRIFT_SPEED,      /* tests that took longer here than on the average machine */
    DRIFT_SETUP,      /* set-ups that were paid more than once */
    DRIFT_RECOVERY,   /* tries that did not count: lost machines, retries; machines that left */
    DRIFT_COPIES,     /* the slower of two tries, where a copy was run to end the run earlier */
    DRIFT_IDLE,       /* workers without a test while others were still to begin */
    DRIFT_PREDICTION, /* of the wait at the end: what the last tests took over their prediction */
    DRIFT_TAIL,       /* the rest of it: what could not be cut finer, or was dealt badly */
};
#define DRIFT_PARTS 8
const char *drift_name(enum drift_part part);

struct drift_worker {
    uint64_t start_us;  /* since any moment, the same for all: when it could begin */
    uint64_t end_us;    /* when it left; UINT64_MAX: it stayed */
    uint32_t speed_ppm; /* 1000000: average, or not known */
};

enum drift_worth {
    TRY_LOST,    /* its result did not count */
    TRY_COUNTED, /* its result is the test's */
    TRY_COPY,    /* somebody else who ran the test, too, was faster */
};
struct drift_try { /* one execution of a test */
    uint32_t test, worker;
    uint64_t start_us, end_us;
    uint64_t predicted_us;
    uint64_t setup_us; /* of its time, set-ups of wider scopes */
    enum drift_worth worth;
};

struct drift_input {
    const struct drift_worker *workers;
    uint32_t worker_count;
    const struct drift_try *tries; /* in any order */
    uint32_t try_count;
    uint64_t setups_once_us;  /* each scope's set-up, once */
    uint64_t setups_apart_us; /* all set-ups that are not part of a try: they fill gaps */
};

struct drift {
    uint64_t makespan_us;
    uint64_t work_us;  /* counted tests, of an average machine, and each set-up once */
    uint64_t bound_us; /* work shared equally by all workers, or the longest test */
    uint64_t parts_us[DRIFT_PARTS];
    bool floor;          /* the longest test is the bound: no more workers help */
    uint32_t floor_test; /* which it is */
};

/* Zero everything when nothing was tried. */
void drift_of(const struct drift_input *in, struct drift *out);
