/* supervise/slot.c - the processes of workers: asked for, met, lost, buried, signalled. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <event2/event.h>

#include "inner.h"
#include "mem.h"

#define EXIT_WAIT_MS  1000u /* from a lost connection to its exit status */
#define CLOSE_WAIT_MS 300u  /* from an exit to the end of what it had sent */

static void on_timer(evutil_socket_t fd, short what, void *ctx);

struct slot *slot_at(struct supervisor *s, uint32_t number)
{
    while (number >= s->slot_count) {
        struct slot *fresh = mem_new(1, sizeof(*fresh));

        *fresh = (struct slot){ .owner = s, .block = { .max = FRAME_BYTES_MAX } };
        fresh->timer = evtimer_new(s->opts.base, on_timer, fresh);
        INVARIANT(fresh->timer);
        s->slots = mem_grow(s->slots, &s->slot_cap, (size_t)s->slot_count + 1, sizeof(*s->slots));
        s->slots[s->slot_count++] = fresh;
    }
    return s->slots[number];
}

void slot_renew(struct supervisor *s, uint32_t number)
{
    struct slot *slot = slot_at(s, number);

    INVARIANT(!slot->peer);
    slot->pid = 0;
    slot->asked = slot->met = slot->hired = slot->ready = slot->refused = slot->abandons = false;
    slot->exited = slot->gone = false;
    slot->limit = (struct limit){ .wait = LIMIT_REST };
    slot->private_bytes = 0;
    slot->looked_ms = now_us(s) / 1000;
    slot->looks = 0;
    slot->demand_at_us = 0;
    manifest_free(slot->own);
    free(slot->own_problem);
    slot->own = NULL;
    slot->own_problem = NULL;
    slot->own_whole = false;
    str_clear(&slot->block);
}

void slots_free(struct supervisor *s)
{
    for (uint32_t i = 0; i < s->slot_count; i++) {
        event_free(s->slots[i]->timer);
        str_fini(&s->slots[i]->block);
        manifest_free(s->slots[i]->own);
        free(s->slots[i]->own_problem);
        free(s->slots[i]);
    }
    free(s->slots);
}

static uint32_t number_of(const struct supervisor *s, const struct slot *slot)
{
    for (uint32_t i = 0; i < s->slot_count; i++) {
        if (s->slots[i] == slot)
            return i;
    }
    UNREACHABLE("slot");
}

static void wait_ms(struct slot *slot, uint64_t ms, bool kills)
{
    slot->timer_kills = kills;
    set_timer(slot->timer, ms);
}

void worker_gone(struct supervisor *s, uint32_t number)
{
    struct slot *slot = slot_at(s, number);
    const struct worker *w = s->dispatch ? dispatch_worker(s->dispatch, number) : NULL;

    if (slot->gone)
        return;
    slot->gone = true;
    (void)evtimer_del(slot->timer);
    if (slot->peer)
        peer_close(slot->peer);
    slot->peer = NULL;
    if (w && w->bye)
        tell(s->reporter, FRAME_DOWN, number, 0, NULL);
    if (number == s->collector)
        collector_died(s);
    worker_lost(s, number);
    do_effects(s);
}

void worker_lost(struct supervisor *s, uint32_t number)
{
    if (s->dispatch && slot_at(s, number)->refused)
        dispatch_shrink(s->dispatch);
    if (s->dispatch)
        (void)dispatch_heard(s->dispatch, number, WORKER_EV_GONE, WORKER_NO_TEST, 0);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct slot *slot = ctx;
    struct supervisor *s = slot->owner;

    (void)fd;
    (void)what;
    if (slot->timer_kills && slot->pid > 0) {
        keeper_signal(s->opts.keeper, slot->pid, SIGKILL);
        wait_ms(slot, EXIT_WAIT_MS, false);
        return;
    }
    worker_gone(s, number_of(s, slot));
}

void worker_closed(struct supervisor *s, struct peer *peer)
{
    uint32_t number = peer_slot(peer);
    struct slot *slot = slot_at(s, number);

    if (slot->peer != peer)
        return;
    slot->peer = NULL;
    if (slot->exited)
        worker_gone(s, number);
    else
        wait_ms(slot, EXIT_WAIT_MS, true);
}

