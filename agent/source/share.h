/* share.h - the options of a static split, and what they come to: which part of which plan is ours.
 *
 * For 'makespan split' and for 'makespan run' without a coordinator. */
#pragma once

#include "cfg.h"
#include "core/split.h"

#define SHARE_ROWS         4u
#define SHARE_DURATIONS    ".test_durations" /* where pytest-split keeps them */
#define SHARE_MACHINES_MAX 100000u

struct share {
    const char *durations_path; /* NULL: SHARE_DURATIONS if there is one */
    const char *store_path;     /* where to write what was measured; NULL: nowhere */
    const char *algorithm, *seed_text;
    struct durations_file *file;
    struct durations durations;
    struct split_opts split;
};

/* Writes SHARE_ROWS rows; store says whether there is something to measure. */
size_t share_rows(struct share *share, bool store, struct cfg_option *rows);

/* Reads the file and checks everything; *out_note is a sentence for people, or "". */
MUST_USE enum err_code share_open(struct share *share, uint32_t index, uint32_t total,
                                  struct str *out_note, struct err *err);
void share_fini(struct share *share);
