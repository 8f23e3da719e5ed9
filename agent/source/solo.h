/* solo.h - a source of tests for a machine without a coordinator: everything is granted at once,
 * longest first by what earlier runs in the same folder took; or, in a matrix, this machine's part
 * of a static split. */
#pragma once

#include "core/split.h"
#include "source.h"

struct solo_opts {
    const char *history;            /* file of durations, lent; NULL: none is kept */
    const struct split_opts *split; /* lent; NULL: every test that is collected is ours */
    bool is_dealt;                  /* no split, but files were dealt out before the collection */
    uint32_t first_ppm;             /* share of the time that what failed before goes first for */
    const char *store;              /* where to write what was measured, lent; NULL: nowhere */
    /* Told the split before anything runs; false: run nothing. May be NULL. */
    bool (*shared)(void *ctx, const struct manifest *manifest, const uint32_t *tests,
                   uint32_t count, const struct split_about *about);
    void *shared_ctx;
    void (*say)(void *ctx, const char *line);
    void *say_ctx;
};

struct source *solo_new(const struct solo_opts *opts, const struct source_events *events,
                        void *ctx);
