#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fs.h"
#include "mem.h"

static char *path_in(const char *folder, const char *name)
{
    struct str path = STR_MAX(PATH_BYTES_MAX);
    struct err err = ERR_INIT;

    assert_int_equal(str_addf(&path, &err, "%s/%s", folder, name), ERR_NONE);
    return str_take(&path);
}

/* What was replaced is read back whole; a file over the cap is refused and leaves the output alone.
 */
static void test_fs_replace_is_read_back_and_capped(void **state)
{
    struct err err = ERR_INIT;
    struct str got = STR_MAX(16);
    struct str tiny = STR_MAX(3);
    char *folder = NULL;
    char *path;

    (void)state;
    assert_int_equal(fs_tempdir("msp-test", &folder, &err), ERR_NONE);
    path = path_in(folder, "file");
    assert_int_equal(fs_replace(path, "first", 5, FS_PRIVATE, &err), ERR_NONE);
    assert_int_equal(fs_replace(path, "second", 6, FS_PUBLIC, &err), ERR_NONE);
    assert_int_equal(fs_read(path, &got, &err), ERR_NONE);
    assert_string_equal(str_text(&got), "second");
    assert_int_equal(fs_read(path, &tiny, &err), ERR_TOO_LARGE);
    assert_int_equal(tiny.len, 0);
    assert_int_equal(fs_remove_tree(folder, &err), ERR_NONE);
    assert_false(fs_exists(folder));
    str_fini(&got);
    str_fini(&tiny);
    free(path);
    free(folder);
}

static void test_fs_mkdirs_makes_every_level_and_says_what_is_in_the_way(void **state)
{
    struct err err = ERR_INIT;
    char *folder = NULL;
    char *deep;
    char *under_file;

    (void)state;
    assert_int_equal(fs_tempdir("msp-test", &folder, &err), ERR_NONE);
    deep = path_in(folder, "a/b/c");
    assert_int_equal(fs_mkdirs(deep, FS_PRIVATE, &err), ERR_NONE);
    assert_true(fs_exists(deep));
    under_file = path_in(folder, "f/x");
    free(deep);
    deep = path_in(folder, "f");
    assert_int_equal(fs_replace(deep, "", 0, FS_PRIVATE, &err), ERR_NONE);
    assert_int_equal(fs_mkdirs(under_file, FS_PRIVATE, &err), ERR_IO);
    assert_int_equal(fs_remove_tree(folder, &err), ERR_NONE);
    free(under_file);
    free(deep);
    free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fs_replace_is_read_back_and_capped),
        cmocka_unit_test(test_fs_mkdirs_makes_every_level_and_says_what_is_in_the_way),
    };

    return cmocka_run_group_tests_name("common/fs", tests, NULL, NULL);
}
