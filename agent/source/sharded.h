/* sharded.h - collecting a part only: whether, and what the Python side must know to do it.
 *
 * In a run with a coordinator the ids of files that did not change come from a record of earlier
 * collections, and a file is imported by the workers that run its tests. In a static split the
 * files are dealt out, by the same rule on every machine. Not for: the deal and the record
 * themselves (the Python side, sharded.py and known.py). */
#pragma once

#include "options/target.h"
#include "share.h"

struct json;

struct sharded {
    const char
        *text;   /* --sharded-collection; NULL: not asked for; "": the record in its own place */
    char *known; /* the record */
    char *durations;       /* of the static split, or NULL */
    uint32_t index, total; /* of the static split; total 0: there is a coordinator */
};

struct cfg_option sharded_row(struct sharded *sharded);

/* Once it is known how the machines share. split: NULL with a coordinator. out_note is a sentence
 * for people, or "". */
MUST_USE enum err_code sharded_open(struct sharded *sharded, const struct target *target,
                                    const struct share *split, struct str *out_note,
                                    struct err *err);
void sharded_fini(struct sharded *sharded);

void sharded_tell(const struct sharded *sharded, struct json *config);

/* The machines did not agree on what there is: the next run collects everything. */
void sharded_forget(const struct sharded *sharded);
