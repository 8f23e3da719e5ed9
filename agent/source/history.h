/* history.h - how long the tests of a folder took on this machine, from run to run.
 *
 * And which of them failed. One file in the user's cache, read at start, replaced whole at the end.
 * Tests that a run did not collect keep what is known of them for HISTORY_AGE_MAX runs. Not for:
 * the coordinator's history (its own, in its store), or pytest-split's files (common/durations). */
#pragma once

#include "plan/estimate.h"
#include "plan/suite.h"

#define HISTORY_BYTES_MAX (64u << 20)
#define HISTORY_ROWS_MAX  500000u /* of tests, and of scopes */
#define HISTORY_AGE_MAX   100u

struct history; /* what the file holds; once it was told, of what is not in the manifest */

/* What is known of a manifest; the arrays are the caller's and by position. */
struct history_known {
    const struct manifest *manifest;
    const struct suite *suite;
    struct estimate *tests;
    struct estimate *scopes; /* set-up and teardown of a file's or a class's own fixtures */
    bool *failed;            /* by test: when it ran last */
};

/* The file for suites run in folder; the caller's. */
MUST_USE enum err_code history_path(const char *folder, char **out_path, struct err *err);

/* No file is an empty history; a file that cannot be read is an error. It takes some 3 us a test:
 * to be done while nothing waits for it. */
MUST_USE enum err_code history_load(const char *path, struct history **out, struct err *err);

/* Fills known's arrays, zeroed by the caller, with what the history has of them. Once. */
void history_tell(struct history *history, const struct history_known *known);

/* Replaces the file. history may be NULL. */
MUST_USE enum err_code history_save(const char *path, const struct history *history,
                                    const struct history_known *known, struct err *err);
void history_free(struct history *history);
