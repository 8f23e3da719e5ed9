#include "history.h"

#include <stdlib.h>
#include <string.h>

#include "fs.h"
#include "json.h"
#include "mem.h"
#include "record.h"

#define HISTORY_VERSION 1u
#define ROW_ITEMS       6u /* two of name, then samples, mean, variance, age; ... */
#define ROW_ITEMS_MAX   7u /* ... 1: it failed */

struct row {
    char *id;
    char *kind; /* of a scope; NULL: a test */
    uint32_t k; /* of a test */
    uint32_t age;
    bool failed; /* of a test */
    struct estimate est;
};

struct history {
    struct row *rows;
    size_t count, cap;
};

enum err_code history_path(const char *folder, char **out_path, struct err *err)
{
    return record_path("durations", folder, out_path, err);
}

static bool whole(const struct json *v, double min, double max, double *out)
{
    return json_number(v, out) && *out >= min && *out <= max;
}

static bool short_text(const struct json *v, const char **out)
{
    *out = json_text(v);
    return *out && strlen(*out) <= MANIFEST_ID_BYTES_MAX;
}

/* A test: [id, k, ...]; a scope: [kind, id, ...]; then samples, mean, variance, age, and 1 behind a
 * test that failed. */
static bool read_row(const struct json *v, bool is_test, struct row *out)
{
    double k = 0, samples, mean, variance, age, failed = 0;
    const char *id = NULL, *kind = NULL;

    if (!json_is_array(v) || json_size(v) < ROW_ITEMS || json_size(v) > ROW_ITEMS_MAX ||
        !whole(json_at(v, 2), 0, UINT32_MAX, &samples) || !whole(json_at(v, 3), -4e7, 4e7, &mean) ||
        !whole(json_at(v, 4), 0, 4e15, &variance) || !whole(json_at(v, 5), 0, 1e6, &age) ||
        (json_size(v) > ROW_ITEMS && !whole(json_at(v, ROW_ITEMS), 0, 1, &failed)))
        return false;
    if (is_test &&
        (!short_text(json_at(v, 0), &id) || !whole(json_at(v, 1), 0, MANIFEST_TESTS_MAX, &k)))
        return false;
    if (!is_test && (!short_text(json_at(v, 0), &kind) || !short_text(json_at(v, 1), &id)))
        return false;
    *out = (struct row){ .id = mem_strdup(id),
                         .kind = kind ? mem_strdup(kind) : NULL,
                         .k = (uint32_t)k,
                         .age = (uint32_t)age,
                         .failed = failed > 0,
                         .est = { .samples = (uint32_t)samples,
                                  .mean_log_ppm = (int64_t)mean,
                                  .var_log_ppm = (int64_t)variance } };
    return true;
}

static void row_fini(struct row *row)
{
    free(row->id);
    free(row->kind);
}

/* Where the run keeps what the row tells; NULL when the run does not have it. */
static struct estimate *place_of(const struct history_known *known, const struct row *row)
{
    uint32_t at = row->kind ? suite_find_scope(known->suite, row->kind, row->id)
                            : manifest_find(known->manifest, row->id, row->k);

    if (at == UINT32_MAX)
        return NULL;
    return row->kind ? &known->scopes[at] : &known->tests[at];
}

static enum err_code read_rows(const struct json *doc, const char *member, struct history *h,
                               struct err *err)
{
    const struct json *rows = NULL;
    enum err_code rc = json_opt_array(doc, member, HISTORY_ROWS_MAX, &rows, err);

    if (rc || !rows)
        return rc;
    for (size_t i = 0; i < json_size(rows); i++) {
        struct row row;

        if (!read_row(json_at(rows, i), strcmp(member, "tests") == 0, &row))
            return err_set(err, ERR_MALFORMED, "%s[%zu] is not a row of a history", member, i);
        h->rows = mem_grow(h->rows, &h->cap, h->count + 1, sizeof(*h->rows));
        h->rows[h->count++] = row;
    }
    return ERR_NONE;
}

