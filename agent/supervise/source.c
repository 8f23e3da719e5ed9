/* supervise/source.c - what the source says, and what it is told. */
#include <stdlib.h>

#include "core/verdict_text.h"
#include "inner.h"
#include "mem.h"

#define RESTARTS_PER_WORKER    4u
#define VERDICT_SAID_BYTES_MAX (1u << 20)

void deliver(struct supervisor *s, uint32_t test, struct result *take_result)
{
    const struct manifest_test *t = &s->manifest->tests[test];

    take_result->test = (struct test_ref){ .id = mem_strdup(t->id), .k = t->k };
    take_result->fence = s->fences[test];
    s->source->ops->result(s->source, take_result);
    *take_result = (struct result){ .outcome = OUTCOME_NONE };
}

void report_error(struct supervisor *s, const char *kind, const char *text)
{
    s->source->ops->error(s->source, kind, text);
}

/* The command may start now. */
static void on_joined(void *ctx, uint64_t seed, uint64_t worker_bytes)
{
    struct supervisor *s = ctx;
    struct injection injection = { .argv = NULL };
    struct inject_input in = { .argv = s->opts.argv,
                               .env = s->opts.env,
                               .folder = s->python_folder,
                               .socket = s->socket_path,
                               .key = s->key,
                               .junit = s->opts.junit,
                               .last_failed = s->opts.local->last_failed,
                               .has_seed = !s->opts.alone,
                               .seed = seed };
    struct err err = ERR_INIT;
    enum err_code rc;

    INVARIANT(s->phase == PHASE_JOIN);
    s->joined_us = now_us(s);
    s->memory.told_bytes = worker_bytes;
    rc = inject(&in, &injection, &err);
    if (!rc) {
        s->way = injection.way;
        s->phase = PHASE_START;
        limits_start(s);
        rc = keeper_spawn(s->opts.keeper, injection.argv, injection.env, &err);
    }
    injection_fini(&injection);
    if (rc)
        fail(s, &err);
}

static void take_costs(struct supervisor *s, const struct source_costs *costs)
{
    for (uint32_t i = 0; costs->tests && i < s->manifest->count; i++) {
        s->suite->tests[i].cost_us = costs->tests[i].us;
        if (costs->tests[i].guess)
            s->suite->tests[i].flags |= POOL_GUESS;
    }
    for (uint32_t i = 0; i < costs->scope_count; i++) {
        const struct scope_cost *cost = &costs->scopes[i];
        uint32_t scope = suite_find_scope(s->suite, cost->kind, cost->id);

        if (scope != POOL_NONE)
            s->suite->scopes[scope].setup_us = cost->setup_us + cost->teardown_us;
    }
}

/* Where each worker has a pile of its own, none waits for another. */
static void say_unkept(struct supervisor *s)
{
    uint32_t marked = 0;

    if (!s->each || s->workers == 1)
        return;
    for (uint32_t i = 0; i < s->suite->test_count; i++) {
        const struct pool_test *t = &s->suite->tests[i];

        marked +=
            (t->flags & POOL_SERIAL) || t->mutex != POOL_NONE || t->threads > 1 || t->mem_bytes > 0;
    }
    if (marked > 0)
        say(s,
            "--dist each: every worker runs everything at its own pace; serial, mutex, threads and "
            "mem of %u test%s do not hold between workers",
            marked, marked == 1 ? "" : "s");
}

static void on_sealed(void *ctx, const struct source_costs *costs)
{
    struct supervisor *s = ctx;

    if (s->phase != PHASE_SEAL)
        return;
    s->suite = suite_new(s->manifest);
    say_unkept(s);
    s->paid = paid_new(s->suite);
    take_costs(s, costs);
    memory_weigh(s, costs->heavy, costs->heavy_count);
    s->phase = PHASE_RUN;
    s->report.ran = true;
    running_start(s);
    s->restarts_max =
        s->max_restarts == FRAME_ANY ? RESTARTS_PER_WORKER * s->workers : s->max_restarts;
    crew_first(s);
    s->dispatch = dispatch_new(&(struct dispatch_input){
        .suite = s->suite,
        .policy = s->policy,
        .each = s->each,
        .threads = s->threads,
        .workers = memory_first_workers(s),
        .cpus = s->crew.cpus > s->workers ? s->crew.cpus : s->workers,
        .mem_bytes = memory_budget(s),
        .recycle_after = s->opts.local->recycle_after,
        .restarts_max = s->restarts_max,
        .warm = !s->opts.alone || s->start != START_FORK, /* early ones are on their way */
        .settle_when_dry = s->opts.alone,
        .one_at_a_time = s->maxfail > 0,
        .in_order = s->opts.alone && s->workers == 1,
    });
    memory_start(s);
    crew_watch(s);
    do_effects(s);
}

