/* supervise/limit.c - time limits: one timer for all workers, one for the run. */
#include <signal.h>

#include <event2/event.h>

#include "inner.h"

#define STOPPED_MS 5000u /* a worker that a signal has stopped */
#define GRACE_MS   3000u /* from SIGTERM to SIGKILL */
#define LATE_MS    1000u /* a timer that is so late means that we were not running */

/* The timer waits for the first thing that is due. One that comes too early does no harm, so it is
 * set again only when something is due before it. */
static void await(struct supervisor *s, uint64_t due_ms)
{
    uint64_t now = now_ms(s);

    if (due_ms >= s->limit_due_ms)
        return;
    s->limit_due_ms = due_ms;
    set_timer(s->limit_timer, due_ms > now ? due_ms - now : 0);
}

/* The flags of a test and the default say how long it may take. */
static struct limit_test allowed_of(const struct supervisor *s, const struct worker *w)
{
    uint32_t test = w->started ? w->hand[0] : w->last;
    struct limit_test allowed = { .ms = 0 };

    if (test == WORKER_NO_TEST)
        return allowed;
    allowed = limit_of_flags(s->manifest->tests[test].flags, s->rules.test_ms);
    allowed.begun_ms = s->runs[test].started_us / 1000;
    return allowed;
}

void watch(struct supervisor *s, uint32_t number)
{
    const struct worker *w = s->dispatch ? dispatch_worker(s->dispatch, number) : NULL;
    struct slot *slot;

    if (!w)
        return;
    slot = slot_at(s, number);
    limit_see(&slot->limit, w, allowed_of(s, w), now_ms(s));
    await(s, limit_due_ms(&slot->limit, &s->rules));
}

void watch_stopped(struct supervisor *s, struct slot *slot, int sig)
{
    slot->stop_signal = sig;
    limit_stopped(&slot->limit, now_ms(s));
    await(s, limit_due_ms(&slot->limit, &s->rules));
}

void watch_continued(struct supervisor *s, struct slot *slot)
{
    limit_continued(&slot->limit, now_ms(s));
    await(s, limit_due_ms(&slot->limit, &s->rules));
}

/* For the first thing that is due now, whatever it waited for. */
static void await_first(struct supervisor *s)
{
    uint64_t first_ms = LIMIT_NEVER;

    for (uint32_t i = 0; i < s->slot_count; i++) {
        uint64_t due_ms = limit_due_ms(&s->slots[i]->limit, &s->rules);

        if (!s->slots[i]->gone && !s->slots[i]->exited && due_ms < first_ms)
            first_ms = due_ms;
    }
    s->limit_due_ms = LIMIT_NEVER;
    await(s, first_ms);
}

/* So long nothing ran here: that time belongs to no test. */
static void shift_tests(struct supervisor *s, uint64_t ms)
{
    uint64_t now = now_us(s);

    for (uint32_t i = 0; i < s->slot_count; i++)
        limit_shift(&s->slots[i]->limit, ms);
    for (uint32_t i = 0; s->runs && i < s->manifest->count; i++) {
        struct stray_run *run = &s->runs[i];

        if (run->started_us > 0 && run->ended_us == 0)
            run->started_us = run->started_us + ms * 1000 < now ? run->started_us + ms * 1000 : now;
    }
}

static void await_run(struct supervisor *s)
{
    uint64_t now = now_ms(s);

    set_timer(s->run_timer, s->run_due_ms > now ? s->run_due_ms - now : 0);
}

void limits_stood_still(struct supervisor *s, uint64_t ms)
{
    shift_tests(s, ms);
    await_first(s);
    if (s->run_due_ms > 0 && !s->out_of_time) {
        s->run_due_ms += ms;
        await_run(s);
    }
}

static void say_over(const struct supervisor *s, uint32_t number)
{
    const struct limit *l = &s->slots[number]->limit;
    bool known = l->subject != WORKER_NO_TEST;
    const char *id = known ? s->manifest->tests[l->subject].id : "";

    if (l->was_stopped)
        say(s, "worker gw%u was stopped by a signal and does not go on; it is replaced", number);
    else if (l->wait == LIMIT_TEST)
        say(s, "%s is over its time limit; its worker gw%u is replaced", id, number);
    else if (known && l->allowed.ms > 0)
        say(s, "what is torn down after %s is over its time limit; worker gw%u is replaced", id,
            number);
    else
        say(s, "worker gw%u does not answer%s%s; it is ended", number, known ? ", last after " : "",
            id);
}

static void step(struct supervisor *s, uint32_t number)
{
    struct slot *slot = slot_at(s, number);

    switch (limit_tick(&slot->limit, &s->rules, now_ms(s))) {
    case LIMIT_FX_NONE:
        return;
    case LIMIT_FX_DUMP:
        say_over(s, number);
        dispatch_condemn(s->dispatch, number);
        if (dispatch_worker(s->dispatch, number)->met)
            stacks_ask(s, number);
        keeper_signal(s->opts.keeper, slot->pid, SIGCONT);
        return;
    case LIMIT_FX_TERM:
        keeper_signal(s->opts.keeper, slot->pid, SIGTERM);
        return;
    case LIMIT_FX_KILL:
        if (slot->pid > 0)
            keeper_signal_group(s->opts.keeper, slot->pid, SIGKILL);
        else
            worker_gone(s, number); /* it was asked for and never came */
        return;
    }
    UNREACHABLE("limit effect");
}

static void on_limit(evutil_socket_t fd, short what, void *ctx)
{
    struct supervisor *s = ctx;
    uint64_t now = now_ms(s), late_ms = now > s->limit_due_ms ? now - s->limit_due_ms : 0;

    (void)fd;
    (void)what;
    if (late_ms > LATE_MS) /* we stood still; what workers said meanwhile is unread */
        shift_tests(s, late_ms);
    for (uint32_t i = 0; i < s->slot_count; i++) {
        if (!s->slots[i]->gone && !s->slots[i]->exited)
            step(s, i);
    }
    await_first(s);
    do_effects(s);
}

static void on_run_limit(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    out_of_time(ctx);
}

void limits_start(struct supervisor *s)
{
    if (s->opts.local->run_timeout_ms == 0)
        return;
    s->run_due_ms = now_ms(s) + s->opts.local->run_timeout_ms;
    await_run(s);
}

void limits_new(struct supervisor *s)
{
    s->rules = (struct limit_rules){ .test_ms = s->opts.local->timeout_ms,
                                     .stall_ms = s->opts.local->stall_ms,
                                     .stopped_ms = STOPPED_MS,
                                     .grace_ms = GRACE_MS };
    s->limit_due_ms = LIMIT_NEVER;
    s->limit_timer = evtimer_new(s->opts.base, on_limit, s);
    s->run_timer = evtimer_new(s->opts.base, on_run_limit, s);
    INVARIANT(s->limit_timer && s->run_timer);
}

void limits_free(struct supervisor *s)
{
    event_free(s->limit_timer);
    event_free(s->run_timer);
}
