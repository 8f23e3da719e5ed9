#include "history.h"

#include <stdlib.h>
#include <string.h>

#include "fs.h"
#include "hash.h"
#include "json.h"
#include "mem.h"

#define HISTORY_VERSION 1u
#define ROW_NUMBERS     5u /* k, samples, mean, variance, age */
#define NAME_DIGITS     24

struct row {
    char *id;
    uint32_t k, age;
    struct estimate est;
};

struct history {
    struct row *rows;
    size_t count, cap;
};

enum err_code history_path(const char *folder, char **out_path, struct err *err)
{
    struct str path = STR_MAX(PATH_BYTES_MAX);
    char digest[HASH_HEX_BYTES];
    char *cache = NULL;
    enum err_code rc = fs_xdg("XDG_CACHE_HOME", ".cache", &cache, err);

    hash_hex(folder, strlen(folder), digest);
    if (!rc)
        rc = str_addf(&path, err, "%s/durations/%.*s.json", cache, NAME_DIGITS, digest);
    free(cache);
    if (rc)
        str_fini(&path);
    else
        *out_path = str_take(&path);
    return rc;
}

static bool whole(const struct json *v, double min, double max, double *out)
{
    return json_number(v, out) && *out >= min && *out <= max;
}

/* [id, k, samples, mean, variance, age] */
static bool read_row(const struct json *v, struct row *out)
{
    static const double most[ROW_NUMBERS] = { MANIFEST_TESTS_MAX, UINT32_MAX, 4e7, 4e15, 1e6 };
    double n[ROW_NUMBERS];
    const char *id =
        json_is_array(v) && json_size(v) == ROW_NUMBERS + 1 ? json_text(json_at(v, 0)) : NULL;

    if (!id || strlen(id) > MANIFEST_ID_BYTES_MAX)
        return false;
    for (size_t i = 0; i < ROW_NUMBERS; i++) {
        if (!whole(json_at(v, i + 1), i == 2 ? -most[i] : 0, most[i], &n[i]))
            return false;
    }
    *out = (struct row){ .id = mem_strdup(id),
                         .k = (uint32_t)n[0],
                         .age = (uint32_t)n[4],
                         .est = { .samples = (uint32_t)n[1],
                                  .mean_log_ppm = (int64_t)n[2],
                                  .var_log_ppm = (int64_t)n[3] } };
    return true;
}

static enum err_code read_rows(const struct json *rows, const struct manifest *manifest,
                               struct estimate *known, struct history *h, struct err *err)
{
    for (size_t i = 0; i < json_size(rows); i++) {
        struct row row;
        uint32_t test;

        if (!read_row(json_at(rows, i), &row))
            return err_set(err, ERR_MALFORMED, "tests[%zu] is not a row of a history", i);
        test = manifest_find(manifest, row.id, row.k);
        if (test != UINT32_MAX)
            known[test] = row.est;
        if (test != UINT32_MAX || row.age >= HISTORY_AGE_MAX) {
            free(row.id);
            continue;
        }
        row.age++;
        h->rows = mem_grow(h->rows, &h->cap, h->count + 1, sizeof(*h->rows));
        h->rows[h->count++] = row;
    }
    return ERR_NONE;
}

enum err_code history_load(const char *path, const struct manifest *manifest,
                           struct estimate *known, struct history **out, struct err *err)
{
    struct str text = STR_MAX(HISTORY_BYTES_MAX);
    struct history *h = mem_new(1, sizeof(*h));
    struct json *doc = NULL;
    const struct json *rows = NULL;
    uint64_t version = 0;
    enum err_code rc = ERR_NONE;

    if (!fs_exists(path))
        goto out;
    if ((rc = fs_read(path, &text, err)) != ERR_NONE ||
        (rc = json_parse(str_text(&text), text.len, &doc, err)) != ERR_NONE ||
        (rc = json_get_u64(doc, "version", HISTORY_VERSION, HISTORY_VERSION, &version, err)) !=
            ERR_NONE ||
        (rc = json_opt_array(doc, "tests", HISTORY_TESTS_MAX, &rows, err)) != ERR_NONE)
        goto out;
    if (rows)
        rc = read_rows(rows, manifest, known, h, err);
out:
    json_free(doc);
    str_fini(&text);
    if (rc) {
        history_free(h);
        memset(known, 0, manifest->count * sizeof(*known));
        return err_wrap(err, "durations in %s", path);
    }
    *out = h;
    return ERR_NONE;
}

static struct json *row_json(const char *id, uint32_t k, const struct estimate *est, uint32_t age)
{
    struct json *row = json_new_array();

    json_append_text(row, id);
    json_append_u64(row, k);
    json_append_u64(row, est->samples);
    json_append_i64(row, est->mean_log_ppm);
    json_append_i64(row, est->var_log_ppm);
    json_append_u64(row, age);
    return row;
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
                           const struct manifest *manifest, const struct estimate *known,
                           struct err *err)
{
    struct json *doc = json_new_object(), *rows = json_new_array();
    uint32_t count = 0;
    enum err_code rc;
    char *text;

    for (uint32_t i = 0; i < manifest->count && count < HISTORY_TESTS_MAX; i++) {
        if (known[i].samples == 0)
            continue;
        json_append(rows, row_json(manifest->tests[i].id, manifest->tests[i].k, &known[i], 0));
        count++;
    }
    for (size_t i = 0; history && i < history->count && count < HISTORY_TESTS_MAX; i++, count++) {
        const struct row *row = &history->rows[i];

        json_append(rows, row_json(row->id, row->k, &row->est, row->age));
    }
    json_set_u64(doc, "version", HISTORY_VERSION);
    json_set(doc, "tests", rows);
    text = json_dump(doc, JSON_TIGHT);
    rc = make_folder_of(path, err);
    if (!rc)
        rc = fs_replace(path, text, strlen(text), FS_PRIVATE, err);
    free(text);
    json_free(doc);
    return rc;
}

void history_free(struct history *history)
{
    if (!history)
        return;
    for (size_t i = 0; i < history->count; i++)
        free(history->rows[i].id);
    free(history->rows);
    free(history);
}
