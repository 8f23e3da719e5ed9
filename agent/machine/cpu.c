#include "cpu.h"

#include <errno.h>
#include <stdlib.h>

#include "cgroup.h"
#include "fs.h"

/* "running waiting slices", the first two in nanoseconds (sched-stats.rst of Linux). */
bool cpu_wanted(const char *root, uint32_t pid, uint64_t *out_us)
{
    struct str path = STR_MAX(PATH_BYTES_MAX), text = STR_MAX(CGROUP_FILE_BYTES_MAX);
    struct err ignored = ERR_INIT;
    bool ok = str_addf(&path, &ignored, "/proc/%u/schedstat", pid) == ERR_NONE &&
              cgroup_read(root, str_text(&path), &text);

    if (ok) {
        char *second = NULL, *third = NULL;
        uint64_t ran_ns = strtoull(str_text(&text), &second, 10);
        uint64_t waited_ns = strtoull(second, &third, 10);

        ok = second != str_text(&text) && third != second;
        *out_us = (ran_ns + waited_ns) / 1000;
    }
    str_fini(&path);
    str_fini(&text);
    return ok;
}
