#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fs.h"
#include "history.h"

struct place {
    char *folder, *path;
};

static void set_up(struct place *p)
{
    struct str path = STR_MAX(PATH_BYTES_MAX);
    struct err err = ERR_INIT;

    assert_int_equal(fs_tempdir("msp-test", &p->folder, &err), ERR_NONE);
    assert_int_equal(str_addf(&path, &err, "%s/deep/h.json", p->folder), ERR_NONE);
    p->path = str_take(&path);
}

static void tear_down(struct place *p)
{
    struct err err = ERR_INIT;

    assert_int_equal(fs_remove_tree(p->folder, &err), ERR_NONE);
    free(p->folder);
    free(p->path);
}

static struct manifest *manifest_of(const char *const *ids, size_t count)
{
    struct manifest *m = manifest_new();
    struct err err = ERR_INIT;

    for (size_t i = 0; i < count; i++)
        assert_int_equal(manifest_add(m, view_of(ids[i]), view_of(""), view_of(""), &err),
                         ERR_NONE);
    manifest_seal(m);
    return m;
}

/* What is learned comes back, for the second of two equal ids too; a run of fewer tests forgets
 * nothing. */
static void test_history_keeps_what_another_selection_did_not_run(void **state)
{
    static const char *const all[] = { "a::1", "a::2", "a::2" };
    struct manifest *whole = manifest_of(all, 3), *part = manifest_of(all, 1);
    struct estimate known[3] = { { 3, -5000000, 7 }, { 0, 0, 0 }, { 1, 9000000, 0 } };
    struct estimate got[3];
    struct history *history = NULL;
    struct err err = ERR_INIT;
    struct place p;

    (void)state;
    set_up(&p);
    assert_int_equal(history_save(p.path, NULL, whole, known, &err), ERR_NONE);
    memset(got, 0, sizeof(got));
    assert_int_equal(history_load(p.path, part, got, &history, &err), ERR_NONE);
    assert_int_equal(got[0].samples, 3);
    assert_int_equal(history_save(p.path, history, part, got, &err), ERR_NONE);
    history_free(history);
    memset(got, 0, sizeof(got));
    assert_int_equal(history_load(p.path, whole, got, &history, &err), ERR_NONE);
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        assert_int_equal(got[i].samples, known[i].samples);
        assert_int_equal(got[i].mean_log_ppm, known[i].mean_log_ppm);
        assert_int_equal(got[i].var_log_ppm, known[i].var_log_ppm);
    }
    history_free(history);
    manifest_free(whole);
    manifest_free(part);
    tear_down(&p);
}

static void test_history_load_is_empty_when_there_is_no_file(void **state)
{
    static const char *const ids[] = { "a::1" };
    struct manifest *m = manifest_of(ids, 1);
    struct estimate known[1] = { { 0, 0, 0 } };
    struct history *history = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(history_load("/nonexistent/h.json", m, known, &history, &err), ERR_NONE);
    assert_int_equal(known[0].samples, 0);
    history_free(history);
    manifest_free(m);
}

/* A damaged file is said to be one, and nothing of it is believed. */
static void test_history_load_believes_nothing_of_a_damaged_file(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{\"version\":9,\"tests\":[]}",
        "{\"version\":1,\"tests\":[[\"a::1\",0]]}",
        "{\"version\":1,\"tests\":[[\"a::1\",0,1,2,3,0],[\"a::1\",0,-1,2,3,0]]}",
        "{\"version\":1,\"tests\":[[\"a::1\",0,1,1e99,3,0]]}",
        "{\"version\":1,\"tests\":[[7,0,1,2,3,0]]}"
    };
    static const char *const ids[] = { "a::1" };
    struct manifest *m = manifest_of(ids, 1);
    struct place p;

    (void)state;
    set_up(&p);
    free(p.path);
    p.path = NULL;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct str path = STR_MAX(PATH_BYTES_MAX);
        struct estimate known[1] = { { 0, 0, 0 } };
        struct history *history = NULL;
        struct err err = ERR_INIT;

        assert_int_equal(str_addf(&path, &err, "%s/h", p.folder), ERR_NONE);
        assert_int_equal(fs_replace(path.at, texts[i], strlen(texts[i]), FS_PRIVATE, &err),
                         ERR_NONE);
        assert_int_not_equal(history_load(path.at, m, known, &history, &err), ERR_NONE);
        assert_int_equal(known[0].samples, 0);
        assert_null(history);
        str_fini(&path);
    }
    manifest_free(m);
    tear_down(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_history_keeps_what_another_selection_did_not_run),
        cmocka_unit_test(test_history_load_is_empty_when_there_is_no_file),
        cmocka_unit_test(test_history_load_believes_nothing_of_a_damaged_file),
    };

    return cmocka_run_group_tests_name("agent/history", tests, NULL, NULL);
}
