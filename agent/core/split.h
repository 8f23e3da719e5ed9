/* split.h - which tests of a manifest are this machine's, decided without a coordinator. Pure.
 *
 * Every machine of a matrix computes the whole plan from the same ids and the same file of
 * durations, and takes its own part. Without durations the plan is over the sorted ids. Not for:
 * runs with a coordinator, or a machine's own cache of durations, which others do not have. */
#pragma once

#include "durations.h"
#include "manifest.h"

enum split_algorithm {
    SPLIT_MAKESPAN, /* plan/pack.h */
    SPLIT_CHUNKS,   /* the others: plan/compat.h */
    SPLIT_LEAST,
    SPLIT_HASH,
    SPLIT_STRIDE,
    SPLIT_FILENAME,
    SPLIT_RANDOM,
};

struct split_opts {
    enum split_algorithm algorithm;
    uint32_t index, total; /* index from 0, below total */
    uint64_t seed;
    const struct durations *durations; /* NULL: there are none */
};

struct split_about {
    uint32_t tests, mine;                      /* of all machines, and of this one */
    bool by_time;                              /* durations decide */
    uint32_t known;                            /* tests with a recorded duration, of all */
    uint64_t mine_us, longest_us, shortest_us; /* predicted: this machine's, the most, the least */
    uint32_t alone;  /* tests that want all machines for themselves, where there are several */
    uint32_t parted; /* groups and mutexes with tests in several parts */
    /* Of who runs what. Machines that show different ones had other ids, durations or options, and
     * tests run twice or not at all. */
    uint64_t digest;
};

MUST_USE enum err_code split_algorithm_parse(const char *name, enum split_algorithm *out,
                                             struct err *err);

/* Fills out_tests with the positions of this machine's tests, in running order, and out_costs_us
 * (room for the whole manifest, by position) with what every test is taken for. Returns how many
 * are ours; 0 is no error. The manifest is sealed. */
uint32_t split_tests(const struct manifest *manifest, const struct split_opts *opts,
                     uint32_t *out_tests, uint64_t *out_costs_us, struct split_about *out_about);

/* "part 1 of 4: 25 of 100 tests, ...", and the plan's digest. */
void split_text(const struct split_about *about, const struct split_opts *opts, struct str *out);

/* One sentence on a plan that should rest on recorded durations and has few; false when it is well
 * founded. */
bool split_warning(const struct split_about *about, struct str *out);

/* One sentence on marks that hold on each machine, and between machines with a coordinator only;
 * false when there are none. */
bool split_unkept(const struct split_about *about, struct str *out);
