/* history.h - what is known of how long the tests and scopes of a suite take.
 *
 * A history is loaded for one use (the costs of a manifest, an export, a lesson) and freed. Loading
 * and importing go through the store, so for a large suite they belong on the commit thread
 * (commit_do). Not for: learning (lesson.h), deciding what runs next (common/plan), the text of
 * durations files (common/durations.h). */
#pragma once

#include "durations.h"
#include "manifest_lanes.h"
#include "plan/suite.h"
#include "store/store.h"

#define HISTORY_ROWS_MAX  2000000u                      /* tests and scopes of one suite */
#define HISTORY_UNSEEN_MS (90ull * 24 * 60 * 60 * 1000) /* then a test is forgotten */

#define HISTORY_TEST    "test"    /* the kind of a row that is a test, see history_key */
#define HISTORY_STARTUP "startup" /* of the one row, with an empty id, for a machine's start-up */
#define HISTORY_WORKER  "worker"  /* of another, for the memory of a worker; no durations */

struct history;

/* A suite that is not known has an empty history. */
MUST_USE enum err_code history_load(struct store *store, const char *project, const char *suite,
                                    struct history **out, struct err *err);
void history_free(struct history *history);            /* NULL is fine */
uint32_t history_count(const struct history *history); /* rows: tests and scopes */

/* NULL when nothing is known. kind: HISTORY_TEST, or a scope's ("module", "class", ...). */
const struct estimate *history_find(const struct history *history, const char *kind,
                                    const char *id);

/* How a test is named here: id, or "id#k" (built in scratch, whose max is the caller's). */
const char *history_key(const char *id, uint32_t k, struct str *scratch);

/* What is known of each test of a manifest; a table is NULL when it was taken. */
struct history_tests {
    uint64_t *costs_us; /* predicted, for every test: see estimate_fill */
    uint64_t *highs_us; /* what it hardly ever exceeds; 0: not known */
    uint32_t *mem_mib;  /* what it needs on top of its worker's; 0: not known */
    bool *failed;       /* when it ran last */
    uint32_t known;     /* how many tests have an estimate of their own */
};

/* All of it in one pass; end with history_tests_fini. */
void history_tests(const struct history *history, const struct manifest *manifest,
                   struct history_tests *out);
void history_tests_fini(struct history_tests *tests);

/* What a worker of the suite needs for itself, 0 where nothing is known. Reads one row. */
MUST_USE enum err_code history_worker_mib(struct store *store, const char *project,
                                          const char *suite, uint32_t *out_mib, struct err *err);

/* The predicted set-up and teardown of each scope of a suite, 0 where nothing is known. */
void history_scope_costs(const struct history *history, const struct suite *suite,
                         uint64_t *costs_us);

/* From a machine's join to the end of its collection, 0 where nothing is known. */
uint64_t history_startup_us(const struct history *history);

/* Every test with its predicted time, sorted by id; lent from the history, free() *out_items. */
void history_export(const struct history *history, struct duration **out_items,
                    uint32_t *out_count);

/* Replaces what is known of how long the tests given take; the others stay. */
MUST_USE enum err_code history_import(struct store *store, const char *project, const char *suite,
                                      const struct durations *durations, uint64_t now_ms,
                                      struct err *err);
