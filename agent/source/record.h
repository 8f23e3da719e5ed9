/* record.h - where what was learned in a folder is kept between runs: one small file of each kind
 * in the user's cache. */
#pragma once

#include "err.h"

/* The file of this kind ("durations", "memory", "ids") for suites run in folder, absolute; the
 * caller's. It need not be there. */
MUST_USE enum err_code record_path(const char *kind, const char *folder, char **out_path,
                                   struct err *err);
