#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "command/durations_merge.h"
#include "core/split.h"
#include "fs.h"
#include "mem.h"

#define TESTS 60u

static struct manifest *manifest_of(const char *const *ids, uint32_t count)
{
    const struct view none = { .at = "", .len = 0 };
    struct manifest *m = manifest_new();
    struct err err = ERR_INIT;

    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(manifest_add(m, view_of(ids[i]), none, none, &err), ERR_NONE);
    manifest_seal(m);
    return m;
}

/* Three files of twenty tests; with backwards the same set in the opposite order. */
static struct manifest *manifest_of_files(bool backwards)
{
    char texts[TESTS][40];
    const char *ids[TESTS];

    for (uint32_t i = 0; i < TESTS; i++) {
        uint32_t n = backwards ? TESTS - 1 - i : i;

        (void)snprintf(texts[i], sizeof(texts[i]), "tests/test_%u.py::test_%02u", n / 20, n % 20);
        ids[i] = texts[i];
    }
    return manifest_of(ids, TESTS);
}

/* Every algorithm gives each test to exactly one machine, with more machines than tests too. */
static void test_split_tests_gives_each_test_to_one_machine(void **state)
{
    struct manifest *m = manifest_of_files(false);
    static const uint32_t totals[] = { 1, 2, 7, 100 };

    (void)state;
    for (int a = SPLIT_MAKESPAN; a <= SPLIT_RANDOM; a++)
        for (size_t t = 0; t < ARRAY_LEN(totals); t++) {
            uint32_t seen[TESTS] = { 0 };

            for (uint32_t index = 0; index < totals[t]; index++) {
                const struct split_opts opts = { .algorithm = (enum split_algorithm)a,
                                                 .index = index,
                                                 .total = totals[t],
                                                 .seed = 3 };
                uint32_t tests[TESTS];
                uint64_t costs_us[TESTS];
                struct split_about about;
                uint32_t count = split_tests(m, &opts, tests, costs_us, &about);

                for (uint32_t i = 0; i < count; i++)
                    seen[tests[i]]++;
                assert_int_equal(about.known, 0);
                assert_true(about.shortest_us <= about.mine_us &&
                            about.mine_us <= about.longest_us);
            }
            for (uint32_t i = 0; i < TESTS; i++)
                assert_int_equal(seen[i], 1);
        }
    manifest_free(m);
}

/* Two machines that collect in another order still agree on who runs what. */
static void test_split_tests_does_not_depend_on_the_order_of_collection(void **state)
{
    struct manifest *one = manifest_of_files(false), *other = manifest_of_files(true);
    const struct split_opts opts = { .index = 1, .total = 3 };
    uint32_t tests[2][TESTS], count[2];
    uint64_t costs_us[TESTS];
    struct split_about about;

    (void)state;
    count[0] = split_tests(one, &opts, tests[0], costs_us, &about);
    count[1] = split_tests(other, &opts, tests[1], costs_us, &about);
    assert_int_equal(count[0], 20);
    assert_int_equal(count[1], 20);
    for (uint32_t i = 0; i < 20; i++)
        assert_string_equal(one->tests[tests[0][i]].id, other->tests[tests[1][19 - i]].id);
    /* Nothing known, and as many tests a machine as a file has: files stay whole. */
    for (uint32_t i = 1; i < 20; i++)
        assert_int_equal(tests[0][i] / 20, tests[0][0] / 20);
    manifest_free(one);
    manifest_free(other);
}

static uint64_t digest_of(bool backwards, const struct split_opts *opts)
{
    struct manifest *m = manifest_of_files(backwards);
    uint32_t tests[TESTS];
    uint64_t costs_us[TESTS];
    struct split_about about;

    (void)split_tests(m, opts, tests, costs_us, &about);
    manifest_free(m);
    return about.digest;
}

