#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs.h"
#include "machine/cpu.h"
#include "machine/memory.h"
#include "mem.h"
#include "source/footprint.h"

#define MIB     ((uint64_t)1 << 20)
#define NOT_RUN UINT64_MAX

struct bench {
    struct manifest *manifest;
    struct footprint f;
};

static struct bench bench_of(uint32_t tests, const char *flags)
{
    struct bench b = { .manifest = manifest_new() };
    struct err err = ERR_INIT;

    for (uint32_t i = 0; i < tests; i++) {
        char id[] = "a.py::0";

        id[6] = (char)('0' + i);
        assert_int_equal(manifest_add(b.manifest, view_of(id), view_of(""), view_of(flags), &err),
                         ERR_NONE);
    }
    manifest_seal(b.manifest);
    return b;
}

static void bench_fini(struct bench *b)
{
    footprint_fini(&b->f);
    manifest_free(b->manifest);
}

static void put(const char *path, const char *text)
{
    struct err err = ERR_INIT;

    assert_int_equal(fs_replace(path, text, strlen(text), FS_PRIVATE, &err), ERR_NONE);
}

/* A short run says nothing; the CPU of what tests left running counts as theirs. */
static void test_footprint_learn_busy_takes_the_mean_with_before(void **state)
{
    struct footprint f = { 0 };

    (void)state;
    footprint_learn_busy(&f, 1, FOOTPRINT_BUSY_US - 1);
    assert_int_equal(f.busy_ppm, 0);
    footprint_learn_busy(&f, 2000000, 4000000);
    assert_int_equal(f.busy_ppm, 500000);
    footprint_learn_busy(&f, 5000000, 4000000);
    assert_int_equal(f.busy_ppm, 750000);
}

/* How workers had to start is believed for some runs, and until a file that configures changes. */
static void test_footprint_early_is_looked_at_again(void **state)
{
    struct footprint f = { 0 };

    (void)state;
    assert_null(footprint_early(&f, 0));
    footprint_learn_start(&f, "a socket", 7);
    assert_string_equal(footprint_early(&f, 7), "a socket");
    assert_null(footprint_early(&f, 8));
    for (uint32_t run = 0; run < FOOTPRINT_EARLY_RUNS; run++) {
        assert_non_null(footprint_early(&f, 7));
        footprint_learn_unseen_start(&f);
    }
    assert_null(footprint_early(&f, 7));
    footprint_learn_start(&f, "a socket", 7);
    assert_non_null(footprint_early(&f, 7));
    footprint_learn_start(&f, NULL, 7);
    assert_null(footprint_early(&f, 7));
    footprint_fini(&f);
}

static void test_footprint_stamp_is_of_the_command_and_its_files(void **state)
{
    char *one[] = { "pytest", "a", NULL }, *joined[] = { "pytesta", NULL };
    struct str path = STR_MAX(PATH_BYTES_MAX);
    struct err err = ERR_INIT;
    char *folder = NULL;
    uint64_t before;

    (void)state;
    assert_int_equal(fs_tempdir("msp-test", &folder, &err), ERR_NONE);
    assert_int_equal(str_addf(&path, &err, "%s/conftest.py", folder), ERR_NONE);
    before = footprint_stamp(folder, one);
    assert_int_equal(footprint_stamp(folder, one), before);
    assert_int_not_equal(footprint_stamp(folder, joined), before);
    put(path.at, "");
    assert_int_not_equal(footprint_stamp(folder, one), before);
    assert_int_equal(fs_remove_tree(folder, &err), ERR_NONE);
    str_fini(&path);
    free(folder);
}

/* More counts at once, less slowly; little is not kept at all. */
static void test_footprint_learn_forgets_slowly(void **state)
{
    struct bench b = bench_of(3, "");
    uint64_t kib[3] = { 100 << 10, 1000, NOT_RUN };

    (void)state;
    footprint_learn(&b.f, 80 * MIB, b.manifest, kib);
    assert_int_equal(b.f.worker_bytes, 80 * MIB);
    assert_int_equal(b.f.count, 1);
    assert_string_equal(b.f.tests[0].id, "a.py::0");
    assert_int_equal(b.f.tests[0].kib, 100 << 10);
    kib[0] = 0;
    footprint_learn(&b.f, 1, b.manifest, kib);
    assert_int_equal(b.f.worker_bytes, 70 * MIB);
    assert_int_equal(b.f.tests[0].kib, (100 << 10) * 7 / 8);
    kib[0] = 300 << 10;
    footprint_learn(&b.f, 90 * MIB, b.manifest, kib);
    assert_int_equal(b.f.worker_bytes, 90 * MIB);
    assert_int_equal(b.f.tests[0].kib, 300 << 10);
    kib[0] = 0;
    for (int i = 0; i < 30; i++)
        footprint_learn(&b.f, 0, b.manifest, kib);
    assert_int_equal(b.f.count, 0);
    bench_fini(&b);
}

