#include "dispatch.h"

#include <stdlib.h>

#include "deal.h"
#include "mem.h"
#include "plan/pace.h"

#define SPEED_PPM 1000000u

struct mean {
    uint64_t sum_us;
    uint32_t count;
};

struct dispatch {
    struct dispatch_input in;
    struct deal *deal;
    struct worker *workers; /* by slot */
    size_t worker_cap;
    uint32_t slot_count, live;
    uint32_t losses; /* crashes, and workers that went without being asked */
    uint32_t most_up;
    bool barren;
    uint64_t *cost_us; /* by test, as granted */
    bool *here;        /* by test: granted and not given back */
    struct pool_test *alike;
    struct mean *seen; /* by scope: how long its tests took today */
    struct pace pace;  /* of this machine, against what was predicted */
    struct dispatch_fx *queue;
    size_t queue_cap, queue_count, queue_done;
    uint64_t tiny_us; /* predicted work below which one worker starts first */
    bool more;        /* other work may still come, soon */
    bool ended, stopped, told_broken, told_empty;
};

/* The suite's tests with one cost for all: the planner then has no reason to change their order. */
static const struct pool_test *alike(struct dispatch *d)
{
    uint32_t count = d->in.suite->test_count;

    d->alike = mem_new(count, sizeof(*d->alike));
    for (uint32_t i = 0; i < count; i++) {
        d->alike[i] = d->in.suite->tests[i];
        d->alike[i].cost_us = DISPATCH_EARLY_US;
        d->alike[i].flags |= POOL_GUESS;
    }
    return d->alike;
}

struct dispatch *dispatch_new(const struct dispatch_input *in)
{
    struct dispatch *d = mem_new(1, sizeof(*d));
    const struct suite *suite = in->suite;

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
    d->deal = deal_new(
        &(struct pool_input){
            .tests = d->in.in_order ? alike(d) : suite->tests,
            .test_count = suite->test_count,
            .scopes = suite->scopes,
            .scope_count = suite->scope_count,
            .policy = in->policy,
            .start_absent = true,
            .one_machine = true,
            .cpus = in->cpus,
            .mem_bytes = in->mem_bytes,
        },
        d->in.each ? in->workers : 1);
    return d;
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

static void effect(struct dispatch *d, enum dispatch_fx_kind kind, uint32_t slot, uint32_t test)
{
    if (d->queue_done == d->queue_count)
        d->queue_done = d->queue_count = 0;
    d->queue = mem_grow(d->queue, &d->queue_cap, d->queue_count + 1, sizeof(*d->queue));
    d->queue[d->queue_count++] = (struct dispatch_fx){ .kind = kind, .slot = slot, .test = test };
}

bool dispatch_next(struct dispatch *d, struct dispatch_fx *out)
{
    if (d->queue_done == d->queue_count)
        return false;
    *out = d->queue[d->queue_done++];
    return true;
}

/* What a test will take, for naming early: today's mean of its file or class beats no history. */
static uint64_t predicted_us(const struct dispatch *d, uint32_t test)
{
    const struct pool_test *t = &d->in.suite->tests[test];

    if ((t->flags & POOL_GUESS) && t->scope != POOL_NONE && d->seen[t->scope].count > 0)
        return d->seen[t->scope].sum_us / d->seen[t->scope].count;
    return d->cost_us[test];
}

static uint64_t hand_us(const struct dispatch *d, const struct worker *w)
{
    uint64_t sum_us = 0;

    for (uint32_t i = 0; i < w->hand_count; i++)
        sum_us += predicted_us(d, w->hand[i]);
    return sum_us;
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
    return w->hand_count < hand_max && hand_us(d, w) < DISPATCH_EARLY_US;
}

static void name_tests(struct dispatch *d, uint32_t slot)
{
    struct worker *w = &d->workers[slot];

    while (wants_more(d, w)) {
        struct pool_ask ask = { .taker = slot,
                                .free_workers = w->hand_count < w->threads || w->asks,
                                .backlog_us = w->asks ? 0 : hand_us(d, w),
                                .more = d->more && !d->ended,
                                .lead_us = DISPATCH_EARLY_US };
        uint32_t test;

        if (pool_choose(deal_pile(d->deal, slot), &ask, &test, 1) == 0)
            return;
        pool_take(deal_pile(d->deal, slot), slot, test);
        (void)worker_step(w, WORKER_EV_RUN, test);
        effect(d, DISPATCH_RUN, slot, test);
    }
}

static void send_off(struct dispatch *d, uint32_t slot)
{
    struct worker *w = &d->workers[slot];

    if (w->state == WORKER_QUITTING || w->state == WORKER_DEAD)
        return;
    if (w->state == WORKER_RUNNING && !w->recalling) {
        (void)worker_step(w, WORKER_EV_CANCEL, WORKER_NO_TEST);
        effect(d, DISPATCH_CANCEL, slot, WORKER_NO_TEST);
    }
    (void)worker_step(w, WORKER_EV_QUIT, WORKER_NO_TEST);
    effect(d, DISPATCH_QUIT, slot, WORKER_NO_TEST);
}

static bool may_replace(const struct dispatch *d)
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

static void hire(struct dispatch *d)
{
    while ((!d->ended || d->in.each) && !d->stopped && d->live < d->in.workers && may_replace(d) &&
           is_needed(d)) {
        uint32_t slot = vacancy(d);

        worker_init(&d->workers[slot]);
        d->workers[slot].threads = d->in.threads;
        effect(d, DISPATCH_FORK, slot, WORKER_NO_TEST);
        deal_join(d->deal, slot, SPEED_PPM);
        d->live++;
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
        send_off(d, slot);
    } else if (w->state == WORKER_WAITING && d->in.settle_when_dry &&
               pool_free_count(deal_pile(d->deal, slot)) == 0) {
        (void)worker_step(w, WORKER_EV_SETTLE, WORKER_NO_TEST);
        effect(d, DISPATCH_SETTLE, slot, WORKER_NO_TEST);
    }
}

/* A worker waits with a teardown until it knows what it shares with the next test. */
static void answer(struct dispatch *d, uint32_t slot)
{
    struct worker *w = &d->workers[slot];
    bool last =
        d->stopped || ((d->ended || d->in.settle_when_dry) && deal_free_count(d->deal) == 0);

    if (w->asks)
        effect(d, last ? DISPATCH_LAST : DISPATCH_NONE, slot, WORKER_NO_TEST);
    w->asks = false;
}

/* After anything that happened: everyone who can work gets work. */
static void go_on(struct dispatch *d)
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
    hire(d);
    if (d->live > 0)
        return;
    if ((d->ended || d->stopped) && !d->told_empty) {
        d->told_empty = true;
        effect(d, DISPATCH_EMPTY, WORKER_NO_TEST, WORKER_NO_TEST);
    } else if (!d->ended && !d->stopped && !d->told_broken &&
               (!may_replace(d) || d->in.workers == 0)) {
        d->told_broken = true;
        effect(d, DISPATCH_BROKEN, WORKER_NO_TEST, WORKER_NO_TEST);
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
    go_on(d);
}

void dispatch_again(struct dispatch *d, uint32_t test)
{
    dispatch_grant(d, test, d->cost_us[test]);
    go_on(d);
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
    go_on(d);
}

bool dispatch_release(struct dispatch *d, uint32_t test)
{
    INVARIANT(test < d->in.suite->test_count);
    if (!d->here[test] || !deal_withdraw(d->deal, test))
        return false;
    d->here[test] = false;
    return true;
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
        effect(d, DISPATCH_CRASH, slot, running);
    } else if (running != WORKER_NO_TEST) {
        effect(d, DISPATCH_UNRUN, slot, running);
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
        effect(d, DISPATCH_KILL, slot, WORKER_NO_TEST);
        return true;
    }
    go_on(d);
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
    go_on(d);
}

