/* bundle.h - the Python side, carried inside the binary and laid out in a folder for Python to
 * import.
 *
 * One folder of the user's cache is kept for each content, so that Python's bytecode beside the
 * files is still good at the next run: $XDG_CACHE_HOME/makespan/python/DIGEST, or ~/.cache in place
 * of the variable. What no run has begun with for a week is removed by the next one, and all of it
 * may be whenever none runs. Where there is no cache, or where somebody else could enter that
 * folder or replace it, the files live in the run's own, and only as long. */
#pragma once

#include "err.h"

/* A file of agent/runner/pytest/; all generated at build time (cmake/Bundle.cmake). */
struct bundle_file {
    const char *name; /* relative, may hold folders */
    const unsigned char *bytes;
    size_t size;
};
extern const struct bundle_file bundle_files[];
extern const size_t bundle_file_count;
extern const char bundle_digest[]; /* SHA-256 over names and contents, in hex */

/* Lays all files out, in the cache or else below run_folder, which exists and is private. */
MUST_USE enum err_code bundle_place(const char *run_folder, char **out_folder, struct err *err);
