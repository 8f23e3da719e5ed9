/* remote.h - a source of tests that is shared with other machines through a coordinator.
 *
 * Joins, agrees on the manifest, pulls work and delivers results, all on the given loop; goes on
 * through a coordinator that is away for less than the patience, and keeps results on disk until
 * they are acknowledged. Not for: choosing which worker runs what. */
#pragma once

#include "clock.h"
#include "options/target.h"
#include "source.h"

struct event_base;

struct remote_opts {
    struct event_base *base;
    const struct clock *clock;
    const struct target *target; /* lent until free; url, project and run key are set */
    uint32_t workers;
    uint32_t first_ppm;      /* of the join request ... */
    bool speculate;          /* ... this too */
    const char *fingerprint; /* "linux-x86_64"; lent */
    const char *command;     /* digest of the runner's command; lent */
    /* A line for people, without a line feed; lent. */
    void (*say)(void *ctx, const char *line);
    void *say_ctx;
};

MUST_USE enum err_code remote_new(const struct remote_opts *opts,
                                  const struct source_events *events, void *ctx,
                                  struct source **out, struct err *err);
