/* bench.h - a dispatch over a made suite, and what it asked for so far. */
#pragma once

#include "core/dispatch.h"

#define BENCH_SLOTS_MAX 64u

/* In the list of tests: *state is then a bench without a dispatch, freed whatever the test comes
 * to. */
#define bench_test(test) cmocka_unit_test_setup_teardown(test, bench_set_up, bench_tear_down)

struct bench {
    struct manifest *manifest;
    struct suite *suite;
    struct dispatch *d;
    uint32_t ran[BENCH_SLOTS_MAX]; /* test that a slot was last told to run */
    uint32_t forks, runs, settles, quits, crashes, empties, brokens, unruns, kills, cancels, nones,
        lasts;
};

int bench_set_up(void **state);
int bench_tear_down(void **state);

enum bench_suite { A_FILE_EACH, ONE_FILE };

/* A new dispatch over so many tests; what was there goes. */
void opens(struct bench *b, uint32_t tests, enum bench_suite suite, struct dispatch_input in);
void count_effects(struct bench *b); /* of what was asked for since */
void grant_all(struct bench *b, uint64_t cost_us);
void heard(struct bench *b, uint32_t slot, enum worker_event event, uint32_t test);
void run_one(struct bench *b, uint32_t slot); /* what the slot has in hand first */
