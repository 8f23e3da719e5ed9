#include "store/store_mem.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "store/store_mem_inner.h"

struct store_mem *mem_enter(struct store *store)
{
    struct store_mem *m = (struct store_mem *)store;

    (void)pthread_mutex_lock(&m->lock); /* cannot fail for a mutex that is used rightly */
    return m;
}

enum err_code mem_leave(struct store_mem *m, enum err_code rc)
{
    (void)pthread_mutex_unlock(&m->lock); /* as above */
    return rc;
}

void mem_free_text(const char *text)
{
    free((void *)(uintptr_t)text);
}

/* ---- runs ---- */

static struct mem_run *find_run(const struct store_mem *m, const char *id)
{
    for (size_t i = m->run_count; i > 0; i--)
        if (strcmp(m->runs[i - 1]->row.id, id) == 0)
            return m->runs[i - 1];
    return NULL;
}

static void run_free(struct mem_run *run)
{
    for (size_t i = 0; i < run->change_count; i++)
        free(run->changes[i].bytes);
    free(run->changes);
    mem_free_text(run->row.id);
    mem_free_text(run->row.project);
    mem_free_text(run->row.suite);
    mem_free_text(run->row.run_key);
    free(run);
}

static enum err_code add_run(struct store_mem *m, const struct store_run *row, struct err *err)
{
    struct mem_run *run;

    for (size_t i = 0; i < m->run_count; i++) {
        const struct store_run *other = &m->runs[i]->row;

        if (strcmp(other->id, row->id) == 0 ||
            (strcmp(other->project, row->project) == 0 && strcmp(other->suite, row->suite) == 0 &&
             strcmp(other->run_key, row->run_key) == 0 && other->epoch == row->epoch))
            return err_set(err, ERR_CONFLICT, "run %.100s is there already", row->id);
    }
    run = mem_new(1, sizeof(*run));
    run->row = *row;
    run->row.id = mem_strdup(row->id);
    run->row.project = mem_strdup(row->project);
    run->row.suite = mem_strdup(row->suite);
    run->row.run_key = mem_strdup(row->run_key);
    run->row.closed_ms = 0;
    run->row.verdict = 0;
    run->row.manifest = "";
    m->runs = mem_grow(m->runs, &m->run_cap, m->run_count + 1, sizeof(struct mem_run *));
    m->runs[m->run_count++] = run;
    return ERR_NONE;
}

static enum err_code add_change(struct mem_run *run, const struct store_change *change,
                                struct err *err)
{
    size_t at = run->change_count;

    while (at > 0 && run->changes[at - 1].number > change->number)
        at--;
    if (at > 0 && run->changes[at - 1].number == change->number)
        return err_set(err, ERR_CONFLICT, "change %llu is there already",
                       (unsigned long long)change->number);
    run->changes =
        mem_grow(run->changes, &run->change_cap, run->change_count + 1, sizeof(*run->changes));
    memmove(&run->changes[at + 1], &run->changes[at],
            (run->change_count - at) * sizeof(*run->changes));
    run->changes[at] = (struct mem_change){ .number = change->number,
                                            .bytes = mem_dup(change->bytes, change->len),
                                            .len = change->len };
    run->change_count++;
    return ERR_NONE;
}

static enum err_code append_one(struct store_mem *m, const struct store_change *change,
                                struct err *err)
{
    struct mem_run *run;
    enum err_code rc = ERR_NONE;

    if (change->manifest && !mem_find_manifest(m, change->manifest))
        return err_set(err, ERR_NOT_FOUND, "no manifest '%.100s' in the store", change->manifest);
    if (change->create)
        rc = add_run(m, change->create, err);
    if (rc)
        return rc;
    run = find_run(m, change->run);
    if (!run)
        return err_set(err, ERR_NOT_FOUND, "no run '%.100s' in the store", change->run);
    rc = add_change(run, change, err);
    if (rc && change->create)
        run_free(m->runs[--m->run_count]);
    return rc;
}

/* Takes back what append_one did; in the opposite order, so a created run is the last one. */
static void append_undo(struct store_mem *m, const struct store_change *change)
{
    struct mem_run *run = find_run(m, change->run);
    size_t at = 0;

    if (change->create) {
        run_free(m->runs[--m->run_count]);
        return;
    }
    while (run->changes[at].number != change->number)
        at++;
    free(run->changes[at].bytes);
    run->change_count--;
    memmove(&run->changes[at], &run->changes[at + 1],
            (run->change_count - at) * sizeof(*run->changes));
}

static enum err_code mem_append(struct store *store, const struct store_change *changes,
                                size_t count, struct err *err)
{
    struct store_mem *m = mem_enter(store);
    enum err_code rc = ERR_NONE;
    size_t done = 0;

    while (!rc && done < count) {
        rc = append_one(m, &changes[done], err);
        if (!rc)
            done++;
    }
    if (rc) {
        rc = err_wrap(err, "store change %llu of run %.100s",
                      (unsigned long long)changes[done].number, changes[done].run);
        while (done > 0)
            append_undo(m, &changes[--done]);
    }
    for (size_t i = 0; !rc && i < count; i++) {
        struct mem_run *run = find_run(m, changes[i].run);

        if (changes[i].manifest)
            run->row.manifest = mem_find_manifest(m, changes[i].manifest)->digest;
        if (changes[i].closed_ms > 0) {
            run->row.closed_ms = changes[i].closed_ms;
            run->row.verdict = changes[i].verdict;
        }
    }
    return mem_leave(m, rc);
}

