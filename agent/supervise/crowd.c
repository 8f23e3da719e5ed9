/* supervise/crowd.c - more workers were asked for than there are CPUs: whether they are of use.
 *
 * Where tests wanted a CPU all the time in earlier runs, a worker a CPU starts. As soon as they are
 * seen to wait for something else, for these tests may be others, all that were asked for start. */
#include <event2/event.h>

#include "inner.h"
#include "proto.h"

#define LOOK_MS 250u

static void again(struct supervisor *s)
{
    struct timeval tv = { .tv_usec = LOOK_MS * 1000 };

    (void)evtimer_add(s->crowd.timer, &tv);
}

/* Of all workers that are up; false when nobody tells. */
static bool busy(const struct supervisor *s, uint64_t *out_us, uint32_t *out_workers)
{
    uint64_t sum = 0, one;
    uint32_t workers = 0;

    for (uint32_t i = 0; i < s->slot_count; i++) {
        const struct slot *slot = s->slots[i];

        if (slot->pid == 0 || slot->exited || !worker_is_up(dispatch_worker(s->dispatch, i)))
            continue;
        if (!resources_busy("", slot->pid, &one))
            return false;
        sum += one;
        workers++;
    }
    *out_us = sum;
    *out_workers = workers;
    return true;
}

static bool tests_wait(struct supervisor *s, uint64_t busy_us, uint32_t workers)
{
    uint64_t now = now_us(s), took_us = (now - s->crowd.looked_us) * workers;
    bool seen = s->crowd.looked_us > 0 && busy_us >= s->crowd.busy_us; /* else one is new */
    bool wait = seen && busy_us - s->crowd.busy_us < took_us * CREW_BUSY_PPM / PROTO_PPM_MAX;

    s->crowd.looked_us = workers == s->crowd.wanted ? now : 0; /* while one starts it waits */
    s->crowd.busy_us = busy_us;
    return wait;
}

static void look(evutil_socket_t fd, short what, void *ctx)
{
    struct supervisor *s = ctx;
    uint64_t busy_us = 0;
    uint32_t workers = 0;

    (void)fd;
    (void)what;
    if (s->phase != PHASE_RUN || s->killing)
        return;
    if (!busy(s, &busy_us, &workers) || tests_wait(s, busy_us, workers)) {
        memory_want(s, s->workers);
        do_effects(s);
        return;
    }
    again(s);
}

void crowd_plan(struct supervisor *s)
{
    bool stands =
        !s->crew_fixed || s->each || !s->opts.alone || s->opts.local->all_workers || s->threads > 1;

    s->crowd.wanted = stands ? s->workers : crew_first(&s->crew_in, s->workers);
}

void crowd_start(struct supervisor *s)
{
    if (s->crowd.wanted == s->workers)
        return;
    s->crowd.timer = evtimer_new(s->opts.base, look, s);
    INVARIANT(s->crowd.timer);
    again(s);
}

void crowd_fini(struct supervisor *s)
{
    if (s->crowd.timer)
        event_free(s->crowd.timer);
}
