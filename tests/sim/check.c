/* What must hold after every event, and at the end of an epoch. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ledger.h"
#include "sim.h"

#define IDLE_MS_MAX      6000u
#define IDLE_LOST_MS_MAX 40000u /* a pull may be lost more than once */

NORETURN void sim_fail(const struct world *w, const char *what, uint64_t a, uint64_t b)
{
    (void)fprintf(stderr, "sim: seed %llu, %llu ms, step %llu: %s (%llu, %llu)\n",
                  (unsigned long long)w->seed, (unsigned long long)w->now_ms,
                  (unsigned long long)w->steps, what, (unsigned long long)a, (unsigned long long)b);
    abort();
}

static struct live *newest(struct world *w)
{
    struct live *best = NULL;

    for (uint32_t i = 0; w->svc && i < LIVE_BUCKETS; i++)
        for (struct live *l = w->svc->buckets[i]; l; l = l->next)
            if (!l->broken && (!best || l->run->epoch > best->run->epoch))
                best = l;
    return best;
}

struct run *sim_run(struct world *w)
{
    struct live *live = newest(w);

    return live ? live->run : NULL;
}

/* ---- each test is in exactly one place ---- */

static void check_lists(struct world *w, const struct run *run)
{
    uint32_t held = 0;

    for (uint32_t i = 0; i < run->session_count; i++) {
        const struct session *s = run->sessions[i];
        uint32_t n = 0;
        uint32_t recalled = 0;

        for (uint32_t t = s->held_first; t != POOL_NONE; t = run->tests[t].next, n++) {
            if (run->tests[t].session != i || n > run->test_count)
                sim_fail(w, "a test is in a list that is not its holder's", i, t);
            if (run->tests[t].place != TEST_HELD && run->tests[t].place != TEST_STARTED)
                sim_fail(w, "a test in a list is not held", i, t);
            recalled += (run->tests[t].flags & TEST_RECALLED) != 0;
        }
        if (n != s->held_count || recalled != s->recall_count)
            sim_fail(w, "a session's counts are wrong", n, s->held_count);
        if (n && !session_lives(s))
            sim_fail(w, "a session that is over holds tests", i, n);
        held += n;
    }
    if (held != run->held_count)
        sim_fail(w, "the run's held count is wrong", held, run->held_count);
}

/* What was found late is in the run once, behind what was sealed. */
static void check_found(struct world *w, const struct run *run)
{
    if (run->manifest->count != run->test_count || run->sealed_count > run->test_count)
        sim_fail(w, "the manifest has other tests than the run", run->manifest->count,
                 run->test_count);
    for (uint32_t i = 0; i < run->test_count; i++) {
        const struct manifest_test *t = &run->manifest->tests[i];

        if (manifest_find(run->manifest, t->id, t->k) != i || t->k > 0)
            sim_fail(w, "a test is in the run twice", i, t->k);
        if (w->hidden[sim_test(w, t->id)] != (i >= run->sealed_count))
            sim_fail(w, "a test found late is not behind the sealed ones", i, run->sealed_count);
    }
}

static void check_places(struct world *w, const struct run *run)
{
    uint32_t count[4] = { 0 };
    uint32_t outcomes[OUTCOME_COUNT] = { 0 };
    uint32_t flaky = 0;

    for (uint32_t i = 0; i < run->test_count; i++) {
        const struct run_test *t = &run->tests[i];
        bool held = t->place == TEST_HELD || t->place == TEST_STARTED;

        count[t->place]++;
        outcomes[t->outcome]++;
        flaky += test_is_flaky(t);
        if ((t->place == TEST_DONE) != (t->outcome != OUTCOME_NONE))
            sim_fail(w, "done without an outcome, or the reverse", i, t->outcome);
        if (pool_holder(run->pool, i) != (held ? t->session : POOL_NONE))
            sim_fail(w, "the pool has the test elsewhere", i, pool_holder(run->pool, i));
        if (t->place == TEST_FREE && t->session != SESSION_NONE)
            sim_fail(w, "a free test has a session", i, t->session);
        if (run->epoch == w->good_epoch + 1 && !run->wide && w->was_good[i] &&
            !(t->flags & TEST_CARRIED))
            sim_fail(w, "a narrow epoch runs what had passed", i, 0);
    }
    if (count[TEST_DONE] != run->done_count || count[TEST_FREE] != pool_free_count(run->pool) ||
        flaky != run->flaky_count)
        sim_fail(w, "the run's counts are wrong", count[TEST_DONE], run->done_count);
    for (uint32_t i = 1; i < OUTCOME_COUNT; i++)
        if (outcomes[i] != run->counts[i])
            sim_fail(w, "the counts by outcome are wrong", outcomes[i], run->counts[i]);
}