/* People compare it between the logs of two jobs. */
static void test_split_tests_digest_tells_plans_apart(void **state)
{
    const struct duration items[] = { { "tests/test_0.py::test_00", 900000000, 900 },
                                      { "tests/test_1.py::test_00", 1000, 0.001 } };
    const struct durations durations = { .items = items, .count = ARRAY_LEN(items) };
    const struct split_opts opts = { .index = 0, .total = 3 };
    const struct split_opts others[] = {
        { .index = 0, .total = 4 },
        { .index = 0, .total = 3, .durations = &durations },
        { .index = 0, .total = 3, .algorithm = SPLIT_HASH },
    };
    const struct split_opts second = { .index = 2, .total = 3 };
    const struct split_opts many = { .index = 0, .total = 7, .durations = &durations };
    uint64_t digest = digest_of(false, &opts);

    (void)state;
    assert_true(digest == digest_of(false, &second));
    assert_true(digest == digest_of(true, &opts));
    assert_true(digest_of(true, &many) == digest_of(false, &many));
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_true(digest != digest_of(false, &others[i]));
}

static void test_split_tests_balances_by_duration(void **state)
{
    static const char *const ids[] = { "a.py::t1", "a.py::t2", "a.py::t3", "b.py::t4" };
    const struct duration items[] = { { "a.py::t1", 9000000, 9 },
                                      { "a.py::t2", 3000000, 3 },
                                      { "a.py::t3", 3000000, 3 },
                                      { "b.py::t4", 3000000, 3 } };
    const struct durations durations = { .items = items, .count = 4 };
    struct manifest *m = manifest_of(ids, 4);
    struct split_opts opts = { .index = 0, .total = 2, .durations = &durations };
    uint32_t tests[4];
    uint64_t costs_us[4];
    struct split_about about;

    (void)state;
    assert_int_equal(split_tests(m, &opts, tests, costs_us, &about), 1);
    assert_int_equal(tests[0], 0);
    assert_int_equal(about.known, 4);
    assert_in_range(about.longest_us, 8999900, 9000100);
    manifest_free(m);
}

/* Few durations are said loudly, enough of them not at all. */
static void test_split_warning_tells_of_low_coverage(void **state)
{
    struct split_about about = { .tests = 60, .by_time = true };
    struct str text = STR_MAX(500);

    (void)state;
    assert_true(split_warning(&about, &text));
    assert_non_null(strstr(str_text(&text), "no test has a recorded duration"));
    str_clear(&text);
    about.known = 30;
    assert_true(split_warning(&about, &text));
    assert_non_null(strstr(str_text(&text), "only 30 of 60"));
    about.known = 48;
    assert_false(split_warning(&about, &text));
    str_fini(&text);
}

/* Our own plan parts neither group nor mutex; what another one does to them is said. */
static void test_split_unkept_tells_of_marks_that_need_a_coordinator(void **state)
{
    static const char *const flags[] = { "mutex=db", "mutex=db", "serial=run", "" };
    const struct view none = { .at = "", .len = 0 };
    struct split_opts opts = { .algorithm = SPLIT_STRIDE, .total = 2 };
    struct manifest *m = manifest_new();
    struct str text = STR_MAX(500);
    struct split_about about;
    struct err err = ERR_INIT;
    uint64_t costs_us[4];
    uint32_t tests[4];

    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        const char id[] = { 't', (char)('0' + i), '\0' };

        assert_int_equal(
            manifest_add(m, view_of(id), i < 2 ? view_of("g") : none, view_of(flags[i]), &err),
            ERR_NONE);
    }
    manifest_seal(m);
    (void)split_tests(m, &opts, tests, costs_us, &about);
    assert_int_equal(about.alone, 1);
    assert_int_equal(about.parted, 2);
    assert_true(split_unkept(&about, &text));
    assert_non_null(strstr(str_text(&text),
                           "1 test marked serial=\"run\" runs beside tests of others, "
                           "2 groups or mutexes have tests in several parts"));
    opts.algorithm = SPLIT_MAKESPAN;
    (void)split_tests(m, &opts, tests, costs_us, &about);
    assert_int_equal(about.parted, 0);
    opts.total = 1;
    (void)split_tests(m, &opts, tests, costs_us, &about);
    assert_false(split_unkept(&about, &text));
    str_fini(&text);
    manifest_free(m);
}