void dispatch_stop(struct dispatch *d)
{
    d->stopped = true;
    for (uint32_t slot = 0; slot < d->slot_count; slot++)
        send_off(d, slot);
    go_on(d);
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
        effect(d, DISPATCH_CANCEL, slot, WORKER_NO_TEST);
    }
}

void dispatch_resume(struct dispatch *d, uint32_t slot)
{
    INVARIANT(slot < d->slot_count);
    d->workers[slot].held = false;
    go_on(d);
}

void dispatch_retire(struct dispatch *d, uint32_t slot)
{
    INVARIANT(slot < d->slot_count);
    send_off(d, slot);
    go_on(d);
}

void dispatch_limit(struct dispatch *d, uint32_t workers)
{
    d->in.workers = workers > 0 ? workers : 1;
    go_on(d);
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
    go_on(d);
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
    uint32_t busy = 0;
    struct need need;

    for (uint32_t slot = 0; slot < d->slot_count; slot++) {
        const struct worker *w = &d->workers[slot];
        uint64_t due_us = hand_us(d, w);
        uint64_t first_us = w->started ? predicted_us(d, w->hand[0]) : 0, own_us;

        if (w->state == WORKER_DEAD || w->hand_count == 0)
            continue;
        own_us = pool_own_us(deal_pile(d->deal, slot), slot);
        left_us[busy++] = due_us + own_us - (ran_us[slot] < first_us ? ran_us[slot] : first_us);
        waiting_us -= own_us;
    }
    need = need_of(left_us, busy > d->in.workers ? busy : d->in.workers, waiting_us,
                   pace_speed_ppm(&d->pace));
    free(left_us);
    return need;
}