/* Position of a test that the source names; FRAME_ANY when it is not ours. */
static uint32_t find(struct supervisor *s, const struct test_ref *ref)
{
    return s->manifest ? manifest_find(s->manifest, ref->id, ref->k) : FRAME_ANY;
}

static void on_paced(void *ctx, uint32_t speed_ppm)
{
    struct supervisor *s = ctx;

    if (s->dispatch)
        dispatch_paced(s->dispatch, speed_ppm);
}

static void on_scoped(void *ctx, const struct scope_cost *scopes, uint32_t count)
{
    struct supervisor *s = ctx;

    for (uint32_t i = 0; s->dispatch && i < count; i++) {
        uint32_t scope = suite_find_scope(s->suite, scopes[i].kind, scopes[i].id);

        if (scope != POOL_NONE)
            dispatch_scope(s->dispatch, scope, scopes[i].setup_us + scopes[i].teardown_us);
    }
}

static void on_found(void *ctx, const struct found_test *tests, uint32_t count)
{
    struct supervisor *s = ctx;

    if (s->dispatch && s->phase == PHASE_RUN)
        found_elsewhere(s, tests, count);
}

static void on_granted(void *ctx, uint64_t fence, const struct order_test *tests, uint32_t count)
{
    struct supervisor *s = ctx;

    if (!s->dispatch || s->phase != PHASE_RUN)
        return;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t test = find(s, &tests[i].ref);

        if (test == FRAME_ANY) {
            report_error(s, "internal", "a test was granted that this machine did not collect");
            continue;
        }
        if (abandoned_again(s, test, fence, &tests[i]))
            continue;
        s->fences[test] = fence;
        if (!s->granted[test])
            s->report.granted += s->each ? s->workers : 1;
        s->granted[test] = true;
        if (tests[i].first)
            dispatch_hurry(s->dispatch, test);
        dispatch_grant(s->dispatch, test, tests[i].cost_us);
    }
    if (s->source->share != SOURCE_NO_SHARE && count > 0)
        tell_total(s, count, NULL); /* the whole part, at once */
    dispatch_granted(s->dispatch);
    do_effects(s);
}

/* Takes it out if no worker has it. */
static bool withdraw(struct supervisor *s, uint32_t test)
{
    if (!dispatch_release(s->dispatch, test))
        return false;
    s->granted[test] = false;
    s->report.granted--;
    return true;
}

void give_back(struct supervisor *s, uint32_t test)
{
    const struct manifest_test *t = &s->manifest->tests[test];
    struct test_ref ref = { .id = (char *)(uintptr_t)t->id, .k = t->k }; /* lent for the call */

    if (withdraw(s, test))
        s->source->ops->release(s->source, &ref, 1);
}

static void on_recalled(void *ctx, const struct order_test *tests, uint32_t count)
{
    struct supervisor *s = ctx;
    struct test_ref *given = mem_new(count, sizeof(*given));
    uint32_t used = 0;

    for (uint32_t i = 0; s->dispatch && i < count; i++) {
        uint32_t test = find(s, &tests[i].ref);

        if (test != FRAME_ANY && withdraw(s, test))
            given[used++] = tests[i].ref; /* lent for the call */
    }
    s->source->ops->release(s->source, given, used);
    free(given);
    do_effects(s);
}

