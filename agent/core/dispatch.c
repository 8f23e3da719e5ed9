#include "dispatch.h"

#include <stdlib.h>

#include "deal.h"
#include "dispatch_inner.h"
#include "mem.h"

/* The suite's tests with one cost for all: the planner then has no reason to change their order. */
static const struct pool_test *alike(struct dispatch *d)
{
    uint32_t count = d->in.suite->test_count;

    free(d->alike);
    d->alike = mem_new(count, sizeof(*d->alike));
    for (uint32_t i = 0; i < count; i++) {
        d->alike[i] = d->in.suite->tests[i];
        d->alike[i].cost_us = DISPATCH_EARLY_US;
        d->alike[i].flags |= POOL_GUESS;
    }
    return d->alike;
}

static struct pool_input pool_input_of(struct dispatch *d)
{
    const struct suite *suite = d->in.suite;

    return (struct pool_input){
        .tests = d->in.in_order ? alike(d) : suite->tests,
        .test_count = suite->test_count,
        .scopes = suite->scopes,
        .scope_count = suite->scope_count,
        .policy = d->in.policy,
        .start_absent = true,
        .one_machine = true,
        .cpus = d->in.cpus,
        .mem_bytes = d->in.mem_bytes,
    };
}

struct dispatch *dispatch_new(const struct dispatch_input *in)
{
    struct dispatch *d = mem_new(1, sizeof(*d));
    const struct suite *suite = in->suite;
    struct pool_input pool;

    INVARIANT(in->workers > 0);
    d->in = *in;
    d->in.threads = in->threads > 0 ? in->threads : 1;
    INVARIANT(d->in.threads <= WORKER_HAND_MAX);
    d->cost_us = mem_new(suite->test_count, sizeof(*d->cost_us));
    d->here = mem_new(suite->test_count, sizeof(*d->here));
    d->seen = mem_new(suite->scope_count, sizeof(*d->seen));
    d->tiny_us = UINT64_MAX; /* without any history all that is known is nothing */
    for (uint32_t i = 0; i < suite->test_count; i++) {
        if (!(suite->tests[i].flags & POOL_GUESS))
            d->tiny_us = DISPATCH_TINY_US;
    }
    pool = pool_input_of(d);
    d->deal = deal_new(&pool, d->in.each ? in->workers : 1);
    return d;
}

void dispatch_grow(struct dispatch *d, const struct suite *suite)
{
    uint32_t tests = d->in.suite->test_count, scopes = d->in.suite->scope_count;
    struct pool_input pool;

    INVARIANT(suite->test_count >= tests && suite->scope_count >= scopes);
    d->cost_us = mem_extend(d->cost_us, tests, suite->test_count, sizeof(*d->cost_us));
    d->here = mem_extend(d->here, tests, suite->test_count, sizeof(*d->here));
    d->seen = mem_extend(d->seen, scopes, suite->scope_count, sizeof(*d->seen));
    d->in.suite = suite;
    pool = pool_input_of(d);
    deal_grow(d->deal, &pool);
}

void dispatch_free(struct dispatch *d)
{
    if (!d)
        return;
    deal_free(d->deal);
    free(d->workers);
    free(d->cost_us);
    free(d->here);
    free(d->seen);
    free(d->alike);
    free(d->queue);
    free(d);
}

void dispatch_effect(struct dispatch *d, enum dispatch_fx_kind kind, uint32_t slot, uint32_t test)
{
    if (d->queue_done == d->queue_count)
        d->queue_done = d->queue_count = 0;
    d->queue = mem_grow(d->queue, &d->queue_cap, d->queue_count + 1, sizeof(*d->queue));
    d->queue[d->queue_count++] = (struct dispatch_fx){ .kind = kind, .slot = slot, .test = test };
}

/* The result of the test that the last worker died of may have been the last of all: then nothing
 * is broken any more. */
bool dispatch_next(struct dispatch *d, struct dispatch_fx *out)
{
    while (d->queue_done < d->queue_count) {
        *out = d->queue[d->queue_done++];
        if (out->kind != DISPATCH_BROKEN || !d->ended)
            return true;
    }
    return false;
}

/* Early naming is a bet that the tests in hand are short: small without history, and none at all
 * when few tests are left, as then another worker would wait for what is stuck here. */
static bool wants_more(const struct dispatch *d, const struct worker *w)
{
    uint32_t hand_max = DISPATCH_EARLY_HAND;

    if (d->stopped || !worker_can_take(w))
        return false;
    if (d->in.recycle_after > 0 && w->ran + w->hand_count >= d->in.recycle_after)
        return false;
    if (w->hand_count < w->threads || w->asks)
        return true;
    if (d->in.one_at_a_time || deal_free_count(d->deal) <= d->live)
        return false;
    for (uint32_t i = 0; i < w->hand_count; i++) {
        if (d->in.suite->tests[w->hand[i]].flags & POOL_GUESS)
            hand_max = DISPATCH_GUESS_HAND;
    }
    return w->hand_count < hand_max && dispatch_hand_us(d, w) < DISPATCH_EARLY_US;
}

