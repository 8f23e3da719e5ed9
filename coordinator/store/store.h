/* store.h - what the coordinator needs from durable storage. Loads and saves; decides nothing.
 *
 * A run is its numbered changes, opaque bytes that core/ made and core/ reads again. Beside them:
 * one row a run to find it by, manifests by digest, tokens by hash, the history of durations and
 * memory, and a few settings. A backend is a struct whose first member is struct store; its table
 * of functions is in store_backend.h. store_sqlite.h, store_mem.h and store_fault.h open one;
 * nobody else names a backend.
 *
 * Promises of every backend (tests/contract/test_store.c holds each against all of them):
 *   - A call that returns ERR_NONE after writing is durable: it survives kill -9 and power loss.
 *   - A call that returns anything else has changed nothing that can be seen, except that after
 *     ERR_IO and ERR_UNAVAILABLE a write may turn out to have happened (an ambiguous commit).
 * Whoever wrote then loads again what it has in memory.
 *   - What one call wrote, every later call on any thread sees. Any thread may call; a read does
 *     not wait for a write that is being made durable.
 *   - No room is ERR_DISK_FULL, a damaged file is ERR_IO with a text that says so, and the store
 * can be used again once there is room.
 *   - Callbacks run inside the call: what they are given is lent until they return, they must not
 *     call the store, and a code other than ERR_NONE ends the call with that code and its text. */
#pragma once

#include "hash.h"
#include "id.h"
#include "plan/estimate.h"
#include "str.h"

#define STORE_CHANGE_BYTES_MAX (64u << 20) /* one change */
#define STORE_NUMBER_MAX       UINT32_MAX  /* changes of one run */
#define STORE_NAME_BYTES_MAX   1000u       /* project, suite, run key, label, kind, setting */
#define STORE_ID_BYTES_MAX     4120u       /* id of a test (with "#k") or scope in the history */
#define STORE_VALUE_BYTES_MAX  (1u << 20)  /* a setting's value */
#define STORE_DIGEST_BYTES     65          /* 64 hex digits and a NUL */
#define STORE_LIST_MAX         100000u     /* rows of one listing */

struct store;

void store_close(struct store *store); /* NULL is fine */

/* ---- runs and their changes ---- */

/* The row of one run (of one epoch). Texts are lent. */
struct store_run {
    const char *id; /* of id_new() */
    const char *project, *suite, *run_key;
    uint32_t epoch;
    uint64_t created_ms;  /* Unix time, for people and retention */
    uint64_t closed_ms;   /* 0: open */
    uint32_t verdict;     /* the service's number, 0 while open */
    const char *manifest; /* digest of its sealed manifest, "" for none */
};

/* One numbered change. Numbers of a run count from 1 without a gap. What a change means for the
 * run's row travels with it, so that row and changes never disagree. */
struct store_change {
    const char *run;
    uint64_t number;
    const void *bytes;
    size_t len;
    const struct store_run *create; /* makes the run's row (change 1); else NULL */
    const char *manifest; /* seals the run's manifest, which is stored already; else NULL */
    uint64_t closed_ms;   /* closes the run, with verdict; else 0 */
    uint32_t verdict;
};

/* All or none, in one transaction. ERR_CONFLICT: a (run, number), or a created run's id or its
 * (project, suite, run key, epoch), is there already. ERR_NOT_FOUND: no such run or manifest. */
MUST_USE enum err_code store_append(struct store *store, const struct store_change *changes,
                                    size_t count, struct err *err);

typedef enum err_code (*store_change_fn)(void *ctx, uint64_t number, const void *bytes, size_t len,
                                         struct err *err);

/* Every change of a run in order. ERR_NOT_FOUND: no such run. ERR_IO: a number is missing. */
MUST_USE enum err_code store_load(struct store *store, const char *run, store_change_fn fn,
                                  void *ctx, struct err *err);

enum store_runs {
    STORE_RUNS_ALL,
    STORE_RUNS_OPEN,
    STORE_RUNS_CLOSED,
    STORE_RUNS_UNFOLDED /* closed, and no fold of its suite has the run's id as its mark */
};

/* A NULL text matches every run; a zero limit means STORE_LIST_MAX. */
struct store_query {
    const char *id;
    const char *project, *suite, *run_key;
    const char *run_key_prefix; /* run keys that begin with it */
    uint32_t epoch;             /* 0: every */
    enum store_runs state;
    uint32_t limit;
};

typedef enum err_code (*store_run_fn)(void *ctx, const struct store_run *run, struct err *err);

/* The last created first. None at all is ERR_NONE. */
MUST_USE enum err_code store_list(struct store *store, const struct store_query *query,
                                  store_run_fn fn, void *ctx, struct err *err);

