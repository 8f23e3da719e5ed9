/* manifest_lanes.h - the tests of a run in which every machine runs everything (--dist each).
 *
 * Such a run has one manifest, with a lane for each machine: all tests of the first, all of the
 * second, and so on, marked "lane=N" in their flags. So a test on a machine is a test like any
 * other, with its own place in the ledger; k counts on through the lanes. Not for: who may run
 * which (the coordinator's core). */
#pragma once

#include "manifest.h"

struct lanes {
    uint32_t count; /* 1: no lanes */
    uint32_t tests; /* in each */
};

/* The manifest of so many machines that each have collected this one. ERR_TOO_LARGE. */
MUST_USE enum err_code lanes_make(const struct manifest *one, uint32_t count, struct manifest **out,
                                  struct err *err);
struct lanes lanes_of(const struct manifest *m);

uint32_t lanes_lane(struct lanes lanes, uint32_t test);
/* Which occurrence of its id a test is on its machine. */
uint32_t lanes_k(const struct manifest *m, struct lanes lanes, uint32_t test);