static void name_tests(struct dispatch *d, uint32_t slot)
{
    struct worker *w = &d->workers[slot];

    while (wants_more(d, w)) {
        struct pool_ask ask = { .taker = slot,
                                .free_workers = w->hand_count < w->threads || w->asks,
                                .backlog_us = w->asks ? 0 : dispatch_hand_us(d, w),
                                .more = d->more && !d->ended,
                                .lead_us = DISPATCH_EARLY_US };
        uint32_t test;

        if (pool_choose(deal_pile(d->deal, slot), &ask, &test, 1) == 0)
            return;
        pool_take(deal_pile(d->deal, slot), slot, test);
        (void)worker_step(w, WORKER_EV_RUN, test);
        dispatch_effect(d, DISPATCH_RUN, slot, test);
    }
}

/* A worker with nothing to do now: tear down, or go home. */
static void rest(struct dispatch *d, uint32_t slot)
{
    struct worker *w = &d->workers[slot];

    if (!worker_is_up(w) || w->hand_count > 0 || w->condemned)
        return;
    if (d->stopped || (d->ended && pool_free_count(deal_pile(d->deal, slot)) == 0) ||
        (d->in.recycle_after > 0 && w->ran >= d->in.recycle_after)) {
        dispatch_send_off(d, slot);
    } else if (w->state == WORKER_WAITING && d->in.settle_when_dry &&
               pool_free_count(deal_pile(d->deal, slot)) == 0) {
        (void)worker_step(w, WORKER_EV_SETTLE, WORKER_NO_TEST);
        dispatch_effect(d, DISPATCH_SETTLE, slot, WORKER_NO_TEST);
    }
}

/* A worker waits with a teardown until it knows what it shares with the next test. */
static void answer(struct dispatch *d, uint32_t slot)
{
    struct worker *w = &d->workers[slot];
    bool last =
        d->stopped || ((d->ended || d->in.settle_when_dry) && deal_free_count(d->deal) == 0);

    if (w->asks)
        dispatch_effect(d, last ? DISPATCH_LAST : DISPATCH_NONE, slot, WORKER_NO_TEST);
    w->asks = false;
}

void dispatch_go_on(struct dispatch *d)
{
    uint32_t up = 0;

    for (uint32_t slot = 0; slot < d->slot_count; slot++) {
        if (d->workers[slot].state == WORKER_DEAD)
            continue;
        up += worker_is_up(&d->workers[slot]);
        name_tests(d, slot);
        answer(d, slot);
        rest(d, slot);
    }
    if (up > d->most_up)
        d->most_up = up;
    dispatch_hire(d);
    if (d->live > 0)
        return;
    if ((d->ended || d->stopped) && !d->told_empty) {
        d->told_empty = true;
        dispatch_effect(d, DISPATCH_EMPTY, WORKER_NO_TEST, WORKER_NO_TEST);
    } else if (!d->ended && !d->stopped && !d->told_broken &&
               (!dispatch_may_replace(d) || d->in.workers == 0)) {
        d->told_broken = true;
        dispatch_effect(d, DISPATCH_BROKEN, WORKER_NO_TEST, WORKER_NO_TEST);
    }
}

void dispatch_hurry(struct dispatch *d, uint32_t test)
{
    deal_hurry(d->deal, test);
}

void dispatch_grant(struct dispatch *d, uint32_t test, uint64_t cost_us)
{
    INVARIANT(test < d->in.suite->test_count);
    if (d->here[test])
        return;
    d->here[test] = true;
    d->cost_us[test] = cost_us;
    if (!d->in.in_order)
        deal_recost(d->deal, test, cost_us);
    deal_put_back(d->deal, test);
}

void dispatch_granted(struct dispatch *d)
{
    d->more = !d->in.settle_when_dry; /* who sent this may send more */
    dispatch_go_on(d);
}

void dispatch_again(struct dispatch *d, uint32_t test)
{
    dispatch_grant(d, test, d->cost_us[test]);
    dispatch_go_on(d);
}

void dispatch_paced(struct dispatch *d, uint32_t speed_ppm)
{
    d->pace.told_ppm = speed_ppm;
}

void dispatch_scope(struct dispatch *d, uint32_t scope, uint64_t setup_us)
{
    INVARIANT(scope < d->in.suite->scope_count);
    deal_rescope(d->deal, scope, setup_us);
}

bool dispatch_waits(const struct dispatch *d)
{
    if (!d->more || d->ended || d->stopped || deal_free_count(d->deal) == 0)
        return false;
    for (uint32_t slot = 0; slot < d->slot_count; slot++)
        if (worker_can_take(&d->workers[slot]) && d->workers[slot].hand_count == 0)
            return true;
    return false;
}

