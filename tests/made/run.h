/* run.h - runs made by hand, for tests of what reads a run and decides nothing. */
#pragma once

#include "core/model.h"

/* A run of project "web", suite "unit", epoch 1, with a sealed manifest whose tests are all free.
 */
struct run *made_run(const char *run_id, const char *const *ids, uint32_t count);

/* The test is done: 100 us of set-up, 200 us of teardown, the rest of total_us is the call. */
void made_finish(struct run *run, uint32_t test, enum outcome outcome, uint64_t total_us);

/* A detail of the texts given (NULL: absent); the caller's. */
struct detail *made_detail(const char *when, const char *message, const char *text);

/* A machine that joined at a time and had collected some time later. */
void made_session(struct run *run, uint64_t joined_ms, uint64_t collected_ms);
void made_scope(struct run *run, const char *kind, const char *id, uint64_t setup_us,
                uint64_t teardown_us);
void made_fault(struct run *run, const char *kind, const char *text);
void made_remark(struct run *run, const char *kind, const char *text);
