/* need.h - how much work some workers still have, and when the first of them has none.
 *
 * What an agent tells with each request for work, and what the planner weighs (pool.h, pool_ask).
 * Pure. Not for: what the work is. */
#pragma once

#include "base.h"

struct need {
    uint64_t backlog_us; /* work in hand and waiting, summed */
    uint64_t dry_us;     /* time until the first worker has nothing to do */
};

/* The work that a test is likely to have left on workers of that speed (pace.h). What has run over
 * its prediction is not about to end: as long again as it is over. */
uint64_t need_left_us(uint64_t predicted_us, uint64_t ran_us, uint32_t speed_ppm);

/* left_us: what each worker has still to do of what it is at, sorted in place; waiting_us: what
 * nobody is at yet, which fills up first who is free first. speed_ppm: the workers' (pace.h). */
struct need need_of(uint64_t *left_us, uint32_t workers, uint64_t waiting_us, uint32_t speed_ppm);
