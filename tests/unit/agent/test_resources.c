#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fs.h"
#include "proto.h"
#include "resources.h"

static void put(const char *root, const char *path, const char *text)
{
    struct str full = STR_MAX(PATH_BYTES_MAX);
    struct err err = ERR_INIT;
    char *slash;

    assert_int_equal(str_addf(&full, &err, "%s%s", root, path), ERR_NONE);
    slash = strrchr(full.at, '/');
    *slash = '\0';
    assert_int_equal(fs_mkdirs(full.at, FS_PRIVATE, &err), ERR_NONE);
    *slash = '/';
    assert_int_equal(fs_replace(full.at, text, strlen(text), FS_PRIVATE, &err), ERR_NONE);
    str_fini(&full);
}

static void test_resources_workers_is_the_least_of_cpus_quota_and_memory(void **state)
{
    static const struct {
        struct resources r;
        uint32_t workers;
    } cases[] = {
        { { 8, 0, 0 }, 8 },
        { { 8, 2500, 0 }, 3 },
        { { 8, 100, 0 }, 1 },
        { { 2, 8000, 0 }, 2 },
        { { 64, 0, 10 * RESOURCES_WORKER_BYTES }, 10 },
        { { 64, 0, 1 }, 1 },
        { { 0, 0, 0 }, 1 },
        { { 100000, 0, 0 }, PROTO_WORKERS_MAX },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(resources_workers(&cases[i].r), cases[i].workers);
}

/* Version 2: the least quota from our own group up to the root, and memory within the group. */
static void test_resources_read_finds_the_tightest_control_group(void **state)
{
    struct resources r;
    struct err err = ERR_INIT;
    char *root = NULL;

    (void)state;
    assert_int_equal(fs_tempdir("msp-test", &root, &err), ERR_NONE);
    put(root, "/proc/self/cgroup", "0::/ci/job7\n");
    put(root, "/sys/fs/cgroup/ci/job7/cpu.max", "max 100000\n");
    put(root, "/sys/fs/cgroup/ci/cpu.max", "150000 100000\n");
    put(root, "/sys/fs/cgroup/cpu.max", "400000 100000\n");
    put(root, "/proc/meminfo", "MemTotal: 9 kB\nMemAvailable:   2048 kB\n");
    resources_read(root, &r);
    assert_int_equal(r.quota_milli, 1500);
    assert_int_equal(r.memory_available, 2048 * 1024);
    put(root, "/sys/fs/cgroup/memory.max", "1000000\n");
    put(root, "/sys/fs/cgroup/memory.current", "400000\n");
    resources_read(root, &r);
    assert_int_equal(r.memory_available, 600000);
    assert_int_equal(fs_remove_tree(root, &err), ERR_NONE);
    free(root);
}

static void test_resources_read_knows_version_1_and_nothing_at_all(void **state)
{
    struct resources r;
    struct err err = ERR_INIT;
    char *root = NULL;

    (void)state;
    assert_int_equal(fs_tempdir("msp-test", &root, &err), ERR_NONE);
    resources_read(root, &r);
    assert_int_equal(r.quota_milli, 0);
    assert_int_equal(r.memory_available, 0);
    put(root, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    put(root, "/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    resources_read(root, &r);
    assert_int_equal(r.quota_milli, 0);
    put(root, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n");
    resources_read(root, &r);
    assert_int_equal(r.quota_milli, 500);
    assert_int_equal(fs_remove_tree(root, &err), ERR_NONE);
    free(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resources_workers_is_the_least_of_cpus_quota_and_memory),
        cmocka_unit_test(test_resources_read_finds_the_tightest_control_group),
        cmocka_unit_test(test_resources_read_knows_version_1_and_nothing_at_all),
    };

    return cmocka_run_group_tests_name("agent/resources", tests, NULL, NULL);
}