enum err_code history_load(const char *path, struct history **out, struct err *err)
{
    struct str text = STR_MAX(HISTORY_BYTES_MAX);
    struct history *h = mem_new(1, sizeof(*h));
    struct json *doc = NULL;
    uint64_t version = 0;
    enum err_code rc = ERR_NONE;

    if (!fs_exists(path))
        goto out;
    if ((rc = fs_read(path, &text, err)) != ERR_NONE ||
        (rc = json_parse(str_text(&text), text.len, &doc, err)) != ERR_NONE ||
        (rc = json_get_u64(doc, "version", HISTORY_VERSION, HISTORY_VERSION, &version, err)) !=
            ERR_NONE ||
        (rc = read_rows(doc, "tests", h, err)) != ERR_NONE)
        goto out;
    rc = read_rows(doc, "scopes", h, err);
out:
    json_free(doc);
    str_fini(&text);
    if (rc) {
        history_free(h);
        return err_wrap(err, "durations in %s", path);
    }
    *out = h;
    return ERR_NONE;
}

void history_tell(struct history *history, const struct history_known *known)
{
    size_t kept = 0;

    for (size_t i = 0; i < history->count; i++) {
        struct row row = history->rows[i];
        struct estimate *place = place_of(known, &row);

        if (place)
            *place = row.est;
        if (place && !row.kind)
            known->failed[place - known->tests] = row.failed;
        if (place || row.age >= HISTORY_AGE_MAX) {
            row_fini(&row);
            continue;
        }
        row.age++;
        history->rows[kept++] = row;
    }
    history->count = kept;
}

static void add_row(struct json *rows, const struct row *row)
{
    struct json *items;

    if (row->est.samples == 0 || json_size(rows) >= HISTORY_ROWS_MAX)
        return;
    items = json_new_array();
    if (row->kind)
        json_append_text(items, row->kind);
    json_append_text(items, row->id);
    if (!row->kind)
        json_append_u64(items, row->k);
    json_append_u64(items, row->est.samples);
    json_append_i64(items, row->est.mean_log_ppm);
    json_append_i64(items, row->est.var_log_ppm);
    json_append_u64(items, row->age);
    if (row->failed)
        json_append_u64(items, 1);
    json_append(rows, items);
}

static char *text_of(const struct history *history, const struct history_known *known)
{
    struct json *doc = json_new_object(), *tests = json_new_array(), *scopes = json_new_array();

    for (uint32_t i = 0; i < known->suite->test_count; i++) {
        const struct manifest_test *t = &known->manifest->tests[i];
        char *id = mem_strdup(t->id);

        add_row(tests,
                &(struct row){
                    .id = id, .k = t->k, .failed = known->failed[i], .est = known->tests[i] });
        free(id);
    }
    for (uint32_t i = 0; i < known->suite->scope_count; i++) {
        struct row row = { .est = known->scopes[i] };

        row.id = view_dup(known->suite->names[i].id);
        row.kind = mem_strdup(known->suite->names[i].kind);
        add_row(scopes, &row);
        row_fini(&row);
    }
    for (size_t i = 0; history && i < history->count; i++)
        add_row(history->rows[i].kind ? scopes : tests, &history->rows[i]);
    json_set_u64(doc, "version", HISTORY_VERSION);
    json_set(doc, "tests", tests);
    json_set(doc, "scopes", scopes);
    return json_finish(doc);
}

static enum err_code make_folder_of(const char *path, struct err *err)
{
    char *folder = mem_strdup(path);
    char *slash = strrchr(folder, '/');
    enum err_code rc;

    INVARIANT(slash);
    *slash = '\0';
    rc = fs_mkdirs(folder, FS_PRIVATE, err);
    free(folder);
    return rc;
}

enum err_code history_save(const char *path, const struct history *history,
                           const struct history_known *known, struct err *err)
{
    char *text = text_of(history, known);
    enum err_code rc = make_folder_of(path, err);

    if (!rc)
        rc = fs_replace(path, text, strlen(text), FS_PRIVATE, err);
    free(text);
    return rc;
}

void history_free(struct history *history)
{
    if (!history)
        return;
    for (size_t i = 0; i < history->count; i++)
        row_fini(&history->rows[i]);
    free(history->rows);
    free(history);
}
