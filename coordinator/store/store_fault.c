#include "store/store_fault.h"

#include <pthread.h>
#include <stdlib.h>

#include "mem.h"
#include "store/store_backend.h"

struct store_fault {
    struct store base;
    struct store *inner;
    pthread_mutex_t lock; /* over what follows */
    struct store_fault_plan plan;
    uint64_t calls;
};

/* Counts a call and says what is to happen to it. */
static enum store_fault_kind fault_now(struct store_fault *f, enum err_code *out_code)
{
    enum store_fault_kind kind = STORE_FAULT_NONE;

    (void)pthread_mutex_lock(&f->lock); /* cannot fail for a mutex that is used rightly */
    f->calls++;
    if (f->plan.first_call > 0 && f->calls >= f->plan.first_call &&
        f->calls - f->plan.first_call < f->plan.call_count) {
        kind = f->plan.kind;
        *out_code = f->plan.code;
    }
    (void)pthread_mutex_unlock(&f->lock); /* as above */
    return kind;
}

static enum err_code fault_err(enum err_code code, const char *call, struct err *err)
{
    return err_set(err, code, "%s: a fault was asked for", call);
}

/* One call: fails before it, after it, or not at all. */
#define THROUGH(name, ...)                                                                         \
    do {                                                                                           \
        struct store_fault *f = (struct store_fault *)store;                                       \
        enum err_code code = ERR_NONE;                                                             \
        enum store_fault_kind kind = fault_now(f, &code);                                          \
        enum err_code rc;                                                                          \
                                                                                                   \
        if (kind == STORE_FAULT_BEFORE)                                                            \
            return fault_err(code, #name, err);                                                    \
        rc = f->inner->ops->name(f->inner, __VA_ARGS__);                                           \
        return kind == STORE_FAULT_AFTER && !rc ? fault_err(code, #name, err) : rc;                \
    } while (0)

static enum err_code fault_append(struct store *store, const struct store_change *changes,
                                  size_t count, struct err *err)
{
    THROUGH(append, changes, count, err);
}

static enum err_code fault_load(struct store *store, const char *run, store_change_fn fn, void *ctx,
                                struct err *err)
{
    THROUGH(load, run, fn, ctx, err);
}

static enum err_code fault_list(struct store *store, const struct store_query *query,
                                store_run_fn fn, void *ctx, struct err *err)
{
    THROUGH(list, query, fn, ctx, err);
}

static enum err_code fault_prune(struct store *store, uint64_t before_ms, struct store_pruned *out,
                                 struct err *err)
{
    THROUGH(prune, before_ms, out, err);
}

static enum err_code fault_manifest_put(struct store *store, const char *digest,
                                        const struct view *parts, uint32_t part_count,
                                        uint64_t now_ms, struct err *err)
{
    THROUGH(manifest_put, digest, parts, part_count, now_ms, err);
}

static enum err_code fault_manifest_get(struct store *store, const char *digest, store_part_fn fn,
                                        void *ctx, struct err *err)
{
    THROUGH(manifest_get, digest, fn, ctx, err);
}

static enum err_code fault_token_put(struct store *store, const struct store_token *token,
                                     struct err *err)
{
    THROUGH(token_put, token, err);
}

static enum err_code fault_token_find(struct store *store, const char *hash, store_token_fn fn,
                                      void *ctx, struct err *err)
{
    THROUGH(token_find, hash, fn, ctx, err);
}

static enum err_code fault_token_list(struct store *store, store_token_fn fn, void *ctx,
                                      struct err *err)
{
    THROUGH(token_list, fn, ctx, err);
}

static enum err_code fault_token_revoke(struct store *store, const char *hash, struct err *err)
{
    THROUGH(token_revoke, hash, err);
}

static enum err_code fault_history_fold(struct store *store, const struct store_fold *fold,
                                        struct err *err)
{
    THROUGH(history_fold, fold, err);
}

static enum err_code fault_history_load(struct store *store, const char *project, const char *suite,
                                        store_estimate_fn fn, void *ctx, struct err *err)
{
    THROUGH(history_load, project, suite, fn, ctx, err);
}

static enum err_code fault_history_fill(struct store *store, const char *project, const char *suite,
                                        struct store_estimate *rows, size_t count, struct err *err)
{
    THROUGH(history_fill, project, suite, rows, count, err);
}

static enum err_code fault_history_prune(struct store *store, const char *project,
                                         const char *suite, uint64_t before_ms, uint64_t row_max,
                                         struct err *err)
{
    THROUGH(history_prune, project, suite, before_ms, row_max, err);
}

static enum err_code fault_setting_get(struct store *store, const char *key, struct str *out,
                                       struct err *err)
{
    THROUGH(setting_get, key, out, err);
}

static enum err_code fault_setting_put(struct store *store, const char *key, const char *value,
                                       struct err *err)
{
    THROUGH(setting_put, key, value, err);
}

static enum err_code fault_check(struct store *store, struct err *err)
{
    THROUGH(check, err);
}

static enum err_code fault_backup(struct store *store, const char *path, struct err *err)
{
    THROUGH(backup, path, err);
}

static void fault_close(struct store *store)
{
    struct store_fault *f = (struct store_fault *)store;

    store_close(f->inner);
    (void)pthread_mutex_destroy(&f->lock); /* nobody is inside any more */
    free(f);
}

static const struct store_ops fault_ops = {
    .name = "fault",
    .close = fault_close,
    .append = fault_append,
    .load = fault_load,
    .list = fault_list,
    .prune = fault_prune,
    .manifest_put = fault_manifest_put,
    .manifest_get = fault_manifest_get,
    .token_put = fault_token_put,
    .token_find = fault_token_find,
    .token_list = fault_token_list,
    .token_revoke = fault_token_revoke,
    .history_fold = fault_history_fold,
    .history_load = fault_history_load,
    .history_fill = fault_history_fill,
    .history_prune = fault_history_prune,
    .setting_get = fault_setting_get,
    .setting_put = fault_setting_put,
    .check = fault_check,
    .backup = fault_backup,
};

struct store *store_fault_new(struct store **take_inner)
{
    struct store_fault *f = mem_new(1, sizeof(*f));

    f->base.ops = &fault_ops;
    f->inner = *take_inner;
    *take_inner = NULL;
    INVARIANT(pthread_mutex_init(&f->lock, NULL) == 0);
    return &f->base;
}

void store_fault_set(struct store *store, const struct store_fault_plan *plan)
{
    struct store_fault *f = (struct store_fault *)store;

    (void)pthread_mutex_lock(&f->lock); /* cannot fail for a mutex that is used rightly */
    f->plan = *plan;
    f->calls = 0;
    (void)pthread_mutex_unlock(&f->lock); /* as above */
}

uint64_t store_fault_calls(struct store *store)
{
    struct store_fault *f = (struct store_fault *)store;
    uint64_t calls;

    (void)pthread_mutex_lock(&f->lock); /* cannot fail for a mutex that is used rightly */
    calls = f->calls;
    (void)pthread_mutex_unlock(&f->lock); /* as above */
    return calls;
}
