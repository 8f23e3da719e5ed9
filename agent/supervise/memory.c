/* supervise/memory.c - watches memory while tests run: what workers and tests need, and what is
 * left.
 *
 * The decisions are crew's (how many workers) and pressure's (what to do when memory is short);
 * here are the timers, the readings and what becomes of them. */
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "inner.h"
#include "machine/memory.h"
#include "mem.h"

#define STALL_MS   2000u /* how long a stall counts */
#define LOOK_MS    1000u /* after its start a worker is looked at; then twice as late each time */
#define RECYCLE_MS 100u  /* between two looks at a worker that may be too large */

static void tick(evutil_socket_t fd, short what, void *ctx);

/* Reads what a worker has for itself; false when it is on its way out. */
static bool look(struct supervisor *s, uint32_t number)
{
    struct slot *slot = slot_at(s, number);
    uint64_t bytes = 0;

    if (slot->pid == 0 || slot->exited || !memory_private("", slot->pid, &bytes))
        return false;
    slot->private_bytes = bytes;
    slot->looked_ms = now_ms(s);
    slot->looks++;
    return true;
}

static bool is_up(const struct supervisor *s, uint32_t number)
{
    return worker_is_up(dispatch_worker(s->dispatch, number));
}

static bool due(const struct supervisor *s, const struct slot *slot)
{
    uint64_t wait_ms = LOOK_MS << (slot->looks < 16 ? slot->looks : 16);

    if (s->opts.local->recycle_above_bytes > 0)
        wait_ms = LOOK_MS;
    return now_ms(s) - slot->looked_ms >= wait_ms;
}

static void recycle_if_large(struct supervisor *s, uint32_t number)
{
    uint64_t above = s->opts.local->recycle_above_bytes;

    if (above > 0 && slot_at(s, number)->private_bytes > above && is_up(s, number))
        dispatch_retire(s->dispatch, number);
}

static void note_peak(struct supervisor *s, uint64_t bytes)
{
    if (bytes > s->memory.peak_bytes)
        s->memory.peak_bytes = bytes;
}

/* Between two tests it has nothing but its own: this is what a worker needs. */
static void look_at_rest(struct supervisor *s, uint32_t number)
{
    if (!look(s, number))
        return;
    if (slot_at(s, number)->private_bytes > s->memory.worker_bytes)
        s->memory.worker_bytes = slot_at(s, number)->private_bytes;
    note_peak(s, slot_at(s, number)->private_bytes);
    recycle_if_large(s, number);
}

/* In a long first test it has more than its own: better than to know nothing. One a tick. */
static void look_at_busy(struct supervisor *s)
{
    for (uint32_t i = 0; i < dispatch_slots(s->dispatch) && i < s->slot_count; i++) {
        if (!is_up(s, i) || s->slots[i]->looks > 0 || !due(s, s->slots[i]) || !look(s, i))
            continue;
        if (s->slots[i]->private_bytes > s->memory.busy_bytes)
            s->memory.busy_bytes = s->slots[i]->private_bytes;
        return;
    }
}

uint64_t memory_worker_bytes(const struct supervisor *s)
{
    return s->memory.worker_bytes > 0 ? s->memory.worker_bytes : s->memory.busy_bytes;
}

static void count_workers(const struct supervisor *s, struct pressure_now *now)
{
    now->working = now->held = now->leaving = 0;
    for (uint32_t i = 0; i < dispatch_slots(s->dispatch); i++) {
        const struct worker *w = dispatch_worker(s->dispatch, i);

        if (w->state == WORKER_DEAD)
            continue;
        if (w->state == WORKER_QUITTING)
            now->leaving++;
        else if (w->held)
            now->held++;
        else
            now->working++;
    }
}

/* The largest of those that are held, or of those that are not; FRAME_ANY: none. Each is read once
 * since `since_ms`: with large workers that takes milliseconds. */
static uint32_t largest(struct supervisor *s, bool held, uint64_t since_ms)
{
    uint32_t best = FRAME_ANY;

    for (uint32_t i = 0; i < dispatch_slots(s->dispatch) && i < s->slot_count; i++) {
        if (!is_up(s, i) || dispatch_worker(s->dispatch, i)->held != held)
            continue;
        if (s->slots[i]->looked_ms < since_ms && !look(s, i))
            continue;
        if (best == FRAME_ANY || s->slots[i]->private_bytes > s->slots[best]->private_bytes)
            best = i;
    }
    return best;
}

static void set_limit(struct supervisor *s, uint32_t workers)
{
    s->memory.limit = workers > 0 ? workers : 1;
    dispatch_limit(s->dispatch, s->memory.limit);
}

static void say_short(struct supervisor *s, const struct pressure_now *now)
{
    if (!s->memory.told_short)
        say(s,
            "memory is short (%llu of %llu MiB left%s): workers get no new tests, then leave, "
            "until it is not",
            (unsigned long long)(now->free_bytes >> 20),
            (unsigned long long)(now->total_bytes >> 20),
            now->stalled ? ", processes wait for it" : "");
    s->memory.told_short = true;
}

/* True when there may be more to do at once. */
static bool relieve(struct supervisor *s, const struct pressure_now *now)
{
    uint32_t number;

    switch (pressure_step(&s->memory.pressure, now)) {
    case PRESSURE_NOTHING:
        return false;
    case PRESSURE_HOLD:
        number = largest(s, false, now->now_ms);
        if (number != FRAME_ANY)
            dispatch_hold(s->dispatch, number);
        say_short(s, now);
        return number != FRAME_ANY;
    case PRESSURE_RETIRE:
        number = largest(s, true, now->now_ms);
        if (number == FRAME_ANY)
            return false;
        set_limit(s, now->working + now->held - 1);
        dispatch_retire(s->dispatch, number);
        s->report.retired++;
        return false;
    case PRESSURE_RESUME:
        number = largest(s, true, now->now_ms);
        if (number != FRAME_ANY)
            dispatch_resume(s->dispatch, number);
        return false;
    case PRESSURE_ADD:
        set_limit(s, s->memory.limit + 1);
        return false;
    }
    UNREACHABLE("pressure advice");
}