void dispatch_alone(struct dispatch *d)
{
    d->more = false;
    dispatch_go_on(d);
}

bool dispatch_release(struct dispatch *d, uint32_t test)
{
    INVARIANT(test < d->in.suite->test_count);
    if (!d->here[test] || !deal_withdraw(d->deal, test))
        return false;
    d->here[test] = false;
    return true;
}

bool dispatch_is_here(const struct dispatch *d, uint32_t test)
{
    return d->here[test];
}

static void note_took(struct dispatch *d, uint32_t slot, uint32_t test, uint64_t took_us)
{
    uint32_t scope = d->in.suite->tests[test].scope;

    if (scope != POOL_NONE) {
        d->seen[scope].sum_us += took_us;
        d->seen[scope].count++;
    }
    pace_add(&d->pace, d->cost_us[test], took_us);
    d->here[test] = false;
    pool_finish(deal_pile(d->deal, slot), test);
}

/* The worker is gone: its unstarted tests go to others; the one it was in is told. */
static void bury(struct dispatch *d, uint32_t slot, enum worker_fx fx)
{
    struct worker *w = &d->workers[slot];
    struct pool *pile = deal_pile(d->deal, slot);
    uint32_t unstarted[WORKER_HAND_MAX];
    uint32_t count = worker_take_unstarted(w, unstarted);
    uint32_t running = worker_running(w);

    for (uint32_t i = 0; i < count; i++)
        pool_put_back(pile, unstarted[i]);
    for (uint32_t i = 1; i < w->hand_count; i++)
        pool_put_back(pile, w->hand[i]); /* it ran beside the one that is named: once more */
    if (running != WORKER_NO_TEST) {
        d->here[running] = false;
        pool_finish(pile, running);
    }
    deal_leave(d->deal, slot);
    d->live--;
    d->losses += !w->asked && !(w->condemned && running != WORKER_NO_TEST);
    if (fx == WORKER_FX_CRASHED) {
        dispatch_effect(d, DISPATCH_CRASH, slot, running);
    } else if (running != WORKER_NO_TEST) {
        dispatch_effect(d, DISPATCH_UNRUN, slot, running);
    }
}

static void forgot(struct dispatch *d, uint32_t slot)
{
    struct worker *w = &d->workers[slot];
    uint32_t unstarted[WORKER_HAND_MAX];
    uint32_t count = worker_take_unstarted(w, unstarted);

    for (uint32_t i = 0; i < count; i++)
        pool_put_back(deal_pile(d->deal, slot), unstarted[i]);
}

bool dispatch_heard(struct dispatch *d, uint32_t slot, enum worker_event event, uint32_t test,
                    uint64_t took_us)
{
    struct worker *w;
    enum worker_state before;
    enum worker_fx fx;

    if (slot >= d->slot_count)
        return false;
    w = &d->workers[slot];
    before = w->state;
    fx = worker_step(w, event, test);
    switch (fx) {
    case WORKER_FX_NONE:
    case WORKER_FX_READY:
        if (before != WORKER_DEAD && event == WORKER_EV_START)
            pool_start(deal_pile(d->deal, slot), test);
        if (before != WORKER_DEAD && event == WORKER_EV_DONE)
            note_took(d, slot, test, took_us);
        break;
    case WORKER_FX_FORGOT:
        forgot(d, slot);
        break;
    case WORKER_FX_LEFT:
    case WORKER_FX_CRASHED:
        bury(d, slot, fx);
        break;
    case WORKER_FX_BROKE:
        dispatch_effect(d, DISPATCH_KILL, slot, WORKER_NO_TEST);
        return true;
    }
    dispatch_go_on(d);
    return true;
}

void dispatch_condemn(struct dispatch *d, uint32_t slot)
{
    if (slot < d->slot_count)
        (void)worker_step(&d->workers[slot], WORKER_EV_CONDEMN, WORKER_NO_TEST);
}

void dispatch_end(struct dispatch *d)
{
    d->ended = true;
    dispatch_go_on(d);
}

void dispatch_stop(struct dispatch *d)
{
    d->stopped = true;
    for (uint32_t slot = 0; slot < d->slot_count; slot++)
        dispatch_send_off(d, slot);
    dispatch_go_on(d);
}

const struct worker *dispatch_worker(const struct dispatch *d, uint32_t slot)
{
    return slot < d->slot_count ? &d->workers[slot] : NULL;
}

uint32_t dispatch_losses(const struct dispatch *d)
{
    return d->losses;
}

uint32_t dispatch_slots(const struct dispatch *d)
{
    return d->slot_count;
}

uint32_t dispatch_most_up(const struct dispatch *d)
{
    return d->most_up;
}
