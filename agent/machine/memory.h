/* memory.h - how much memory a process holds, as the kernel tells.
 *
 * For a fork only what it shares with nobody counts: its resident size also has what all forks
 * share. Reading that costs milliseconds for a large process (about 10 us a MiB), so callers choose
 * when. Not for: the memory of a single test, which its worker measures (runner/pytest, memory.py).
 */
#pragma once

#include <stdbool.h>

#include "base.h"

/* Bytes that would be free if this process ended; false when that cannot be read. root is "" but
 * in tests. */
bool memory_private(const char *root, uint32_t pid, uint64_t *out_bytes);

/* Bytes that it holds, shared ones too: microseconds. */
bool memory_resident(const char *root, uint32_t pid, uint64_t *out_bytes);
