/* commit.h - group commit: changes queued by the loop become durable together, on a thread of their
 * own.
 *
 * Everything queued since the last commit goes into one transaction, so a slow disk makes groups
 * larger, not answers later by the length of a queue. The loop hands over a change by ownership and
 * goes on; when it is durable (or refused), its done function runs on the loop, from commit_poll,
 * in the order of commit_take.
 *
 * When a group fails, its changes are tried again one run at a time, so that one bad run never
 * fails the others. A run that fails then is *stopped*: its change and every later one are refused,
 * until the service has loaded the run again and calls commit_resume. The order of commit_take and
 * commit_resume is kept: what was taken before the resume is refused, what comes after is not.
 *
 * Not for: reading, deciding, logging. Without a thread (COMMIT_INLINE, for simulation and unit
 * tests) commit_poll does the work itself. All functions are for the loop's thread. */
#pragma once

#include "store/store.h"

#define COMMIT_GROUP_BYTES_MAX (16u << 20) /* more waits for the next transaction */
#define COMMIT_GROUP_ITEMS_MAX 4096u

struct commit;

/* rc ERR_NONE: durable. Else err says why, and the run is stopped (see above). */
typedef void (*commit_done_fn)(void *ctx, const char *run, uint64_t number, enum err_code rc,
                               const struct err *err);

/* Like struct store_change, but owned. Texts of the row and the manifest may be NULL. */
struct commit_item {
    char run[ID_TEXT_BYTES];
    uint64_t number;
    void *bytes; /* free() */
    size_t len;
    bool creates; /* project, suite, run_key, epoch, created_ms make the run's row */
    char *project, *suite, *run_key;
    uint32_t epoch;
    uint64_t created_ms;
    char *manifest; /* digest that this change seals, or NULL */
    uint64_t closed_ms;
    uint32_t verdict;
    commit_done_fn done;
    void *ctx;
};

void commit_item_free(struct commit_item *item);

enum commit_mode { COMMIT_THREAD, COMMIT_INLINE };

struct commit_opts {
    struct store *store; /* lent for the life of the commit */
    enum commit_mode mode;
    void (*wake)(void *ctx); /* something is settled (inline: was taken): call commit_poll soon.
                                From the commit thread, so only a write to an eventfd or pipe */
    void *wake_ctx;
};

struct commit *commit_new(const struct commit_opts *opts);

/* Settles what is queued, delivers it, ends the thread. NULL is fine. */
void commit_free(struct commit *commit);

void commit_take(struct commit *commit, struct commit_item **take_item);

/* The run was loaded again: later changes of it are committed again. */
void commit_resume(struct commit *commit, const char *run);

/* Any other work with the store that should not hold up the loop (a manifest, a fold, a backup), in
 * order with the changes: work runs on the commit thread, done on the loop. */
struct commit_job {
    enum err_code (*work)(void *ctx, struct store *store, struct err *err);
    void (*done)(void *ctx, enum err_code rc, const struct err *err);
    void *ctx;
};
void commit_do(struct commit *commit, const struct commit_job *job);

/* Runs the done functions of everything settled; they may call every function here but commit_poll,
 * commit_flush and commit_free. Returns how many ran. */
size_t commit_poll(struct commit *commit);

/* Waits until everything taken is settled and delivered, also what done functions take. */
void commit_flush(struct commit *commit);

/* What is taken and not delivered yet: to refuse work before memory is the limit. */
size_t commit_queued_bytes(const struct commit *commit);
