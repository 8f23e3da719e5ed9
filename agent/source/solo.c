#include "solo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/paid.h"
#include "durations.h"
#include "fs.h"
#include "history.h"
#include "mem.h"
#include "plan/first.h"

#define PYTEST_NO_TESTS 5u /* its exit status */

struct solo {
    struct source source; /* first member */
    struct solo_opts opts;
    const struct manifest *manifest; /* lent until free */
    struct suite *suite;
    struct history *history; /* NULL: nothing is known */
    struct history_known known;
    struct paid *paid;
    bool *done;
    uint64_t *took_us; /* of those that are done and good */
    uint32_t done_count, mine_count;
    bool changed;        /* something was learned, and is not kept yet */
    bool scopes_learned; /* what they took is counted */
    struct err unkept;   /* why it could not be kept: said when pytest has ended */
};

static void say(const struct solo *solo, const struct err *err)
{
    solo->opts.say(solo->opts.say_ctx, err->text);
}

/* The command is on its way; until it has collected, this process has time. */
static void solo_start(struct source *source)
{
    struct solo *solo = (struct solo *)source;
    struct err err = ERR_INIT;

    source->events->joined(source->ctx, 0, 0);
    if (solo->opts.history && history_load(solo->opts.history, &solo->history, &err))
        say(solo, &err);
}

/* Costs from history; tests without any take their neighbours'. */
static struct source_cost *predict_tests(struct solo *solo)
{
    uint32_t count = solo->manifest->count;
    struct source_cost *costs = mem_new(count, sizeof(*costs));
    const char **ids = mem_new(count, sizeof(*ids));
    uint64_t *us = mem_new(count, sizeof(*us));

    for (uint32_t i = 0; i < count; i++)
        ids[i] = solo->manifest->tests[i].id;
    (void)estimate_fill(ids, solo->known.tests, count, us);
    for (uint32_t i = 0; i < count; i++)
        costs[i] = (struct source_cost){ .us = us[i], .guess = solo->known.tests[i].samples == 0 };
    free(ids);
    free(us);
    return costs;
}

static struct scope_cost *predict_scopes(struct solo *solo)
{
    uint32_t count = solo->suite->scope_count;
    struct scope_cost *costs = mem_new(count, sizeof(*costs));

    for (uint32_t i = 0; i < count; i++)
        costs[i] = (struct scope_cost){ .kind = mem_strdup(solo->suite->names[i].kind),
                                        .id = view_dup(solo->suite->names[i].id),
                                        .setup_us = estimate_us(&solo->known.scopes[i]) };
    return costs;
}

static void seal(struct solo *solo, const struct source_cost *tests)
{
    struct source_costs costs = { .tests = tests, .scope_count = solo->suite->scope_count };
    struct scope_cost *scopes = predict_scopes(solo);

    costs.scopes = scopes;
    solo->source.events->sealed(solo->source.ctx, &costs);
    for (uint32_t i = 0; i < costs.scope_count; i++)
        scope_cost_fini(&scopes[i]);
    free(scopes);
}

/* Which tests are ours: positions into mine; returns how many. Every machine of a matrix comes to
 * its part by the same file, whatever its own history says. */
static uint32_t choose_mine(struct solo *solo, bool each, uint32_t *mine)
{
    uint32_t count = solo->manifest->count;
    struct split_about plan = { 0 };
    uint64_t *costs_us;

    if (solo->opts.split && each)
        solo->opts.say(solo->opts.say_ctx,
                       "nothing is split: every machine runs everything (--dist each)");
    if (!solo->opts.split || each) {
        for (uint32_t i = 0; i < count; i++)
            mine[i] = i;
        return count;
    }
    costs_us = mem_new(count, sizeof(*costs_us));
    count = split_tests(solo->manifest, solo->opts.split, mine, costs_us, &plan);
    free(costs_us);
    if (solo->opts.shared &&
        !solo->opts.shared(solo->opts.shared_ctx, solo->manifest, mine, count, &plan))
        return 0;
    return count;
}

