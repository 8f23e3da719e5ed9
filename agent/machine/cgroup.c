#include "cgroup.h"

#include <stdlib.h>
#include <string.h>

#include "fs.h"

#define UNLIMITED_BYTES ((uint64_t)1 << 60) /* version 1 says so with a number that nobody has */

/* Where a version mounts what, and what tells our place in it. */
struct hierarchy {
    const char *controller; /* in the second field of /proc/self/cgroup; "": version 2 */
    const char *mounts[2];
};

static const struct hierarchy v2 = { "", { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" } };
static const struct hierarchy v1_cpu = { "cpu",
                                         { "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct" } };
static const struct hierarchy v1_memory = { "memory", { "/sys/fs/cgroup/memory", NULL } };

bool cgroup_read(const char *root, const char *path, struct str *out)
{
    struct str full = STR_MAX(PATH_BYTES_MAX);
    struct err ignored = ERR_INIT;
    bool ok = str_addf(&full, &ignored, "%s%s", root, path) == ERR_NONE &&
              fs_read(str_text(&full), out, &ignored) == ERR_NONE && out->len > 0;

    str_fini(&full);
    return ok;
}

static bool read_at(const char *root, const char *group, const char *file, struct str *out)
{
    struct str path = STR_MAX(PATH_BYTES_MAX);
    struct err ignored = ERR_INIT;
    bool ok = str_addf(&path, &ignored, "%s/%s", group, file) == ERR_NONE &&
              cgroup_read(root, str_text(&path), out);

    str_fini(&path);
    return ok;
}

/* The number in front of the first space or line feed of text; "max" and "-1" are none. */
static bool first_number(char *text, uint64_t *out)
{
    struct err ignored = ERR_INIT;

    text[strcspn(text, " \n")] = '\0';
    return parse_u64(text, 0, UINT64_MAX, out, &ignored) == ERR_NONE;
}

static bool number_at(const char *root, const char *group, const char *file, uint64_t *out)
{
    struct str text = STR_MAX(CGROUP_FILE_BYTES_MAX);
    bool ok = read_at(root, group, file, &text) && first_number(text.at, out);

    str_fini(&text);
    return ok;
}

/* Whether word is in the comma list. */
static bool listed(struct view list, const char *word)
{
    size_t len = strlen(word);

    for (;;) {
        size_t end = 0;

        while (end < list.len && list.at[end] != ',')
            end++;
        if (end == len && memcmp(list.at, word, len) == 0)
            return true;
        if (end == list.len)
            return false;
        list = (struct view){ .at = list.at + end + 1, .len = list.len - end - 1 };
    }
}

/* Our place in the hierarchy. Lines are "number:controllers:place". */
static bool own_place(const char *root, const struct hierarchy *h, struct str *out)
{
    struct str text = STR_MAX(CGROUP_FILE_BYTES_MAX);
    struct err ignored = ERR_INIT;
    bool found = false;
    const char *line;

    if (cgroup_read(root, "/proc/self/cgroup", &text)) {
        for (line = text.at; *line && !found; line += strcspn(line, "\n"), line += *line == '\n') {
            const char *controllers = strchr(line, ':');
            const char *place = controllers ? strchr(controllers + 1, ':') : NULL;

            if (place && place < line + strcspn(line, "\n") &&
                listed((struct view){ controllers + 1, (size_t)(place - controllers - 1) },
                       h->controller))
                found = str_add(out, place + 1, strcspn(place + 1, "\n"), &ignored) == ERR_NONE;
        }
    }
    str_fini(&text);
    return found;
}

/* Calls each with the folder of our own group and of every group above; stops when it says true. */
static bool each_group(const char *root, const struct hierarchy *h,
                       bool (*each)(const char *root, const char *group, void *out), void *out)
{
    struct str place = STR_MAX(PATH_BYTES_MAX), group = STR_MAX(PATH_BYTES_MAX);
    struct err ignored = ERR_INIT;
    bool stopped = false;

    if (!own_place(root, h, &place))
        goto out;
    for (size_t i = 0; i < ARRAY_LEN(h->mounts) && h->mounts[i]; i++) {
        size_t top = strlen(h->mounts[i]);
        char *slash;

        str_clear(&group);
        if (str_addf(&group, &ignored, "%s%s", h->mounts[i], str_text(&place)))
            break;
        while (group.len > top && group.at[group.len - 1] == '/')
            group.at[--group.len] = '\0';
        while (!(stopped = each(root, group.at, out)) && strlen(group.at) > top) {
            slash = strrchr(group.at, '/');
            *slash = '\0';
        }
        if (stopped)
            break;
    }
out:
    str_fini(&place);
    str_fini(&group);
    return stopped;
}

static uint32_t milli(uint64_t quota_us, uint64_t period_us)
{
    if (period_us == 0 || quota_us == 0 || quota_us > UINT64_MAX / 1000)
        return 0;
    quota_us = quota_us * 1000 / period_us;
    return quota_us < UINT32_MAX ? (uint32_t)quota_us : 0;
}

static void take_least(uint32_t quota_milli, uint32_t *least)
{
    if (quota_milli > 0 && (*least == 0 || quota_milli < *least))
        *least = quota_milli;
}

/* "max 100000" or "150000 100000". */
static bool quota_v2(const char *root, const char *group, void *out)
{
    struct str text = STR_MAX(CGROUP_FILE_BYTES_MAX);
    uint64_t quota_us = 0, period_us = 0;

    if (read_at(root, group, "cpu.max", &text)) {
        char *space = strchr(text.at, ' ');

        if (space && first_number(space + 1, &period_us) && first_number(text.at, &quota_us))
            take_least(milli(quota_us, period_us), out);
    }
    str_fini(&text);
    return false;
}

static bool quota_v1(const char *root, const char *group, void *out)
{
    uint64_t quota_us = 0, period_us = 0;

    if (number_at(root, group, "cpu.cfs_quota_us", &quota_us) &&
        number_at(root, group, "cpu.cfs_period_us", &period_us))
        take_least(milli(quota_us, period_us), out);
    return false;
}

uint32_t cgroup_quota_milli(const char *root)
{
    uint32_t least = 0;

    (void)each_group(root, &v2, quota_v2, &least);
    (void)each_group(root, &v1_cpu, quota_v1, &least);
    return least;
}

/* Pages of files that nobody uses any more: the kernel drops them before it kills. */
static uint64_t droppable(const char *root, const char *group, const char *name)
{
    struct str text = STR_MAX(CGROUP_FILE_BYTES_MAX);
    const char *line = NULL;
    uint64_t bytes = 0;

    if (read_at(root, group, "memory.stat", &text))
        line = strstr(text.at, name);
    if (line && (line == text.at || line[-1] == '\n'))
        bytes = strtoull(line + strlen(name), NULL, 10);
    str_fini(&text);
    return bytes;
}

static void take_tightest(const char *root, const char *group, const char *inactive, uint64_t limit,
                          uint64_t used, struct cgroup_memory *tightest)
{
    uint64_t gone = droppable(root, group, inactive);
    uint64_t left;

    used = used > gone ? used - gone : 0;
    left = limit > used ? limit - used : 0;
    if (tightest->limit_bytes == 0 || left < tightest->left_bytes)
        *tightest = (struct cgroup_memory){ .limit_bytes = limit, .left_bytes = left };
}

static bool memory_v2(const char *root, const char *group, void *out)
{
    uint64_t max = UINT64_MAX, high = UINT64_MAX, used = 0;

    (void)!number_at(root, group, "memory.max", &max);
    (void)!number_at(root, group, "memory.high", &high); /* over it all are slowed to a crawl */
    if (high < max)
        max = high;
    if (max < UNLIMITED_BYTES && max > 0 && number_at(root, group, "memory.current", &used))
        take_tightest(root, group, "inactive_file ", max, used, out);
    return false;
}

static bool memory_v1(const char *root, const char *group, void *out)
{
    uint64_t limit = 0, used = 0;

    if (number_at(root, group, "memory.limit_in_bytes", &limit) && limit > 0 &&
        limit < UNLIMITED_BYTES && number_at(root, group, "memory.usage_in_bytes", &used))
        take_tightest(root, group, "total_inactive_file ", limit, used, out);
    return false;
}

bool cgroup_memory(const char *root, struct cgroup_memory *out)
{
    struct cgroup_memory tightest = { 0 };

    (void)each_group(root, &v2, memory_v2, &tightest);
    (void)each_group(root, &v1_memory, memory_v1, &tightest);
    if (tightest.limit_bytes == 0)
        return false;
    *out = tightest;
    return true;
}

static bool pressure_at(const char *root, const char *group, void *out)
{
    struct str text = STR_MAX(CGROUP_FILE_BYTES_MAX);
    struct err ignored = ERR_INIT;
    bool found = read_at(root, group, "memory.pressure", &text) &&
                 str_addf(out, &ignored, "%s%s/memory.pressure", root, group) == ERR_NONE;

    str_fini(&text);
    return found;
}

bool cgroup_pressure_path(const char *root, struct str *out)
{
    struct str text = STR_MAX(CGROUP_FILE_BYTES_MAX);
    struct err ignored = ERR_INIT;
    bool found = each_group(root, &v2, pressure_at, out);

    if (!found && cgroup_read(root, "/proc/pressure/memory", &text))
        found = str_addf(out, &ignored, "%s/proc/pressure/memory", root) == ERR_NONE;
    str_fini(&text);
    return found;
}
