/* trace.h - a suite's recorded times (tests/data/traces), as the planner sees a suite. */
#pragma once

#include "plan/pool.h"

#define TRACE_RUNS 2u

struct trace {
    char *name;
    char **ids; /* full ids, in collection order */
    uint64_t *us[TRACE_RUNS];
    uint32_t test_count;
    struct pool_test *tests;   /* scopes filled in, costs 0 */
    uint64_t *highs_us;        /* what each hardly ever exceeds, 0 */
    struct pool_scope *scopes; /* parents filled in, set-ups 0 */
    uint64_t *setup_us[TRACE_RUNS];
    uint32_t scope_count;
};

/* Ends the program with a sentence if the file cannot be read: a bench has no other way out. */
struct trace *trace_load(const char *path);
void trace_free(struct trace *trace);

/* Set-ups that a test pays when all run one after the other in order. */
uint64_t trace_setups_us(const struct trace *trace, uint32_t run, uint32_t test);

/* What a test takes itself: its recorded time without these. */
uint64_t trace_own_us(const struct trace *trace, uint32_t run, uint32_t test);
