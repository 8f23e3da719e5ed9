/* fallback.h - whether a machine that cannot reach its coordinator may run a static share instead,
 * and what its exit status is then worth. Pure.
 *
 * Never after a join, since the others count on what was granted; never in a second attempt, since
 * that would pass over what failed in the first, which a coordinator had spread otherwise. Not for:
 * what the share is (split.h). */
#pragma once

#include "options/target.h"

#define FALLBACK_ROWS 2u

struct fallback {
    bool wanted;        /* --fallback */
    bool allow_offline; /* --allow-offline: tests that passed may count without being delivered */
};

size_t fallback_rows(struct fallback *f, struct cfg_option *rows); /* writes FALLBACK_ROWS */

/* Before anything is tried, so that a mistake is not found by the first outage. */
MUST_USE enum err_code fallback_check(const struct fallback *f, const struct target *target,
                                      struct err *err);

/* A sentence when options of the fallback were given where there is no coordinator, else NULL. */
const char *fallback_idle(const struct fallback *f, const struct target *target);

/* The run failed with this code. True: run the share. *out_why: one sentence on why not, NULL when
 * it was not asked for or the failure is no outage. */
bool fallback_may(const struct fallback *f, const struct target *target, bool joined,
                  enum err_code code, const char **out_why);

/* The exit status of a machine that fell back: 0 only where the user allows it and no earlier
 * attempt can have failed elsewhere. *out_why: a sentence when 0 was not let stand, else NULL. */
uint32_t fallback_exit(const struct fallback *f, const struct target *target, uint32_t runner,
                       const char **out_why);
