/* pack.h - a static plan: which test goes to which of n equal machines, decided beforehand.
 *
 * For CI without a coordinator. Longest first to the least loaded, with what a machine pays for
 * entering a scope counted once for each machine; files kept together where that does not lengthen
 * the longest machine; then moves and swaps until none shortens it. Units (groups, and scopes or
 * files by policy) and mutexes stay on one machine. In integers: every machine that computes the
 * plan gets the same one. Not for: the peers' splits (compat.h), pulling (pool.h). */
#pragma once

#include "plan/pool.h"

struct pack_input {
    const struct pool_test *tests; /* in the order of collection */
    uint32_t test_count;
    const struct pool_scope *scopes; /* a scope's index is above its parent's */
    uint32_t scope_count;
    enum pool_policy policy;
    uint32_t machines; /* at least 1 */
};

struct pack_result {
    uint64_t longest_us; /* the machine with the most to do, set-ups included */
    uint64_t setup_us;   /* all set-ups of all machines */
    uint64_t bound_us;   /* no plan is shorter */
};

/* The machine of each test, from 0. A machine runs its tests in the order of collection. */
void pack(const struct pack_input *in, uint32_t *out_machine, struct pack_result *out);
