/* decide_inner.h - what the deciders share. Included by decide_*.c only. */
#pragma once

#include "core/change.h"

/* Adds those of the tests that a session says are running which were not known to have begun. */
void decide_started(const struct run *run, uint32_t session, const struct test_ref *running,
                    uint32_t count, struct index_list *out);

/* Tests that a session found and the run does not have. */
void decide_found(const struct run *run, uint32_t session, const struct results_request *req,
                  struct change_results *r);

/* The test that runs elsewhere and should be run by this session too, or POOL_NONE. */
struct copy_wish {
    uint32_t session;
    uint64_t mono_ms, lead_us;
};
uint32_t decide_copy(const struct run *run, const struct copy_wish *wish);

/* Of a run with lanes: what the session should get of its own; is all of it done? */
void decide_lane(const struct run *run, uint32_t session, struct index_list *out);
bool decide_lane_over(const struct run *run, uint32_t session);
