#include "solo.h"

#include <stdio.h>
#include <stdlib.h>

#include "history.h"
#include "mem.h"

struct solo {
    struct source source; /* first member */
    struct solo_opts opts;
    const struct manifest *manifest; /* lent until free */
    struct history *history;
    struct estimate *known;
    bool *done;
    uint32_t done_count;
    bool changed; /* something was learned */
};

static void say(const struct solo *solo, const struct err *err)
{
    solo->opts.say(solo->opts.say_ctx, err->text);
}

static void solo_start(struct source *source)
{
    source->events->joined(source->ctx, 0);
}

/* Costs from history; tests without any take their neighbours'. */
static struct source_cost *predict(struct solo *solo)
{
    uint32_t count = solo->manifest->count;
    struct source_cost *costs = mem_new(count, sizeof(*costs));
    const char **ids = mem_new(count, sizeof(*ids));
    uint64_t *us = mem_new(count, sizeof(*us));

    for (uint32_t i = 0; i < count; i++)
        ids[i] = solo->manifest->tests[i].id;
    (void)estimate_fill(ids, solo->known, count, us);
    for (uint32_t i = 0; i < count; i++)
        costs[i] = (struct source_cost){ .us = us[i], .guess = solo->known[i].samples == 0 };
    free(ids);
    free(us);
    return costs;
}

static void solo_collected(struct source *source, struct manifest *manifest, const char *runtime)
{
    struct solo *solo = (struct solo *)source;
    struct order_test *all = mem_new(manifest->count, sizeof(*all));
    struct source_cost *costs;
    struct err err = ERR_INIT;

    (void)runtime;
    solo->manifest = manifest;
    solo->known = mem_new(manifest->count, sizeof(*solo->known));
    solo->done = mem_new(manifest->count, sizeof(*solo->done));
    if (solo->opts.history &&
        history_load(solo->opts.history, manifest, solo->known, &solo->history, &err))
        say(solo, &err);
    costs = predict(solo);
    source->events->sealed(source->ctx, costs);
    for (uint32_t i = 0; i < manifest->count; i++) {
        /* Lent for the call: the id is the manifest's and not written to. */
        all[i].ref.id = (char *)(uintptr_t)manifest->tests[i].id;
        all[i].ref.k = manifest->tests[i].k;
        all[i].cost_us = costs[i].us;
    }
    source->events->granted(source->ctx, 0, all, manifest->count);
    free(all);
    free(costs);
    if (manifest->count == 0)
        source->events->ended(source->ctx, NULL);
}

static void solo_result(struct source *source, struct result *take_result)
{
    struct solo *solo = (struct solo *)source;
    uint32_t test = manifest_find(solo->manifest, take_result->test.id, take_result->test.k);
    uint64_t took_us = take_result->setup_us + take_result->call_us + take_result->teardown_us;
    bool amends = take_result->amends;

    INVARIANT(test != UINT32_MAX);
    if (!amends) {
        estimate_add(&solo->known[test], took_us, !outcome_is_good(take_result->outcome));
        solo->changed = true;
        solo->done_count += !solo->done[test];
        solo->done[test] = true;
    }
    result_fini(take_result);
    if (!amends && solo->done_count == solo->manifest->count)
        source->events->ended(source->ctx, NULL);
}

static void solo_error(struct source *source, const char *kind, const char *text)
{
    (void)source; /* pytest's own report has it */
    (void)kind;
    (void)text;
}

static void solo_skipped(struct source *source, const char *id, const char *text)
{
    (void)source; /* pytest's own report has it */
    (void)id;
    (void)text;
}

static void solo_scope(struct source *source, const char *kind, const char *id, uint64_t setup_us,
                       uint64_t teardown_us)
{
    (void)source;
    (void)kind;
    (void)id;
    (void)setup_us;
    (void)teardown_us;
}

static void solo_release(struct source *source, const struct test_ref *tests, uint32_t count)
{
    (void)source;
    (void)tests;
    (void)count;
}

static void solo_idle(struct source *source, uint32_t free_workers, uint64_t backlog_us)
{
    (void)source; /* there is no more to give */
    (void)free_workers;
    (void)backlog_us;
}

static void solo_started(struct source *source, const char *id, uint32_t k)
{
    (void)source;
    (void)id;
    (void)k;
}

static void solo_halt(struct source *source, const char *reason)
{
    (void)source; /* the supervisor stops this machine, which is all there is */
    (void)reason;
}

static void solo_leave(struct source *source, uint32_t runner_exit)
{
    struct solo *solo = (struct solo *)source;
    struct err err = ERR_INIT;

    (void)runner_exit;
    if (solo->changed && solo->opts.history &&
        history_save(solo->opts.history, solo->history, solo->manifest, solo->known, &err))
        say(solo, &err);
    source->events->left(source->ctx, 0, NULL);
}

static void solo_free(struct source *source)
{
    struct solo *solo = (struct solo *)source;

    if (!solo)
        return;
    history_free(solo->history);
    free(solo->known);
    free(solo->done);
    free(solo);
}

static const struct source_ops ops = {
    .start = solo_start,
    .collected = solo_collected,
    .result = solo_result,
    .error = solo_error,
    .skipped = solo_skipped,
    .scope = solo_scope,
    .release = solo_release,
    .idle = solo_idle,
    .started = solo_started,
    .stop = solo_halt,
    .drain = solo_halt,
    .leave = solo_leave,
    .free = solo_free,
};

struct source *solo_new(const struct solo_opts *opts, const struct source_events *events, void *ctx)
{
    struct solo *solo = mem_new(1, sizeof(*solo));

    solo->source = (struct source){ .ops = &ops, .events = events, .ctx = ctx };
    solo->opts = *opts;
    return &solo->source;
}
