#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "store/store_mem_inner.h"

/* ---- manifests ---- */

struct mem_manifest *mem_find_manifest(const struct store_mem *m, const char *digest)
{
    for (size_t i = 0; i < m->manifest_count; i++)
        if (strcmp(m->manifests[i]->digest, digest) == 0)
            return m->manifests[i];
    return NULL;
}

void mem_manifest_free(struct mem_manifest *manifest)
{
    for (uint32_t i = 0; i < manifest->part_count; i++)
        mem_free_text(manifest->parts[i].at);
    free(manifest->parts);
    free(manifest->digest);
    free(manifest);
}

enum err_code mem_manifest_put(struct store *store, const char *digest, const struct view *parts,
                               uint32_t part_count, uint64_t now_ms, struct err *err)
{
    struct store_mem *m = mem_enter(store);
    struct mem_manifest *manifest = mem_find_manifest(m, digest);

    (void)err; /* memory does not fail */
    if (manifest) {
        if (manifest->used_ms < now_ms)
            manifest->used_ms = now_ms;
        return mem_leave(m, ERR_NONE);
    }
    manifest = mem_new(1, sizeof(*manifest));
    manifest->digest = mem_strdup(digest);
    manifest->parts = mem_new(part_count, sizeof(*manifest->parts));
    manifest->part_count = part_count;
    manifest->used_ms = now_ms;
    for (uint32_t i = 0; i < part_count; i++)
        manifest->parts[i] =
            (struct view){ .at = mem_dup(parts[i].at, parts[i].len), .len = parts[i].len };
    m->manifests = mem_grow(m->manifests, &m->manifest_cap, m->manifest_count + 1,
                            sizeof(struct mem_manifest *));
    m->manifests[m->manifest_count++] = manifest;
    return mem_leave(m, ERR_NONE);
}

enum err_code mem_manifest_get(struct store *store, const char *digest, store_part_fn fn, void *ctx,
                               struct err *err)
{
    struct store_mem *m = mem_enter(store);
    struct mem_manifest *manifest = mem_find_manifest(m, digest);
    enum err_code rc = ERR_NONE;

    if (!manifest)
        return mem_leave(m,
                         err_set(err, ERR_NOT_FOUND, "no manifest '%.100s' in the store", digest));
    for (uint32_t i = 0; !rc && i < manifest->part_count; i++)
        rc = fn(ctx, i, manifest->parts[i].at, manifest->parts[i].len, err);
    return mem_leave(m, rc);
}

/* ---- tokens ---- */

static size_t find_token(const struct store_mem *m, const char *hash)
{
    size_t i = 0;

    while (i < m->token_count && strcmp(m->tokens[i].hash, hash) != 0)
        i++;
    return i;
}

static void token_fini(struct store_token *token)
{
    mem_free_text(token->hash);
    mem_free_text(token->project);
    mem_free_text(token->label);
}

enum err_code mem_token_put(struct store *store, const struct store_token *token, struct err *err)
{
    struct store_mem *m = mem_enter(store);
    struct store_token *own;

    if (find_token(m, token->hash) < m->token_count)
        return mem_leave(m, err_set(err, ERR_CONFLICT, "this token is there already"));
    m->tokens = mem_grow(m->tokens, &m->token_cap, m->token_count + 1, sizeof(*m->tokens));
    own = &m->tokens[m->token_count++];
    *own = *token;
    own->hash = mem_strdup(token->hash);
    own->project = mem_strdup(token->project);
    own->label = mem_strdup(token->label);
    return mem_leave(m, ERR_NONE);
}

enum err_code mem_token_find(struct store *store, const char *hash, store_token_fn fn, void *ctx,
                             struct err *err)
{
    struct store_mem *m = mem_enter(store);
    size_t at = find_token(m, hash);

    if (at == m->token_count)
        return mem_leave(m, err_set(err, ERR_NOT_FOUND, "no such token"));
    return mem_leave(m, fn(ctx, &m->tokens[at], err));
}

enum err_code mem_token_list(struct store *store, store_token_fn fn, void *ctx, struct err *err)
{
    struct store_mem *m = mem_enter(store);
    enum err_code rc = ERR_NONE;

    for (size_t i = 0; !rc && i < m->token_count; i++)
        rc = fn(ctx, &m->tokens[i], err);
    return mem_leave(m, rc);
}

enum err_code mem_token_revoke(struct store *store, const char *hash, struct err *err)
{
    struct store_mem *m = mem_enter(store);
    size_t at = find_token(m, hash);

