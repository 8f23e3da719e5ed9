/* cpu.h - what a process wanted of the CPUs, as the kernel tells. Not for: how many CPUs there are
 * (resources). */
#pragma once

#include <stdbool.h>

#include "base.h"

/* How long its first thread has run or has waited for a CPU since it began; false when that cannot
 * be read. What it slept, and what others do for it, is no part. root is "" but in tests. */
bool cpu_wanted(const char *root, uint32_t pid, uint64_t *out_us);