/* What no worker has goes back as if it was recalled. */
static void on_abandoned(void *ctx, const struct order_test *tests, uint32_t count)
{
    struct supervisor *s = ctx;

    for (uint32_t i = 0; s->dispatch && i < count; i++) {
        uint32_t test = find(s, &tests[i].ref);

        if (test != FRAME_ANY && !abandon(s, test, "has ended elsewhere"))
            give_back(s, test);
    }
    do_effects(s);
}

/* Must this one end before anything that another machine is given may begin? One with a mutex, one
 * that needs the whole run alone, and beside such ones every other. */
static bool is_exclusive(const struct pool_test *test, bool any_alone)
{
    return any_alone || test->mutex != POOL_NONE;
}

static void on_cut_off(void *ctx)
{
    struct supervisor *s = ctx;
    struct order_test *own;
    uint32_t count = 0;
    bool any_alone = false;

    if (!s->dispatch || s->phase != PHASE_RUN)
        return;
    own = mem_new(s->suite->test_count, sizeof(*own));
    for (uint32_t i = 0; i < s->suite->test_count; i++)
        any_alone = any_alone || (s->suite->tests[i].flags & POOL_ALONE);
    for (uint32_t i = 0; i < s->suite->test_count; i++) {
        if (!s->granted[i] || !is_exclusive(&s->suite->tests[i], any_alone) ||
            abandon(s, i, "may be given to another machine, as the coordinator does not answer,"))
            continue;
        own[count].ref.id = (char *)(uintptr_t)s->manifest->tests[i].id; /* lent for the call */
        own[count++].ref.k = s->manifest->tests[i].k;
    }
    if (count)
        on_recalled(s, own, count);
    free(own);
}

static void on_lost(void *ctx)
{
    struct supervisor *s = ctx;

    if (!s->dispatch || s->phase != PHASE_RUN)
        return;
    /* What has ended may come again, too: its result may have ended with the session. */
    for (uint32_t i = 0; i < s->suite->test_count; i++)
        if (s->granted[i] && !withdraw(s, i) && !dispatch_is_here(s->dispatch, i))
            s->granted[i] = false;
    do_effects(s);
}

static void on_cancelled(void *ctx, const char *reason)
{
    stop_tests(ctx, ENDING_CANCELLED, FRAME_ANY, reason);
}

static void on_ended(void *ctx, const char *message)
{
    struct supervisor *s = ctx;

    (void)message; /* it would fall into pytest's own line; the verdict says the same later */
    if (s->dispatch) {
        dispatch_end(s->dispatch);
        do_effects(s);
    } else {
        stop_tests(s, ENDING_DONE, FRAME_ANY, NULL);
    }
}

/* What is wrong with the run is told whole, on the machine that leaves; a good word is one line. */
static void say_verdict(const struct supervisor *s, const struct verdict_answer *verdict)
{
    bool differs = verdict->only_first_total + verdict->only_other_total > 0;
    struct str text = STR_MAX(VERDICT_SAID_BYTES_MAX);
    struct err ignored = ERR_INIT;

    if (!differs && verdict->remark_count == 0 &&
        (!verdict->final || verdict->verdict == VERDICT_GREEN)) {
        if (verdict->message)
            say(s, "%s", verdict->message);
        return;
    }
    if (!verdict_text(verdict, &text, &ignored) && text.len > 0) {
        text.at[text.len - 1] = '\0'; /* the sink ends the line itself */
        s->opts.say(s->opts.say_ctx, text.at);
    }
    str_fini(&text);
}

static void on_left(void *ctx, uint32_t exit_code, const struct verdict_answer *verdict)
{
    if (verdict)
        say_verdict(ctx, verdict);
    left(ctx, exit_code, !verdict || verdict->complete);
}

static void on_failed(void *ctx, const struct err *err)
{
    fail(ctx, err);
}

static const struct source_events source_events = {
    .joined = on_joined,
    .sealed = on_sealed,
    .paced = on_paced,
    .scoped = on_scoped,
    .found = on_found,
    .granted = on_granted,
    .recalled = on_recalled,
    .abandoned = on_abandoned,
    .lost = on_lost,
    .cut_off = on_cut_off,
    .cancelled = on_cancelled,
    .ended = on_ended,
    .left = on_left,
    .failed = on_failed,
};

const struct source_events *supervise_events(void)
{
    return &source_events;
}