/* A copy is of a test that runs elsewhere; one of a test, between two that asked for such. */
static void check_copies(struct world *w, const struct run *run)
{
    uint32_t in_hands = 0;

    for (uint32_t i = 0; i < run->copy_count; i++) {
        const struct copy *c = &run->copies[i];
        const struct run_test *t = &run->tests[c->test];

        if (t->place != TEST_STARTED || t->session == c->session)
            sim_fail(w, "a copy of a test that does not run elsewhere", c->test, c->session);
        if (!session_lives(run->sessions[c->session]))
            sim_fail(w, "a copy in the hands of the dead", c->test, c->session);
        if (!run->sessions[c->session]->speculate || !run->sessions[t->session]->speculate)
            sim_fail(w, "a copy that nobody asked for", c->test, c->session);
        for (uint32_t k = i + 1; k < run->copy_count; k++)
            if (run->copies[k].test == c->test)
                sim_fail(w, "two copies of one test", c->test, 0);
    }
    for (uint32_t i = 0; i < run->session_count; i++)
        in_hands += run->sessions[i]->copy_count;
    if (in_hands != run->copy_count)
        sim_fail(w, "the count of copies is wrong", in_hands, run->copy_count);
}

static bool must_not_meet(const struct world *w, uint32_t a, uint32_t b)
{
    return w->alone[a] || w->alone[b] || (w->mutex[a] && w->mutex[a] == w->mutex[b]);
}

/* What really runs, on machines that are cut off too. */
static void check_overlaps(struct world *w)
{
    struct {
        uint32_t agent, test;
    } busy[AGENTS_MAX * WORKERS_MAX];
    uint32_t n = 0;

    for (uint32_t i = 0; w->any_exclusive && i < w->agent_count; i++)
        for (uint32_t k = 0; w->agent[i].state != AG_EXITED && k < w->agent[i].workers; k++)
            if (w->agent[i].worker[k].busy) {
                busy[n].agent = i;
                busy[n++].test = w->agent[i].worker[k].piece.test;
            }
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = i + 1; k < n; k++)
            if (must_not_meet(w, busy[i].test, busy[k].test) &&
                strcmp(w->agent[busy[i].agent].run, w->agent[busy[k].agent].run) == 0)
                sim_fail(w, "two tests run at once that must not", busy[i].test, busy[k].test);
}

/* What stays together is run by one machine, unless that has gone or what it said was lost. */
void check_start(struct world *w, uint32_t at, uint32_t test)
{
    uint32_t *by = &w->ran_by[sim_file(test)];

    if (!w->together || w->troubled)
        return;
    for (uint32_t i = 0; i < w->agent_count; i++)
        if (w->agent[i].odd)
            return; /* it cannot run all of a file */
    if (*by > w->phase_first && *by != at + 1)
        sim_fail(w, "a file in two places", sim_file(test), at);
    *by = at + 1;
}

/* ---- what happens at all ---- */

struct seen sim_seen;

static void note_seen(const struct change *change)
{
    switch (change->kind) {
    case CHANGE_NONE:
    case CHANGE_SEAL:
    case CHANGE_LEAVE:
        return;
    case CHANGE_OPEN:
        sim_seen.narrow += !change->as.open.wide;
        return;
    case CHANGE_JOIN:
        sim_seen.late += change->as.join.late;
        sim_seen.widened += change->as.join.widen;
        return;
    case CHANGE_COLLECTED:
        sim_seen.differs += change->as.collected.differs;
        return;
    case CHANGE_PULL:
        sim_seen.recalled += change->as.pull.recall.count > 0;
        sim_seen.copies += change->as.pull.copies.count;
        sim_seen.sent_home += change->as.pull.end && !change->as.pull.complete;
        return;
    case CHANGE_RESULTS:
        sim_seen.found += change->as.results.found_count;
        sim_seen.found_free += change->as.results.found_count && !change->as.results.fence;
        for (uint32_t i = 0; i < change->as.results.item_count; i++) {
            sim_seen.observed += change->as.results.items[i].way == RESULT_OBSERVE;
            sim_seen.abandoned += change->as.results.items[i].way == RESULT_ABANDON;
        }
        return;
    case CHANGE_DRAIN:
        sim_seen.drained++;
        return;
    case CHANGE_EXPIRE:
        sim_seen.expired++;
        return;
    case CHANGE_FINAL:
        sim_seen.adopted += change->as.final.adopt.count;
        return;
    }
}

/* ---- replay gives the same run ---- */

