/* supervise_worker.c - workers: their frames, their deaths, and what dispatch wants done. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "mem.h"
#include "supervise_inner.h"

#define EXIT_WAIT_MS      1000u /* from a lost connection to its exit status */
#define CLOSE_WAIT_MS     300u  /* from an exit to the end of what it had sent */
#define BLOCK_ENTRY_BYTES 4u

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

void slots_free(struct supervisor *s)
{
    for (uint32_t i = 0; i < s->slot_count; i++) {
        event_free(s->slots[i]->timer);
        str_fini(&s->slots[i]->block);
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
    struct timeval tv = { .tv_sec = (time_t)(ms / 1000),
                          .tv_usec = (suseconds_t)(ms % 1000 * 1000) };

    slot->timer_kills = kills;
    (void)evtimer_add(slot->timer, &tv);
}

/* Both halves of its end are known, or waited for long enough. */
static void worker_gone(struct supervisor *s, uint32_t number)
{
    struct slot *slot = slot_at(s, number);

    if (slot->gone)
        return;
    slot->gone = true;
    (void)evtimer_del(slot->timer);
    if (slot->peer)
        peer_close(slot->peer);
    slot->peer = NULL;
    if (s->dispatch && dispatch_worker(s->dispatch, number)->bye)
        tell(s->reporter, FRAME_DOWN, number, 0, NULL);
    if (s->dispatch)
        (void)dispatch_heard(s->dispatch, number, WORKER_EV_GONE, WORKER_NO_TEST, 0);
    do_effects(s);
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
    /* A process that a test has forked may hold the connection open: its end is not waited for. */
    if (slot->peer)
        wait_ms(slot, CLOSE_WAIT_MS, false);
    else
        worker_gone(s, number);
}

bool worker_exited(struct supervisor *s, const struct keeper_event *event)
{
    for (uint32_t i = 0; i < s->slot_count; i++) {
        if (s->slots[i]->pid == (uint32_t)event->pid && !s->slots[i]->exited) {
            exited(s, i, event->status, &event->usage);
            return true;
        }
    }
    s->lost[s->lost_next++ % LOST_CHILDREN_MAX] = (struct lost_child){ .pid = (uint32_t)event->pid,
                                                                       .status = event->status,
                                                                       .usage = event->usage };
    return false;
}

void worker_forked(struct supervisor *s, uint32_t number, uint32_t pid)
{
    struct slot *slot;

    if (!s->dispatch || !dispatch_worker(s->dispatch, number) || pid == 0)
        return;
    slot = slot_at(s, number);
    if (slot->pid == pid)
        return;
    slot->pid = pid;
    for (uint32_t i = 0; i < LOST_CHILDREN_MAX; i++) {
        if (s->lost[i].pid == pid) {
            s->lost[i].pid = 0;
            exited(s, number, s->lost[i].status, &s->lost[i].usage);
            return;
        }
    }
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
    const struct worker *w = s->dispatch ? dispatch_worker(s->dispatch, number) : NULL;
    struct slot *slot;

    if (!w || w->state == WORKER_DEAD || slot_at(s, number)->peer || slot_at(s, number)->gone)
        return false;
    slot = slot_at(s, number);
    slot->peer = peer;
    worker_forked(s, number, peer_pid(peer));
    if (w->state == WORKER_QUITTING) {
        tell(peer, FRAME_QUIT, 0, 0, NULL);
    } else {
        tell(s->reporter, FRAME_UP, number, slot->pid, NULL);
        (void)dispatch_heard(s->dispatch, number, WORKER_EV_HELLO, WORKER_NO_TEST, 0);
        do_effects(s);
    }
    return true;
}

/* One entry of a BLOCK: u32 length, bytes. False when the block is full. */
static bool add_entry(struct str *block, const struct frame *frame)
{
    struct err ignored = ERR_INIT;
    uint8_t length[BLOCK_ENTRY_BYTES];

    if (frame->size + sizeof(length) > block->max - block->len)
        return false;
    for (size_t i = 0; i < sizeof(length); i++)
        length[i] = (uint8_t)(frame->size >> (8 * i));
    return str_add(block, length, sizeof(length), &ignored) == ERR_NONE &&
           str_add(block, frame->payload, frame->size, &ignored) == ERR_NONE;
}

static void send_block(struct supervisor *s, uint32_t test, uint32_t number, uint16_t flags)
{
    struct slot *slot = slot_at(s, number);

    if (s->reporter)
        peer_send(s->reporter, &(struct frame){ .kind = FRAME_BLOCK,
                                                .flags = flags,
                                                .a = test,
                                                .b = number,
                                                .size = (uint32_t)slot->block.len,
                                                .payload = slot->block.at });
    str_clear(&slot->block);
}

static bool is_test(const struct supervisor *s, uint32_t test)
{
    return s->manifest && test < s->manifest->count;
}

static void broke(struct supervisor *s, struct peer *peer, const char *what)
{
    struct slot *slot = slot_at(s, peer_slot(peer));

    say(s, "worker gw%u broke the protocol (%s) and is killed", peer_slot(peer), what);
    if (slot->pid > 0)
        keeper_signal(s->opts.keeper, slot->pid, SIGKILL);
}

static void on_report(struct supervisor *s, struct peer *peer, const struct frame *frame)
{
    uint32_t number = peer_slot(peer);
    struct slot *slot = slot_at(s, number);

    if (!is_test(s, frame->a)) {
        broke(s, peer, "REPORT of an unknown test");
        return;
    }
    if (!add_entry(&slot->block, frame)) {
        send_block(s, frame->a, number, FRAME_BLOCK_MORE);
        if (!add_entry(&slot->block, frame)) {
            broke(s, peer, "REPORT over the limit");
            return;
        }
    }
    if (frame->b == 1)
        send_block(s, frame->a, number, FRAME_BLOCK_LATE);
}

static void on_done(struct supervisor *s, struct peer *peer, const struct frame *frame)
{
    uint32_t number = peer_slot(peer);
    struct slot *slot = slot_at(s, number);
    const struct worker *w = dispatch_worker(s->dispatch, number);
    struct frame_done done = { .index = 0 };
    struct result result;
    struct err err = ERR_INIT;
    bool late = frame->kind == FRAME_LATE;

    if (!is_test(s, frame->a) || frame_done_decode(frame, &done, &err) ||
        (late ? w->last : worker_running(w)) != frame->a) {
        broke(s, peer, err.text[0] ? err.text : "a result of a test that it does not run");
        detail_free(done.detail);
        return;
    }
    s->last_us = now_us(s);
    result = (struct result){ .worker = number,
                              .outcome = done.outcome,
                              .setup_us = done.setup_us,
                              .call_us = done.call_us,
                              .teardown_us = done.teardown_us,
                              .started_ms = (slot->started_us - s->joined_us) / 1000,
                              .amends = late,
                              .detail = done.detail };
    if (!late)
        send_block(s, done.index, number, 0);
    deliver(s, done.index, &result);
    if (late)
        return;
    s->report.finished++;
    paid_ran(s->paid, done.index, number);
    s->took_us[done.index] = done.setup_us + done.call_us + done.teardown_us;
    (void)dispatch_heard(s->dispatch, number, WORKER_EV_DONE, done.index, s->took_us[done.index]);
}

static void on_start(struct supervisor *s, uint32_t number, uint32_t test)
{
    struct slot *slot = slot_at(s, number);
    bool known = is_test(s, test);

    slot->started_us = now_us(s);
    if (s->first_us == 0)
        s->first_us = slot->started_us;
    str_clear(&slot->block);
    (void)dispatch_heard(s->dispatch, number, WORKER_EV_START, test, 0);
    if (known && worker_running(dispatch_worker(s->dispatch, number)) == test)
        s->source->ops->started(s->source, s->manifest->tests[test].id, s->manifest->tests[test].k);
}

static void on_scope(struct supervisor *s, struct peer *peer, const struct frame *frame)
{
    struct frame_scope scope;
    struct err err = ERR_INIT;

    if (frame_scope_decode(frame, &scope, &err)) {
        broke(s, peer, err.text);
        return;
    }
    paid_add(s->paid, scope.kind, scope.id, scope.us);
    s->source->ops->scope(s->source, scope.kind, scope.id, scope.part == SCOPE_SETUP ? scope.us : 0,
                          scope.part == SCOPE_TEARDOWN ? scope.us : 0);
}

static void forward(struct supervisor *s, uint32_t number, const struct frame *frame)
{
    if (s->reporter)
        peer_send(s->reporter, &(struct frame){ .kind = FRAME_FORWARD,
                                                .a = number,
                                                .b = frame->kind == FRAME_BYE,
                                                .size = frame->size,
                                                .payload = frame->payload });
}

void worker_frame(struct supervisor *s, struct peer *peer, const struct frame *frame)
{
    uint32_t number = peer_slot(peer);

    switch ((int)frame->kind) {
    case FRAME_EVENT:
        forward(s, number, frame);
        return;
    case FRAME_START:
        on_start(s, number, frame->a);
        break;
    case FRAME_REPORT:
        on_report(s, peer, frame);
        return;
    case FRAME_DONE:
    case FRAME_LATE:
        on_done(s, peer, frame);
        break;
    case FRAME_SCOPE:
        on_scope(s, peer, frame);
        return;
    case FRAME_IDLE:
        (void)dispatch_heard(s->dispatch, number, frame->a == 1 ? WORKER_EV_FORGOT : WORKER_EV_IDLE,
                             WORKER_NO_TEST, 0);
        break;
    case FRAME_BYE:
        forward(s, number, frame);
        (void)dispatch_heard(s->dispatch, number, WORKER_EV_BYE, WORKER_NO_TEST, 0);
        break;
    default:
        broke(s, peer, frame_name(frame->kind));
        return;
    }
    do_effects(s);
}

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

static void do_one(struct supervisor *s, const struct dispatch_fx *fx)
{
    switch (fx->kind) {
    case DISPATCH_FORK:
        if (s->zygote)
            tell(s->zygote, FRAME_FORK, fx->slot, 0, NULL);
        else
            dispatch_barren(s->dispatch);
        return;
    case DISPATCH_RUN:
        send_run(s, fx->slot, fx->test);
        return;
    case DISPATCH_SETTLE:
        tell(slot_at(s, fx->slot)->peer, FRAME_SETTLE, 0, 0, NULL);
        return;
    case DISPATCH_CANCEL:
        tell(slot_at(s, fx->slot)->peer, FRAME_CANCEL, 0, 0, NULL);
        return;
    case DISPATCH_QUIT: /* a worker that is still starting is told when it says HELLO */
        tell(slot_at(s, fx->slot)->peer, FRAME_QUIT, 0, 0, NULL);
        return;
    case DISPATCH_KILL:
        kill_one(s, fx->slot);
        return;
    case DISPATCH_CRASH:
        if (!s->killing)
            worker_crashed(s, fx->slot, fx->test);
        else if (fx->test != WORKER_NO_TEST)
            s->report.unrun++;
        return;
    case DISPATCH_UNRUN:
        s->report.unrun++;
        return;
    case DISPATCH_BROKEN:
        report_error(s, "workers-died", "too many workers died; the rest of the tests did not run");
        stop_tests(s, ENDING_BROKEN, FRAME_ANY, "too many workers died");
        return;
    case DISPATCH_EMPTY:
        end_reporter(s);
        return;
    }
    UNREACHABLE("dispatch effect");
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
    s->source->ops->idle(s->source, free_workers, backlog_us);
    return true;
}

void do_effects(struct supervisor *s)
{
    struct dispatch_fx fx;

    if (!s->dispatch || s->in_effects)
        return;
    s->in_effects = true; /* what is called below may end here again */
    do {
        while (dispatch_next(s->dispatch, &fx))
            do_one(s, &fx);
    } while (tell_source(s));
    s->in_effects = false;
}
