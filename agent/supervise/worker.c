/* supervise/worker.c - what workers say, frame by frame. */
#include <signal.h>

#include "inner.h"

#define BLOCK_ENTRY_BYTES 4u

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
    if (slot->abandons)
        return; /* whatever the interrupt made of it */
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

/* A test that puts a clock of its own in pytest's place has taken decades; none took longer than
 * the run. */
static void disbelieve(const struct supervisor *s, uint64_t *us)
{
    if (*us > now_us(s) - s->joined_us)
        *us = 0;
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
        !(late ? w->last == frame->a : worker_runs(w, frame->a))) {
        broke(s, peer, err.text[0] ? err.text : "a result of a test that it does not run");
        detail_free(done.detail);
        return;
    }
    s->last_us = now_us(s);
    s->runs[frame->a].ended_us = s->last_us;
    disbelieve(s, &done.setup_us);
    disbelieve(s, &done.call_us);
    disbelieve(s, &done.teardown_us);
    if (slot->abandons) {
        detail_free(done.detail);
        if (late)
            return;
        (void)dispatch_heard(s->dispatch, number, WORKER_EV_DONE, done.index, 0);
        abandoned_ended(s, number, done.index);
        return;
    }
    result = (struct result){ .worker = number,
                              .outcome = done.outcome,
                              .setup_us = done.setup_us,
                              .call_us = done.call_us,
                              .teardown_us = done.teardown_us,
                              .started_ms = (s->runs[done.index].started_us - s->joined_us) / 1000,
                              .mem_mib = late ? 0 : memory_told_mib(s, done.mem_kib, done.outcome),
                              .amends = late,
                              .detail = done.detail };
    if (!late)
        send_block(s, done.index, number, 0);
    deliver(s, done.index, &result);
    if (late)
        return;
    s->report.finished++;
    s->tests_us += done.setup_us + done.call_us + done.teardown_us;
    memory_test(s, number, done.index, done.mem_kib);
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
    if (!known || !worker_runs(dispatch_worker(s->dispatch, number), test))
        return;
    s->runs[test] = (struct stray_run){ .started_us = slot->started_us, .worker = number };
    s->source->ops->started(s->source, s->manifest->tests[test].id, s->manifest->tests[test].k);
    abandoned_started(s, number, test);
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

static void collected(struct supervisor *s, struct peer *peer, const struct frame *frame)
{
    struct err err = ERR_INIT;

    collect_frame(s, peer, frame, &err);
    if (err.code)
        broke(s, peer, err.text);
}

static void found(struct supervisor *s, struct peer *peer, const struct frame *frame)
{
    struct err err = ERR_INIT;

    found_frame(s, frame, &err);
    if (err.code)
        broke(s, peer, err.text);
}

/* It took too long and is being ended: what it still says comes too late. An end of the test is the
 * end of all patience. */
static void say_too_late(struct supervisor *s, uint32_t number, const struct frame *frame)
{
    if (frame->kind == FRAME_EVENT || frame->kind == FRAME_BYE)
        forward(s, number, frame);
    if (frame->kind == FRAME_DONE)
        keeper_signal_group(s->opts.keeper, slot_at(s, number)->pid, SIGKILL);
}

void worker_frame(struct supervisor *s, struct peer *peer, const struct frame *frame)
{
    uint32_t number = peer_slot(peer);
    const struct slot *slot = slot_at(s, number);
    bool is_ready = slot->ready && s->dispatch && dispatch_worker(s->dispatch, number);

    if (frame->kind == FRAME_FOUND) { /* true whatever becomes of the worker */
        found(s, peer, frame);
        return;
    }
    if (slot_at(s, number)->limit.stage != LIMIT_FINE) {
        say_too_late(s, number, frame);
        return;
    }
    switch ((int)frame->kind) {
    case FRAME_EVENT:
        if (!slot_at(s, number)->abandons)
            forward(s, number, frame);
        return;
    case FRAME_MANIFEST:
    case FRAME_COLLECT_END:
    case FRAME_SKIP:
        collected(s, peer, frame);
        return;
    default:
        break;
    }
    if (slot->refused) /* on its way out: none of this counts */
        return;
    if (!is_ready) {
        broke(s, peer, frame_name(frame->kind));
        return;
    }
    switch ((int)frame->kind) {
    case FRAME_START:
        on_start(s, number, frame->a);
        break;
    case FRAME_REPORT:
        on_report(s, peer, frame);
        return;
    case FRAME_ASK:
        memory_before_more(s);
        (void)dispatch_heard(s->dispatch, number, WORKER_EV_ASK, frame->a, 0);
        break;
    case FRAME_DONE:
    case FRAME_LATE:
        memory_before_more(s);
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
        slot_at(s, number)->queued_us = (uint64_t)frame->b * 1000;
        forward(s, number, frame);
        (void)dispatch_heard(s->dispatch, number, WORKER_EV_BYE, WORKER_NO_TEST, 0);
        break;
    default:
        broke(s, peer, frame_name(frame->kind));
        return;
    }
    watch(s, number);
    do_effects(s);
}
