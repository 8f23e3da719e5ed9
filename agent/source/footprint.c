#include "footprint.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs.h"
#include "hash.h"
#include "json.h"
#include "mem.h"
#include "proto.h"
#include "record.h"

#define FOOTPRINT_VERSION 1u
#define ROW_ITEMS         4u /* id, k, KiB, age */
#define KIB_MAX           ((uint64_t)1 << 40)
#define WHY_BYTES_MAX     (64u << 10)

enum err_code footprint_path(const char *folder, char **out_path, struct err *err)
{
    return record_path("memory", folder, out_path, err);
}

static bool whole(const struct json *v, double max, double *out)
{
    return json_number(v, out) && *out >= 0 && *out <= max;
}

static bool read_row(const struct json *v, struct footprint_test *out)
{
    double k, kib, age;
    const char *id;

    if (!json_is_array(v) || json_size(v) != ROW_ITEMS || !(id = json_text(json_at(v, 0))) ||
        strlen(id) > MANIFEST_ID_BYTES_MAX || !whole(json_at(v, 1), MANIFEST_TESTS_MAX, &k) ||
        !whole(json_at(v, 2), KIB_MAX, &kib) || !whole(json_at(v, 3), 1e6, &age))
        return false;
    *out = (struct footprint_test){
        .id = mem_strdup(id), .k = (uint32_t)k, .kib = (uint64_t)kib, .age = (uint32_t)age
    };
    return true;
}

static void add(struct footprint *f, struct footprint_test test)
{
    f->tests = mem_grow(f->tests, &f->cap, f->count + 1, sizeof(*f->tests));
    f->tests[f->count++] = test;
}

static enum err_code read_early(const struct json *doc, struct footprint *f, struct err *err)
{
    const struct json *early = NULL;
    const char *why = NULL;
    uint64_t runs = 0, stamp = 0;
    enum err_code rc;

    if ((rc = json_opt_object(doc, "early", &early, err)) != ERR_NONE || !early)
        return rc;
    if ((rc = json_get_text(early, "why", WHY_BYTES_MAX, &why, err)) != ERR_NONE ||
        (rc = json_get_u64(early, "runs", 0, UINT32_MAX, &runs, err)) != ERR_NONE ||
        (rc = json_get_u64(early, "stamp", 0, INT64_MAX, &stamp, err)) != ERR_NONE)
        return rc;
    f->early_why = mem_strdup(why);
    f->early_runs = (uint32_t)runs;
    f->early_stamp = stamp;
    return ERR_NONE;
}

static enum err_code read_doc(const struct json *doc, struct footprint *f, struct err *err)
{
    const struct json *rows = NULL;
    struct footprint_test test;
    uint64_t version, kib = 0, busy_ppm = 0;
    enum err_code rc;

    if ((rc = json_get_u64(doc, "version", FOOTPRINT_VERSION, FOOTPRINT_VERSION, &version, err)) !=
            ERR_NONE ||
        (rc = json_opt_u64(doc, "worker_kib", 0, KIB_MAX, &kib, err)) != ERR_NONE ||
        (rc = json_opt_u64(doc, "busy_ppm", 0, PROTO_PPM_MAX, &busy_ppm, err)) != ERR_NONE ||
        (rc = read_early(doc, f, err)) != ERR_NONE ||
        (rc = json_opt_array(doc, "tests", FOOTPRINT_ROWS_MAX, &rows, err)) != ERR_NONE)
        return rc;
    f->worker_bytes = kib * 1024;
    f->busy_ppm = (uint32_t)busy_ppm;
    for (size_t i = 0; rows && i < json_size(rows); i++) {
        if (!read_row(json_at(rows, i), &test))
            return err_set(err, ERR_MALFORMED, "tests[%zu] is not a row of a footprint", i);
        add(f, test);
    }
    return ERR_NONE;
}

enum err_code footprint_load(const char *path, struct footprint *out, struct err *err)
{
    struct str text = STR_MAX(FOOTPRINT_BYTES_MAX);
    struct footprint f = { 0 };
    struct json *doc = NULL;
    enum err_code rc = ERR_NONE;

    if (fs_exists(path) && (rc = fs_read(path, &text, err)) == ERR_NONE &&
        (rc = json_parse(str_text(&text), text.len, &doc, err)) == ERR_NONE)
        rc = read_doc(doc, &f, err);
    json_free(doc);
    str_fini(&text);
    if (rc) {
        footprint_fini(&f);
        err_wrap(err, "memory of earlier runs in %s", path);
    }
    *out = f;
    return rc;
}

static char *text_of(const struct footprint *f)
{
    struct json *doc = json_new_object(), *tests = json_new_array();

    for (size_t i = 0; i < f->count && i < FOOTPRINT_ROWS_MAX; i++) {
        struct json *row = json_new_array();

        json_append_text(row, f->tests[i].id);
        json_append_u64(row, f->tests[i].k);
        json_append_u64(row, f->tests[i].kib);
        json_append_u64(row, f->tests[i].age);
        json_append(tests, row);
    }
    json_set_u64(doc, "version", FOOTPRINT_VERSION);
    json_set_u64(doc, "worker_kib", f->worker_bytes / 1024);
    json_set_u64(doc, "busy_ppm", f->busy_ppm);
    if (f->early_why) {
        struct json *early = json_new_object();

        json_set_text(early, "why", f->early_why);
        json_set_u64(early, "runs", f->early_runs);
        json_set_u64(early, "stamp", f->early_stamp);
        json_set(doc, "early", early);
    }
    json_set(doc, "tests", tests);
    return json_finish(doc);
}

