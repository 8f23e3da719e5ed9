#include "resources.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "fs.h"
#include "os.h"
#include "proto.h"

#define SMALL_FILE_BYTES (64u << 10)

static bool read_small(const char *root, const char *path, struct str *out)
{
    struct str full = STR_MAX(PATH_BYTES_MAX);
    struct err ignored = ERR_INIT;
    bool ok = str_addf(&full, &ignored, "%s%s", root, path) == ERR_NONE &&
              fs_read(str_text(&full), out, &ignored) == ERR_NONE && out->len > 0;

    str_fini(&full);
    return ok;
}

static bool small_number(const char *root, const char *path, uint64_t *out)
{
    struct str text = STR_MAX(SMALL_FILE_BYTES);
    struct err ignored = ERR_INIT;
    bool ok = read_small(root, path, &text);

    if (ok) {
        text.at[strcspn(text.at, " \n")] = '\0';
        ok = parse_u64(text.at, 0, UINT64_MAX, out, &ignored) == ERR_NONE;
    }
    str_fini(&text);
    return ok;
}

static uint32_t milli(uint64_t quota_us, uint64_t period_us)
{
    if (period_us == 0 || quota_us == 0 || quota_us > UINT64_MAX / 1000)
        return 0;
    quota_us = quota_us * 1000 / period_us;
    return quota_us < UINT32_MAX ? (uint32_t)quota_us : 0;
}

/* Our own place in the hierarchy: the text behind the prefix, to the end of its line. */
static bool own_group(const char *root, const char *prefix, struct str *out)
{
    struct str text = STR_MAX(SMALL_FILE_BYTES);
    struct err ignored = ERR_INIT;
    bool ok = false;

    if (read_small(root, "/proc/self/cgroup", &text)) {
        const char *line = strstr(text.at, prefix);
        const char *group = line ? strchr(line + strlen(prefix) - 1, '/') : NULL;

        if (group)
            ok = str_add(out, group, strcspn(group, "\n"), &ignored) == ERR_NONE;
    }
    str_fini(&text);
    return ok;
}

/* Version 2: "max 100000" or "150000 100000" here and in every group above; the least counts. */
static uint32_t quota_v2(const char *root)
{
    struct str group = STR_MAX(PATH_BYTES_MAX);
    uint32_t least = 0;

    if (!own_group(root, "0::", &group))
        return 0;
    for (;;) {
        struct str path = STR_MAX(PATH_BYTES_MAX), text = STR_MAX(SMALL_FILE_BYTES);
        struct err ignored = ERR_INIT;
        char *slash;

        if (str_addf(&path, &ignored, "/sys/fs/cgroup%s/cpu.max", group.at) == ERR_NONE &&
            read_small(root, str_text(&path), &text)) {
            char *space = strchr(text.at, ' ');
            uint64_t quota_us = 0, period_us = 0;
            uint32_t here = 0;

            text.at[strcspn(text.at, "\n")] = '\0';
            if (space)
                *space = '\0';
            if (space && parse_u64(text.at, 0, UINT64_MAX, &quota_us, &ignored) == ERR_NONE &&
                parse_u64(space + 1, 1, UINT64_MAX, &period_us, &ignored) == ERR_NONE)
                here = milli(quota_us, period_us);
            if (here > 0 && (least == 0 || here < least))
                least = here;
        }
        str_fini(&path);
        str_fini(&text);
        slash = strrchr(group.at, '/');
        if (!slash || group.at[0] == '\0')
            break;
        *slash = '\0';
    }
    str_fini(&group);
    return least;
}

static uint32_t quota_v1(const char *root)
{
    uint64_t quota_us = 0, period_us = 0;

    if (!small_number(root, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", &quota_us) ||
        !small_number(root, "/sys/fs/cgroup/cpu/cpu.cfs_period_us", &period_us))
        return 0;
    return milli(quota_us, period_us);
}

static uint64_t available_memory(const char *root)
{
    struct str text = STR_MAX(SMALL_FILE_BYTES);
    uint64_t bytes = 0, limit = 0, used = 0;

    if (read_small(root, "/proc/meminfo", &text)) {
        const char *line = strstr(text.at, "MemAvailable:");

        if (line)
            bytes = strtoull(line + strlen("MemAvailable:"), NULL, 10) * 1024;
    }
    str_fini(&text);
    if (small_number(root, "/sys/fs/cgroup/memory.max", &limit) &&
        small_number(root, "/sys/fs/cgroup/memory.current", &used) && limit > used &&
        (bytes == 0 || limit - used < bytes))
        bytes = limit - used;
    return bytes;
}

void resources_read(const char *root, struct resources *out)
{
    uint32_t quota = quota_v2(root);

    *out = (struct resources){ .cpus_allowed = os_cpus_allowed(),
                               .quota_milli = quota > 0 ? quota : quota_v1(root),
                               .memory_available = available_memory(root) };
}

uint32_t resources_workers(const struct resources *r)
{
    uint64_t workers = r->cpus_allowed > 0 ? r->cpus_allowed : 1;
    uint64_t by_quota = ((uint64_t)r->quota_milli + 999) / 1000;
    uint64_t by_memory = r->memory_available / RESOURCES_WORKER_BYTES;

    if (r->quota_milli > 0 && by_quota < workers)
        workers = by_quota;
    if (r->memory_available > 0 && by_memory < workers)
        workers = by_memory;
    if (workers > PROTO_WORKERS_MAX)
        workers = PROTO_WORKERS_MAX;
    return workers > 0 ? (uint32_t)workers : 1;
}

void resources_raise_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* what we have will do, too */
    }
}