    if (at == m->token_count)
        return mem_leave(m, err_set(err, ERR_NOT_FOUND, "no such token"));
    token_fini(&m->tokens[at]);
    m->token_count--;
    memmove(&m->tokens[at], &m->tokens[at + 1], (m->token_count - at) * sizeof(*m->tokens));
    return mem_leave(m, ERR_NONE);
}

/* ---- history ---- */

static struct mem_suite *find_suite(const struct store_mem *m, const char *project,
                                    const char *suite)
{
    for (size_t i = 0; i < m->suite_count; i++)
        if (strcmp(m->suites[i]->project, project) == 0 && strcmp(m->suites[i]->suite, suite) == 0)
            return m->suites[i];
    return NULL;
}

static struct mem_suite *add_suite(struct store_mem *m, const char *project, const char *suite)
{
    struct mem_suite *own = mem_new(1, sizeof(*own));

    own->project = mem_strdup(project);
    own->suite = mem_strdup(suite);
    m->suites = mem_grow(m->suites, &m->suite_cap, m->suite_count + 1, sizeof(struct mem_suite *));
    m->suites[m->suite_count++] = own;
    return own;
}

static int by_name(const void *left, const void *right)
{
    const struct mem_row *a = left;
    const struct mem_row *b = right;
    int order = strcmp(a->kind, b->kind);

    if (order == 0)
        order = strcmp(a->id, b->id);
    if (order == 0)
        order = a->order < b->order ? -1 : a->order > b->order;
    return order;
}

static int by_age(const void *left, const void *right)
{
    const struct mem_row *a = left;
    const struct mem_row *b = right;

    if (a->seen_ms != b->seen_ms)
        return a->seen_ms > b->seen_ms ? -1 : 1;
    return by_name(left, right);
}

static void row_fini(struct mem_row *row)
{
    free(row->kind);
    free(row->id);
}

static void merge_rows(struct mem_suite *suite, const struct store_fold *fold)
{
    size_t kept = 0;

    suite->rows = mem_grow(suite->rows, &suite->row_cap, suite->row_count + fold->row_count,
                           sizeof(*suite->rows));
    for (size_t i = 0; i < fold->row_count; i++)
        suite->rows[suite->row_count++] = (struct mem_row){ .kind = mem_strdup(fold->rows[i].kind),
                                                            .id = mem_strdup(fold->rows[i].id),
                                                            .est = fold->rows[i].est,
                                                            .mem_mib = fold->rows[i].mem_mib,
                                                            .seen_ms = fold->rows[i].seen_ms,
                                                            .failed = fold->rows[i].failed };
    for (size_t i = 0; i < suite->row_count; i++)
        suite->rows[i].order = i;
    if (suite->row_count > 0)
        qsort(suite->rows, suite->row_count, sizeof(*suite->rows), by_name);
    for (size_t i = 0; i < suite->row_count; i++) {
        struct mem_row *row = &suite->rows[i];

        if (kept > 0 && strcmp(suite->rows[kept - 1].kind, row->kind) == 0 &&
            strcmp(suite->rows[kept - 1].id, row->id) == 0)
            row_fini(&suite->rows[--kept]);
        suite->rows[kept++] = *row;
    }
    suite->row_count = kept;
}

static bool has_mark(const struct mem_suite *suite, const char *mark)
{
    for (size_t i = 0; suite && i < suite->mark_count; i++)
        if (strcmp(suite->marks[i].name, mark) == 0)
            return true;
    return false;
}

bool mem_is_folded(const struct store_mem *m, const struct store_run *run)
{
    return has_mark(find_suite(m, run->project, run->suite), run->id);
}

enum err_code mem_history_fold(struct store *store, const struct store_fold *fold, struct err *err)
{
    struct store_mem *m = mem_enter(store);
    struct mem_suite *suite = find_suite(m, fold->project, fold->suite);

    if (fold->mark && has_mark(suite, fold->mark))
        return mem_leave(
            m, err_set(err, ERR_CONFLICT, "fold mark '%.100s' is there already", fold->mark));
    if (!suite)
        suite = add_suite(m, fold->project, fold->suite);
    if (fold->mark) {
        suite->marks =
            mem_grow(suite->marks, &suite->mark_cap, suite->mark_count + 1, sizeof(*suite->marks));
        suite->marks[suite->mark_count++] =
            (struct mem_mark){ .name = mem_strdup(fold->mark), .made_ms = fold->now_ms };
    }
    merge_rows(suite, fold);
    return mem_leave(m, ERR_NONE);
}

