/* store_backend.h - what a backend owes: one function for each promise of store.h, all required.
 *
 * Included by backends only. store.c checks what does not depend on the backend (limits of texts,
 * order of numbers) before it calls through the table, so a backend never repeats that. Every
 * function may be called by any thread. */
#pragma once

#include "store/store.h"

struct store {
    const struct store_ops *ops;
};

struct store_ops {
    const char *name; /* "sqlite", "memory", for messages */
    void (*close)(struct store *store);
    enum err_code (*append)(struct store *store, const struct store_change *changes, size_t count,
                            struct err *err);
    enum err_code (*load)(struct store *store, const char *run, store_change_fn fn, void *ctx,
                          struct err *err);
    enum err_code (*list)(struct store *store, const struct store_query *query, store_run_fn fn,
                          void *ctx, struct err *err);
    enum err_code (*prune)(struct store *store, uint64_t before_ms, struct store_pruned *out,
                           struct err *err);
    enum err_code (*manifest_put)(struct store *store, const char *digest, const struct view *parts,
                                  uint32_t part_count, uint64_t now_ms, struct err *err);
    enum err_code (*manifest_get)(struct store *store, const char *digest, store_part_fn fn,
                                  void *ctx, struct err *err);
    enum err_code (*token_put)(struct store *store, const struct store_token *token,
                               struct err *err);
    enum err_code (*token_find)(struct store *store, const char *hash, store_token_fn fn, void *ctx,
                                struct err *err);
    enum err_code (*token_list)(struct store *store, store_token_fn fn, void *ctx, struct err *err);
    enum err_code (*token_revoke)(struct store *store, const char *hash, struct err *err);
    enum err_code (*history_fold)(struct store *store, const struct store_fold *fold,
                                  struct err *err);
    enum err_code (*history_load)(struct store *store, const char *project, const char *suite,
                                  store_estimate_fn fn, void *ctx, struct err *err);
    enum err_code (*history_fill)(struct store *store, const char *project, const char *suite,
                                  struct store_estimate *rows, size_t count, struct err *err);
    enum err_code (*history_prune)(struct store *store, const char *project, const char *suite,
                                   uint64_t before_ms, uint64_t row_max, struct err *err);
    enum err_code (*setting_get)(struct store *store, const char *key, struct str *out,
                                 struct err *err);
    enum err_code (*setting_put)(struct store *store, const char *key, const char *value,
                                 struct err *err);
    enum err_code (*check)(struct store *store, struct err *err);
    enum err_code (*backup)(struct store *store, const char *path, struct err *err);
};

/* Whether a row is one that the query asks for (its limit aside, and whether it was folded). */
bool store_query_matches(const struct store_query *query, const struct store_run *run);
