/* durations.h - pytest-split's file of durations (".test_durations"): read in both of its shapes,
 * written as it writes it.
 *
 * {"tests/a.py::test_x": 0.25, ...} with sorted keys and an indent of four, or the older list of
 * [id, seconds] pairs, where the last of two with the same id counts. Times are whole microseconds
 * on our side. Not for: files and what to do with the times. */
#pragma once

#include "str.h"

#define DURATION_US_MAX     (366ull * 86400 * 1000000)
#define DURATIONS_MAX       2000000u
#define DURATIONS_BYTES_MAX (512u << 20)

struct duration {
    const char *id;
    uint64_t us;
    double seconds; /* as it stood in the file, for who has to add it up as others do */
};

struct durations {
    const struct duration *items;
    uint32_t count;
};

struct durations_file;

/* Sorted by id (bytewise), each id once. ERR_MALFORMED: no JSON. ERR_INVALID: another shape, or a
 * value that is no time, with the id in the text. ERR_TOO_LARGE: over a limit above. */
MUST_USE enum err_code durations_parse(const char *bytes, size_t len, struct durations_file **out,
                                       struct err *err);
struct durations durations_of(const struct durations_file *file); /* lent */
void durations_free(struct durations_file *file);                 /* NULL is fine */

/* Appends the file for items that are sorted by id, each once; by their us. */
MUST_USE enum err_code durations_print(const struct durations *durations, struct str *out,
                                       struct err *err);
