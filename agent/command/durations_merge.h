/* durations_merge.h - makespan durations merge OUT FILE...: one file of durations of those that the
 * machines of a matrix wrote. */
#pragma once

#include "err.h"

/* Of two times of a test the later file's counts. out: a path, or "-". Needs no coordinator. */
MUST_USE enum err_code durations_merge(const char *out, char *const *files, int file_count,
                                       struct err *err);
