/* peers.h - how others would have run the same suite on the same fleet, idealised in their favour:
 * no request costs anything, and what they know of tests and machines is exact in kind.
 *
 * xdist's modes from their formulas (chunks, floors, the 0.1 s rule, the barrier before the first
 * test); pytest-split's two algorithms with a group an agent, run first come first served by its
 * workers; and, as what can be hoped for at all, a pull of the longest test first that pays one
 * request at the start. */
#pragma once

#include "plan/simulate.h"

enum peer {
    PEER_LOAD,
    PEER_LOADSCOPE,
    PEER_LOADFILE,
    PEER_WORKSTEAL,
    PEER_CHUNKS,
    PEER_LEAST,
    PEER_IDEAL,
};
#define PEER_COUNT 7
extern const char *const peer_names[PEER_COUNT];

/* The makespan, from the first start. in->policy is not looked at. */
uint64_t peer_run(enum peer peer, const struct sim_input *in);