enum err_code mem_history_load(struct store *store, const char *project, const char *suite,
                               store_estimate_fn fn, void *ctx, struct err *err)
{
    struct store_mem *m = mem_enter(store);
    struct mem_suite *own = find_suite(m, project, suite);
    enum err_code rc = ERR_NONE;

    for (size_t i = 0; !rc && own && i < own->row_count; i++) {
        struct store_estimate row = { .kind = own->rows[i].kind,
                                      .id = own->rows[i].id,
                                      .est = own->rows[i].est,
                                      .mem_mib = own->rows[i].mem_mib,
                                      .seen_ms = own->rows[i].seen_ms,
                                      .failed = own->rows[i].failed };

        rc = fn(ctx, &row, err);
    }
    return mem_leave(m, rc);
}

enum err_code mem_history_fill(struct store *store, const char *project, const char *suite,
                               struct store_estimate *rows, size_t count, struct err *err)
{
    struct store_mem *m = mem_enter(store);
    const struct mem_suite *own = find_suite(m, project, suite);

    (void)err; /* memory does not fail */
    for (size_t i = 0; i < count; i++) {
        rows[i].est = (struct estimate){ .samples = 0 };
        rows[i].mem_mib = 0;
        for (size_t j = 0; own && j < own->row_count; j++) {
            const struct mem_row *row = &own->rows[j];

            if (strcmp(row->kind, rows[i].kind) == 0 && strcmp(row->id, rows[i].id) == 0) {
                rows[i].est = row->est;
                rows[i].mem_mib = row->mem_mib;
            }
        }
    }
    return mem_leave(m, ERR_NONE);
}

enum err_code mem_history_prune(struct store *store, const char *project, const char *suite,
                                uint64_t before_ms, uint64_t row_max, struct err *err)
{
    struct store_mem *m = mem_enter(store);
    struct mem_suite *own = find_suite(m, project, suite);

    (void)err; /* memory does not fail */
    if (own && own->row_count > 0) {
        qsort(own->rows, own->row_count, sizeof(*own->rows), by_age);
        while (own->row_count > 0 &&
               (own->row_count > row_max || own->rows[own->row_count - 1].seen_ms < before_ms))
            row_fini(&own->rows[--own->row_count]);
        if (own->row_count > 0)
            qsort(own->rows, own->row_count, sizeof(*own->rows), by_name);
    }
    return mem_leave(m, ERR_NONE);
}

/* ---- settings ---- */

static struct mem_setting *find_setting(const struct store_mem *m, const char *key)
{
    for (size_t i = 0; i < m->setting_count; i++)
        if (strcmp(m->settings[i].key, key) == 0)
            return &m->settings[i];
    return NULL;
}

enum err_code mem_setting_get(struct store *store, const char *key, struct str *out,
                              struct err *err)
{
    struct store_mem *m = mem_enter(store);
    struct mem_setting *setting = find_setting(m, key);

    if (!setting)
        return mem_leave(m, err_set(err, ERR_NOT_FOUND, "no setting '%.100s'", key));
    return mem_leave(m, str_addz(out, setting->value, err));
}

enum err_code mem_setting_put(struct store *store, const char *key, const char *value,
                              struct err *err)
{
    struct store_mem *m = mem_enter(store);
    struct mem_setting *setting = find_setting(m, key);

    (void)err; /* memory does not fail */
    if (!setting) {
        m->settings =
            mem_grow(m->settings, &m->setting_cap, m->setting_count + 1, sizeof(*m->settings));
        setting = &m->settings[m->setting_count++];
        *setting = (struct mem_setting){ .key = mem_strdup(key) };
    }
    free(setting->value);
    setting->value = mem_strdup(value);
    return mem_leave(m, ERR_NONE);
}

/* ---- the end of all ---- */

static void suite_free(struct mem_suite *suite)
{
    for (size_t i = 0; i < suite->row_count; i++)
        row_fini(&suite->rows[i]);
    for (size_t i = 0; i < suite->mark_count; i++)
        free(suite->marks[i].name);
    free(suite->rows);
    free(suite->marks);
    free(suite->project);
    free(suite->suite);
    free(suite);
}

void mem_kept_fini(struct store_mem *m)
{
    for (size_t i = 0; i < m->manifest_count; i++)
        mem_manifest_free(m->manifests[i]);
    for (size_t i = 0; i < m->token_count; i++)
        token_fini(&m->tokens[i]);
    for (size_t i = 0; i < m->suite_count; i++)
        suite_free(m->suites[i]);
    for (size_t i = 0; i < m->setting_count; i++) {
        free(m->settings[i].key);
        free(m->settings[i].value);
    }
    free(m->manifests);
    free(m->tokens);
    free(m->suites);
    free(m->settings);
}
