/* One world: set up from a seed, run event by event, through up to three epochs. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#include "core/lease.h"
#include "log.h"
#include "mem.h"
#include "service/auth.h"
#include "store/store_mem.h"

#define PHASE_MS_MAX (40u * 60 * 1000)

uint64_t sim_random(struct world *w, uint64_t below)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return below ? (w->random * 0x2545f4914f6cdd1dull >> 11) % below : 0;
}

bool sim_chance(struct world *w, uint32_t ppm)
{
    return sim_random(w, 1000000) < ppm;
}

void sim_event(struct world *w, uint64_t in_ms, struct event event)
{
    INVARIANT(w->event_count < EVENTS_MAX);
    event.at_ms = w->now_ms + in_ms;
    event.order = ++w->order;
    w->events[w->event_count++] = event;
}

static struct event next_event(struct world *w)
{
    uint32_t best = 0;
    struct event event;

    for (uint32_t i = 1; i < w->event_count; i++)
        if (w->events[i].at_ms < w->events[best].at_ms ||
            (w->events[i].at_ms == w->events[best].at_ms &&
             w->events[i].order < w->events[best].order))
            best = i;
    event = w->events[best];
    w->events[best] = w->events[--w->event_count];
    return event;
}

static uint64_t mono_us(void *ctx)
{
    return ((struct world *)ctx)->now_ms * 1000;
}

static uint64_t wall_ms(void *ctx)
{
    return 1700000000000 + ((struct world *)ctx)->now_ms;
}

/* ---- the coordinator's side ---- */

static void on_wake(void *ctx)
{
    struct world *w = ctx;

    if (w->poll_queued)
        return;
    w->poll_queued = true;
    sim_event(w, sim_random(w, 6), (struct event){ .kind = EV_POLL });
}

static void start_service(struct world *w)
{
    struct service_opts opts = { .store = w->store,
                                 .clock = &w->clock,
                                 .commit_mode = COMMIT_INLINE,
                                 .wake = on_wake,
                                 .wake_ctx = w };
    struct err err = ERR_INIT;

    w->svc = service_new(&opts);
    INVARIANT(service_start(w->svc, &err) == ERR_NONE);
}

/* As kill -9: what was not committed is lost. */
static void kill_service(struct world *w)
{
    struct store_fault_plan all = {
        .kind = STORE_FAULT_BEFORE, .code = ERR_IO, .first_call = 1, .call_count = UINT64_MAX
    };
    struct store_fault_plan none = { .kind = STORE_FAULT_NONE };

    store_fault_set(w->store, &all);
    service_free(w->svc);
    w->svc = NULL;
    store_fault_set(w->store, &none);
}

static void poll_service(struct world *w)
{
    struct store_fault_plan plan = { .kind = sim_chance(w, 500000) ? STORE_FAULT_BEFORE
                                                                   : STORE_FAULT_AFTER,
                                     .code = ERR_IO,
                                     .first_call = 1 + sim_random(w, 3),
                                     .call_count = 1 + sim_random(w, 2) };
    struct store_fault_plan none = { .kind = STORE_FAULT_NONE };
    bool fail = sim_chance(w, w->fault_ppm);

    w->poll_queued = false;
    if (!w->svc)
        return;
    if (fail)
        store_fault_set(w->store, &plan);
    service_poll(w->svc);
    if (fail)
        store_fault_set(w->store, &none);
}

static void close_reply(void *ctx, const union answer *answer, const struct err *err)
{
    (void)ctx;
    (void)answer;
    (void)err; /* refused or not, the check at the end tells */
}

