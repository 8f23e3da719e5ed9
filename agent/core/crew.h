/* crew.h - how many workers this machine is good for, and which bound decided. Pure.
 *
 * Memory is counted against what a worker needs for itself: recorded in earlier runs, told by the
 * coordinator, measured in this one, or else assumed. What all workers share, the collected suite,
 * is paid once and is no part of it. CPUs are counted for as long as tests were seen to want one:
 * while some sleep, others run. Not for: reading the machine (resources), or sending workers home
 * when memory runs short (pressure). */
#pragma once

#include "machine/resources.h"
#include "str.h"

/* Of its own, what a worker is taken to need while nobody knows better. */
#define CREW_WORKER_BYTES ((uint64_t)128 << 20)
/* Less no worker was ever seen to need: how many there may be once it has been measured. */
#define CREW_LEAST_BYTES ((uint64_t)16 << 20)
/* Workers to a CPU, at most, where tests wait for something else than a CPU. */
#define CREW_PER_CPU_MAX 4u
/* What tests and everybody else on the machine may need at any moment: never planned with. */
#define CREW_RESERVE_BYTES ((uint64_t)64 << 20)

enum crew_source {
    CREW_ASSUMED,
    CREW_RECORDED, /* by this machine, in earlier runs */
    CREW_TOLD,     /* by the coordinator: other machines needed it */
    CREW_MEASURED
};

enum crew_bound { CREW_BY_CPUS, CREW_BY_WAITING, CREW_BY_QUOTA, CREW_BY_MEMORY, CREW_BY_REQUEST };

struct crew_input {
    const struct resources *machine;
    bool logical;          /* every CPU we may run on, whatever a quota says */
    uint32_t at_most;      /* 0: as many as there may be */
    uint64_t worker_bytes; /* 0: nothing is known */
    uint32_t busy_ppm;     /* of the tests' time, what they had or wanted a CPU; 0: not known */
    enum crew_source source;
};

struct crew {
    uint32_t workers; /* at least 1 */
    uint32_t cpus;    /* to share among them: allowed, and within the quota */
    uint32_t by_memory;
    enum crew_bound bound;
};

/* What tests wanted of the CPUs lately: had one, or waited for one. */
struct crew_demand {
    uint64_t wanted_us, seen_us; /* of a worker's time, the latest few seconds of it */
};

/* As it was in earlier runs; 0: not known, and then they are taken to compute. */
void crew_demand_init(struct crew_demand *demand, uint32_t busy_ppm);
void crew_saw(struct crew_demand *demand, uint64_t wanted_us, uint64_t seen_us);

/* Of the workers that were asked for, as many as the CPUs serve; at least one. */
uint32_t crew_served(const struct crew_demand *demand, uint32_t cpus, uint32_t asked);

void crew_plan(const struct crew_input *in, struct crew *out);

/* "2 workers: 2 CPUs; memory would allow 150 (120 MiB each, recorded)". */
void crew_text(const struct crew_input *in, const struct crew *crew, struct str *out);

/* How many threads a numerical library may start in each of the workers. */
uint32_t crew_threads(uint32_t cpus, uint32_t workers);