/* A test that did not run, or is not in this run, keeps its row for many runs. */
static void test_footprint_learn_keeps_what_did_not_run(void **state)
{
    struct bench b = bench_of(2, ""), other = bench_of(1, "");
    uint64_t kib[2] = { 50 << 10, 60 << 10 }, none[1] = { NOT_RUN };

    (void)state;
    footprint_learn(&b.f, 0, b.manifest, kib);
    assert_int_equal(b.f.count, 2);
    for (uint32_t i = 0; i < FOOTPRINT_AGE_MAX; i++)
        footprint_learn(&b.f, 0, other.manifest, none);
    assert_int_equal(b.f.count, 2);
    footprint_learn(&b.f, 0, other.manifest, none);
    assert_int_equal(b.f.count, 0);
    bench_fini(&b);
    bench_fini(&other);
}

/* What was recorded weighs when it is heavy, and where the suite says nothing itself. */
static void test_footprint_weigh_leaves_marks_alone(void **state)
{
    struct bench b = bench_of(2, ""), marked = bench_of(2, "mem=5");
    struct suite *suite = suite_new(b.manifest), *own = suite_new(marked.manifest);
    uint64_t kib[2] = { 100 << 10, 20 << 10 };

    (void)state;
    footprint_learn(&b.f, 0, b.manifest, kib);
    assert_int_equal(b.f.count, 2);
    footprint_weigh(&b.f, b.manifest, suite);
    assert_int_equal(suite->tests[0].mem_bytes, 100 * MIB);
    assert_int_equal(suite->tests[1].mem_bytes, 0);
    footprint_weigh(&b.f, marked.manifest, own);
    assert_int_equal(own->tests[0].mem_bytes, 5);
    suite_free(suite);
    suite_free(own);
    bench_fini(&b);
    bench_fini(&marked);
}

static void test_footprint_load_reads_what_save_wrote_and_refuses_the_rest(void **state)
{
    static const char *const broken[] = {
        "{",
        "[]",
        "{\"version\":2}",
        "{\"version\":1,\"worker_kib\":-1}",
        "{\"version\":1,\"early\":{\"why\":\"a socket\",\"runs\":1}}",
        "{\"version\":1,\"worker_kib\":1,\"tests\":[1]}",
        "{\"version\":1,\"worker_kib\":1,\"tests\":[[\"a\",0,1]]}",
        "{\"version\":1,\"worker_kib\":1,\"tests\":[[\"a\",0,1e300,0]]}",
    };
    struct bench b = bench_of(2, "");
    struct footprint back;
    uint64_t kib[2] = { 70 << 10, 20 << 10 };
    struct err err = ERR_INIT;
    struct str path = STR_MAX(PATH_BYTES_MAX);
    char *folder = NULL;

    (void)state;
    assert_int_equal(fs_tempdir("msp-test", &folder, &err), ERR_NONE);
    assert_int_equal(str_addf(&path, &err, "%s/new/f.json", folder), ERR_NONE);
    assert_int_equal(footprint_load(path.at, &back, &err), ERR_NONE);
    assert_int_equal(back.worker_bytes + back.count, 0);
    footprint_learn(&b.f, 33 * MIB, b.manifest, kib);
    footprint_learn_start(&b.f, "a \"socket\"", INT64_MAX);
    assert_int_equal(footprint_save(path.at, &b.f, &err), ERR_NONE);
    assert_int_equal(footprint_load(path.at, &back, &err), ERR_NONE);
    assert_int_equal(back.worker_bytes, 33 * MIB);
    assert_int_equal(back.count, 2);
    assert_string_equal(footprint_early(&back, INT64_MAX), "a \"socket\"");
    assert_string_equal(back.tests[1].id, "a.py::1");
    assert_int_equal(back.tests[1].kib, 20 << 10);
    footprint_fini(&back);
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        put(path.at, broken[i]);
        assert_int_not_equal(footprint_load(path.at, &back, &err), ERR_NONE);
        assert_int_equal(back.count + back.worker_bytes, 0);
        err = (struct err)ERR_INIT;
    }
    assert_int_equal(fs_remove_tree(folder, &err), ERR_NONE);
    free(folder);
    str_fini(&path);
    bench_fini(&b);
}