/* Which of ours go before all others: those that failed last time, within the share. */
static void choose_first(const struct solo *solo, const uint32_t *mine, struct order_test *granted)
{
    uint32_t count = solo->mine_count, first_count;
    uint64_t *costs_us = mem_new(count, sizeof(*costs_us));
    bool *failed = mem_new(count, sizeof(*failed));
    uint32_t *first = mem_new(count, sizeof(*first));

    for (uint32_t i = 0; i < count; i++) {
        costs_us[i] = granted[i].cost_us;
        failed[i] = solo->known.failed[mine[i]];
    }
    first_count = first_choose(costs_us, failed, count, solo->opts.first_ppm, first);
    for (uint32_t i = 0; i < first_count; i++)
        granted[first[i]].first = true;
    free(costs_us);
    free(failed);
    free(first);
}

static void grant(struct solo *solo, const uint32_t *mine, const struct source_cost *costs)
{
    struct order_test *granted = mem_new(solo->mine_count, sizeof(*granted));

    for (uint32_t i = 0; i < solo->mine_count; i++) {
        const struct manifest_test *t = &solo->manifest->tests[mine[i]];

        /* Lent for the call: the id is the manifest's and not written to. */
        granted[i].ref.id = (char *)(uintptr_t)t->id;
        granted[i].ref.k = t->k;
        granted[i].cost_us = costs[mine[i]].us;
    }
    choose_first(solo, mine, granted);
    solo->source.events->granted(solo->source.ctx, 0, granted, solo->mine_count);
    free(granted);
}

static void solo_collected(struct source *source, const struct source_collected *collected)
{
    struct solo *solo = (struct solo *)source;
    struct manifest *manifest = collected->manifest;
    uint32_t *mine = mem_new(manifest->count, sizeof(*mine));
    struct source_cost *costs;

    solo->manifest = manifest;
    solo->suite = suite_new(manifest);
    solo->known = (struct history_known){
        .manifest = manifest,
        .suite = solo->suite,
        .tests = mem_new(manifest->count, sizeof(*solo->known.tests)),
        .scopes = mem_new(solo->suite->scope_count, sizeof(*solo->known.scopes)),
        .failed = mem_new(manifest->count, sizeof(*solo->known.failed)),
    };
    solo->paid = paid_new(solo->suite);
    solo->done = mem_new(manifest->count, sizeof(*solo->done));
    solo->took_us = mem_new(manifest->count, sizeof(*solo->took_us));
    if (solo->history)
        history_tell(solo->history, &solo->known);
    costs = predict_tests(solo);
    solo->mine_count = choose_mine(solo, collected->each, mine);
    seal(solo, costs);
    grant(solo, mine, costs);
    free(costs);
    free(mine);
    if (solo->mine_count == 0)
        source->events->ended(source->ctx, NULL);
}

static void solo_result(struct source *source, struct result *take_result)
{
    struct solo *solo = (struct solo *)source;
    uint32_t test = manifest_find(solo->manifest, take_result->test.id, take_result->test.k);
    uint64_t took_us = take_result->setup_us + take_result->call_us + take_result->teardown_us;
    bool amends = take_result->amends;

    INVARIANT(test != UINT32_MAX);
    solo->known.failed[test] = !outcome_is_good(take_result->outcome);
    if (!amends) {
        estimate_add(&solo->known.tests[test], took_us, !outcome_is_good(take_result->outcome));
        paid_ran(solo->paid, test, take_result->worker);
        solo->changed = true;
        if (outcome_is_good(take_result->outcome))
            solo->took_us[test] = took_us ? took_us : 1;
        solo->done_count += !solo->done[test];
        solo->done[test] = true;
    }
    result_fini(take_result);
    if (!amends && solo->done_count == solo->mine_count)
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
    paid_add(((struct solo *)source)->paid, kind, id, setup_us + teardown_us);
}

static void learn_scopes(struct solo *solo)
{
    for (uint32_t i = 0; i < solo->suite->scope_count; i++) {
        uint64_t us = paid_entry_us(solo->paid, i);

        if (us > 0)
            estimate_add(&solo->known.scopes[i], us, false);
    }
}

