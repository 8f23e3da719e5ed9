/* estimate.h - how long a test will take, from how long it took: robust, bounded, pure.
 *
 * A log-normal distribution per test with exponential forgetting; a new sample moves it by a
 * bounded step, so plans do not swing and one outlier does no harm. What few samples leave open is
 * taken from the neighbours (estimate_fill). Times are whole microseconds
 * at every edge, so that a snapshot and the plan made from it are the same on every machine. */
#pragma once

#include <stdbool.h>

#include "base.h"

/* What is stored per test (and per scope); fixed point, so that it is the same everywhere. */
struct estimate {
    uint32_t samples;     /* how many were folded in, saturating */
    int64_t mean_log_ppm; /* mean of ln(microseconds), in millionths */
    int64_t var_log_ppm;  /* variance of the same, in millionths */
};

#define ESTIMATE_UNKNOWN_US 1000000u /* nothing known at all: every test counts the same */

/* Folds one measured duration in. censored: a failed, crashed or timed-out try (only a lower
 * bound). */
void estimate_add(struct estimate *est, uint64_t sample_us, bool censored);

/* The time to plan with (the mean of the log-normal); 0 samples gives 0. */
uint64_t estimate_us(const struct estimate *est);

/* The same about another mean, with the spread of this one. */
uint64_t estimate_us_at(const struct estimate *est, int64_t mean_log_ppm);

/* What it hardly ever exceeds (one time in twenty, as far as is known); 0 samples gives 0. */
uint64_t estimate_high_us(const struct estimate *est);

/* Fills costs_us for the tests of a manifest. A test with samples: its own estimate, drawn towards
 * its neighbours as far as its few samples may be noise (empirical Bayes: Efron and Morris 1975).
 * One without: the mean of the known of its family (same id up to '['), else of its file (before
 * the first "::"), else of all, else ESTIMATE_UNKNOWN_US. Returns how many had samples. */
uint32_t estimate_fill(const char *const *ids, const struct estimate *known, uint32_t count,
                       uint64_t *costs_us);
