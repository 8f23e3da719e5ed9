/* storage.h - which store a URL means; the program's only place that names a backend. */
#pragma once

#include "store/store.h"

/* "sqlite:PATH", or NULL for makespan.db in the data folder. */
MUST_USE enum err_code storage_open(const char *url, const char *folder, struct store **out,
                                    struct err *err);

/* For a command beside a makespand that may be serving from it; makes the store when it is missing.
 */
MUST_USE enum err_code storage_open_beside(const char *url, const char *folder, struct store **out,
                                           struct err *err);

/* The same, for a command that has nothing to do with an empty store: ERR_NOT_FOUND. */
MUST_USE enum err_code storage_open_existing(const char *url, const char *folder,
                                             struct store **out, struct err *err);