static enum err_code mem_load(struct store *store, const char *run_id, store_change_fn fn,
                              void *ctx, struct err *err)
{
    struct store_mem *m = mem_enter(store);
    struct mem_run *run = find_run(m, run_id);
    enum err_code rc = ERR_NONE;

    if (!run)
        return mem_leave(m, err_set(err, ERR_NOT_FOUND, "no run '%.100s' in the store", run_id));
    for (size_t i = 0; !rc && i < run->change_count; i++)
        rc = fn(ctx, run->changes[i].number, run->changes[i].bytes, run->changes[i].len, err);
    return mem_leave(m, rc);
}

static enum err_code mem_list(struct store *store, const struct store_query *query, store_run_fn fn,
                              void *ctx, struct err *err)
{
    struct store_mem *m = mem_enter(store);
    enum err_code rc = ERR_NONE;
    uint32_t given = 0;

    for (size_t i = m->run_count; !rc && i > 0 && given < query->limit; i--) {
        const struct store_run *row = &m->runs[i - 1]->row;

        if (store_query_matches(query, row) &&
            (query->state != STORE_RUNS_UNFOLDED || !mem_is_folded(m, row))) {
            given++;
            rc = fn(ctx, row, err);
        }
    }
    return mem_leave(m, rc);
}

/* ---- pruning ---- */

static bool manifest_in_use(const struct store_mem *m, const struct mem_manifest *manifest)
{
    for (size_t i = 0; i < m->run_count; i++)
        if (strcmp(m->runs[i]->row.manifest, manifest->digest) == 0)
            return true;
    return false;
}

static void prune_marks(struct mem_suite *suite, uint64_t before_ms)
{
    size_t kept = 0;

    for (size_t i = 0; i < suite->mark_count; i++) {
        if (suite->marks[i].made_ms < before_ms)
            free(suite->marks[i].name);
        else
            suite->marks[kept++] = suite->marks[i];
    }
    suite->mark_count = kept;
}

static enum err_code mem_prune(struct store *store, uint64_t before_ms, struct store_pruned *out,
                               struct err *err)
{
    struct store_mem *m = mem_enter(store);
    struct store_pruned pruned = { 0 };
    size_t kept = 0;

    (void)err; /* memory does not fail */
    for (size_t i = 0; i < m->run_count; i++) {
        struct mem_run *run = m->runs[i];

        if (run->row.closed_ms > 0 && run->row.closed_ms < before_ms) {
            run_free(run);
            pruned.runs++;
        } else {
            m->runs[kept++] = run;
        }
    }
    m->run_count = kept;
    kept = 0;
    for (size_t i = 0; i < m->manifest_count; i++) {
        struct mem_manifest *manifest = m->manifests[i];

        if (manifest->used_ms < before_ms && !manifest_in_use(m, manifest)) {
            mem_manifest_free(manifest);
            pruned.manifests++;
        } else {
            m->manifests[kept++] = manifest;
        }
    }
    m->manifest_count = kept;
    for (size_t i = 0; i < m->suite_count; i++)
        prune_marks(m->suites[i], before_ms);
    *out = pruned;
    return mem_leave(m, ERR_NONE);
}

/* ---- the rest ---- */

static enum err_code mem_check(struct store *store, struct err *err)
{
    (void)store; /* there is nothing that could differ from itself */
    (void)err;
    return ERR_NONE;
}

static enum err_code mem_backup(struct store *store, const char *path, struct err *err)
{
    (void)store;
    return err_set(err, ERR_USAGE, "backup to %s: a store in memory has nothing to copy", path);
}

static void mem_close(struct store *store)
{
    struct store_mem *m = (struct store_mem *)store;

    for (size_t i = 0; i < m->run_count; i++)
        run_free(m->runs[i]);
    free(m->runs);
    mem_kept_fini(m);
    (void)pthread_mutex_destroy(&m->lock); /* nobody is inside any more */
    free(m);
}

static const struct store_ops mem_ops = {
    .name = "memory",
    .close = mem_close,
    .append = mem_append,
    .load = mem_load,
    .list = mem_list,
    .prune = mem_prune,
    .manifest_put = mem_manifest_put,
    .manifest_get = mem_manifest_get,
    .token_put = mem_token_put,
    .token_find = mem_token_find,
    .token_list = mem_token_list,
    .token_revoke = mem_token_revoke,
    .history_fold = mem_history_fold,
    .history_load = mem_history_load,
    .history_fill = mem_history_fill,
    .history_prune = mem_history_prune,
    .setting_get = mem_setting_get,
    .setting_put = mem_setting_put,
    .check = mem_check,
    .backup = mem_backup,
};

struct store *store_mem_new(void)
{
    struct store_mem *m = mem_new(1, sizeof(*m));

    m->base.ops = &mem_ops;
    INVARIANT(pthread_mutex_init(&m->lock, NULL) == 0);
    return &m->base;
}
