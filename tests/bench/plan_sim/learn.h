/* learn.h - what the planner knows of a suite from a recorded run: one sample a test, through the
 * estimates that the coordinator makes of its history. */
#pragma once

#include "trace.h"

struct learn_opts {
    uint32_t run;     /* which recorded run it is learnt from: 0, or 1 to have no other noise */
    bool setups;      /* set-ups are known apart from the tests that paid them */
    double noise_dev; /* of the logarithm of a sample, on top of what the record has */
    double unknown;   /* share of the tests without a sample: guessed, and first in the run */
    bool exact;       /* the durations themselves, not an estimate made of them */
    uint64_t seed;
};

/* Fills the costs, highs, flags and set-ups of the trace's tests and scopes. */
void learn(struct trace *trace, const struct learn_opts *opts);
