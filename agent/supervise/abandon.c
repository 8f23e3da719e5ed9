/* supervise/abandon.c - ending a test that somebody else was faster with, or that another machine
 * may be given soon: that test only, its fixtures torn down as far as it lets us, its worker
 * replaced; no crash, and no word to pytest.
 *
 * The worker is told that what it runs is of no use (QUIT with 1) and interrupted as by Ctrl-C; it
 * tears down and says BYE. One that does not is killed. Either way its end brings abandoned_ended.
 * It may have gone on to its next test by then: that one runs again, in another worker.
 */
#include <signal.h>
#include <stdlib.h>

#include "inner.h"
#include "mem.h"

#define GRACE_MS 3000u /* from the interrupt to SIGKILL */

/* The worker that has this test in hand, or dispatch_slots. */
static uint32_t slot_of(const struct supervisor *s, uint32_t test)
{
    uint32_t count = dispatch_slots(s->dispatch);

    for (uint32_t i = 0; i < count; i++) {
        const struct worker *w = dispatch_worker(s->dispatch, i);

        for (uint32_t k = 0; w->state != WORKER_DEAD && k < w->hand_count; k++)
            if (w->hand[k] == test)
                return i;
    }
    return count;
}

static bool waits(const struct supervisor *s, uint32_t test)
{
    for (uint32_t i = 0; i < s->abandoned_count; i++)
        if (s->abandoned[i].test == test)
            return true;
    return false;
}

static void end_try(struct supervisor *s, uint32_t number)
{
    struct slot *slot = slot_at(s, number);

    slot->abandons = true;
    dispatch_condemn(s->dispatch, number);
    tell(slot->peer, FRAME_QUIT, 1, 0, NULL);
    if (slot->pid > 0 && !slot->exited)
        keeper_signal(s->opts.keeper, slot->pid, SIGINT);
    slot->timer_kills = true;
    set_timer(slot->timer, GRACE_MS);
}

bool abandon(struct supervisor *s, uint32_t test, const char *why)
{
    uint32_t number = slot_of(s, test);

    if (number == dispatch_slots(s->dispatch))
        return false;
    if (waits(s, test))
        return true;
    s->abandoned =
        mem_grow(s->abandoned, &s->abandoned_cap, s->abandoned_count + 1u, sizeof(*s->abandoned));
    s->abandoned[s->abandoned_count++] = (struct abandoned){ .test = test };
    say(s, "%s %s and is ended here", s->manifest->tests[test].id, why);
    if (worker_running(dispatch_worker(s->dispatch, number)) == test)
        end_try(s, number);
    return true;
}

void abandoned_started(struct supervisor *s, uint32_t number, uint32_t test)
{
    if (waits(s, test))
        end_try(s, number);
}

bool abandoned_again(struct supervisor *s, uint32_t test, uint64_t fence,
                     const struct order_test *given)
{
    for (uint32_t i = 0; i < s->abandoned_count; i++) {
        struct abandoned *a = &s->abandoned[i];

        if (a->test != test)
            continue;
        a->again = true;
        a->fence = fence;
        a->cost_us = given->cost_us;
        return true;
    }
    return false;
}

/* Takes it off the list of those whose workers are not gone yet. */
static struct abandoned off_list(struct supervisor *s, uint32_t i)
{
    struct abandoned a = s->abandoned[i];

    s->abandoned[i] = s->abandoned[--s->abandoned_count];
    return a;
}

static void cut(struct supervisor *s, uint32_t number, uint32_t test)
{
    const struct slot *slot = slot_at(s, number);

    s->granted[test] = false;
    s->report.granted--;
    s->report.abandoned++;
    s->source->ops->cut(s->source,
                        &(struct try_cut){ .test = { .id = mem_strdup(s->manifest->tests[test].id),
                                                     .k = s->manifest->tests[test].k },
                                           .fence = s->fences[test],
                                           .worker = number,
                                           .started_ms = (slot->started_us - s->joined_us) / 1000,
                                           .took_us = now_us(s) - slot->started_us });
}

static void take_again(struct supervisor *s, const struct abandoned *a)
{
    s->fences[a->test] = a->fence;
    if (!s->granted[a->test])
        s->report.granted++;
    s->granted[a->test] = true;
    dispatch_grant(s->dispatch, a->test, a->cost_us);
    dispatch_granted(s->dispatch);
}

void abandoned_ended(struct supervisor *s, uint32_t number, uint32_t test)
{
    for (uint32_t i = 0; i < s->abandoned_count; i++) {
        struct abandoned a;

        if (s->abandoned[i].test != test)
            continue;
        a = off_list(s, i);
        cut(s, number, test);
        if (a.again)
            take_again(s, &a);
        return;
    }
    if (s->ending_known)
        s->report.unrun++;
    else
        dispatch_again(s->dispatch, test);
}

bool abandoned_unstarted(struct supervisor *s)
{
    bool any = false;

    for (uint32_t i = s->abandoned_count; i-- > 0;) {
        struct abandoned a = s->abandoned[i];

        if (slot_of(s, a.test) < dispatch_slots(s->dispatch))
            continue;
        any = true;
        (void)off_list(s, i);
        if (a.again)
            take_again(s, &a);
        else
            give_back(s, a.test);
    }
    return any;
}
