/* solo.h - a source of tests for one machine alone: everything is granted at once, longest first by
 * what earlier runs in the same folder took. */
#pragma once

#include "source.h"

struct solo_opts {
    const char *history; /* file of durations, lent; NULL: none is kept */
    void (*say)(void *ctx, const char *line);
    void *say_ctx;
};

struct source *solo_new(const struct solo_opts *opts, const struct source_events *events,
                        void *ctx);
