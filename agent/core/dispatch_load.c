#include <stdlib.h>

#include "dispatch.h"
#include "dispatch_inner.h"
#include "mem.h"

/* What a test will take, for naming early: today's mean of its file or class beats no history. */
static uint64_t predicted_us(const struct dispatch *d, uint32_t test)
{
    const struct pool_test *t = &d->in.suite->tests[test];

    if ((t->flags & POOL_GUESS) && t->scope != POOL_NONE && d->seen[t->scope].count > 0)
        return d->seen[t->scope].sum_us / d->seen[t->scope].count;
    return d->cost_us[test];
}

uint64_t dispatch_hand_us(const struct dispatch *d, const struct worker *w)
{
    uint64_t sum_us = 0;

    for (uint32_t i = 0; i < w->hand_count; i++)
        sum_us += predicted_us(d, w->hand[i]);
    return sum_us;
}

uint32_t dispatch_free_workers(const struct dispatch *d)
{
    uint32_t busy = 0, capacity = d->in.workers * d->in.threads;
    uint32_t due = deal_free_count(d->deal);

    if (d->stopped || d->ended)
        return 0;
    for (uint32_t slot = 0; slot < d->slot_count; slot++) {
        const struct worker *w = &d->workers[slot];

        if (w->state != WORKER_DEAD)
            busy += w->held || w->hand_count > w->threads ? w->threads : w->hand_count;
    }
    return busy + due < capacity ? capacity - busy - due : 0;
}

bool dispatch_far_ahead(const struct dispatch *d, uint32_t slot)
{
    const struct worker *w = slot < d->slot_count ? &d->workers[slot] : NULL;

    return w && w->state == WORKER_RUNNING && !w->asks &&
           w->hand_count - w->started >= DISPATCH_FAR_AHEAD;
}

uint64_t dispatch_backlog_us(const struct dispatch *d)
{
    uint64_t sum_us = deal_free_us(d->deal);

    for (uint32_t slot = 0; slot < d->slot_count; slot++) {
        const struct worker *w = &d->workers[slot];

        for (uint32_t i = w->started; i < w->hand_count; i++)
            sum_us += predicted_us(d, w->hand[i]);
    }
    return sum_us;
}

struct need dispatch_need(const struct dispatch *d, const uint64_t *ran_us)
{
    uint64_t *left_us = mem_new(d->in.workers + d->slot_count, sizeof(*left_us));
    uint64_t waiting_us = deal_waiting_us(d->deal);
    uint32_t busy = 0, speed_ppm = pace_speed_ppm(&d->pace);
    struct need need;

    for (uint32_t slot = 0; slot < d->slot_count; slot++) {
        const struct worker *w = &d->workers[slot];
        uint64_t due_us = dispatch_hand_us(d, w);
        uint64_t own_us;

        if (w->state == WORKER_DEAD || w->hand_count == 0)
            continue;
        if (w->started) {
            uint64_t first_us = predicted_us(d, w->hand[0]);

            due_us += need_left_us(first_us, ran_us[slot], speed_ppm) - first_us;
        }
        own_us = pool_own_us(deal_pile(d->deal, slot), slot);
        left_us[busy++] = due_us + own_us;
        waiting_us -= own_us;
    }
    need = need_of(left_us, busy > d->in.workers ? busy : d->in.workers, waiting_us, speed_ppm);
    free(left_us);
    return need;
}