/* Removes the runs closed before before_ms with all their changes, some at a time so that others
 * can write in between, then what is older and belongs to no run: manifests, marks of folds. Says
 * how much; a failure may have removed a part. */
struct store_pruned {
    uint64_t runs, manifests;
};
MUST_USE enum err_code store_prune(struct store *store, uint64_t before_ms,
                                   struct store_pruned *out, struct err *err);

/* ---- manifests: gzip parts as they came, stored once per digest ---- */

/* A digest that is there already keeps its parts; only its age for store_prune starts anew. */
MUST_USE enum err_code store_manifest_put(struct store *store, const char *digest,
                                          const struct view *parts, uint32_t part_count,
                                          uint64_t now_ms, struct err *err);

typedef enum err_code (*store_part_fn)(void *ctx, uint32_t part, const void *bytes, size_t len,
                                       struct err *err);

/* Every part in order; ERR_NOT_FOUND. */
MUST_USE enum err_code store_manifest_get(struct store *store, const char *digest, store_part_fn fn,
                                          void *ctx, struct err *err);

/* ---- tokens: only their hashes are stored ---- */

struct store_token {
    const char *hash;    /* SHA-256 hex of the token */
    const char *project; /* "" for every project */
    const char *label;   /* for people */
    uint32_t role;       /* the service's number */
    uint64_t created_ms;
    uint64_t expires_ms; /* 0: never */
};

typedef enum err_code (*store_token_fn)(void *ctx, const struct store_token *token,
                                        struct err *err);

MUST_USE enum err_code store_token_put(struct store *store, const struct store_token *token,
                                       struct err *err); /* ERR_CONFLICT: the hash is there */
MUST_USE enum err_code store_token_find(struct store *store, const char *hash, store_token_fn fn,
                                        void *ctx, struct err *err); /* ERR_NOT_FOUND */
MUST_USE enum err_code store_token_list(struct store *store, store_token_fn fn, void *ctx,
                                        struct err *err); /* oldest first */
MUST_USE enum err_code store_token_revoke(struct store *store, const char *hash,
                                          struct err *err); /* ERR_NOT_FOUND */

/* ---- history: estimates per project and suite ---- */

struct store_estimate {
    const char *kind; /* "test", or a scope's kind: "module", "class", ... */
    const char *id;
    struct estimate est;
    uint32_t mem_mib; /* of memory that it needs (plan/peak.h), 0: not known */
    uint64_t seen_ms; /* when it was last seen, for pruning */
    bool failed;      /* a test, when it ran last */
};

struct store_fold {
    const char *project, *suite;
    const char *mark; /* names what is folded in: a run's id for all of it, anything else for a
                         part of it; NULL for an import */
    const struct store_estimate *rows;
    size_t row_count;
    uint64_t now_ms;
};

/* Writes rows and mark in one transaction. ERR_CONFLICT: the mark is there, nothing was written. */
MUST_USE enum err_code store_history_fold(struct store *store, const struct store_fold *fold,
                                          struct err *err);

typedef enum err_code (*store_estimate_fn)(void *ctx, const struct store_estimate *row,
                                           struct err *err);

/* All of a suite, sorted by kind, then id (bytewise). None at all is ERR_NONE. */
MUST_USE enum err_code store_history_load(struct store *store, const char *project,
                                          const char *suite, store_estimate_fn fn, void *ctx,
                                          struct err *err);

/* Fills what is estimated (est, mem_mib) of rows that are named by kind and id; 0 samples and 0 MiB
 * where nothing is known. */
MUST_USE enum err_code store_history_fill(struct store *store, const char *project,
                                          const char *suite, struct store_estimate *rows,
                                          size_t count, struct err *err);

/* Forgets rows of a suite not seen since before_ms, then the longest unseen above row_max. */
MUST_USE enum err_code store_history_prune(struct store *store, const char *project,
                                           const char *suite, uint64_t before_ms, uint64_t row_max,
                                           struct err *err);

/* ---- settings ---- */

/* Appends the value to out; ERR_NOT_FOUND. */
MUST_USE enum err_code store_setting_get(struct store *store, const char *key, struct str *out,
                                         struct err *err);
MUST_USE enum err_code store_setting_put(struct store *store, const char *key, const char *value,
                                         struct err *err);

/* ---- for operators ---- */

/* Reads everything and compares it with itself; ERR_IO names what is damaged. */
MUST_USE enum err_code store_check(struct store *store, struct err *err);

/* A copy of one moment into a new file, while the store goes on. ERR_CONFLICT: the file exists. */
MUST_USE enum err_code store_backup(struct store *store, const char *path, struct err *err);
