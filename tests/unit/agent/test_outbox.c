#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "fs.h"
#include "mem.h"
#include "source/outbox.h"

/* A state folder of the test's own. */
static int set_up(void **state)
{
    struct err err = ERR_INIT;
    char *folder = NULL;

    if (fs_tempdir("msp-test", &folder, &err) || setenv("XDG_STATE_HOME", folder, 1) != 0)
        return -1;
    *state = folder;
    return 0;
}

static int tear_down(void **state)
{
    struct err err = ERR_INIT;
    enum err_code rc = fs_remove_tree(*state, &err);

    free(*state);
    return rc ? -1 : 0;
}

static void expect_first(const struct outbox *o, uint64_t number, const char *body)
{
    struct err err = ERR_INIT;
    uint64_t got_number = 0;
    char *got = NULL;

    assert_int_equal(outbox_first(o, &got_number, &got, &err), ERR_NONE);
    assert_int_equal(got_number, number);
    assert_string_equal(got, body);
    free(got);
}

static void test_outbox_keeps_order_in_memory_and_on_disk(void **state)
{
    struct outbox *o = outbox_new("s-1");
    struct err err = ERR_INIT;

    (void)state;
    outbox_add(o, 1, mem_strdup("one"));
    outbox_add(o, 2, mem_strdup("two"));
    expect_first(o, 1, "one");
    assert_null(outbox_folder(o));
    assert_int_equal(outbox_spill(o, &err), ERR_NONE);
    assert_non_null(outbox_folder(o));
    outbox_add(o, 3, mem_strdup("three"));
    expect_first(o, 1, "one");
    outbox_acknowledge(o, 2);
    expect_first(o, 3, "three");
    outbox_acknowledge(o, 3);
    assert_int_equal(outbox_count(o), 0);
    outbox_free(o);
}

/* What everybody has acknowledged leaves nothing behind. */
static void test_outbox_free_removes_the_folder_when_all_was_acknowledged(void **state)
{
    struct outbox *o = outbox_new("s-2");
    struct err err = ERR_INIT;
    char *folder;

    (void)state;
    outbox_add(o, 1, mem_strdup("one"));
    assert_int_equal(outbox_spill(o, &err), ERR_NONE);
    folder = mem_strdup(outbox_folder(o));
    outbox_acknowledge(o, 1);
    outbox_free(o);
    assert_false(fs_exists(folder));
    free(folder);
}

static void test_outbox_free_keeps_what_was_not_acknowledged(void **state)
{
    struct outbox *o = outbox_new("s-3");
    struct str path = STR_MAX(PATH_BYTES_MAX);
    struct str bytes = STR_MAX(100);
    struct err err = ERR_INIT;

    (void)state;
    outbox_add(o, 7, mem_strdup("{\"request\":7}"));
    assert_int_equal(outbox_spill(o, &err), ERR_NONE);
    assert_int_equal(str_addf(&path, &err, "%s/00000007.json", outbox_folder(o)), ERR_NONE);
    outbox_free(o);
    assert_int_equal(fs_read(path.at, &bytes, &err), ERR_NONE);
    assert_string_equal(str_text(&bytes), "{\"request\":7}");
    str_fini(&path);
    str_fini(&bytes);
}

/* No room on disk: the body stays in memory and can still be sent. */
static void test_outbox_spill_keeps_in_memory_what_cannot_be_written(void **state)
{
    struct outbox *o = outbox_new("s-4");
    struct err err = ERR_INIT;

    assert_int_equal(setenv("XDG_STATE_HOME", "/dev/null/nowhere", 1), 0);
    outbox_add(o, 1, mem_strdup("one"));
    assert_int_not_equal(outbox_spill(o, &err), ERR_NONE);
    expect_first(o, 1, "one");
    assert_null(outbox_folder(o));
    assert_int_equal(setenv("XDG_STATE_HOME", *state, 1), 0);
    outbox_free(o);
}

/* What a session left more than a week ago goes when another one needs the place; newer things
 * stay. */
static void test_outbox_removes_what_is_older_than_a_week(void **state)
{
    struct outbox *o = outbox_new("s-6");
    const struct timespec old[2] = { { .tv_sec = 1000000 }, { .tv_sec = 1000000 } };
    struct str gone = STR_MAX(PATH_BYTES_MAX);
    struct str stays = STR_MAX(PATH_BYTES_MAX);
    struct err err = ERR_INIT;

    assert_int_equal(str_addf(&gone, &err, "%s/makespan/outbox/s-old", (char *)*state), ERR_NONE);
    assert_int_equal(str_addf(&stays, &err, "%s/makespan/outbox/s-new", (char *)*state), ERR_NONE);
    assert_int_equal(fs_mkdirs(gone.at, FS_PRIVATE, &err), ERR_NONE);
    assert_int_equal(fs_mkdirs(stays.at, FS_PRIVATE, &err), ERR_NONE);
    assert_int_equal(utimensat(AT_FDCWD, gone.at, old, 0), 0);
    outbox_add(o, 1, mem_strdup("one"));
    assert_int_equal(outbox_spill(o, &err), ERR_NONE);
    assert_false(fs_exists(gone.at));
    assert_true(fs_exists(stays.at));
    assert_true(fs_exists(outbox_folder(o)));
    outbox_free(o);
    str_fini(&gone);
    str_fini(&stays);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_outbox_keeps_order_in_memory_and_on_disk, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            test_outbox_free_removes_the_folder_when_all_was_acknowledged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_outbox_free_keeps_what_was_not_acknowledged, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_outbox_removes_what_is_older_than_a_week, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_outbox_spill_keeps_in_memory_what_cannot_be_written,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests_name("agent/outbox", tests, NULL, NULL);
}
