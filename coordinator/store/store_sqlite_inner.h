/* store_sqlite_inner.h - what the rooms of the SQLite backend share.
 *
 * store_sqlite.c: the file, its connections, its schema. The others are named after what they keep:
 * _runs, _manifests, _tokens, _history, _settings. _prune removes what is old; _copy checks the
 * file and copies it. */
#pragma once

#include <pthread.h>

#include "store/sql.h"
#include "store/store_backend.h"

#define READERS_MAX 8u /* idle connections kept */

/* One connection writes, under its lock. A read borrows a connection of its own, so that it waits
 * neither for a commit that is being made durable nor for somebody else's long read. */
struct store_sqlite {
    struct store base;
    char *path;
    int lock_fd; /* held for as long as the file is open */
    struct sql *writer;
    struct sql *readers[READERS_MAX]; /* idle, under read_lock */
    uint32_t reader_count;
    pthread_mutex_t write_lock;
    pthread_mutex_t read_lock;
};

/* begin takes the writer's lock also when it fails; end commits (or rolls back when rc is not
 * ERR_NONE), releases it, and returns the outcome of all. */
MUST_USE enum err_code sqlite_write_begin(struct store_sqlite *s, struct err *err);
MUST_USE enum err_code sqlite_write_end(struct store_sqlite *s, enum err_code rc, struct err *err);

/* The same for a statement that only reads: end follows begin, also when it failed. */
struct sqlite_read {
    struct sql *db;
    struct sql_stmt *stmt; /* NULL after a failure */
};
MUST_USE enum err_code sqlite_read_begin(struct store_sqlite *s, const char *text,
                                         struct sqlite_read *out, struct err *err);
void sqlite_read_end(struct store_sqlite *s, struct sqlite_read *read);

/* Puts one setting, inside a transaction of the caller's. */
MUST_USE enum err_code sqlite_setting_row(struct sql *db, const char *key, const char *value,
                                          struct err *err);

/* Where the changes of a run lie (schema.c). */
static inline uint64_t sqlite_place(uint64_t run_seq, uint64_t number)
{
    return run_seq << 32 | number;
}

enum err_code sqlite_append(struct store *store, const struct store_change *changes, size_t count,
                            struct err *err);
enum err_code sqlite_load(struct store *store, const char *run, store_change_fn fn, void *ctx,
                          struct err *err);
enum err_code sqlite_list(struct store *store, const struct store_query *query, store_run_fn fn,
                          void *ctx, struct err *err);
enum err_code sqlite_prune(struct store *store, uint64_t before_ms, struct store_pruned *out,
                           struct err *err);
enum err_code sqlite_manifest_put(struct store *store, const char *digest, const struct view *parts,
                                  uint32_t part_count, uint64_t now_ms, struct err *err);
enum err_code sqlite_manifest_get(struct store *store, const char *digest, store_part_fn fn,
                                  void *ctx, struct err *err);
enum err_code sqlite_token_put(struct store *store, const struct store_token *token,
                               struct err *err);
enum err_code sqlite_token_find(struct store *store, const char *hash, store_token_fn fn, void *ctx,
                                struct err *err);
enum err_code sqlite_token_list(struct store *store, store_token_fn fn, void *ctx, struct err *err);
enum err_code sqlite_token_revoke(struct store *store, const char *hash, struct err *err);
enum err_code sqlite_history_fold(struct store *store, const struct store_fold *fold,
                                  struct err *err);
enum err_code sqlite_history_load(struct store *store, const char *project, const char *suite,
                                  store_estimate_fn fn, void *ctx, struct err *err);
enum err_code sqlite_history_fill(struct store *store, const char *project, const char *suite,
                                  struct store_estimate *rows, size_t count, struct err *err);
enum err_code sqlite_history_prune(struct store *store, const char *project, const char *suite,
                                   uint64_t before_ms, uint64_t row_max, struct err *err);
enum err_code sqlite_setting_get(struct store *store, const char *key, struct str *out,
                                 struct err *err);
enum err_code sqlite_setting_put(struct store *store, const char *key, const char *value,
                                 struct err *err);
enum err_code sqlite_check(struct store *store, struct err *err);
enum err_code sqlite_backup(struct store *store, const char *path, struct err *err);
