#include "memory.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"
#include "fs.h"

static bool add_line(const char *text, const char *name, uint64_t *sum_kib)
{
    const char *line = strstr(text, name);

    if (line)
        *sum_kib += strtoull(line + strlen(name), NULL, 10);
    return line != NULL;
}

bool memory_private(const char *root, uint32_t pid, uint64_t *out_bytes)
{
    struct str path = STR_MAX(PATH_BYTES_MAX), text = STR_MAX(CGROUP_FILE_BYTES_MAX);
    struct err ignored = ERR_INIT;
    uint64_t sum_kib = 0;
    bool ok = str_addf(&path, &ignored, "/proc/%u/smaps_rollup", pid) == ERR_NONE &&
              cgroup_read(root, str_text(&path), &text) &&
              add_line(text.at, "\nPrivate_Clean:", &sum_kib) &&
              add_line(text.at, "\nPrivate_Dirty:", &sum_kib);

    if (ok) {
        (void)add_line(text.at, "\nSwap:", &sum_kib);
        *out_bytes = sum_kib * 1024;
    }
    str_fini(&path);
    str_fini(&text);
    return ok;
}

/* "size resident shared ..." in pages. */
bool memory_resident(const char *root, uint32_t pid, uint64_t *out_bytes)
{
    struct str path = STR_MAX(PATH_BYTES_MAX), text = STR_MAX(CGROUP_FILE_BYTES_MAX);
    struct err ignored = ERR_INIT;
    const char *second = NULL;
    long page_bytes = sysconf(_SC_PAGESIZE);

    if (page_bytes > 0 && str_addf(&path, &ignored, "/proc/%u/statm", pid) == ERR_NONE &&
        cgroup_read(root, str_text(&path), &text))
        second = strchr(text.at, ' ');
    if (second)
        *out_bytes = strtoull(second, NULL, 10) * (uint64_t)page_bytes;
    str_fini(&path);
    str_fini(&text);
    return second != NULL;
}
