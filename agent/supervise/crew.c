/* supervise/crew.c - how many of the workers that were asked for are at work.
 *
 * More than the CPUs serve make tests that compute no faster: each has pages of its own, and all
 * wait for each other (docs/decisions/0273). So those beyond the CPUs begin once tests are seen to
 * wait for something else. */
#include <event2/event.h>

#include "inner.h"
#include "machine/cpu.h"

#define LOOK_MS     100u
#define LOOK_MS_MAX 500u /* after a longer time it is not known who slept: them or us */

/* A coordinator plans with the number that it was told. A fork more takes milliseconds; a worker
 * that collects for itself takes as long as that, so of such it has to be known from earlier runs
 * that tests compute. In the first thread of a worker nothing is to be seen of tests that run in
 * others, or in forks. */
static bool spares(const struct supervisor *s)
{
    const struct local *local = s->opts.local;

    if (!s->opts.alone && s->source->share == SOURCE_NO_SHARE)
        return false;
    return s->crew_fixed && !s->each && !local->all_workers && !local->isolate && s->threads <= 1 &&
           local->live_slot == UINT32_MAX && (s->start == START_FORK || s->crew_in.busy_ppm > 0);
}

void crew_first(struct supervisor *s)
{
    crew_demand_init(&s->demand, s->crew_in.busy_ppm);
    s->wanted = s->workers;
    if (spares(s))
        s->wanted = crew_served(&s->demand, s->crew.cpus, s->workers);
}

/* What it did since the last look, if it had tests in hand all the time. False: nobody can tell. */
static bool look(struct supervisor *s, uint32_t number)
{
    struct slot *slot = slot_at(s, number);
    uint64_t now = now_us(s), wanted_us = 0, seen_us = now - slot->demand_at_us;
    bool known = slot->demand_at_us > 0 && seen_us < LOOK_MS_MAX * 1000u;

    if (dispatch_worker(s->dispatch, number)->state != WORKER_RUNNING || slot->pid == 0) {
        slot->demand_at_us = 0;
        return true;
    }
    if (!cpu_wanted("", slot->pid, &wanted_us))
        return slot->exited;
    if (known && wanted_us >= slot->demand_us)
        crew_saw(&s->demand, wanted_us - slot->demand_us, seen_us);
    slot->demand_us = wanted_us;
    slot->demand_at_us = now;
    return true;
}

void on_crew(int fd, short what, void *ctx)
{
    struct supervisor *s = ctx;
    uint32_t served;
    bool told = true;

    (void)fd;
    (void)what;
    if (s->phase != PHASE_RUN || s->killing)
        return;
    for (uint32_t i = 0; i < dispatch_slots(s->dispatch) && i < s->slot_count; i++)
        told = look(s, i) && told;
    served = told ? crew_served(&s->demand, s->crew.cpus, s->workers) : s->workers;
    if (served > s->wanted) {
        s->wanted = served;
        memory_more(s);
        do_effects(s);
    }
    crew_watch(s);
}

void crew_watch(struct supervisor *s)
{
    if (s->wanted < s->workers)
        set_timer(s->crew_timer, LOOK_MS);
}
