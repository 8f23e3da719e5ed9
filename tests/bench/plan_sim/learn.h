/* learn.h - what the planner knows of a suite from its first recorded run: one sample a test,
 * through the estimates that the coordinator makes of its history. */
#pragma once

#include "trace.h"

struct learn_opts {
    bool setups;      /* set-ups are known apart from the tests that paid them */
    double noise_dev; /* of the logarithm of a sample, on top of what the record has */
    double unknown;   /* share of the tests without a sample: guessed, and marked so */
    bool exact;       /* the durations of the second run: what a plan could know at best */
    uint64_t seed;
};

/* Fills the costs, flags and set-ups of the trace's tests and scopes. */
void learn(struct trace *trace, const struct learn_opts *opts);
