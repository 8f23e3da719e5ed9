#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fs.h"
#include "machine/cgroup.h"
#include "machine/os.h"
#include "machine/resources.h"
#include "mem.h"

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

struct machine {
    char *root;
    struct resources r;
};

static void look(struct machine *m)
{
    resources_read(m->root, &m->r);
}

static int machine_new(void **state)
{
    struct machine *m = mem_new(1, sizeof(*m));
    struct err err = ERR_INIT;

    *state = m;
    return (int)fs_tempdir("msp-test", &m->root, &err);
}

static int machine_free(void **state)
{
    struct machine *m = *state;
    struct err err = ERR_INIT;
    int rc = (int)fs_remove_tree(m->root, &err);

    free(m->root);
    free(m);
    return rc;
}

/* Version 2: every group from our own up to the root counts, the tightest one decides. */
static void test_resources_read_finds_the_tightest_group_of_version_2(void **state)
{
    struct machine *m = *state;

    put(m->root, "/proc/self/cgroup", "0::/ci/job7\n");
    put(m->root, "/sys/fs/cgroup/ci/job7/cpu.max", "max 100000\n");
    put(m->root, "/sys/fs/cgroup/ci/cpu.max", "150000 100000\n");
    put(m->root, "/sys/fs/cgroup/cpu.max", "400000 100000\n");
    put(m->root, "/proc/meminfo", "MemTotal: 9000 kB\nMemFree: 9 kB\nMemAvailable:   2048 kB\n");
    look(m);
    assert_int_equal(m->r.quota_milli, 1500);
    assert_int_equal(m->r.memory_total, 9000 * 1024);
    assert_int_equal(m->r.memory_free, 2048 * 1024);
    assert_false(m->r.memory_of_group);
    put(m->root, "/sys/fs/cgroup/ci/job7/memory.max", "max\n");
    put(m->root, "/sys/fs/cgroup/ci/job7/memory.current", "400000\n");
    put(m->root, "/sys/fs/cgroup/ci/memory.max", "1000000\n");
    put(m->root, "/sys/fs/cgroup/ci/memory.current", "400000\n");
    look(m);
    assert_int_equal(m->r.memory_free, 600000);
    assert_int_equal(m->r.memory_total, 1000000);
    assert_true(m->r.memory_of_group);
    put(m->root, "/sys/fs/cgroup/ci/job7/memory.high", "500000\n");
    look(m);
    assert_int_equal(m->r.memory_free, 100000);
    put(m->root, "/sys/fs/cgroup/ci/job7/memory.stat", "anon 1\ninactive_file 50000\nslab 3\n");
    look(m);
    assert_int_equal(m->r.memory_free, 150000);
}

