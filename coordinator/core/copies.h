/* copies.h - speculative copies: a test that one session runs and another was given too.
 *
 * The test stays its holder's in every count and list; a copy is an entry beside them. The first
 * result ends all of it: whoever else is at the test is told to abandon it. When the holder lets
 * go, a copy takes its place. Changes are for run_apply only. */
#pragma once

#include "core/model.h"

/* The session's copy of a test, or NULL. */
struct copy *copies_find(const struct run *run, uint32_t test, uint32_t session);

/* Running elsewhere, of two sessions that both take part in this, and may be copied at all. */
bool copies_may_give(const struct run *run, uint32_t test, uint32_t session);

void copies_give(struct run *run, uint32_t test, uint32_t session, uint64_t fence);
void copies_drop(struct run *run, struct copy *copy); /* is not run any more */
/* A session goes: all of its copies, or those that have not begun. */
enum copies_which { COPIES_UNSTARTED, COPIES_ALL };
void copies_drop_of(struct run *run, uint32_t session, enum copies_which which);

/* The test has its result, from this session: others that are at it shall abandon it. Before the
 * test is moved. */
void copies_settle(struct run *run, uint32_t test, uint32_t session);

/* The test is free again: a copy of it makes its session the holder. */
void copies_take_over(struct run *run, uint32_t test);