/* Fewer workers than planned were started, as nobody knew what they need: now it is known. */
static void add_measured(struct supervisor *s, const struct pressure_now *now)
{
    uint64_t spare =
        now->free_bytes > CREW_RESERVE_BYTES ? now->free_bytes - CREW_RESERVE_BYTES : 0;
    uint64_t more = memory_worker_bytes(s) > 0 ? spare / memory_worker_bytes(s) : 0;
    uint64_t workers = now->working + more;

    if (s->memory.limit >= s->wanted || s->memory.pressure.acted_ms > 0 ||
        workers <= s->memory.limit)
        return;
    set_limit(s, workers < s->wanted ? (uint32_t)workers : s->wanted);
}

void memory_more(struct supervisor *s)
{
    if (s->memory.pressure.acted_ms == 0 && s->memory.limit < s->wanted)
        set_limit(s, s->wanted);
}

static void again(struct supervisor *s, uint64_t ms)
{
    s->memory.due_ms = now_ms(s) + ms;
    set_timer(s->memory.timer, ms);
}

/* Decides; the effects are the caller's to do. */
static void look_at_all(struct supervisor *s)
{
    struct resources machine;
    struct pressure_now now = { .now_ms = now_ms(s) };

    resources_read_memory("", &machine);
    look_at_busy(s);
    now.total_bytes = machine.memory_total;
    now.free_bytes = machine.memory_free;
    now.stalled = now.now_ms < s->memory.stalled_until_ms;
    now.wanted = s->wanted;
    now.worker_bytes = memory_worker_bytes(s);
    count_workers(s, &now);
    add_measured(s, &now);
    while (relieve(s, &now))
        count_workers(s, &now);
    again(s, pressure_next_look_ms(&s->memory.pressure, &now));
}

static void tick(evutil_socket_t fd, short what, void *ctx)
{
    struct supervisor *s = ctx;

    (void)fd;
    (void)what;
    if (s->phase != PHASE_RUN || s->killing)
        return;
    look_at_all(s);
    do_effects(s);
}

void memory_before_more(struct supervisor *s)
{
    if (s->phase == PHASE_RUN && !s->killing && now_ms(s) > s->memory.due_ms)
        look_at_all(s);
}

static void on_stall(evutil_socket_t fd, short what, void *ctx)
{
    struct supervisor *s = ctx;

    (void)what;
    if (!os_stall_seen(fd))
        return;
    s->memory.stalled_until_ms = now_ms(s) + STALL_MS;
    again(s, 0);
}

static void watch_stalls(struct supervisor *s)
{
    struct str path = STR_MAX(PATH_BYTES_MAX);

    if (cgroup_pressure_path("", &path) && os_stall_open(str_text(&path), &s->memory.stalls)) {
        s->memory.stall =
            event_new(s->opts.base, s->memory.stalls.watched, EV_READ | EV_PERSIST, on_stall, s);
        INVARIANT(s->memory.stall && event_add(s->memory.stall, NULL) == 0);
    }
    str_fini(&path);
}

/* Before anything grows: from the second look on it is known how fast memory goes. */
static void first_look(struct supervisor *s)
{
    struct resources machine;
    struct pressure_now now = { .now_ms = now_ms(s) };

    resources_read_memory("", &machine);
    now.total_bytes = machine.memory_total;
    now.free_bytes = machine.memory_free;
    (void)pressure_step(&s->memory.pressure, &now);
}

void memory_start(struct supervisor *s)
{
    s->memory.test_kib = mem_new(s->manifest->count, sizeof(*s->memory.test_kib));
    memset(s->memory.test_kib, 0xff, s->manifest->count * sizeof(*s->memory.test_kib));
    s->memory.timer = evtimer_new(s->opts.base, tick, s);
    INVARIANT(s->memory.timer);
    watch_stalls(s);
    first_look(s);
    again(s, PRESSURE_LOOK_MS);
}

void memory_grow(struct supervisor *s, uint32_t before)
{
    uint32_t count = s->manifest->count;

    s->memory.test_kib = mem_resize(s->memory.test_kib, count, sizeof(*s->memory.test_kib));
    memset(s->memory.test_kib + before, 0xff, (count - before) * sizeof(*s->memory.test_kib));
}

void memory_died(struct supervisor *s, uint32_t test, uint64_t kib)
{
    if (kib > 0)
        s->memory.test_kib[test] = kib;
}

void memory_test(struct supervisor *s, uint32_t number, uint32_t test, uint64_t kib)
{
    struct slot *slot = slot_at(s, number);

    s->memory.test_kib[test] = kib;
    note_peak(s, slot->private_bytes + kib * 1024);
    if (due(s, slot) || (kib > 0 && s->opts.local->recycle_above_bytes > 0 &&
                         now_ms(s) - slot->looked_ms >= RECYCLE_MS))
        look_at_rest(s, number);
}

void memory_leaving(struct supervisor *s, uint32_t number)
{
    if (slot_at(s, number)->looks == 0)
        look_at_rest(s, number);
}

void memory_over(struct supervisor *s)
{
    if (s->memory.stall)
        event_free(s->memory.stall);
    s->memory.stall = NULL;
    os_stall_close(&s->memory.stalls);
}

void memory_fini(struct supervisor *s)
{
    if (s->memory.timer)
        event_free(s->memory.timer);
    memory_over(s);
    free(s->memory.test_kib);
}