/* Version 1: one hierarchy per controller, our place in each, a number that stands for no limit. */
static void test_resources_read_finds_the_tightest_group_of_version_1(void **state)
{
    struct machine *m = *state;

    put(m->root, "/proc/self/cgroup",
        "9:cpuset:/\n4:memory:/ci/job7\n2:cpuacct,cpu:/ci\n0::/elsewhere\n");
    put(m->root, "/sys/fs/cgroup/cpu/ci/cpu.cfs_quota_us", "-1\n");
    put(m->root, "/sys/fs/cgroup/cpu/ci/cpu.cfs_period_us", "100000\n");
    look(m);
    assert_int_equal(m->r.quota_milli, 0);
    put(m->root, "/sys/fs/cgroup/cpu/ci/cpu.cfs_quota_us", "50000\n");
    put(m->root, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put(m->root, "/sys/fs/cgroup/memory/memory.usage_in_bytes", "9000000\n");
    put(m->root, "/sys/fs/cgroup/memory/ci/memory.limit_in_bytes", "5000000\n");
    put(m->root, "/sys/fs/cgroup/memory/ci/memory.usage_in_bytes", "4800000\n");
    put(m->root, "/sys/fs/cgroup/memory/ci/memory.stat",
        "inactive_file 1\ntotal_inactive_file 300000\n");
    put(m->root, "/sys/fs/cgroup/memory/ci/job7/memory.limit_in_bytes", "4000000\n");
    put(m->root, "/sys/fs/cgroup/memory/ci/job7/memory.usage_in_bytes", "1000000\n");
    put(m->root, "/proc/meminfo", "MemTotal: 90000 kB\nMemAvailable: 80000 kB\n");
    look(m);
    assert_int_equal(m->r.quota_milli, 500);
    assert_int_equal(m->r.memory_free, 500000);
    assert_int_equal(m->r.memory_total, 5000000);
}

/* A container sees the name that its group has outside, and its own files at the top. */
static void test_resources_read_looks_at_the_top_when_our_place_is_out_of_sight(void **state)
{
    struct machine *m = *state;

    put(m->root, "/proc/self/cgroup", "4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n");
    put(m->root, "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000\n");
    put(m->root, "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    put(m->root, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "1000000\n");
    put(m->root, "/sys/fs/cgroup/memory/memory.usage_in_bytes", "1000001\n");
    look(m);
    assert_int_equal(m->r.quota_milli, 2500);
    assert_int_equal(m->r.memory_free, 0);
    assert_int_equal(m->r.memory_total, 1000000);
}

static void test_resources_read_knows_nothing_where_nothing_is_told(void **state)
{
    struct machine *m = *state;

    look(m);
    assert_int_equal(m->r.quota_milli, 0);
    assert_int_equal(m->r.memory_free, 0);
    assert_int_equal(m->r.memory_total, 0);
    put(m->root, "/proc/self/cgroup", "no colon\n0:\n:::\n0::/a");
    put(m->root, "/sys/fs/cgroup/a/cpu.max", "100000\n");
    put(m->root, "/sys/fs/cgroup/a/memory.max", "lots\n");
    look(m);
    assert_int_equal(m->r.quota_milli, 0);
    assert_int_equal(m->r.memory_total, 0);
}

/* The group's own stalls, when the kernel counts them; else the machine's. */
static void test_cgroup_pressure_path_takes_the_nearest(void **state)
{
    struct machine *m = *state;
    struct str path = STR_MAX(PATH_BYTES_MAX);

    assert_false(cgroup_pressure_path(m->root, &path));
    put(m->root, "/proc/pressure/memory", "some avg10=0.00\n");
    assert_true(cgroup_pressure_path(m->root, &path));
    assert_string_equal(path.at + strlen(m->root), "/proc/pressure/memory");
    str_clear(&path);
    put(m->root, "/proc/self/cgroup", "0::/ci/job\n");
    put(m->root, "/sys/fs/cgroup/ci/memory.pressure", "some avg10=0.00\n");
    assert_true(cgroup_pressure_path(m->root, &path));
    assert_string_equal(path.at + strlen(m->root), "/sys/fs/cgroup/ci/memory.pressure");
    str_fini(&path);
}

/* Where the kernel counts stalls and lets us listen: nothing is heard while nothing happens. */
static void test_os_stalls_are_quiet_when_nobody_waits(void **state)
{
    struct os_stalls stalls = { 0 };
    struct str path = STR_MAX(PATH_BYTES_MAX);

    (void)state;
    os_stall_close(&stalls);
    assert_false(os_stall_open("/dev/null/nothing", &stalls));
    assert_int_equal(stalls.watched, 0);
    if (!cgroup_pressure_path("", &path) || !os_stall_open(path.at, &stalls)) {
        str_fini(&path);
        skip();
    }
    assert_true(stalls.watched > 0);
    (void)os_stall_seen(stalls.watched); /* another process may wait just now */
    os_stall_close(&stalls);
    assert_int_equal(stalls.watched, 0);
    str_fini(&path);
}

#define machine_test(test) cmocka_unit_test_setup_teardown(test, machine_new, machine_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        machine_test(test_resources_read_finds_the_tightest_group_of_version_2),
        machine_test(test_resources_read_finds_the_tightest_group_of_version_1),
        machine_test(test_resources_read_looks_at_the_top_when_our_place_is_out_of_sight),
        machine_test(test_resources_read_knows_nothing_where_nothing_is_told),
        cmocka_unit_test(test_os_stalls_are_quiet_when_nobody_waits),
        machine_test(test_cgroup_pressure_path_takes_the_nearest),
    };

    return cmocka_run_group_tests_name("agent/resources", tests, NULL, NULL);
}
