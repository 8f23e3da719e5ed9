#include "resources.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "cgroup.h"
#include "os.h"

static uint64_t kib_of(const char *meminfo, const char *name)
{
    const char *line = strstr(meminfo, name);

    return line ? strtoull(line + strlen(name), NULL, 10) : 0;
}

void resources_read_memory(const char *root, struct resources *out)
{
    struct str text = STR_MAX(CGROUP_FILE_BYTES_MAX);
    struct cgroup_memory group;

    out->memory_total = out->memory_free = 0;
    out->memory_of_group = false;
    if (cgroup_read(root, "/proc/meminfo", &text)) {
        out->memory_total = kib_of(text.at, "MemTotal:") * 1024;
        out->memory_free = kib_of(text.at, "MemAvailable:") * 1024;
    }
    str_fini(&text);
    if (cgroup_memory(root, &group) &&
        (out->memory_free == 0 || group.left_bytes < out->memory_free)) {
        out->memory_total = group.limit_bytes;
        out->memory_free = group.left_bytes;
        out->memory_of_group = true;
    }
}

void resources_read(const char *root, struct resources *out)
{
    *out = (struct resources){ .cpus_allowed = os_cpus_allowed(),
                               .quota_milli = cgroup_quota_milli(root) };
    resources_read_memory(root, out);
}

void resources_raise_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* what we have will do, too */
    }
}
