/* store_mem_inner.h - what the two halves of the memory backend share.
 *
 * store_mem.c: runs and their changes. store_mem_kept.c: what is kept beside runs. One lock over
 * plain arrays that are searched from end to end: a simulation has few of each. */
#pragma once

#include <pthread.h>

#include "store/store_backend.h"

struct mem_change {
    uint64_t number;
    void *bytes;
    size_t len;
};

struct mem_run {
    struct store_run row;       /* texts owned; manifest points into the manifest's digest, or "" */
    struct mem_change *changes; /* by number */
    size_t change_count, change_cap;
};

struct mem_manifest {
    char *digest;
    struct view *parts; /* owned */
    uint32_t part_count;
    uint64_t used_ms;
};

struct mem_row {
    char *kind, *id;
    struct estimate est;
    uint32_t mem_mib;
    uint64_t seen_ms;
    bool failed;
    size_t order; /* of two rows with one name, the higher is the newer */
};

struct mem_mark {
    char *name;
    uint64_t made_ms;
};

struct mem_suite {
    char *project, *suite;
    struct mem_row *rows; /* by kind, id */
    size_t row_count, row_cap;
    struct mem_mark *marks;
    size_t mark_count, mark_cap;
};

struct mem_setting {
    char *key, *value;
};

struct store_mem {
    struct store base;
    pthread_mutex_t lock;
    struct mem_run **runs; /* in order of creation */
    size_t run_count, run_cap;
    struct mem_manifest **manifests;
    size_t manifest_count, manifest_cap;
    struct store_token *tokens; /* texts owned */
    size_t token_count, token_cap;
    struct mem_suite **suites;
    size_t suite_count, suite_cap;
    struct mem_setting *settings;
    size_t setting_count, setting_cap;
};

/* Every function of the backend begins with the one and returns through the other. */
struct store_mem *mem_enter(struct store *store);
enum err_code mem_leave(struct store_mem *m, enum err_code rc);

/* Texts of rows are const for those who read them. */
void mem_free_text(const char *text);

struct mem_manifest *mem_find_manifest(const struct store_mem *m, const char *digest);
void mem_manifest_free(struct mem_manifest *manifest);
void mem_kept_fini(struct store_mem *m);

enum err_code mem_manifest_put(struct store *store, const char *digest, const struct view *parts,
                               uint32_t part_count, uint64_t now_ms, struct err *err);
enum err_code mem_manifest_get(struct store *store, const char *digest, store_part_fn fn, void *ctx,
                               struct err *err);
enum err_code mem_token_put(struct store *store, const struct store_token *token, struct err *err);
enum err_code mem_token_find(struct store *store, const char *hash, store_token_fn fn, void *ctx,
                             struct err *err);
enum err_code mem_token_list(struct store *store, store_token_fn fn, void *ctx, struct err *err);
enum err_code mem_token_revoke(struct store *store, const char *hash, struct err *err);
enum err_code mem_history_fold(struct store *store, const struct store_fold *fold, struct err *err);
enum err_code mem_history_load(struct store *store, const char *project, const char *suite,
                               store_estimate_fn fn, void *ctx, struct err *err);
enum err_code mem_history_fill(struct store *store, const char *project, const char *suite,
                               struct store_estimate *rows, size_t count, struct err *err);
bool mem_is_folded(const struct store_mem *m, const struct store_run *run);
enum err_code mem_history_prune(struct store *store, const char *project, const char *suite,
                                uint64_t before_ms, uint64_t row_max, struct err *err);
enum err_code mem_setting_get(struct store *store, const char *key, struct str *out,
                              struct err *err);
enum err_code mem_setting_put(struct store *store, const char *key, const char *value,
                              struct err *err);