static enum err_code replay(void *ctx, uint64_t number, const void *bytes, size_t len,
                            struct err *err)
{
    struct world *w = ctx;
    struct change change = { .kind = CHANGE_NONE };
    enum err_code rc;

    if (number <= w->shadow->change_count)
        return ERR_NONE;
    rc = change_decode(bytes, len, &change, err);
    if (rc)
        return rc;
    if (change.kind == CHANGE_SEAL) {
        bool odd = strcmp(change.as.seal.digest, w->manifest->digest) != 0;
        const struct manifest *from = odd ? w->odd_manifest : w->manifest;
        struct manifest *copy = manifest_new();

        for (uint32_t i = 0; i < from->count; i++)
            if (manifest_add(copy, view_of(from->tests[i].id), view_of(""),
                             view_of(from->tests[i].flags), err))
                return err->code;
        manifest_seal(copy);
        change.as.seal.manifest = copy;
    }
    note_seen(&change);
    rc = change_check(w->shadow, &change, err);
    if (!rc)
        run_apply(w->shadow, &change);
    change_fini(&change);
    return rc;
}

static void check_replay(struct world *w, const struct live *live)
{
    char a[HASH_HEX_BYTES];
    char b[HASH_HEX_BYTES];
    struct err err = ERR_INIT;

    if (live->durable != live->run->change_count)
        return;
    if (strcmp(w->shadow_id, live->id) != 0) {
        run_free(w->shadow);
        w->shadow = run_new();
        memcpy(w->shadow_id, live->id, sizeof(w->shadow_id));
    }
    if (w->shadow->change_count == live->run->change_count)
        return;
    if (store_load(w->store, live->id, replay, w, &err))
        sim_fail(w, err.text, err.code, 0);
    if (w->shadow->change_count != live->run->change_count)
        sim_fail(w, "the store has other changes than the run", w->shadow->change_count,
                 live->run->change_count);
    run_digest(w->shadow, a);
    run_digest(live->run, b);
    if (strcmp(a, b) != 0)
        sim_fail(w, "replay gives another run", live->run->change_count, 0);
}

/* ---- work moves ---- */

static const struct agent *agent_of(const struct world *w, const struct session *s)
{
    for (uint32_t i = 0; i < w->agent_count; i++)
        if (strcmp(w->agent[i].session, s->id) == 0)
            return &w->agent[i];
    return NULL;
}

/* The tests of a unit begin in order, and stay with whom the first was given to. */
static bool is_next_for(const struct run *run, uint32_t test, uint32_t session)
{
    uint32_t unit = pool_unit_of(run->pool, test);
    uint32_t owner = pool_unit_owner(run->pool, test);

    for (uint32_t i = 0; unit != POOL_NONE && i < test; i++)
        if (pool_unit_of(run->pool, i) == unit)
            return false;
    return owner == POOL_NONE || owner == session;
}

/* A free test that this session may have, and none which is in somebody's hands stands against. */
static bool any_may_begin(const struct world *w, const struct run *run, uint32_t session)
{
    uint32_t test[TESTS_MAX]; /* the world's number of each */

    for (uint32_t i = 0; i < run->test_count; i++)
        test[i] = sim_test(w, run->manifest->tests[i].id);
    for (uint32_t i = 0; i < run->test_count; i++) {
        bool may = run->tests[i].place == TEST_FREE && is_next_for(run, i, session);

        for (uint32_t k = 0; may && k < run->test_count; k++)
            may = run->tests[k].place == TEST_FREE || run->tests[k].place == TEST_DONE ||
                  !must_not_meet(w, test[i], test[k]);
        if (may)
            return true;
    }
    return false;
}

static bool somebody_waits(const struct world *w, const struct run *run)
{
    if (run->state != RUN_RUNNING || run->stop)
        return false;
    for (uint32_t i = 0; i < run->session_count; i++) {
        const struct session *s = run->sessions[i];
        const struct agent *a = agent_of(w, s);

        if (s->state == SESSION_LIVE && s->collected && !s->held_count && !s->lack_count && a &&
            a->state == AG_RUNNING && !a->draining && w->now_ms >= a->mute_to_ms &&
            any_may_begin(w, run, i))
            return true;
    }
    return false;
}

