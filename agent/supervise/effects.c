/* supervise/effects.c - does what dispatch wants done, and tells the source what is left. */
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

#include <event2/event.h>

#include "inner.h"
#include "mem.h"
#include "plan/habits.h"

static void send_run(struct supervisor *s, uint32_t number, uint32_t test)
{
    const struct manifest_test *t = &s->manifest->tests[test];

    tell(slot_at(s, number)->peer, FRAME_RUN, test, t->k, t->id);
}

static void kill_one(struct supervisor *s, uint32_t number)
{
    say(s, "worker gw%u said what makes no sense now and is killed", number);
    if (slot_at(s, number)->pid > 0)
        keeper_signal(s->opts.keeper, slot_at(s, number)->pid, SIGKILL);
}

static const char *were_lost(uint32_t workers)
{
    return workers == 1 ? " was" : "s were";
}

static void no_workers_left(struct supervisor *s)
{
    bool left_over = s->report.finished < s->report.granted;
    const char *rest = left_over ? "the rest of the tests did not run" : "no more tests run here";
    uint32_t losses = dispatch_losses(s->dispatch);
    struct err text = ERR_INIT;

    if (losses > s->restarts_max)
        err_set(&text, ERR_RUNNER,
                "%u worker%s lost and no more than %u are replaced (--max-worker-restart); %s",
                losses, were_lost(losses), s->restarts_max, rest);
    else
        err_set(&text, ERR_RUNNER,
                "no worker is left, and none can be started since the process that forks them has "
                "gone; %s",
                rest);
    report_error(s, "workers-died", text.text);
    stop_tests(s, ENDING_BROKEN, FRAME_ANY, text.text);
}

static void say_no_more_replaced(struct supervisor *s)
{
    uint32_t losses = dispatch_losses(s->dispatch);

    if (s->told_no_more || losses <= s->restarts_max)
        return;
    s->told_no_more = true;
    say(s, "%u worker%s lost: from now on none is replaced (--max-worker-restart %u)", losses,
        were_lost(losses), s->restarts_max);
}

static void worker_died(struct supervisor *s, const struct dispatch_fx *fx)
{
    if (slot_at(s, fx->slot)->refused)
        return; /* was told */
    if (slot_at(s, fx->slot)->abandons) {
        tell(s->reporter, FRAME_DOWN, fx->slot, 0, NULL);
        if (fx->test != WORKER_NO_TEST)
            abandoned_ended(s, fx->slot, fx->test);
    } else if (!s->killing) {
        worker_crashed(s, fx->slot, fx->test);
        say_no_more_replaced(s);
    } else if (fx->test != WORKER_NO_TEST) {
        s->report.unrun++;
    }
}

static void do_one(struct supervisor *s, const struct dispatch_fx *fx)
{
    switch (fx->kind) {
    case DISPATCH_FORK:
        start_worker(s, fx->slot);
        return;
    case DISPATCH_RUN:
        send_run(s, fx->slot, fx->test);
        return;
    case DISPATCH_SETTLE:
        tell(slot_at(s, fx->slot)->peer, FRAME_SETTLE, 0, 0, NULL);
        return;
    case DISPATCH_NONE:
    case DISPATCH_LAST:
        tell(slot_at(s, fx->slot)->peer, FRAME_NONE, fx->kind == DISPATCH_LAST, 0, NULL);
        return;
    case DISPATCH_CANCEL:
        tell(slot_at(s, fx->slot)->peer, FRAME_CANCEL, 0, 0, NULL);
        return;
    case DISPATCH_QUIT: /* a worker that is still starting is told when it says HELLO */
        memory_leaving(s, fx->slot);
        tell(slot_at(s, fx->slot)->peer, FRAME_QUIT, 0, 0, NULL);
        return;
    case DISPATCH_KILL:
        kill_one(s, fx->slot);
        return;
    case DISPATCH_CRASH:
        worker_died(s, fx);
        return;
    case DISPATCH_UNRUN:
        if (slot_at(s, fx->slot)->abandons)
            abandoned_ended(s, fx->slot, fx->test);
        else
            s->report.unrun++;
        return;
    case DISPATCH_BROKEN:
        no_workers_left(s);
        return;
    case DISPATCH_EMPTY:
        end_reporter(s);
        return;
    }
    UNREACHABLE("dispatch effect");
}

static struct need need_now(const struct supervisor *s)
{
    uint32_t count = dispatch_slots(s->dispatch);
    uint64_t *ran_us = mem_new(count, sizeof(*ran_us)), at_us = now_us(s);
    struct need need;

    for (uint32_t i = 0; i < count && i < s->slot_count; i++)
        ran_us[i] = at_us - s->slots[i]->started_us;
    need = dispatch_need(s->dispatch, ran_us);
    free(ran_us);
    return need;
}

/* Tells the source how much we have to do; false when it knows. */
static bool tell_source(struct supervisor *s)
{
    uint32_t free_workers = dispatch_free_workers(s->dispatch);
    uint64_t backlog_us = dispatch_backlog_us(s->dispatch);

    if (s->phase != PHASE_RUN || (free_workers == s->told_free && backlog_us == s->told_backlog_us))
        return false;
    s->told_free = free_workers;
    s->told_backlog_us = backlog_us;
    s->source->ops->idle(s->source, free_workers, need_now(s));
    return true;
}

void on_alone(int fd, short what, void *ctx)
{
    struct supervisor *s = ctx;

    (void)fd;
    (void)what;
    if (!s->dispatch || !dispatch_waits(s->dispatch))
        return;
    dispatch_alone(s->dispatch);
    do_effects(s);
}

/* Other work would be here by then, if there were any. */
static void watch_waiting(struct supervisor *s)
{
    if (dispatch_waits(s->dispatch) && !evtimer_pending(s->alone, NULL))
        set_timer(s->alone, HABIT_ALONE_US / 1000);
}

void do_effects(struct supervisor *s)
{
    struct dispatch_fx fx;

    if (!s->dispatch || s->in_effects)
        return;
    s->in_effects = true; /* what is called below may end here again */
    do {
        while (dispatch_next(s->dispatch, &fx)) {
            do_one(s, &fx);
            watch(s, fx.slot);
        }
    } while (abandoned_unstarted(s) || tell_source(s));
    s->in_effects = false;
    watch_waiting(s);
}
