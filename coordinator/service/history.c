#include "service/history.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define KINDS_MAX 32u /* kinds of scopes; a further one is not kept */

struct row {
    const char *kind; /* one of kinds, so equal kinds are equal pointers */
    char *id;
    struct estimate est;
    uint32_t mem_mib;
    uint64_t seen_ms;
    bool failed;
};

struct history {
    struct row *rows; /* in the order of the store: by kind, then id */
    size_t row_count, row_cap;
    uint32_t *slots;   /* hash of kind and id -> row + 1; 0 is empty */
    size_t slot_count; /* a power of two, more than twice row_count */
    char *kinds[KINDS_MAX];
    uint32_t kind_count;
};

static const char *find_kind(const struct history *history, const char *kind)
{
    for (uint32_t i = 0; i < history->kind_count; i++)
        if (strcmp(history->kinds[i], kind) == 0)
            return history->kinds[i];
    return NULL;
}

static const char *keep_kind(struct history *history, const char *kind)
{
    const char *kept = find_kind(history, kind);

    if (kept || history->kind_count == KINDS_MAX)
        return kept;
    history->kinds[history->kind_count] = mem_strdup(kind);
    return history->kinds[history->kind_count++];
}

/* Where kind and id are, or the empty slot where they would be. kind is one of kinds. */
static uint32_t *find_slot(const struct history *history, const char *kind, const char *id)
{
    size_t at = (size_t)hash_fast(id, strlen(id)) + (size_t)kind[0];

    for (;; at++) {
        uint32_t *slot = &history->slots[at & (history->slot_count - 1)];
        const struct row *row = *slot ? &history->rows[*slot - 1] : NULL;

        if (!row || (row->kind == kind && strcmp(row->id, id) == 0))
            return slot;
    }
}

static enum err_code add_row(void *ctx, const struct store_estimate *got, struct err *err)
{
    struct history *history = ctx;
    const char *kind = keep_kind(history, got->kind);

    (void)err;
    if (!kind || history->row_count >= HISTORY_ROWS_MAX)
        return ERR_NONE;
    history->rows =
        mem_grow(history->rows, &history->row_cap, history->row_count + 1, sizeof(*history->rows));
    history->rows[history->row_count++] = (struct row){
        .kind = kind,
        .id = mem_strdup(got->id),
        .est = got->est,
        .mem_mib = got->mem_mib,
        .seen_ms = got->seen_ms,
        .failed = got->failed,
    };
    return ERR_NONE;
}

static void index_rows(struct history *history)
{
    history->slot_count = 16;
    while (history->slot_count <= 2 * history->row_count)
        history->slot_count *= 2;
    history->slots = mem_new(history->slot_count, sizeof(*history->slots));
    for (size_t i = 0; i < history->row_count; i++)
        *find_slot(history, history->rows[i].kind, history->rows[i].id) = (uint32_t)i + 1;
}

enum err_code history_load(struct store *store, const char *project, const char *suite,
                           struct history **out, struct err *err)
{
    struct history *history = mem_new(1, sizeof(*history));
    enum err_code rc = store_history_load(store, project, suite, add_row, history, err);

    if (rc) {
        history_free(history);
        return err_wrap(err, "history of %.200s/%.200s", project, suite);
    }
    index_rows(history);
    *out = history;
    return ERR_NONE;
}

void history_free(struct history *history)
{
    if (!history)
        return;
    for (size_t i = 0; i < history->row_count; i++)
        free(history->rows[i].id);
    for (uint32_t i = 0; i < history->kind_count; i++)
        free(history->kinds[i]);
    free(history->rows);
    free(history->slots);
    free(history);
}

uint32_t history_count(const struct history *history)
{
    return (uint32_t)history->row_count;
}

static const struct row *find_row(const struct history *history, const char *kind, const char *id)
{
    const char *kept = find_kind(history, kind);
    uint32_t slot = kept ? *find_slot(history, kept, id) : 0;

    return slot ? &history->rows[slot - 1] : NULL;
}

const struct estimate *history_find(const struct history *history, const char *kind, const char *id)
{
    const struct row *row = find_row(history, kind, id);

    return row ? &row->est : NULL;
}

const char *history_key(const char *id, uint32_t k, struct str *scratch)
{
    struct err err = ERR_INIT;

    if (k == 0)
        return id;
    str_clear(scratch);
    return manifest_show(id, k, scratch, &err) ? id : str_text(scratch);
}

