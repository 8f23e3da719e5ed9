/* ledger.h - what became of each test, and what follows for the run.
 *
 * The first accepted result of a try stands; a test is run again (a further try) only when its
 * result was provisional and its session died. Results that are not accepted are observations:
 * they mark a test as flaky when they contradict it, and speak for it when nobody else finished
 * it. Only a good result is provisional: what the teardown around it may show could only make it
 * worse. */
#pragma once

#include "core/change.h"

/* Changes, for run_apply only. */
void ledger_accept(struct run *run, uint32_t session, struct result_item *item);
void ledger_amend(struct run *run, uint32_t session, struct result_item *item);
void ledger_observe(struct run *run, uint32_t session, const struct result_item *item);
void ledger_void(struct run *run, uint32_t test); /* the session of a provisional result died */
void ledger_adopt(struct run *run, const struct observation *seen);
void ledger_carry(struct run *run, uint32_t test, const struct carried *from);
void ledger_uncarry(struct run *run, uint32_t test);

/* ---- ledger_verdict.c ---- */

/* Every test of the sealed manifest has a result (provisional ones count). */
bool ledger_complete(const struct run *run);

/* What the verdict is if the epoch ends now. */
enum verdict ledger_verdict(const struct run *run);
/* Is it known already, whatever still comes? VERDICT_NONE if not. */
enum verdict ledger_verdict_so_far(const struct run *run);

/* Tests whose result is not good. */
uint32_t ledger_bad_count(const struct run *run);

/* Exit code for a verdict of this run: verdict_exit, but pytest's own 5 where nothing was
 * collected. */
uint32_t ledger_exit(const struct run *run, enum verdict verdict);

/* Slots that were announced and never came. */
uint32_t ledger_slots_missing(const struct run *run);

/* Fills a zeroed answer: the final verdict, or how it stands. */
void ledger_answer(const struct run *run, struct verdict_answer *out);
