#include "store/store.h"

#include <string.h>

#include "store/store_backend.h"

void store_close(struct store *store)
{
    if (store)
        store->ops->close(store);
}

/* Texts come from requests through the service, so their length is an error and not an invariant.
 */
static enum err_code check_text(const char *what, const char *text, size_t max, struct err *err)
{
    size_t len = strlen(text);

    if (len > max)
        return err_set(err, ERR_TOO_LARGE, "%s of %zu bytes, at most %zu are stored", what, len,
                       max);
    return ERR_NONE;
}

static enum err_code check_change(const struct store_change *change, struct err *err)
{
    const struct store_run *row = change->create;
    enum err_code rc = ERR_NONE;

    INVARIANT(change->number > 0 && change->number <= STORE_NUMBER_MAX);
    INVARIANT(!row || (strcmp(row->id, change->run) == 0 && row->epoch > 0));
    if (change->len > STORE_CHANGE_BYTES_MAX)
        return err_set(err, ERR_TOO_LARGE, "change %llu of run %s has %zu bytes",
                       (unsigned long long)change->number, change->run, change->len);
    if (row) {
        rc = check_text("project", row->project, STORE_NAME_BYTES_MAX, err);
        if (!rc)
            rc = check_text("suite", row->suite, STORE_NAME_BYTES_MAX, err);
        if (!rc)
            rc = check_text("run key", row->run_key, STORE_NAME_BYTES_MAX, err);
    }
    return rc;
}

enum err_code store_append(struct store *store, const struct store_change *changes, size_t count,
                           struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        enum err_code rc = check_change(&changes[i], err);

        if (rc)
            return rc;
    }
    return count == 0 ? ERR_NONE : store->ops->append(store, changes, count, err);
}

struct load_order {
    const char *run;
    store_change_fn fn;
    void *ctx;
    uint64_t last;
};

static enum err_code load_in_order(void *ctx, uint64_t number, const void *bytes, size_t len,
                                   struct err *err)
{
    struct load_order *order = ctx;

    if (number != order->last + 1)
        return err_set(err, ERR_IO, "run %s: change %llu is missing from the store", order->run,
                       (unsigned long long)order->last + 1);
    order->last = number;
    return order->fn(order->ctx, number, bytes, len, err);
}

enum err_code store_load(struct store *store, const char *run, store_change_fn fn, void *ctx,
                         struct err *err)
{
    struct load_order order = { .run = run, .fn = fn, .ctx = ctx };

    return store->ops->load(store, run, load_in_order, &order, err);
}

static bool text_matches(const char *want, const char *have)
{
    return !want || strcmp(want, have) == 0;
}

bool store_query_matches(const struct store_query *query, const struct store_run *run)
{
    const char *prefix = query->run_key_prefix;

    if (!text_matches(query->id, run->id) || !text_matches(query->project, run->project) ||
        !text_matches(query->suite, run->suite) || !text_matches(query->run_key, run->run_key) ||
        (prefix && strncmp(prefix, run->run_key, strlen(prefix)) != 0) ||
        (query->epoch && query->epoch != run->epoch))
        return false;
    switch (query->state) {
    case STORE_RUNS_ALL:
        return true;
    case STORE_RUNS_OPEN:
        return run->closed_ms == 0;
    case STORE_RUNS_CLOSED:
    case STORE_RUNS_UNFOLDED:
        return run->closed_ms > 0;
    }
    UNREACHABLE("enum store_runs");
}

enum err_code store_list(struct store *store, const struct store_query *query, store_run_fn fn,
                         void *ctx, struct err *err)
{
    struct store_query bounded = *query;

    if (bounded.limit == 0 || bounded.limit > STORE_LIST_MAX)
        bounded.limit = STORE_LIST_MAX;
    return store->ops->list(store, &bounded, fn, ctx, err);
}

