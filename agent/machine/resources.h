/* resources.h - what this machine has for tests: CPUs and memory that we may really use. */
#pragma once

#include <stdbool.h>

#include "base.h"

struct resources {         /* 0: unknown */
    uint32_t cpus_allowed; /* that the scheduler may put us on */
    uint32_t quota_milli;  /* of a CPU, from the control groups */
    uint64_t memory_total; /* of the machine, or the limit of the tightest control group */
    uint64_t memory_free;  /* of it, what can still be taken before the kernel kills */
    bool memory_of_group;  /* a control group's, tighter than the machine's */
};

/* Reads what the kernel tells; root is "" but in tests. */
void resources_read(const char *root, struct resources *out);

/* The memory alone, which changes: cheap enough for twice a second. */
void resources_read_memory(const char *root, struct resources *out);

/* Lets this process open as many files as it may. Tests keep the limit that they were started with:
 * call it after the keeper was forked. */
void resources_raise_files(void);
