/* footprint.h - what the workers and tests of a folder needed, from run to run: memory, CPU, how to
 * start.
 *
 * A small file in the user's cache beside the durations (history.h), read before anything starts:
 * the number of workers depends on it. Tests that need little are not in it. What is needed
 * more counts at once, what is needed less is believed slowly (plan/peak.h). */
#pragma once

#include "plan/peak.h"
#include "plan/suite.h"

#define FOOTPRINT_ROWS_MAX  10000u
#define FOOTPRINT_BYTES_MAX (32u << 20)
#define FOOTPRINT_AGE_MAX   100u        /* runs that a test may be missing */
#define FOOTPRINT_TEST_KIB  (16u << 10) /* less is not worth a row */
#define FOOTPRINT_HEAVY_KIB (PEAK_HEAVY_MIB << 10)

struct footprint_test {
    char *id;
    uint32_t k, age;
    uint64_t kib;
};

struct footprint {
    uint64_t worker_bytes; /* of its own, 0: not known */
    uint32_t busy_ppm;     /* of the tests' time, what they had or wanted a CPU; 0: not known */
    struct footprint_test *tests;
    size_t count, cap;
    char *early_why;     /* why workers could not be forked from one collection; NULL: they could */
    uint32_t early_runs; /* since that was seen */
    uint64_t early_stamp; /* footprint_stamp, then */
};

/* The file for suites run in folder; the caller's. */
MUST_USE enum err_code footprint_path(const char *folder, char **out_path, struct err *err);

/* No file is an empty footprint. On failure out is empty. */
MUST_USE enum err_code footprint_load(const char *path, struct footprint *out, struct err *err);
MUST_USE enum err_code footprint_save(const char *path, const struct footprint *f, struct err *err);
void footprint_fini(struct footprint *f);

/* A run's own figures: the most that a worker had, and by test what it needed and whether it ran
 * (UINT64_MAX: it did not). */
void footprint_learn(struct footprint *f, uint64_t worker_bytes, const struct manifest *manifest,
                     const uint64_t *test_kib);

/* The run's tests took so long, and for so much of it had a CPU or wanted one. A run of less than a
 * second says nothing. */
#define FOOTPRINT_BUSY_US 1000000u
void footprint_learn_busy(struct footprint *f, uint64_t busy_us, uint64_t tests_us);

/* One number for a command and for the files of folder that configure pytest: another when one of
 * them is. argv ends with NULL. */
uint64_t footprint_stamp(const char *folder, char *const *argv);

/* Why workers should start early, so that nobody collects in vain to find out; NULL when they may
 * be forked, and when it is time to look again. */
#define FOOTPRINT_EARLY_RUNS 16u
const char *footprint_early(const struct footprint *f, uint64_t stamp);
/* What was seen after a collection; why is NULL when workers were forked from it. */
void footprint_learn_start(struct footprint *f, const char *why, uint64_t stamp);
/* Nobody looked, since the record said how to start. */
void footprint_learn_unseen_start(struct footprint *f);

/* Fills mem_bytes of the suite's tests that have none of their own making. */
void footprint_weigh(const struct footprint *f, const struct manifest *manifest,
                     struct suite *suite);
