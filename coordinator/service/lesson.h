/* lesson.h - what a run teaches about durations: copied out of it when it has its verdict, stored
 * later, exactly once. */
#pragma once

#include "core/model.h"
#include "store/store.h"

struct lesson;

/* Copies out of a run that has its verdict what its accepted results say: a pass (expected failures
 * too) is a full sample, a failure, crash or time-out only says "at least", a skip says nothing,
 * and so does a test that was not run in this epoch. NULL when nothing may be learned: the agents
 * collected different tests, or there are no results. */
struct lesson *lesson_of_run(const struct run *run, uint64_t now_ms);
void lesson_free(struct lesson *lesson); /* NULL is fine */

/* Folds it into the suite's history, unless that was done before, and forgets what is over the
 * limits above. */
MUST_USE enum err_code lesson_store(const struct lesson *lesson, struct store *store,
                                    struct err *err);