/* Nothing is predicted where nothing is known, and who does not look at durations misses none. */
static void test_split_text_predicts_from_durations_only(void **state)
{
    const struct split_opts opts = { .index = 1, .total = 4 };
    struct split_about about = { .tests = 60, .mine = 15, .mine_us = 2000000, .digest = 0xab };
    struct str text = STR_MAX(500);

    (void)state;
    split_text(&about, &opts, &text);
    assert_string_equal(str_text(&text), "part 2 of 4: 15 of 60 tests, plan 00000000000000ab");
    assert_false(split_warning(&about, &text));
    str_clear(&text);
    about.known = 1;
    split_text(&about, &opts, &text);
    assert_string_equal(str_text(&text),
                        "part 2 of 4: 15 of 60 tests, predicted 2.00 s (all parts: 0.00 to 0.00 "
                        "s), plan 00000000000000ab");
    str_fini(&text);
}

static void test_split_algorithm_parse_names_the_choices(void **state)
{
    enum split_algorithm a = SPLIT_HASH;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(split_algorithm_parse("least_duration", &a, &err), ERR_NONE);
    assert_int_equal(a, SPLIT_LEAST);
    assert_int_equal(split_algorithm_parse("best", &a, &err), ERR_USAGE);
    assert_int_equal(a, SPLIT_LEAST);
    assert_non_null(strstr(err.text, "duration_based_chunks"));
}

static void write_file(const char *folder, const char *name, const char *text, char path[200])
{
    struct err err = ERR_INIT;

    (void)snprintf(path, 200, "%s/%s", folder, name);
    assert_int_equal(fs_replace(path, text, strlen(text), FS_PUBLIC, &err), ERR_NONE);
}

/* The later file wins; a file that is none of durations leaves the target as it was. */
static void test_durations_merge_makes_one_file(void **state)
{
    char *folder = NULL, one[200], two[200], bad[200], out[200];
    char *files[2];
    struct str text = STR_MAX(1000);
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(fs_tempdir("merge-", &folder, &err), ERR_NONE);
    write_file(folder, "one", "{\"b\": 2.5, \"a\": 1}", one);
    write_file(folder, "two", "[[\"a\", 3], [\"c\", 0.25]]", two);
    write_file(folder, "bad", "{\"a\": \"x\"}", bad);
    (void)snprintf(out, sizeof(out), "%s/out", folder);
    files[0] = one;
    files[1] = two;
    assert_int_equal(durations_merge(out, files, 2, &err), ERR_NONE);
    files[1] = bad;
    assert_int_equal(durations_merge(out, files, 2, &err), ERR_INVALID);
    assert_int_equal(fs_read(out, &text, &err), ERR_NONE);
    assert_string_equal(str_text(&text), "{\n    \"a\": 3.0,\n    \"b\": 2.5,\n    \"c\": 0.25\n}");
    str_fini(&text);
    assert_int_equal(fs_remove_tree(folder, &err), ERR_NONE);
    free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_tests_gives_each_test_to_one_machine),
        cmocka_unit_test(test_split_tests_does_not_depend_on_the_order_of_collection),
        cmocka_unit_test(test_split_tests_digest_tells_plans_apart),
        cmocka_unit_test(test_split_tests_balances_by_duration),
        cmocka_unit_test(test_split_warning_tells_of_low_coverage),
        cmocka_unit_test(test_split_unkept_tells_of_marks_that_need_a_coordinator),
        cmocka_unit_test(test_split_text_predicts_from_durations_only),
        cmocka_unit_test(test_split_algorithm_parse_names_the_choices),
        cmocka_unit_test(test_durations_merge_makes_one_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
