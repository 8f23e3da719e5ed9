#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fs.h"
#include "source/history.h"

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

struct known {
    struct manifest *manifest;
    struct suite *suite;
    struct history_known view;
};

static void know(struct known *k, const char *const *ids, size_t count)
{
    k->manifest = manifest_of(ids, count);
    k->suite = suite_new(k->manifest);
    k->view = (struct history_known){
        .manifest = k->manifest,
        .suite = k->suite,
        .tests = calloc(count, sizeof(struct estimate)),
        .scopes = calloc(k->suite->scope_count, sizeof(struct estimate)),
        .failed = calloc(count, sizeof(bool)),
    };
}

static void forget(struct known *k)
{
    free(k->view.tests);
    free(k->view.scopes);
    free(k->view.failed);
    suite_free(k->suite);
    manifest_free(k->manifest);
}

static void assert_same(const struct estimate *a, const struct estimate *b)
{
    assert_int_equal(a->samples, b->samples);
    assert_int_equal(a->mean_log_ppm, b->mean_log_ppm);
    assert_int_equal(a->var_log_ppm, b->var_log_ppm);
}

/* What is learned comes back, for the second of two equal ids and for files and classes too; a run
 * of fewer tests forgets nothing. */
static void test_history_keeps_what_another_selection_did_not_run(void **state)
{
    static const char *const all[] = { "a.py::1", "b.py::C::2", "b.py::C::2" };
    const struct estimate tests[3] = { { 3, -5000000, 7 }, { 0, 0, 0 }, { 1, 9000000, 0 } };
    const struct estimate scopes[3] = { { 0, 0, 0 }, { 2, 8000000, 1 }, { 1, 4000000, 2 } };
    struct known whole, part, again;
    struct history *history = NULL;
    struct err err = ERR_INIT;
    struct place p;

    (void)state;
    set_up(&p);
    know(&whole, all, 3);
    know(&part, all, 1);
    know(&again, all, 3);
    assert_int_equal(whole.suite->scope_count, 3);
    memcpy(whole.view.tests, tests, sizeof(tests));
    memcpy(whole.view.scopes, scopes, sizeof(scopes));
    whole.view.failed[0] = whole.view.failed[2] = true;
    assert_int_equal(history_save(p.path, NULL, &whole.view, &err), ERR_NONE);
    assert_int_equal(history_load(p.path, &history, &err), ERR_NONE);
    history_tell(history, &part.view);
    assert_int_equal(part.view.tests[0].samples, 3);
    assert_true(part.view.failed[0]);
    part.view.failed[0] = false; /* it passes now */
    assert_int_equal(history_save(p.path, history, &part.view, &err), ERR_NONE);
    history_free(history);
    assert_int_equal(history_load(p.path, &history, &err), ERR_NONE);
    history_tell(history, &again.view);
    for (size_t i = 0; i < 3; i++) {
        assert_same(&again.view.tests[i], &tests[i]);
        assert_same(&again.view.scopes[i], &scopes[i]);
        assert_int_equal(again.view.failed[i], i == 2);
    }
    history_free(history);
    forget(&whole);
    forget(&part);
    forget(&again);
    tear_down(&p);
}

static void test_history_load_is_empty_when_there_is_no_file(void **state)
{
    static const char *const ids[] = { "a::1" };
    struct known k;
    struct history *history = NULL;
    struct err err = ERR_INIT;

    (void)state;
    know(&k, ids, 1);
    assert_int_equal(history_load("/nonexistent/h.json", &history, &err), ERR_NONE);
    history_tell(history, &k.view);
    assert_int_equal(k.view.tests[0].samples, 0);
    history_free(history);
    forget(&k);
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
        "{\"version\":1,\"tests\":[[7,0,1,2,3,0]]}",
        "{\"version\":1,\"tests\":[[\"a::1\",0,1,2,3,0,2]]}",
        "{\"version\":1,\"tests\":[[\"a::1\",0,1,2,3,0,1,1]]}",
        "{\"version\":1,\"tests\":[[\"a::1\",0,1,2,3,0]],\"scopes\":[[\"module\",0,1,2,3,0]]}",
    };
    struct place p;

    (void)state;
    set_up(&p);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct str path = STR_MAX(PATH_BYTES_MAX);
        struct history *history = NULL;
        struct err err = ERR_INIT;

        assert_int_equal(str_addf(&path, &err, "%s/h", p.folder), ERR_NONE);
        assert_int_equal(fs_replace(path.at, texts[i], strlen(texts[i]), FS_PRIVATE, &err),
                         ERR_NONE);
        assert_int_not_equal(history_load(path.at, &history, &err), ERR_NONE);
        assert_null(history);
        str_fini(&path);
    }
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
