#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fs.h"
#include "json.h"
#include "source/sharded.h"

static char url[] = "https://ci.example.org";

/* Without the option nothing is asked of the Python side. */
static void test_sharded_tells_no_when_it_was_not_asked_for(void **state)
{
    struct sharded sharded = { 0 };
    struct target target = { .url = url };
    struct str note = STR_MAX(200);
    struct err err = ERR_INIT;
    struct json *doc = json_new_object();
    char *text;

    (void)state;
    assert_int_equal(sharded_open(&sharded, &target, NULL, &note, &err), ERR_NONE);
    sharded_tell(&sharded, doc);
    text = json_dump(doc, JSON_TIGHT);
    assert_non_null(strstr(text, "\"sharded\":false"));
    free(text);
    json_free(doc);
    str_fini(&note);
}

static void test_sharded_open_keeps_a_record_where_told_with_a_coordinator(void **state)
{
    struct sharded sharded = { .text = "ids.json" };
    struct target target = { .url = url };
    struct str note = STR_MAX(200);
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(sharded_open(&sharded, &target, NULL, &note, &err), ERR_NONE);
    assert_int_equal(sharded.known[0], '/');
    assert_non_null(strstr(sharded.known, "/ids.json"));
    assert_int_equal(sharded.total, 0);
    assert_int_equal(note.len, 0);
    sharded_forget(&sharded); /* there is none */
    sharded_fini(&sharded);
    str_fini(&note);
}

static void test_sharded_open_finds_the_cache_when_no_file_is_named(void **state)
{
    struct sharded sharded = { .text = "" };
    struct target target = { .url = url };
    struct str note = STR_MAX(200);
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(setenv("XDG_CACHE_HOME", "/nowhere", 1), 0);
    assert_int_equal(sharded_open(&sharded, &target, NULL, &note, &err), ERR_NONE);
    assert_memory_equal(sharded.known, "/nowhere/makespan/ids/", 22);
    sharded_fini(&sharded);
    str_fini(&note);
}

/* One machine has nobody to share with: that is said, and is no error. */
static void test_sharded_open_says_so_when_alone(void **state)
{
    struct sharded sharded = { .text = "" };
    struct target alone = { .index = PROTO_SLOT_NONE };
    struct str note = STR_MAX(200);
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(sharded_open(&sharded, &alone, NULL, &note, &err), ERR_NONE);
    assert_non_null(strstr(str_text(&note), "one machine alone"));
    assert_null(sharded.known);
    str_fini(&note);
}

static void test_sharded_open_deals_files_in_a_static_split(void **state)
{
    struct sharded sharded = { .text = "" };
    struct target target = { .index = 1, .total = 3 };
    struct share split = { .split = { .index = 1, .total = 3 } };
    struct str note = STR_MAX(200);
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(sharded_open(&sharded, &target, &split, &note, &err), ERR_NONE);
    assert_int_equal(sharded.index, 1);
    assert_int_equal(sharded.total, 3);
    assert_null(sharded.known);
    assert_null(sharded.durations); /* there is no such file */
    split.algorithm = "hash";
    split.split.algorithm = SPLIT_HASH;
    assert_int_equal(sharded_open(&sharded, &target, &split, &note, &err), ERR_USAGE);
    assert_non_null(strstr(err.text, "--algorithm hash"));
    sharded_fini(&sharded);
    str_fini(&note);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sharded_tells_no_when_it_was_not_asked_for),
        cmocka_unit_test(test_sharded_open_keeps_a_record_where_told_with_a_coordinator),
        cmocka_unit_test(test_sharded_open_finds_the_cache_when_no_file_is_named),
        cmocka_unit_test(test_sharded_open_says_so_when_alone),
        cmocka_unit_test(test_sharded_open_deals_files_in_a_static_split),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
