#include "crew.h"

#include "proto.h"

#define MIB ((uint64_t)1 << 20)

static uint64_t worker_bytes(const struct crew_input *in)
{
    return in->worker_bytes > 0 ? in->worker_bytes : CREW_WORKER_BYTES;
}

static uint32_t by_memory(const struct crew_input *in)
{
    uint64_t spare = in->machine->memory_free;
    uint64_t workers;

    if (in->machine->memory_total == 0)
        return PROTO_WORKERS_MAX; /* nobody tells */
    spare = spare > CREW_RESERVE_BYTES ? spare - CREW_RESERVE_BYTES : 0;
    workers = spare / worker_bytes(in);
    if (workers < 1)
        return 1;
    return workers < PROTO_WORKERS_MAX ? (uint32_t)workers : PROTO_WORKERS_MAX;
}

static void bound(struct crew *crew, uint32_t workers, enum crew_bound why)
{
    if (workers < crew->workers) {
        crew->workers = workers;
        crew->bound = why;
    }
}

/* While one test waits another can have its CPU. */
static void add_for_waiting(struct crew *crew, uint32_t busy_ppm)
{
    uint64_t share = busy_ppm > 0 ? busy_ppm : 1;
    uint64_t workers = ((uint64_t)crew->workers * PROTO_PPM_MAX + share / 2) / share;
    uint64_t most = (uint64_t)crew->workers * CREW_PER_CPU_MAX;

    workers = workers < most ? workers : most;
    if (busy_ppm == 0 || workers <= crew->workers)
        return;
    crew->workers = workers < PROTO_WORKERS_MAX ? (uint32_t)workers : PROTO_WORKERS_MAX;
    crew->bound = CREW_BY_WAITING;
}

void crew_plan(const struct crew_input *in, struct crew *out)
{
    const struct resources *r = in->machine;
    uint32_t quota = (r->quota_milli + 999) / 1000;
    struct crew crew = { .workers = r->cpus_allowed > 0 ? r->cpus_allowed : 1,
                         .by_memory = by_memory(in),
                         .bound = CREW_BY_CPUS };

    crew.cpus = quota > 0 && quota < crew.workers ? quota : crew.workers;
    if (!in->logical && quota > 0)
        bound(&crew, quota, CREW_BY_QUOTA);
    if (!in->logical)
        add_for_waiting(&crew, in->busy_ppm);
    bound(&crew, crew.by_memory, CREW_BY_MEMORY);
    bound(&crew, in->at_most > 0 ? in->at_most : PROTO_WORKERS_MAX, CREW_BY_REQUEST);
    *out = crew;
}

/* So that what is known before the first look is soon outweighed, and no moment decides alone. */
#define DEMAND_FIRST_US 200000u
#define DEMAND_MOST_US  4000000u

void crew_demand_init(struct crew_demand *demand, uint32_t busy_ppm)
{
    uint64_t share = busy_ppm > 0 && busy_ppm < PROTO_PPM_MAX ? busy_ppm : PROTO_PPM_MAX;

    *demand = (struct crew_demand){ .wanted_us = DEMAND_FIRST_US * share / PROTO_PPM_MAX,
                                    .seen_us = DEMAND_FIRST_US };
}

void crew_saw(struct crew_demand *demand, uint64_t wanted_us, uint64_t seen_us)
{
    demand->wanted_us += wanted_us < seen_us ? wanted_us : seen_us;
    demand->seen_us += seen_us;
    if (demand->seen_us > DEMAND_MOST_US) {
        demand->wanted_us = demand->wanted_us * DEMAND_MOST_US / demand->seen_us;
        demand->seen_us = DEMAND_MOST_US;
    }
}

uint32_t crew_served(const struct crew_demand *demand, uint32_t cpus, uint32_t asked)
{
    uint64_t wanted_us = demand->wanted_us > 0 ? demand->wanted_us : 1;
    uint64_t served = (cpus * demand->seen_us + wanted_us / 2) / wanted_us;

    if (served >= asked)
        return asked;
    return served > 0 ? (uint32_t)served : 1;
}

uint32_t crew_threads(uint32_t cpus, uint32_t workers)
{
    return workers > 0 && cpus > workers ? cpus / workers : 1;
}

static const char *source_word(enum crew_source source)
{
    switch (source) {
    case CREW_ASSUMED:
        return "assumed";
    case CREW_RECORDED:
        return "recorded";
    case CREW_TOLD:
        return "recorded by the coordinator";
    case CREW_MEASURED:
        return "measured";
    }
    UNREACHABLE("crew source");
}

static void add_bound(const struct crew_input *in, const struct crew *crew, struct str *out)
{
    const struct resources *r = in->machine;
    struct err ignored = ERR_INIT;

    switch (crew->bound) {
    case CREW_BY_CPUS:
        (void)!str_addf(out, &ignored, "%u CPU%s", r->cpus_allowed ? r->cpus_allowed : 1,
                        r->cpus_allowed > 1 ? "s" : "");
        return;
    case CREW_BY_WAITING:
        (void)!str_addf(out, &ignored, "%u CPU%s, which tests need for %u%% of their time",
                        crew->cpus, crew->cpus > 1 ? "s" : "",
                        in->busy_ppm / (PROTO_PPM_MAX / 100));
        return;
    case CREW_BY_QUOTA:
        (void)!str_addf(out, &ignored, "a quota of %u.%02u of %u CPUs", r->quota_milli / 1000,
                        r->quota_milli % 1000 / 10, r->cpus_allowed);
        return;
    case CREW_BY_MEMORY:
        (void)!str_addf(out, &ignored, "memory, on %u CPUs", r->cpus_allowed);
        return;
    case CREW_BY_REQUEST:
        (void)!str_addz(out, "as many as asked for", &ignored);
        return;
    }
    UNREACHABLE("crew bound");
}

void crew_text(const struct crew_input *in, const struct crew *crew, struct str *out)
{
    struct err ignored = ERR_INIT;

    (void)!str_addf(out, &ignored, "%u worker%s: ", crew->workers, crew->workers == 1 ? "" : "s");
    add_bound(in, crew, out);
    if (in->machine->memory_total == 0)
        return;
    if (crew->bound == CREW_BY_MEMORY)
        (void)!str_addf(out, &ignored, "; %llu MiB are free%s, a worker needs",
                        (unsigned long long)(in->machine->memory_free / MIB),
                        in->machine->memory_of_group ? " in our control group" : "");
    else
        (void)!str_addf(out, &ignored, "; memory would allow %s%u at",
                        crew->by_memory == PROTO_WORKERS_MAX ? "over " : "", crew->by_memory);
    (void)!str_addf(out, &ignored, " %llu MiB%s (%s)", (unsigned long long)(worker_bytes(in) / MIB),
                    crew->bound == CREW_BY_MEMORY ? "" : " each", source_word(in->source));
}