void check_step(struct world *w)
{
    struct live *live = newest(w);
    uint64_t moved;

    w->steps++;
    check_overlaps(w);
    if (!live || !live->run->manifest) {
        w->idle_since_ms = w->now_ms;
        return;
    }
    check_lists(w, live->run);
    check_places(w, live->run);
    check_found(w, live->run);
    check_copies(w, live->run);
    check_replay(w, live);
    if (live->run->state == RUN_FINAL && live->run->epoch != w->good_epoch) {
        w->good_epoch = live->run->epoch;
        for (uint32_t i = 0; i < TESTS_MAX; i++)
            w->was_good[i] = i < live->run->test_count && live->run->tests[i].place == TEST_DONE &&
                             outcome_is_good(live->run->tests[i].outcome);
    }
    moved = (uint64_t)live->run->epoch << 40 | live->run->fence_count << 16 | live->run->done_count;
    if (!somebody_waits(w, live->run) || moved != w->moved)
        w->idle_since_ms = w->now_ms;
    w->moved = moved;
    if (w->now_ms - w->idle_since_ms > (w->troubled ? IDLE_LOST_MS_MAX : IDLE_MS_MAX))
        sim_fail(w, "a test is free, an agent is idle, nothing moves", w->idle_since_ms, 0);
}

/* ---- the end of an epoch ---- */

/* Green says that every test of every file ran, also those that nobody had collected. */
static void check_none_hides(struct world *w, const struct run *run)
{
    for (uint32_t i = 0; i < run->sealed_count && run->verdict == VERDICT_GREEN; i++) {
        uint32_t file = sim_file(sim_test(w, run->manifest->tests[i].id));

        for (uint32_t t = 0; t < w->test_count; t++)
            if (w->hidden[t] && sim_file(t) == file &&
                manifest_find(run->manifest, w->id[t], 0) == UINT32_MAX)
                sim_fail(w, "green without a test that was found late", t, file);
    }
    for (uint32_t t = 0; t < w->test_count; t++)
        if (!w->troubled && !w->stall_ppm && run->epoch == 1 && w->hidden[t] && w->runs[t] > 1)
            sim_fail(w, "a test that was found late ran more than once", t, w->runs[t]);
}

void check_end(struct world *w, const struct run *run)
{
    bool all_green = true;
    bool any_bad = false;
    bool any_flaky = false;
    uint32_t fresh = 0;
    enum verdict v = run->verdict;

    sim_seen.copies_won += run->copies_won;
    for (uint32_t i = 0; i < run->observation_count; i++)
        sim_seen.voided += run->observations[i].voided;
    if (run->state != RUN_FINAL)
        sim_fail(w, "the epoch does not end", run->done_count, run->test_count);
    for (uint32_t i = w->phase_first; i < w->agent_count; i++) {
        all_green = all_green && w->agent[i].job_exit == 0;
        /* (What failed in a former life may be a late duplicate, which another has run to its good
         * end.) */
        if (w->agent[i].left_bad && w->agent[i].lives == 0 &&
            strcmp(w->agent[i].run, run->id) == 0 && v == VERDICT_GREEN)
            sim_fail(w, "a runner failed and the verdict is green", i, 0);
    }
    for (uint32_t i = 0; i < w->test_count; i++) {
        any_bad = any_bad || w->nature[i] == BAD || w->nature[i] == TEARDOWN_BAD;
        any_flaky = any_flaky || w->nature[i] == FLAKY;
    }
    if (all_green && v != VERDICT_GREEN)
        sim_fail(w, "every job is green and the verdict is not", v, run->done_count);
    if (v == VERDICT_GREEN && any_bad)
        sim_fail(w, "green with a bad test", 0, 0);
    if (v == VERDICT_GREEN && (run->done_count != run->test_count || run->test_count == 0))
        sim_fail(w, "green and not complete", run->done_count, run->test_count);
    if (run->mismatch.sessions && v != VERDICT_MISMATCH)
        sim_fail(w, "a mismatch was forgotten", v, 0);
    if (ledger_complete(run) && !run->mismatch.sessions && any_bad && v != VERDICT_RED)
        sim_fail(w, "complete with a bad test and not red", v, 0);
    for (uint32_t i = 0; i < run->test_count; i++)
        fresh += run->tests[i].place == TEST_DONE && !(run->tests[i].flags & TEST_CARRIED);
    if (v == VERDICT_GREEN && fresh == 0)
        sim_fail(w, "green on an empty share", run->epoch, 0);
    if (v == VERDICT_GREEN && run->faults.count)
        sim_fail(w, "green with an error of the run", run->faults.count, 0);
    if (!w->troubled && !any_bad && !any_flaky && !run->faults.count && run->test_count &&
        !run->mismatch.sessions && v != VERDICT_GREEN)
        sim_fail(w, "nothing was wrong and the verdict is not green", v, run->done_count);
    for (uint32_t i = 0; i < run->test_count; i++)
        if (run->tests[i].place == TEST_DONE && !w->runs[sim_test(w, run->manifest->tests[i].id)])
            sim_fail(w, "a test has a result and never ran", i, 0);
    check_none_hides(w, run);
}
