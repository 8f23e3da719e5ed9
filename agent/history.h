/* history.h - how long the tests of a folder took on this machine, from run to run.
 *
 * One file in the user's cache, read at start, replaced whole at the end. Tests that a run did not
 * collect keep what is known of them for HISTORY_AGE_MAX runs. Not for: the coordinator's history
 * (its own, in its store), or pytest-split's files (common/durations). */
#pragma once

#include "manifest.h"
#include "plan/estimate.h"

#define HISTORY_BYTES_MAX (64u << 20)
#define HISTORY_TESTS_MAX 500000u
#define HISTORY_AGE_MAX   100u

struct history; /* what the file holds of tests that are not in the manifest */

/* The file for suites run in folder; the caller's. */
MUST_USE enum err_code history_path(const char *folder, char **out_path, struct err *err);

/* Fills known[] (by position in the manifest, zeroed by the caller). No file is an empty history;
 * a file that cannot be read is an error, and then nothing is known. */
MUST_USE enum err_code history_load(const char *path, const struct manifest *manifest,
                                    struct estimate *known, struct history **out, struct err *err);

/* Replaces the file. history may be NULL. */
MUST_USE enum err_code history_save(const char *path, const struct history *history,
                                    const struct manifest *manifest, const struct estimate *known,
                                    struct err *err);
void history_free(struct history *history);
