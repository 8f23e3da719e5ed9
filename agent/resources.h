/* resources.h - how many workers this machine is good for. */
#pragma once

#include "base.h"

struct resources { /* 0: unknown */
    uint32_t cpus_allowed;
    uint32_t quota_milli; /* of a CPU, from the control group */
    uint64_t memory_available;
};

#define RESOURCES_WORKER_BYTES (128ull << 20) /* of memory that a worker should find at least */

/* Reads what the kernel tells; root is "" but in tests. */
void resources_read(const char *root, struct resources *out);

/* Workers for "-n auto", at least 1. Pure. */
uint32_t resources_workers(const struct resources *r);

/* Lets this process and its children open as many files as they may. */
void resources_raise_files(void);
