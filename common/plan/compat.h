/* compat.h - the static splits of others, bit for bit, so that a project can change over without
 * its groups changing: pytest-split (chunks, least), pytest-shard (hash), pytest-test-groups
 * (stride, filename, random).
 *
 * Sums are doubles added in their order, as theirs are. Where theirs crash, ours give an answer:
 * what is left over goes to the last group, and no test is ever lost. Not for: the planner's own
 * static plan (pack.h). */
#pragma once

#include "base.h"

enum compat_algorithm {
    COMPAT_CHUNKS,   /* duration_based_chunks */
    COMPAT_LEAST,    /* least_duration */
    COMPAT_HASH,     /* SHA-256 of the id */
    COMPAT_STRIDE,   /* every n-th */
    COMPAT_FILENAME, /* whole files, by number of tests */
    COMPAT_RANDOM,   /* Python's random.Random(seed).shuffle, then every n-th */
};

struct compat_input {
    const char *const *ids; /* in the order of collection */
    const double *seconds;  /* of chunks and least: as recorded; below 0 for none */
    uint32_t count;
    uint32_t groups; /* at least 1 */
    uint64_t seed;   /* of random */
};

/* The group of each test, from 0, into out_group; and all tests in the order in which each group
 * runs its own, into out_order: that of collection but for FILENAME, which goes by its files. */
void compat_split(enum compat_algorithm algorithm, const struct compat_input *in,
                  uint32_t *out_group, uint32_t *out_order);
