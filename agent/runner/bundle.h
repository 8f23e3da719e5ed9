/* bundle.h - the Python side, carried inside the binary and written out at start. */
#pragma once

#include "err.h"

/* A file of agent/runner/pytest/; bundle_files is generated at build time (cmake/Bundle.cmake). */
struct bundle_file {
    const char *name; /* relative, may hold folders */
    const unsigned char *bytes;
    size_t size;
};
extern const struct bundle_file bundle_files[];
extern const size_t bundle_file_count;

/* Writes all files below folder, which exists and is private. */
MUST_USE enum err_code bundle_write(const char *folder, struct err *err);
