/* The Python side in its folder: kept in the cache, or the run's own. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "fs.h"
#include "runner/bundle.h"

struct places {
    char *cache, *run;
};

static int set_up(void **state)
{
    struct places *p = calloc(1, sizeof(*p));
    struct err err = ERR_INIT;

    if (!p || fs_tempdir("msp-test", &p->cache, &err) || fs_tempdir("msp-test", &p->run, &err))
        return -1;
    *state = p;
    return setenv("XDG_CACHE_HOME", p->cache, 1);
}

static int tear_down(void **state)
{
    struct places *p = *state;
    struct err err = ERR_INIT;
    bool failed = fs_remove_tree(p->cache, &err) || fs_remove_tree(p->run, &err);

    free(p->cache);
    free(p->run);
    free(p);
    return failed ? -1 : 0;
}

static char *place(const struct places *p)
{
    struct err err = ERR_INIT;
    char *folder = NULL;

    assert_int_equal(bundle_place(p->run, &folder, &err), ERR_NONE);
    return folder;
}

static bool is_below(const char *path, const char *folder)
{
    return strncmp(path, folder, strlen(folder)) == 0 && path[strlen(folder)] == '/';
}

static void path_in(const char *folder, const char *name, char out[PATH_BYTES_MAX])
{
    struct str path = STR_MAX(PATH_BYTES_MAX);
    struct err err = ERR_INIT;

    assert_int_equal(str_addf(&path, &err, "%s/%s", folder, name), ERR_NONE);
    memcpy(out, str_text(&path), path.len + 1);
    str_fini(&path);
}

static void assert_complete(const char *folder)
{
    for (size_t i = 0; i < bundle_file_count; i++) {
        struct str text = STR_MAX(bundle_files[i].size);
        struct err err = ERR_INIT;
        char path[PATH_BYTES_MAX];

        path_in(folder, bundle_files[i].name, path);
        assert_int_equal(fs_read(path, &text, &err), ERR_NONE);
        assert_int_equal(text.len, bundle_files[i].size);
        assert_memory_equal(str_text(&text), bundle_files[i].bytes, text.len);
        str_fini(&text);
    }
}

static void test_bundle_is_kept_between_runs(void **state)
{
    const struct places *p = *state;
    char *first = place(p), *second;
    char bytecode[PATH_BYTES_MAX];
    struct err err = ERR_INIT;

    assert_true(is_below(first, p->cache));
    assert_complete(first);
    path_in(first, "bytecode.pyc", bytecode);
    assert_int_equal(fs_replace(bytecode, "x", 1, FS_PRIVATE, &err), ERR_NONE);
    second = place(p);
    assert_string_equal(first, second);
    assert_true(fs_exists(bytecode));
    free(first);
    free(second);
}

static void test_bundle_is_written_anew_when_a_file_differs(void **state)
{
    const struct places *p = *state;
    char *first = place(p), *second;
    char path[PATH_BYTES_MAX];
    struct err err = ERR_INIT;

    path_in(first, bundle_files[0].name, path);
    assert_int_equal(fs_replace(path, "", 0, FS_PRIVATE, &err), ERR_NONE);
    second = place(p);
    assert_string_equal(first, second);
    assert_complete(second);
    free(first);
    free(second);
}

static void test_bundle_is_the_runs_own_where_others_can_enter(void **state)
{
    const struct places *p = *state;
    char *first = place(p), *second;

    assert_int_equal(chmod(first, 0710), 0);
    second = place(p);
    assert_true(is_below(second, p->run));
    assert_complete(second);
    free(first);
    free(second);
}

static void test_bundle_is_the_runs_own_where_others_own_the_way(void **state)
{
    const struct places *p = *state;
    char *first = place(p), *second;
    char parent[PATH_BYTES_MAX];

    path_in(p->cache, "makespan/python", parent);
    assert_int_equal(chmod(parent, 0777), 0);
    second = place(p);
    assert_true(is_below(second, p->run));
    assert_complete(second);
    free(first);
    free(second);
}

static void test_bundle_is_the_runs_own_without_a_cache(void **state)
{
    const struct places *p = *state;
    char *folder;

    assert_int_equal(setenv("XDG_CACHE_HOME", "/dev/null/nowhere", 1), 0);
    folder = place(p);
    assert_true(is_below(folder, p->run));
    assert_complete(folder);
    free(folder);
}

static void make_old(const char *folder)
{
    const struct timespec old[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 } };

    assert_int_equal(utimensat(AT_FDCWD, folder, old, 0), 0);
}

/* An old version's, a half-written one, and that of another version beside us. */
static void test_bundle_sweeps_what_nobody_uses(void **state)
{
    static const char *const names[] = { "old", "old.X1y2Z3", "used" };
    const struct places *p = *state;
    char *first = place(p), *second;
    char paths[ARRAY_LEN(names)][PATH_BYTES_MAX], parent[PATH_BYTES_MAX];
    struct err err = ERR_INIT;

    path_in(p->cache, "makespan/python", parent);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        path_in(parent, names[i], paths[i]);
        assert_int_equal(fs_mkdirs(paths[i], FS_PRIVATE, &err), ERR_NONE);
        if (i < 2)
            make_old(paths[i]);
    }
    make_old(first); /* ours: it was not used for long, and is now */
    second = place(p);
    assert_string_equal(first, second);
    assert_complete(second);
    assert_false(fs_exists(paths[0]));
    assert_false(fs_exists(paths[1]));
    assert_true(fs_exists(paths[2]));
    free(first);
    free(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bundle_is_kept_between_runs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bundle_is_written_anew_when_a_file_differs, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_bundle_is_the_runs_own_where_others_can_enter, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_bundle_is_the_runs_own_where_others_own_the_way,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bundle_sweeps_what_nobody_uses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bundle_is_the_runs_own_without_a_cache, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