enum err_code footprint_save(const char *path, const struct footprint *f, struct err *err)
{
    char *text = text_of(f), *folder = mem_strdup(path);
    char *slash = strrchr(folder, '/');
    enum err_code rc;

    INVARIANT(slash);
    *slash = '\0';
    rc = fs_mkdirs(folder, FS_PRIVATE, err);
    if (!rc)
        rc = fs_replace(path, text, strlen(text), FS_PRIVATE, err);
    free(folder);
    free(text);
    return rc;
}

void footprint_fini(struct footprint *f)
{
    for (size_t i = 0; i < f->count; i++)
        free(f->tests[i].id);
    free(f->tests);
    free(f->early_why);
    *f = (struct footprint){ 0 };
}

void footprint_learn_busy(struct footprint *f, uint64_t busy_us, uint64_t tests_us)
{
    uint64_t ppm;

    if (tests_us < FOOTPRINT_BUSY_US)
        return;
    ppm = busy_us < tests_us ? busy_us * PROTO_PPM_MAX / tests_us : PROTO_PPM_MAX;
    if (ppm == 0)
        ppm = 1;
    f->busy_ppm = (uint32_t)(f->busy_ppm > 0 ? (f->busy_ppm + ppm) / 2 : ppm);
}

/* In their order. */
static uint64_t hash_of(char *const *words)
{
    uint64_t hash = 0;

    for (; *words; words++)
        hash = hash * 31 + hash_fast(*words, strlen(*words));
    return hash;
}

/* What a change of mind about forking mostly is: an edit of one of these. */
uint64_t footprint_stamp(const char *folder, char *const *argv)
{
    static const char *const names[] = { "conftest.py", "pytest.ini", "pyproject.toml", "setup.cfg",
                                         "tox.ini" };
    uint64_t stamp = hash_of(argv);

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct str path = STR_MAX(PATH_BYTES_MAX);
        struct err ignored = ERR_INIT;
        struct stat st;

        if (str_addf(&path, &ignored, "%s/%s", folder, names[i]) == ERR_NONE &&
            stat(str_text(&path), &st) == 0)
            stamp += (uint64_t)st.st_mtim.tv_sec * 1000000 + (uint64_t)st.st_mtim.tv_nsec / 1000;
        str_fini(&path);
    }
    return stamp & INT64_MAX;
}

const char *footprint_early(const struct footprint *f, uint64_t stamp)
{
    return f->early_runs < FOOTPRINT_EARLY_RUNS && f->early_stamp == stamp ? f->early_why : NULL;
}

void footprint_learn_start(struct footprint *f, const char *why, uint64_t stamp)
{
    free(f->early_why);
    f->early_why = why ? mem_strdup(why) : NULL;
    f->early_runs = 0;
    f->early_stamp = stamp;
}

void footprint_learn_unseen_start(struct footprint *f)
{
    if (f->early_runs < FOOTPRINT_EARLY_RUNS)
        f->early_runs++;
}

static bool keep(struct footprint_test *row, const struct manifest *manifest,
                 const uint64_t *test_kib, bool *known)
{
    uint32_t at = manifest_find(manifest, row->id, row->k);

    if (at == UINT32_MAX || test_kib[at] == UINT64_MAX)
        return ++row->age <= FOOTPRINT_AGE_MAX;
    known[at] = true;
    row->age = 0;
    row->kib = peak_learn(row->kib, test_kib[at] > 0 ? test_kib[at] : 1);
    return row->kib >= FOOTPRINT_TEST_KIB;
}

void footprint_learn(struct footprint *f, uint64_t worker_bytes, const struct manifest *manifest,
                     const uint64_t *test_kib)
{
    bool *known = mem_new(manifest->count, sizeof(*known));
    size_t kept = 0;

    f->worker_bytes = peak_learn(f->worker_bytes, worker_bytes);
    for (size_t i = 0; i < f->count; i++) {
        if (keep(&f->tests[i], manifest, test_kib, known))
            f->tests[kept++] = f->tests[i];
        else
            free(f->tests[i].id);
    }
    f->count = kept;
    for (uint32_t i = 0; i < manifest->count && f->count < FOOTPRINT_ROWS_MAX; i++) {
        if (!known[i] && test_kib[i] != UINT64_MAX && test_kib[i] >= FOOTPRINT_TEST_KIB)
            add(f, (struct footprint_test){ .id = mem_strdup(manifest->tests[i].id),
                                            .k = manifest->tests[i].k,
                                            .kib = test_kib[i] });
    }
    free(known);
}

void footprint_weigh(const struct footprint *f, const struct manifest *manifest,
                     struct suite *suite)
{
    for (size_t i = 0; i < f->count; i++) {
        uint32_t at = manifest_find(manifest, f->tests[i].id, f->tests[i].k);

        if (at != UINT32_MAX && suite->tests[at].mem_bytes == 0 &&
            f->tests[i].kib >= FOOTPRINT_HEAVY_KIB)
            suite->tests[at].mem_bytes = f->tests[i].kib * 1024;
    }
}