static void happen(struct world *w, const struct event *e)
{
    switch (e->kind) {
    case EV_CALL:
        call_deliver(w, e);
        return;
    case EV_ANSWER:
        agent_heard(w, e->agent, e->call, e->data);
        heard_free(e->data);
        return;
    case EV_TIMEOUT:
        agent_timeout(w, e->agent, e->call);
        return;
    case EV_TEST_DONE:
        agent_test_done(w, e->agent, e->worker, e->call);
        return;
    case EV_WATCH:
        agent_watch(w, e->agent);
        return;
    case EV_AGENT:
        if (w->agent[e->agent].state == AG_OFF)
            agent_begin(w, e->agent);
        else if (w->agent[e->agent].state == AG_COLLECTING)
            w->agent[e->agent].state = AG_COLLECTED;
        agent_step(w, e->agent);
        return;
    case EV_KILL:
        agent_kill(w, e->agent);
        return;
    case EV_DRAIN:
        agent_drain(w, e->agent);
        return;
    case EV_LEAVE:
        agent_end(w, e->agent);
        return;
    case EV_POLL:
        poll_service(w);
        return;
    case EV_TICK:
        sim_event(w, w->svc ? service_tick(w->svc) : 1000, (struct event){ .kind = EV_TICK });
        return;
    case EV_RESTART:
        if (w->svc) {
            kill_service(w);
            sim_event(w, 1 + sim_random(w, 8000), (struct event){ .kind = EV_RESTART });
        } else {
            start_service(w);
        }
        return;
    case EV_CLOSE:
        if (w->svc && w->last_run[0])
            service_close(w->svc, w->token, w->last_run, (struct reply){ .fn = close_reply });
        return;
    }
}

/* ---- setting up ---- */

/* In some worlds there are tests that never overlap, and some that need the run alone. */
static void make_exclusive(struct world *w, uint32_t test)
{
    if (w->seed % 4 != 0)
        return;
    if (sim_chance(w, 250000))
        w->mutex[test] = (uint8_t)(1 + sim_random(w, 2));
    else if (w->seed % 8 == 0 && sim_chance(w, 60000))
        w->alone[test] = true;
    w->any_alone = w->any_alone || w->alone[test];
    w->any_exclusive = w->any_exclusive || w->mutex[test] || w->alone[test];
}

const char *sim_flags(const struct world *w, uint32_t test)
{
    static const char *const apart[] = { "", "mutex=a", "mutex=b", "serial=run" };
    static const char *const together[] = { "together=file", "mutex=a,together=file",
                                            "mutex=b,together=file", "serial=run,together=file" };
    uint32_t at = w->alone[test] ? 3 : w->mutex[test];

    return w->together ? together[at] : apart[at];
}

static struct view flags_of(const struct world *w, uint32_t test)
{
    return view_of(sim_flags(w, test));
}

uint32_t sim_test(const struct world *w, const char *id)
{
    for (uint32_t i = 0; i < w->test_count; i++)
        if (strcmp(w->id[i], id) == 0)
            return i;
    sim_fail(w, "a test that nobody knows", 0, 0);
}

static void make_tests(struct world *w)
{
    uint32_t kind = (uint32_t)sim_random(w, 5); /* 0, 1: all good; 2: flaky; 3: any; 4: teardown */
    struct err err = ERR_INIT;

    w->test_count = sim_chance(w, 20000) ? 0 : 1 + (uint32_t)sim_random(w, TESTS_MAX - 1);
    w->manifest = manifest_new();
    w->odd_manifest = manifest_new();
    for (uint32_t i = 0; i < w->test_count; i++) {
        struct str id = STR_MAX(100);

        INVARIANT(str_addf(&id, &err, "t/f%u.py::test_%u", sim_file(i), i) == ERR_NONE);
        w->id[i] = str_take(&id);
        if (kind == 4 && sim_chance(w, 5000))
            w->dur_ms[i] = 70000;
        else
            w->dur_ms[i] = 1 + (uint32_t)sim_random(w, sim_chance(w, 100000) ? 20000 : 800);
        if (kind == 2 && sim_chance(w, 100000))
            w->nature[i] = FLAKY;
        if (kind == 3 && sim_chance(w, 150000))
            w->nature[i] = (enum nature)sim_random(w, 4);
        if (kind == 4 && sim_chance(w, 60000))
            w->nature[i] = TEARDOWN_BAD;
        make_exclusive(w, i);
        w->hidden[i] = w->seed % 3 == 1 && i >= FILES && sim_chance(w, 150000);
        if (!w->hidden[i])
            INVARIANT(
                !manifest_add(w->manifest, view_of(w->id[i]), view_of(""), flags_of(w, i), &err));
        if (i != 0 && !w->hidden[i])
            INVARIANT(!manifest_add(w->odd_manifest, view_of(w->id[i]), view_of(""), flags_of(w, i),
                                    &err));
    }
    manifest_seal(w->manifest);
    manifest_seal(w->odd_manifest);
}

