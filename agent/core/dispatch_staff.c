#include "dispatch.h"
#include "dispatch_inner.h"
#include "mem.h"

#define SPEED_PPM 1000000u

void dispatch_send_off(struct dispatch *d, uint32_t slot)
{
    struct worker *w = &d->workers[slot];

    if (w->state == WORKER_QUITTING || w->state == WORKER_DEAD)
        return;
    if (w->state == WORKER_RUNNING && !w->recalling) {
        (void)worker_step(w, WORKER_EV_CANCEL, WORKER_NO_TEST);
        dispatch_effect(d, DISPATCH_CANCEL, slot, WORKER_NO_TEST);
    }
    (void)worker_step(w, WORKER_EV_QUIT, WORKER_NO_TEST);
    dispatch_effect(d, DISPATCH_QUIT, slot, WORKER_NO_TEST);
}

bool dispatch_may_replace(const struct dispatch *d)
{
    return !d->barren && d->losses <= d->in.restarts_max && d->slot_count < POOL_TAKERS_MAX;
}

static uint32_t starting(const struct dispatch *d)
{
    uint32_t count = 0;

    for (uint32_t slot = 0; slot < d->slot_count; slot++)
        count += d->workers[slot].state == WORKER_STARTING;
    return count;
}

/* Whether one more worker would find work. Of a suite that may be tiny one worker starts first: it
 * may have run everything before another could. */
static bool is_needed(const struct dispatch *d)
{
    uint32_t coming = starting(d);

    if (d->in.warm && !d->ended) /* afterwards, with each, only for what a lost one has left */
        return true;
    if (!d->in.each && coming > 0 && coming == d->slot_count && deal_free_us(d->deal) < d->tiny_us)
        return false;
    return deal_wants(d->deal, coming);
}

/* The slot of a worker that was sent home, so that its name, and what suites hang on it (a
 * database, a port), stays in use; else a new one. A crashed worker's slot is not used again. */
static uint32_t vacancy(struct dispatch *d)
{
    for (uint32_t slot = 0; slot < d->slot_count; slot++) {
        if (d->workers[slot].state == WORKER_DEAD && d->workers[slot].asked && d->workers[slot].bye)
            return slot;
    }
    d->workers =
        mem_grow(d->workers, &d->worker_cap, (size_t)d->slot_count + 1, sizeof(*d->workers));
    return d->slot_count++;
}

void dispatch_hire(struct dispatch *d)
{
    while ((!d->ended || d->in.each) && !d->stopped && d->live < d->in.workers &&
           dispatch_may_replace(d) && is_needed(d)) {
        uint32_t slot = vacancy(d);

        worker_init(&d->workers[slot]);
        d->workers[slot].threads = d->in.threads;
        dispatch_effect(d, DISPATCH_FORK, slot, WORKER_NO_TEST);
        deal_join(d->deal, slot, SPEED_PPM);
        d->live++;
    }
}

void dispatch_hold(struct dispatch *d, uint32_t slot)
{
    struct worker *w = &d->workers[slot];

    INVARIANT(slot < d->slot_count);
    if (w->held || !worker_is_up(w))
        return;
    w->held = true;
    if (w->state == WORKER_RUNNING && !w->recalling && w->hand_count > 1) {
        (void)worker_step(w, WORKER_EV_CANCEL, WORKER_NO_TEST);
        dispatch_effect(d, DISPATCH_CANCEL, slot, WORKER_NO_TEST);
    }
}

void dispatch_resume(struct dispatch *d, uint32_t slot)
{
    INVARIANT(slot < d->slot_count);
    d->workers[slot].held = false;
    dispatch_go_on(d);
}

void dispatch_retire(struct dispatch *d, uint32_t slot)
{
    INVARIANT(slot < d->slot_count);
    dispatch_send_off(d, slot);
    dispatch_go_on(d);
}

void dispatch_limit(struct dispatch *d, uint32_t workers)
{
    d->in.workers = workers > 0 ? workers : 1;
    dispatch_go_on(d);
}

void dispatch_shrink(struct dispatch *d)
{
    if (d->in.workers > 0)
        d->in.workers--;
}

void dispatch_barren(struct dispatch *d)
{
    d->barren = true;
    for (uint32_t slot = 0; slot < d->slot_count; slot++) {
        if (!d->workers[slot].met)
            (void)dispatch_heard(d, slot, WORKER_EV_GONE, WORKER_NO_TEST, 0);
    }
    dispatch_go_on(d);
}