static void exited(struct supervisor *s, uint32_t number, int status, const struct os_usage *usage)
{
    struct slot *slot = slot_at(s, number);

    slot->exited = true;
    slot->status = status;
    slot->usage = *usage;
    s->busy_us += usage->user_us + usage->system_us + slot->queued_us;
    /* A process that a test has forked may hold the connection open: its end is not waited for. And
     * one that lived shortly may have said something that is still to be accepted. */
    if (slot->peer || !slot->met)
        wait_ms(slot, CLOSE_WAIT_MS, false);
    else
        worker_gone(s, number);
}

/* What is known of the end of a process, if it has ended before we knew what it was. */
static bool take_lost(struct supervisor *s, uint32_t pid, struct lost_child *out)
{
    for (uint32_t i = 0; i < LOST_CHILDREN_MAX; i++) {
        if (s->lost[i].pid == pid) {
            *out = s->lost[i];
            s->lost[i].pid = 0;
            return true;
        }
    }
    return false;
}

void worker_exited(struct supervisor *s, const struct keeper_event *event)
{
    if (s->zygote_pid == (uint32_t)event->pid) {
        zygote_exited(s);
        return;
    }
    for (uint32_t i = 0; i < s->slot_count; i++) {
        if (s->slots[i]->pid == (uint32_t)event->pid && !s->slots[i]->exited) {
            exited(s, i, event->status, &event->usage);
            return;
        }
    }
    s->lost[s->lost_next++ % LOST_CHILDREN_MAX] = (struct lost_child){ .pid = (uint32_t)event->pid,
                                                                       .status = event->status,
                                                                       .usage = event->usage };
}

void zygote_forked(struct supervisor *s, uint32_t pid)
{
    struct lost_child lost;

    s->zygote_pid = pid;
    if (take_lost(s, pid, &lost))
        zygote_exited(s);
}

void worker_stopped(struct supervisor *s, const struct keeper_event *event)
{
    for (uint32_t i = 0; i < s->slot_count; i++) {
        struct slot *slot = s->slots[i];

        if (slot->pid != (uint32_t)event->pid || slot->exited)
            continue;
        if (event->kind == KEEPER_STOPPED)
            watch_stopped(s, slot, WSTOPSIG(event->status));
        else
            watch_continued(s, slot);
        return;
    }
}

void worker_forked(struct supervisor *s, uint32_t number, uint32_t pid)
{
    struct slot *slot = number < s->slot_count ? s->slots[number] : NULL;
    struct lost_child lost;

    if (!slot || !slot->asked || pid == 0 || slot->pid == pid)
        return;
    slot->pid = pid;
    if (take_lost(s, pid, &lost))
        exited(s, number, lost.status, &lost.usage);
}

void interrupt_workers(struct supervisor *s)
{
    for (uint32_t i = 0; i < s->slot_count; i++) {
        const struct worker *w = s->dispatch ? dispatch_worker(s->dispatch, i) : NULL;

        if (w && worker_running(w) != WORKER_NO_TEST && s->slots[i]->pid > 0 &&
            !s->slots[i]->exited)
            keeper_signal(s->opts.keeper, s->slots[i]->pid, SIGINT);
    }
}

void kill_workers(struct supervisor *s)
{
    s->killing = true;
    for (uint32_t i = 0; i < s->slot_count; i++) {
        if (s->slots[i]->pid > 0 && !s->slots[i]->exited)
            keeper_signal(s->opts.keeper, s->slots[i]->pid, SIGKILL);
    }
}

bool worker_joined(struct supervisor *s, struct peer *peer)
{
    uint32_t number = peer_slot(peer);
    struct slot *slot = number < s->slot_count ? s->slots[number] : NULL;

    if (!slot || !slot->asked || slot->peer || slot->gone)
        return false;
    slot->peer = peer;
    slot->met = true;
    worker_forked(s, number, peer_pid(peer));
    slot->ready = s->start == START_FORK;
    worker_ready(s, number);
    return true;
}

void worker_ready(struct supervisor *s, uint32_t number)
{
    const struct worker *w = s->dispatch ? dispatch_worker(s->dispatch, number) : NULL;
    struct slot *slot = slot_at(s, number);

    if (!w || !slot->peer || !slot->ready)
        return;
    slot->looked_ms = now_us(s) / 1000; /* its memory: from now on, not while it started */
    if (w->state == WORKER_QUITTING) {
        tell(slot->peer, FRAME_QUIT, 0, 0, NULL);
        return;
    }
    tell(s->reporter, FRAME_UP, number, slot->pid, NULL);
    (void)dispatch_heard(s->dispatch, number, WORKER_EV_HELLO, WORKER_NO_TEST, 0);
    watch(s, number);
    do_effects(s);
}
