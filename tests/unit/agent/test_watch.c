#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "fs.h"
#include "watch/watch.h"

#define PATIENCE_S 20

struct bench {
    struct event_base *base;
    struct ignore *ignore;
    struct watch *watch;
    char *root;
    char wanted[64]; /* the path that is waited for */
    bool seen, wrong;
};

static void changed(void *ctx, const char *path)
{
    struct bench *b = ctx;

    b->wrong = b->wrong || strstr(path, "ignored") != NULL;
    if (strcmp(path, b->wanted) == 0) {
        b->seen = true;
        (void)event_base_loopbreak(b->base);
    }
}

static void write_file(const struct bench *b, const char *name, const char *text)
{
    struct str path = STR_MAX(PATH_BYTES_MAX);
    struct err err = ERR_INIT;
    FILE *file;

    assert_int_equal(str_addf(&path, &err, "%s/%s", b->root, name), ERR_NONE);
    file = fopen(str_text(&path), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    str_fini(&path);
}

static void make_folder(const struct bench *b, const char *name)
{
    struct str path = STR_MAX(PATH_BYTES_MAX);
    struct err err = ERR_INIT;

    assert_int_equal(str_addf(&path, &err, "%s/%s", b->root, name), ERR_NONE);
    assert_int_equal(fs_mkdirs(str_text(&path), FS_PRIVATE, &err), ERR_NONE);
    str_fini(&path);
}

static void expect(struct bench *b, const char *path)
{
    struct timeval patience = { .tv_sec = PATIENCE_S };

    (void)snprintf(b->wanted, sizeof(b->wanted), "%s", path);
    b->seen = false;
    (void)event_base_loopexit(b->base, &patience);
    (void)event_base_dispatch(b->base);
    if (!b->seen)
        fail_msg("nothing was heard of %s", path);
    assert_false(b->wrong);
}

static void set_up(struct bench *b, uint32_t poll_ms)
{
    struct err err = ERR_INIT;

    *b = (struct bench){ .base = event_base_new(), .ignore = ignore_new() };
    ignore_add(b->ignore, "ignored*\n", strlen("ignored*\n"));
    assert_int_equal(fs_tempdir("test-watch", &b->root, &err), ERR_NONE);
    make_folder(b, "tests");
    make_folder(b, "ignored");
    write_file(b, "tests/test_a.py", "1");
    assert_int_equal(watch_new(&(struct watch_opts){ .base = b->base,
                                                     .root = b->root,
                                                     .ignore = b->ignore,
                                                     .poll_ms = poll_ms,
                                                     .changed = changed,
                                                     .ctx = b },
                               &b->watch, &err),
                     ERR_NONE);
}

static void tear_down(struct bench *b)
{
    struct err err = ERR_INIT;

    watch_free(b->watch);
    ignore_free(b->ignore);
    event_base_free(b->base);
    assert_int_equal(fs_remove_tree(b->root, &err), ERR_NONE);
    free(b->root);
}

/* Written, made, made in a new folder, moved, removed: each is told; what is ignored is not. */
static void check(uint32_t poll_ms)
{
    struct str from = STR_MAX(PATH_BYTES_MAX), to = STR_MAX(PATH_BYTES_MAX);
    struct err err = ERR_INIT;
    struct bench b;

    set_up(&b, poll_ms);
    assert_int_equal(watch_folders(b.watch), 2);
    write_file(&b, "ignored/x.py", "1");
    write_file(&b, "ignored.py", "1");
    write_file(&b, "tests/test_a.py", "12");
    expect(&b, "tests/test_a.py");
    make_folder(&b, "tests/new/deep");
    write_file(&b, "tests/new/deep/test_b.py", "1");
    expect(&b, "tests/new/deep/test_b.py");
    assert_int_equal(watch_folders(b.watch), 4);
    assert_int_equal(str_addf(&from, &err, "%s/tests/test_a.py", b.root), ERR_NONE);
    assert_int_equal(str_addf(&to, &err, "%s/test_c.py", b.root), ERR_NONE);
    assert_int_equal(rename(str_text(&from), str_text(&to)), 0);
    expect(&b, "test_c.py");
    assert_int_equal(unlink(str_text(&to)), 0);
    expect(&b, "test_c.py");
    tear_down(&b);
    str_fini(&from);
    str_fini(&to);
}

static void test_watch_tells_every_change_when_the_kernel_tells_it(void **state)
{
    (void)state;
    check(0);
}

static void test_watch_tells_every_change_when_it_has_to_look(void **state)
{
    (void)state;
    check(10);
}

/* A folder that is not there is an error, not a watch of nothing. */
static void test_watch_fails_when_there_is_no_folder(void **state)
{
    struct event_base *base = event_base_new();
    struct ignore *ignore = ignore_new();
    struct watch *watch = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(
        watch_new(&(struct watch_opts){ .base = base, .root = "/nonexistent", .ignore = ignore },
                  &watch, &err),
        ERR_IO);
    assert_null(watch);
    ignore_free(ignore);
    event_base_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watch_tells_every_change_when_the_kernel_tells_it),
        cmocka_unit_test(test_watch_tells_every_change_when_it_has_to_look),
        cmocka_unit_test(test_watch_fails_when_there_is_no_folder),
    };

    return cmocka_run_group_tests_name("agent/watch", tests, NULL, NULL);
}