static void solo_release(struct source *source, const struct test_ref *tests, uint32_t count)
{
    (void)source;
    (void)tests;
    (void)count;
}

static void solo_idle(struct source *source, uint32_t free_workers, struct need need)
{
    (void)source; /* there is no more to give */
    (void)free_workers;
    (void)need;
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

static int by_id(const void *left, const void *right)
{
    return strcmp(((const struct duration *)left)->id, ((const struct duration *)right)->id);
}

/* What passed here, as pytest-split's file: a failure says little about how long a test takes. */
static enum err_code store_durations(const struct solo *solo, struct err *err)
{
    struct duration *items = mem_new(solo->manifest->count, sizeof(*items));
    struct durations all = { .items = items };
    struct str text = STR_MAX(DURATIONS_BYTES_MAX);
    enum err_code rc;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < solo->manifest->count; i++)
        if (solo->took_us[i])
            items[all.count++] =
                (struct duration){ .id = solo->manifest->tests[i].id, .us = solo->took_us[i] };
    qsort(items, all.count, sizeof(*items), by_id);
    for (uint32_t i = 0; i < all.count; i++)
        if (i == 0 || by_id(&items[i - 1], &items[i]) != 0)
            items[kept++] = items[i];
    all.count = kept;
    rc = durations_print(&all, &text, err);
    if (!rc)
        rc = fs_replace(solo->opts.store, str_text(&text), text.len, FS_PUBLIC, err);
    str_fini(&text);
    free(items);
    return rc;
}

static void solo_settled(struct source *source)
{
    struct solo *solo = (struct solo *)source;

    if (!solo->changed)
        return;
    solo->changed = false;
    if (!solo->scopes_learned)
        learn_scopes(solo);
    solo->scopes_learned = true;
    solo->unkept = (struct err)ERR_INIT;
    if (solo->opts.history &&
        history_save(solo->opts.history, solo->history, &solo->known, &solo->unkept))
        (void)err_wrap(&solo->unkept, "durations are not kept for the next run");
}

static void solo_leave(struct source *source, const struct source_leave *how)
{
    struct solo *solo = (struct solo *)source;
    struct err err = ERR_INIT;
    uint32_t exit = EXIT_OK;

    (void)how;
    solo_settled(source);
    if (solo->unkept.code)
        say(solo, &solo->unkept);
    if (solo->took_us && solo->opts.store && store_durations(solo, &err)) {
        (void)err_wrap(&err, "--store-durations");
        say(solo, &err);
        exit = EXIT_OUTPUT;
    }
    /* A share without tests is fine, a suite without tests is not. */
    if (exit == EXIT_OK && solo->manifest && solo->manifest->count == 0)
        exit = PYTEST_NO_TESTS;
    source->events->left(source->ctx, exit, NULL);
}

static void solo_free(struct source *source)
{
    struct solo *solo = (struct solo *)source;

    if (!solo)
        return;
    history_free(solo->history);
    suite_free(solo->suite);
    free(solo->known.tests);
    free(solo->known.scopes);
    free(solo->known.failed);
    paid_free(solo->paid);
    free(solo->done);
    free(solo->took_us);
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
    .settled = solo_settled,
    .leave = solo_leave,
    .free = solo_free,
};

static enum source_share share_of(const struct solo_opts *opts)
{
    if (!opts->split)
        return opts->is_dealt ? SOURCE_SHARE_OF_IDS : SOURCE_NO_SHARE;
    return opts->split->algorithm == SPLIT_MAKESPAN ? SOURCE_SHARE_OF_IDS : SOURCE_SHARE_OF_ORDER;
}

struct source *solo_new(const struct solo_opts *opts, const struct source_events *events, void *ctx)
{
    struct solo *solo = mem_new(1, sizeof(*solo));

    solo->source =
        (struct source){ .ops = &ops, .events = events, .ctx = ctx, .share = share_of(opts) };
    solo->opts = *opts;
    return &solo->source;
}