enum err_code store_prune(struct store *store, uint64_t before_ms, struct store_pruned *out,
                          struct err *err)
{
    return store->ops->prune(store, before_ms, out, err);
}

enum err_code store_manifest_put(struct store *store, const char *digest, const struct view *parts,
                                 uint32_t part_count, uint64_t now_ms, struct err *err)
{
    INVARIANT(part_count > 0);
    if (strlen(digest) != STORE_DIGEST_BYTES - 1)
        return err_set(err, ERR_INVALID, "'%.100s' is not a manifest's digest", digest);
    return store->ops->manifest_put(store, digest, parts, part_count, now_ms, err);
}

enum err_code store_manifest_get(struct store *store, const char *digest, store_part_fn fn,
                                 void *ctx, struct err *err)
{
    return store->ops->manifest_get(store, digest, fn, ctx, err);
}

enum err_code store_token_put(struct store *store, const struct store_token *token, struct err *err)
{
    enum err_code rc;

    INVARIANT(strlen(token->hash) == HASH_HEX_BYTES - 1);
    rc = check_text("project", token->project, STORE_NAME_BYTES_MAX, err);
    if (!rc)
        rc = check_text("label", token->label, STORE_NAME_BYTES_MAX, err);
    return rc ? rc : store->ops->token_put(store, token, err);
}

enum err_code store_token_find(struct store *store, const char *hash, store_token_fn fn, void *ctx,
                               struct err *err)
{
    return store->ops->token_find(store, hash, fn, ctx, err);
}

enum err_code store_token_list(struct store *store, store_token_fn fn, void *ctx, struct err *err)
{
    return store->ops->token_list(store, fn, ctx, err);
}

enum err_code store_token_revoke(struct store *store, const char *hash, struct err *err)
{
    return store->ops->token_revoke(store, hash, err);
}

enum err_code store_history_fold(struct store *store, const struct store_fold *fold,
                                 struct err *err)
{
    enum err_code rc = check_text("project", fold->project, STORE_NAME_BYTES_MAX, err);

    if (!rc)
        rc = check_text("suite", fold->suite, STORE_NAME_BYTES_MAX, err);
    for (size_t i = 0; !rc && i < fold->row_count; i++) {
        rc = check_text("kind", fold->rows[i].kind, STORE_NAME_BYTES_MAX, err);
        if (!rc)
            rc = check_text("test id", fold->rows[i].id, STORE_ID_BYTES_MAX, err);
    }
    return rc ? rc : store->ops->history_fold(store, fold, err);
}

enum err_code store_history_load(struct store *store, const char *project, const char *suite,
                                 store_estimate_fn fn, void *ctx, struct err *err)
{
    return store->ops->history_load(store, project, suite, fn, ctx, err);
}

enum err_code store_history_fill(struct store *store, const char *project, const char *suite,
                                 struct store_estimate *rows, size_t count, struct err *err)
{
    return store->ops->history_fill(store, project, suite, rows, count, err);
}

enum err_code store_history_prune(struct store *store, const char *project, const char *suite,
                                  uint64_t before_ms, uint64_t row_max, struct err *err)
{
    return store->ops->history_prune(store, project, suite, before_ms, row_max, err);
}

enum err_code store_setting_get(struct store *store, const char *key, struct str *out,
                                struct err *err)
{
    return store->ops->setting_get(store, key, out, err);
}

enum err_code store_setting_put(struct store *store, const char *key, const char *value,
                                struct err *err)
{
    enum err_code rc = check_text("setting", key, STORE_NAME_BYTES_MAX, err);

    if (!rc)
        rc = check_text(key, value, STORE_VALUE_BYTES_MAX, err);
    return rc ? rc : store->ops->setting_put(store, key, value, err);
}

enum err_code store_check(struct store *store, struct err *err)
{
    return store->ops->check(store, err);
}

enum err_code store_backup(struct store *store, const char *path, struct err *err)
{
    return store->ops->backup(store, path, err);
}
