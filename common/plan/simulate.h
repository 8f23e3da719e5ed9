/* simulate.h - a fleet in virtual time: what a plan is worth before a machine is rented.
 *
 * Agents start, ask, get shards after a request's time, run them on their workers and report, over
 * the same pool functions at both levels that the coordinator and the agents use. What is planned
 * with and what then happens are given apart, so that plans are tried against durations that they
 * have not seen. Pure: the same input gives the same result; chance is in the input. */
#pragma once

#include "plan/pool.h"

#define SIM_AGENTS_MAX 1024u
#define SIM_NEVER      UINT64_MAX

struct sim_agent {
    uint64_t start_us; /* when it has collected and joins */
    uint32_t workers;
    uint32_t speed_ppm;  /* of its processor; the planner is not told */
    uint64_t startup_us; /* what that took; 0: nobody has measured it */
    uint64_t leave_us;   /* told to go; SIM_NEVER: stays */
    bool lost;           /* leaves without a word: what it holds is free again after detect_us */
};

struct sim_input {
    const struct pool_test *tests; /* with the costs that are planned with */
    const uint64_t *actual_us;     /* what each takes on a machine of average speed */
    uint32_t test_count;
    const struct pool_scope *scopes;
    const uint64_t *actual_setup_us; /* of each scope, each time a worker enters it */
    uint32_t scope_count;
    enum pool_policy policy;
    const struct sim_agent *agents;
    uint32_t agent_count;
    uint64_t startup_us;      /* what it takes by history; 0: unknown */
    bool expect_all;          /* the coordinator knows from the start how many will come */
    uint64_t request_us;      /* from sending a request to having its answer */
    uint64_t detect_us;       /* silence after which an agent is taken for dead */
    bool speculate;           /* idle workers run copies of running tests (copy.h) */
    const uint64_t *highs_us; /* what each test hardly ever exceeds; NULL: nobody knows */
};

struct sim_span { /* one try of a test on one worker */
    uint32_t test, agent, worker;
    uint64_t start_us, end_us; /* with the set-ups that it paid */
    bool copy;                 /* given out while another machine ran it */
    bool counts;               /* the test's result; else another try was first */
};

struct sim_result {
    uint64_t makespan_us;              /* from the first start to the last end */
    uint64_t first_us;                 /* the first start */
    uint64_t setup_us;                 /* set-ups, of all workers */
    uint32_t requests, recalls, moved; /* moved: tests that a recall gave to another */
    uint32_t ended;                    /* tests that ran to their end */
    uint32_t copies, copies_won;       /* given out; ended before the first try */
    struct sim_span *spans;            /* in the order in which they ended; free() it */
    uint32_t span_count;
};

/* Runs the fleet until no event is left. ended < test_count only if every agent has left. */
void sim_run(const struct sim_input *in, struct sim_result *out);