void history_tests(const struct history *history, const struct manifest *manifest,
                   struct history_tests *out)
{
    struct estimate *known = mem_new(manifest->count, sizeof(*known));
    const char **ids = mem_new(manifest->count, sizeof(const char *));
    struct str scratch = STR_MAX(STORE_ID_BYTES_MAX + 16);
    struct lanes lanes = lanes_of(manifest);
    struct history_tests t = {
        .costs_us = mem_new(manifest->count, sizeof(*t.costs_us)),
        .highs_us = mem_new(manifest->count, sizeof(*t.highs_us)),
        .mem_mib = mem_new(manifest->count, sizeof(*t.mem_mib)),
        .failed = mem_new(manifest->count, sizeof(*t.failed)),
    };

    for (uint32_t i = 0; i < manifest->count; i++) {
        const struct row *row;

        ids[i] = manifest->tests[i].id;
        row = find_row(history, HISTORY_TEST,
                       history_key(ids[i], lanes_k(manifest, lanes, i), &scratch));
        if (!row)
            continue;
        known[i] = row->est;
        t.highs_us[i] = estimate_high_us(&row->est);
        t.mem_mib[i] = row->mem_mib;
        t.failed[i] = row->failed;
    }
    t.known = estimate_fill(ids, known, manifest->count, t.costs_us);
    str_fini(&scratch);
    free(ids);
    free(known);
    *out = t;
}

void history_tests_fini(struct history_tests *tests)
{
    free(tests->costs_us);
    free(tests->highs_us);
    free(tests->mem_mib);
    free(tests->failed);
    *tests = (struct history_tests){ .known = 0 };
}

enum err_code history_worker_mib(struct store *store, const char *project, const char *suite,
                                 uint32_t *out_mib, struct err *err)
{
    struct store_estimate row = { .kind = HISTORY_WORKER, .id = "" };
    enum err_code rc = store_history_fill(store, project, suite, &row, 1, err);

    if (!rc)
        *out_mib = row.mem_mib;
    return rc;
}

uint64_t history_startup_us(const struct history *history)
{
    const struct estimate *est = history_find(history, HISTORY_STARTUP, "");

    return est ? estimate_us(est) : 0;
}

void history_scope_costs(const struct history *history, const struct suite *suite,
                         uint64_t *costs_us)
{
    struct str id = STR_MAX(STORE_ID_BYTES_MAX);
    struct err err = ERR_INIT;

    for (uint32_t i = 0; i < suite->scope_count; i++) {
        const struct estimate *est = NULL;

        str_clear(&id);
        if (!str_add(&id, suite->names[i].id.at, suite->names[i].id.len, &err))
            est = history_find(history, suite->names[i].kind, str_text(&id));
        costs_us[i] = est ? estimate_us(est) : 0;
    }
    str_fini(&id);
}

void history_export(const struct history *history, struct duration **out_items, uint32_t *out_count)
{
    struct duration *items = mem_new(history->row_count, sizeof(*items));
    const char *kind = find_kind(history, HISTORY_TEST);
    uint32_t count = 0;

    for (size_t i = 0; i < history->row_count; i++)
        if (history->rows[i].kind == kind)
            items[count++] = (struct duration){ .id = history->rows[i].id,
                                                .us = estimate_us(&history->rows[i].est) };
    *out_items = items;
    *out_count = count;
}

enum err_code history_import(struct store *store, const char *project, const char *suite,
                             const struct durations *durations, uint64_t now_ms, struct err *err)
{
    struct store_estimate *rows = mem_new(durations->count, sizeof(*rows));
    struct store_fold fold = { .project = project,
                               .suite = suite,
                               .rows = rows,
                               .row_count = durations->count,
                               .now_ms = now_ms };
    enum err_code rc;

    for (uint32_t i = 0; i < durations->count; i++) {
        rows[i] = (struct store_estimate){ .kind = HISTORY_TEST,
                                           .id = durations->items[i].id,
                                           .seen_ms = now_ms };
    }
    rc = store_history_fill(store, project, suite, rows, durations->count, err); /* their memory */
    for (uint32_t i = 0; i < durations->count; i++) {
        rows[i].est = (struct estimate){ .samples = 0 };
        estimate_add(&rows[i].est, durations->items[i].us, false);
    }
    if (!rc)
        rc = store_history_fold(store, &fold, err);
    free(rows);
    return rc ? err_wrap(err, "history of %.200s/%.200s", project, suite) : ERR_NONE;
}
