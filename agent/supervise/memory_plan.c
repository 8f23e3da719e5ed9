/* supervise/memory_plan.c - what is known of memory before a test runs: how many workers begin, and
 * what tests weigh. By this machine's record, else by what the coordinator told. */
#include "inner.h"
#include "machine/memory.h"

/* Half of what the collected suite takes is more than any worker was seen to make its own. */
static uint64_t assumed_bytes(const struct supervisor *s)
{
    uint64_t recorded = s->opts.local->footprint.worker_bytes, collected = 0;

    if (recorded > 0)
        return recorded;
    if (s->memory.told_bytes > 0)
        return s->memory.told_bytes;
    if (s->zygote && memory_resident("", peer_pid(s->zygote), &collected) &&
        collected / 2 > CREW_WORKER_BYTES)
        return collected / 2;
    return CREW_WORKER_BYTES;
}

uint32_t memory_first_workers(struct supervisor *s)
{
    struct resources machine = s->opts.local->machine;
    struct crew_input in = { .machine = &machine, .logical = true, .at_most = s->wanted };
    struct crew crew;

    s->memory.limit = s->wanted;
    if (!s->crew_fixed && !s->each && s->start == START_FORK) {
        machine.cpus_allowed = s->wanted;
        in.worker_bytes = assumed_bytes(s);
        crew_plan(&in, &crew);
        s->memory.limit = crew.workers;
    }
    return s->memory.limit;
}

static uint32_t weights(const struct suite *suite)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < suite->test_count; i++)
        count += suite->tests[i].mem_bytes > 0;
    return count;
}

void memory_weigh(struct supervisor *s, const struct test_mem *heavy, uint32_t count)
{
    uint32_t marked = weights(s->suite);

    footprint_weigh(&s->opts.local->footprint, s->manifest, s->suite);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = manifest_find(s->manifest, heavy[i].test.id, heavy[i].test.k);

        if (at != UINT32_MAX && s->suite->tests[at].mem_bytes == 0)
            s->suite->tests[at].mem_bytes = (uint64_t)heavy[i].mem_mib << 20;
    }
    s->memory.weighed = weights(s->suite) - marked;
}

/* What nobody asked for is not done in silence. */
static uint64_t ration(const struct supervisor *s, uint64_t budget)
{
    const uint64_t least = FOOTPRINT_HEAVY_KIB * 1024;

    if (budget < least)
        budget = least;
    if (s->memory.weighed > 0 && weights(s->suite) > 1)
        say(s,
            "%u test%s needed %u MiB or more in earlier runs: at most %llu MiB of such at a time",
            s->memory.weighed, s->memory.weighed == 1 ? "" : "s", PEAK_HEAVY_MIB,
            (unsigned long long)(budget >> 20));
    return budget;
}

uint64_t memory_budget(struct supervisor *s)
{
    uint64_t workers_bytes = s->memory.limit * assumed_bytes(s) + CREW_RESERVE_BYTES;
    uint64_t free_bytes = s->opts.local->machine.memory_free, most = 0;
    uint64_t budget = free_bytes > workers_bytes ? free_bytes - workers_bytes : 0;

    for (uint32_t i = 0; i < s->suite->test_count; i++) {
        if (s->suite->tests[i].mem_bytes > most)
            most = s->suite->tests[i].mem_bytes;
    }
    if (most == 0 || free_bytes == 0 || most <= budget / s->workers)
        return 0; /* any of them may run at once */
    return ration(s, budget);
}