static void add_agent(struct world *w, uint32_t index, uint32_t total, uint32_t attempt,
                      uint64_t in_ms)
{
    struct agent *a;
    struct str text = STR_MAX(39);
    struct err err = ERR_INIT;
    uint32_t at = w->agent_count;

    if (at == AGENTS_MAX)
        return;
    w->agent_count++;
    a = &w->agent[at];
    memset(a, 0, sizeof(*a));
    a->index = index;
    a->total = total;
    a->attempt = attempt;
    a->workers = 1 + (uint32_t)sim_random(w, WORKERS_MAX - 1);
    a->tries_left = 8;
    a->faulty = sim_chance(w, 15000);
    a->speculate = w->stall_ppm && !sim_chance(w, 150000);
    INVARIANT(str_addf(&text, &err, "job-%u", at) == ERR_NONE);
    memcpy(a->instance, text.at, text.len + 1);
    str_clear(&text);
    INVARIANT(str_addf(&text, &err, "nonce-%u-0123456789abcdef", at) == ERR_NONE);
    memcpy(a->nonce, text.at, text.len + 1);
    str_fini(&text);
    sim_event(w, in_ms, (struct event){ .kind = EV_AGENT, .agent = at });
}

static void make_trouble(struct world *w, uint32_t at)
{
    struct agent *a = &w->agent[at];
    uint64_t when = 200 + sim_random(w, 12000);

    switch (sim_random(w, 12)) {
    case 0:
    case 1:
        sim_event(w, when, (struct event){ .kind = EV_KILL, .agent = at });
        if (sim_chance(w, 500000)) /* the CI starts the job again */
            add_agent(w, a->index, a->total, a->attempt, when + sim_random(w, 14000));
        break;
    case 2:
        sim_event(w, when, (struct event){ .kind = EV_DRAIN, .agent = at });
        break;
    case 3:
    case 6:
        a->mute_from_ms = w->now_ms + when;
        a->mute_to_ms = a->mute_from_ms + sim_random(w, 25000);
        break;
    case 4:
    case 5:
        a->dies_at_end = true;
        break;
    case 7: /* its runner ends by itself, content */
        sim_event(w, when, (struct event){ .kind = EV_LEAVE, .agent = at });
        break;
    default:
        return;
    }
    w->troubled = true;
}

static void make_agents(struct world *w, uint32_t trouble)
{
    uint32_t count = 1 + (uint32_t)sim_random(w, 5);
    uint32_t total = count + (sim_chance(w, 100000) ? 1 : 0);
    bool indexed = !sim_chance(w, 200000);

    for (uint32_t i = 0; i < count; i++) {
        add_agent(w, indexed ? i : PROTO_SLOT_NONE, indexed ? total : 0, 1,
                  sim_random(w, sim_chance(w, 200000) ? 20000 : 1500));
        if (sim_chance(w, 10000))
            w->agent[w->agent_count - 1].odd = w->test_count > 1;
    }
    for (uint32_t i = 0; trouble && i < count; i++)
        make_trouble(w, i);
}

