/* lesson.h - what a run teaches about durations and memory: copied out of it when it has its
 * verdict, stored later, exactly once. */
#pragma once

#include "core/model.h"
#include "store/store.h"

struct lesson;

/* Copies out of a run that has its verdict what its accepted results say: a pass (expected failures
 * too) is a full sample, a failure, crash or time-out only says "at least", a skip says nothing,
 * and so does a test that was not run in this epoch, or whose memory was not measured. Where the
 * agents collected different tests the lesson is empty: that there is nothing to learn is
 * remembered too. */
struct lesson *lesson_of_run(const struct run *run, uint64_t now_ms);
void lesson_free(struct lesson *lesson); /* NULL is fine */

/* Folds the next part into the suite's history, unless that was done before. *out_more: it was not
 * the last. Whoever calls is the only one who changes the suite's estimates meanwhile. */
#define LESSON_PART_ROWS 2000u
MUST_USE enum err_code lesson_store_part(struct lesson *lesson, struct store *store, bool *out_more,
                                         struct err *err);

/* Forgets what is over the limits of history.h. */
MUST_USE enum err_code lesson_prune(const struct lesson *lesson, struct store *store,
                                    struct err *err);