static void test_cpu_wanted_is_what_ran_and_what_waited(void **state)
{
    struct str path = STR_MAX(PATH_BYTES_MAX);
    struct err err = ERR_INIT;
    uint64_t us = 0;
    char *root = NULL;

    (void)state;
    assert_int_equal(fs_tempdir("msp-test", &root, &err), ERR_NONE);
    assert_false(cpu_wanted(root, 7, &us));
    assert_int_equal(str_addf(&path, &err, "%s/proc/7", root), ERR_NONE);
    assert_int_equal(fs_mkdirs(path.at, FS_PRIVATE, &err), ERR_NONE);
    assert_int_equal(str_addz(&path, "/schedstat", &err), ERR_NONE);
    put(path.at, "1500000 250000 12\n");
    assert_true(cpu_wanted(root, 7, &us));
    assert_int_equal(us, 1750);
    put(path.at, "none\n");
    assert_false(cpu_wanted(root, 7, &us));
    assert_int_equal(fs_remove_tree(root, &err), ERR_NONE);
    free(root);
    str_fini(&path);
}

static void test_memory_private_is_what_nobody_shares(void **state)
{
    struct str path = STR_MAX(PATH_BYTES_MAX), statm = STR_MAX(PATH_BYTES_MAX);
    struct err err = ERR_INIT;
    uint64_t bytes = 0;
    char *root = NULL;

    (void)state;
    assert_int_equal(fs_tempdir("msp-test", &root, &err), ERR_NONE);
    assert_false(memory_private(root, 7, &bytes));
    assert_false(memory_resident(root, 7, &bytes));
    assert_int_equal(str_addf(&path, &err, "%s/proc/7/smaps_rollup", root), ERR_NONE);
    assert_int_equal(str_addf(&statm, &err, "%s/proc/7/statm", root), ERR_NONE);
    *strrchr(path.at, '/') = '\0';
    assert_int_equal(fs_mkdirs(path.at, FS_PRIVATE, &err), ERR_NONE);
    path.at[strlen(path.at)] = '/';
    put(path.at, "5605 [rollup]\nRss: 900 kB\nPss: 300 kB\nShared_Clean: 600 kB\n"
                 "Private_Clean: 72 kB\nPrivate_Dirty: 116 kB\nSwap: 12 kB\nSwapPss: 5 kB\n");
    put(statm.at, "1000 300 200 1 0 90 0\n");
    assert_true(memory_private(root, 7, &bytes));
    assert_int_equal(bytes, 200 * 1024);
    assert_true(memory_resident(root, 7, &bytes));
    assert_int_equal(bytes, 300 * sysconf(_SC_PAGESIZE));
    assert_int_equal(fs_remove_tree(root, &err), ERR_NONE);
    free(root);
    str_fini(&path);
    str_fini(&statm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_footprint_learn_busy_takes_the_mean_with_before),
        cmocka_unit_test(test_footprint_early_is_looked_at_again),
        cmocka_unit_test(test_footprint_stamp_is_of_the_command_and_its_files),
        cmocka_unit_test(test_footprint_learn_forgets_slowly),
        cmocka_unit_test(test_footprint_learn_keeps_what_did_not_run),
        cmocka_unit_test(test_footprint_weigh_leaves_marks_alone),
        cmocka_unit_test(test_footprint_load_reads_what_save_wrote_and_refuses_the_rest),
        cmocka_unit_test(test_cpu_wanted_is_what_ran_and_what_waited),
        cmocka_unit_test(test_memory_private_is_what_nobody_shares),
    };

    return cmocka_run_group_tests_name("agent/footprint", tests, NULL, NULL);
}