static void world_begin(struct world *w, uint64_t seed)
{
    struct store *inner = store_mem_new();
    struct auth_new token = { .project = "", .label = "sim", .role = ROLE_ADMIN };
    struct err err = ERR_INIT;
    uint32_t trouble;

    w->seed = seed;
    w->random = seed * 0x9e3779b97f4a7c15ull + 0x1234567;
    for (uint32_t i = 0; i < 8; i++)
        (void)sim_random(w, 2); /* mix */
    w->clock = (struct clock){ .mono_us = mono_us, .wall_ms = wall_ms, .ctx = w };
    w->now_ms = 1000;
    w->store = store_fault_new(&inner);
    INVARIANT(auth_token_new(w->store, &token, w->token, &err) == ERR_NONE);
    trouble = (uint32_t)sim_random(w, 3);
    w->loss_ppm = trouble == 2 ? (uint32_t)sim_random(w, 80000) : 0;
    w->fault_ppm = trouble == 2 && sim_chance(w, 400000) ? (uint32_t)sim_random(w, 30000) : 0;
    w->troubled = w->loss_ppm || w->fault_ppm;
    w->stall_ppm = sim_chance(w, 350000) ? 100000 : 0;
    w->together = seed % 5 == 2;
    start_service(w);
    make_tests(w);
    make_agents(w, trouble);
    sim_event(w, 1000, (struct event){ .kind = EV_TICK });
    for (uint32_t i = 0; trouble && i < sim_random(w, 3); i++) {
        w->troubled = true;
        sim_event(w, sim_random(w, 15000), (struct event){ .kind = EV_RESTART });
    }
    if (trouble && sim_chance(w, 30000)) {
        w->troubled = true;
        sim_event(w, sim_random(w, 10000), (struct event){ .kind = EV_CLOSE });
    }
}

/* ---- running ---- */

static bool all_exited(const struct world *w)
{
    for (uint32_t i = 0; i < w->agent_count; i++)
        if (w->agent[i].state != AG_EXITED)
            return false;
    return true;
}

static void phase(struct world *w)
{
    uint64_t limit_ms = w->now_ms + PHASE_MS_MAX;
    bool closing = false;

    w->idle_since_ms = w->now_ms;
    for (;;) {
        struct event e = next_event(w);
        const struct run *run;

        w->now_ms = e.at_ms;
        happen(w, &e);
        check_step(w);
        run = sim_run(w);
        if (all_exited(w) && !w->poll_queued && w->svc && (!run || run->state == RUN_FINAL))
            break;
        if (all_exited(w) && !closing && run && sim_chance(w, 300000)) {
            closing = true; /* makespan verdict --close */
            sim_event(w, 10, (struct event){ .kind = EV_CLOSE });
        }
        if (w->now_ms > limit_ms)
            sim_fail(w, "no end", all_exited(w), run ? run->done_count : 0);
    }
    /* Settle what is on its way. */
    service_poll(w->svc);
}

static bool again(struct world *w)
{
    const struct run *run = sim_run(w);
    uint32_t first = w->phase_first;
    uint32_t last = w->agent_count;
    bool all = sim_chance(w, 200000);

    if (!run || run->test_count == 0)
        return false;
    w->phase_first = last;
    for (uint32_t i = first; i < last; i++) {
        const struct agent *a = &w->agent[i];

        if (!all && a->job_exit == 0)
            continue;
        if (a->index == PROTO_SLOT_NONE)
            continue;
        add_agent(w, a->index, a->total, a->attempt + 1, sim_random(w, 3000));
    }
    return w->agent_count > last;
}

static void world_end(struct world *w)
{
    for (uint32_t i = 0; i < w->event_count; i++)
        if (w->events[i].kind == EV_ANSWER)
            heard_free(w->events[i].data);
    service_free(w->svc);
    calls_free();
    run_free(w->shadow);
    store_close(w->store);
    manifest_free(w->manifest);
    manifest_free(w->odd_manifest);
    for (uint32_t i = 0; i < w->test_count; i++)
        free(w->id[i]);
}

uint64_t sim_world(uint64_t seed)
{
    struct world *w = mem_new(1, sizeof(*w));
    uint64_t steps;

    world_begin(w, seed);
    for (uint32_t epoch = 0; epoch < 3; epoch++) {
        const struct run *run;

        phase(w);
        run = sim_run(w);
        if (run)
            check_end(w, run);
        if (!run || !again(w))
            break;
    }
    world_end(w);
    steps = w->steps;
    free(w);
    return steps;
}
