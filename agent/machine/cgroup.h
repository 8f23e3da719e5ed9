/* cgroup.h - what the control groups that this process is in allow it, versions 1 and 2.
 *
 * A group's limit holds for all below it, so every group from our own up to the root counts and the
 * tightest one decides. Inside a container the files of the groups above may be out of sight; those
 * that can be seen are read. Not for: what the machine as a whole has (resources.h). */
#pragma once

#include "str.h"

/* CPU time allowed in thousandths of a CPU; 0: no limit. root is "" but in tests, here and below.
 */
uint32_t cgroup_quota_milli(const char *root);

struct cgroup_memory {
    uint64_t limit_bytes; /* of the group with the least left */
    uint64_t left_bytes;  /* until that limit; what the kernel can drop at once counts as left */
};

/* False: no limit. */
bool cgroup_memory(const char *root, struct cgroup_memory *out);

/* Path of the file that tells how long processes waited for memory: of the nearest group that has
 * one, else of the whole machine; false when there is none. */
bool cgroup_pressure_path(const char *root, struct str *out);

/* Reads one of the kernel's small files; false when it is not there or empty. */
bool cgroup_read(const char *root, const char *path, struct str *out);
#define CGROUP_FILE_BYTES_MAX (64u << 10)
