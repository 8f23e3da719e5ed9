/* Many small random runs, each replayed against a naive model of what a pool promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "chance.h"
#include "plan/pool.h"

#define CASES      2000u
#define TESTS_MAX  40u
#define TAKERS_MAX 6u
#define STEPS_MAX  20000u

enum place { ABSENT, FREE, HELD, STARTED, DONE };

struct world {
    uint64_t chance;
    struct pool_scope scopes[8];
    struct pool_test tests[TESTS_MAX];
    struct pool_input in;
    enum place place[TESTS_MAX];
    uint32_t taker[TESTS_MAX]; /* holder, or who has run it */
    uint32_t recalled_for[TESTS_MAX];
    bool in_run[TAKERS_MAX];
    uint32_t workers[TAKERS_MAX], speed_ppm[TAKERS_MAX];
    uint32_t taker_count, takers_live, retries;
    bool hours;     /* tests of up to an hour: the run may hang on one of them */
    uint64_t trace; /* digest of everything that was decided */
    struct pool *pool;
};

static void world_init(struct world *w, uint64_t seed)
{
    bool machine;

    memset(w, 0, sizeof(*w));
    w->chance = seed;
    w->hours = seed % 4 == 0;
    for (uint32_t s = 0; s < 8; s++)
        w->scopes[s] = (struct pool_scope){ s < 4 ? POOL_NONE : s - 4,
                                            seed % 2 ? 0 : chance_below(&w->chance, 200000) };
    w->in.tests = w->tests;
    w->in.scopes = w->scopes;
    w->in.scope_count = 8;
    w->in.test_count = 1 + chance_below(&w->chance, w->hours ? TESTS_MAX / 4 : TESTS_MAX);
    w->in.policy = (enum pool_policy)chance_below(&w->chance, POOL_EACH + 1);
    w->in.one_machine = machine = !w->hours && chance_below(&w->chance, 2);
    for (uint32_t i = 0; i < w->in.test_count; i++) {
        struct pool_test *t = &w->tests[i];

        *t = (struct pool_test){ .cost_us = w->hours ? 1u << (22 + chance_below(&w->chance, 10))
                                                     : 1u << chance_below(&w->chance, 22),
                                 .scope = POOL_NONE,
                                 .group = POOL_NONE,
                                 .mutex = POOL_NONE,
                                 .threads = 1 };
        if (chance_below(&w->chance, 4))
            t->scope = chance_below(&w->chance, 8);
        if (!chance_below(&w->chance, 4))
            t->group = chance_below(&w->chance, 3);
        if (!chance_below(&w->chance, 8))
            t->mutex = chance_below(&w->chance, 2);
        if (!chance_below(&w->chance, 12))
            t->threads = 1 + chance_below(&w->chance, 3);
        if (!chance_below(&w->chance, 16))
            t->flags = chance_below(&w->chance, 2) ? POOL_SERIAL : POOL_SERIAL | POOL_ALONE;
        if (!chance_below(&w->chance, 10))
            t->flags |= POOL_FIRST;
        if (t->group != POOL_NONE && t->group >= w->in.test_count)
            t->group = 0;
        if (t->mutex != POOL_NONE && t->mutex >= w->in.test_count)
            t->mutex = 0;
        w->place[i] = FREE;
        w->taker[i] = w->recalled_for[i] = POOL_NONE;
    }
    w->taker_count = w->takers_live = 1 + chance_below(&w->chance, TAKERS_MAX);
    w->pool = pool_new(&w->in);
    for (uint32_t k = 0; k < w->taker_count; k++) {
        w->in_run[k] = true;
        w->workers[k] = machine ? 1 : 1 + chance_below(&w->chance, 3);
        w->speed_ppm[k] = 500000 + chance_below(&w->chance, 1000000);
        pool_join(w->pool, k, w->workers[k], w->speed_ppm[k]);
    }
}

/* The unit of a test: two tests of one unit never go to two takers. POOL_NONE for none. */
static uint32_t unit_of(const struct world *w, uint32_t i)
{
    const struct pool_test *t = &w->tests[i];

    switch (w->in.policy) {
    case POOL_SCOPE:
        return t->scope;
    case POOL_FILE:
        return t->scope == POOL_NONE ? POOL_NONE : t->scope % 4;
    case POOL_AUTO:
    case POOL_GROUP:
    case POOL_EACH:
        return t->group == POOL_NONE ? POOL_NONE : 100 + t->group;
    case POOL_LOAD:
    case POOL_STEAL:
        return POOL_NONE;
    }
    fail();
    return 0;
}

static bool in_hand(const struct world *w, uint32_t i)
{
    return w->place[i] == HELD || w->place[i] == STARTED;
}

/* Would giving test i to taker k break a promise? */
static bool breaks_promise(const struct world *w, uint32_t k, uint32_t i)
{
    const struct pool_test *t = &w->tests[i];
    uint32_t unit = unit_of(w, i), threads = t->threads;
    bool others_busy = false, other_seen[TAKERS_MAX] = { false };

    for (uint32_t j = 0; j < w->in.test_count; j++) {
        const struct pool_test *o = &w->tests[j];
        bool elsewhere = w->taker[j] != POOL_NONE && w->taker[j] != k && w->in_run[w->taker[j]];

        if (unit != POOL_NONE && unit_of(w, j) == unit && elsewhere && w->place[j] != FREE)
            return true;
        if (in_hand(w, j) && !w->in.one_machine && ((t->flags | o->flags) & POOL_ALONE) &&
            (elsewhere || !(t->flags & o->flags & POOL_ALONE)))
            return true;
        if (!in_hand(w, j) || !elsewhere)
            continue;
        if (t->mutex != POOL_NONE && t->mutex == o->mutex)
            return true;
        if (w->in.one_machine && (o->flags & POOL_SERIAL))
            return true;
        others_busy = true;
        threads += o->threads - 1;
        threads += !other_seen[w->taker[j]];
        other_seen[w->taker[j]] = true;
    }
    if (!w->in.one_machine)
        return false;
    for (uint32_t j = 0; j < w->in.test_count; j++)
        if (in_hand(w, j) && w->taker[j] == k)
            threads += w->tests[j].threads - 1;
    return others_busy && ((t->flags & POOL_SERIAL) || threads > w->takers_live);
}

/* Four reasons for idling: a test was recalled for somebody else; a unit runs in order, so one of
 * its tests may hold up the others; a scope that others are in is joined only where that pays; and
 * another machine may end a long test earlier. */
static bool may_wait(const struct world *w, uint32_t k, uint32_t i)
{
    uint32_t scope = w->tests[i].scope, unit = unit_of(w, i), other = w->recalled_for[i];

    if (other != POOL_NONE && other != k && w->in_run[other])
        return true;
    for (uint32_t o = 0; o < w->taker_count && !w->in.one_machine; o++)
        if (w->in_run[o] && w->speed_ppm[o] > w->speed_ppm[k] && w->tests[i].cost_us > POOL_LEAD_US)
            return true;

    for (uint32_t j = 0; j < w->in.test_count && unit != POOL_NONE; j++)
        if (w->place[j] == FREE && unit_of(w, j) == unit && breaks_promise(w, k, j))
            return true;
    return w->in.policy != POOL_LOAD && w->in.policy != POOL_STEAL && scope != POOL_NONE &&
           w->scopes[scope].setup_us + w->scopes[scope % 4].setup_us > 0;
}

static void note(struct world *w, uint32_t what, uint32_t value)
{
    w->trace = (w->trace ^ what) * 1099511628211u;
    w->trace = (w->trace ^ value) * 1099511628211u;
}

static void take(struct world *w, uint32_t k, uint32_t i)
{
    pool_take(w->pool, k, i);
    w->place[i] = HELD;
    w->taker[i] = k;
    w->recalled_for[i] = POOL_NONE;
}

static void ask(struct world *w, uint32_t k)
{
    uint32_t out[TESTS_MAX], held = 0, n, max = 1 + chance_below(&w->chance, TESTS_MAX);
    struct pool_ask ask = { .taker = k };

    for (uint32_t i = 0; i < w->in.test_count; i++)
        held += in_hand(w, i) && w->taker[i] == k;
    ask.free_workers = held < w->workers[k] ? w->workers[k] - held : 0;
    ask.backlog_us = pool_held_us(w->pool, k);
    n = pool_choose(w->pool, &ask, out, max);
    note(w, 1, n);
    assert_true(n <= max);
    if (!n && ask.free_workers)
        for (uint32_t i = 0; i < w->in.test_count; i++)
            assert_true(w->place[i] != FREE || breaks_promise(w, k, i) || may_wait(w, k, i));
    for (uint32_t i = 0; i < n; i++) {
        note(w, 2, out[i]);
        assert_true(out[i] < w->in.test_count && w->place[out[i]] == FREE);
        /* In a machine what is chosen beside the first is queued behind it on the same worker. */
        assert_true((i && w->in.one_machine) || !breaks_promise(w, k, out[i]));
        take(w, k, out[i]);
    }
}

/* Some of what it may have, whatever the planner would say: it had that before it was given up. */
static void claim(struct world *w, uint32_t k)
{
    for (uint32_t i = 0; i < w->in.test_count; i++)
        if (w->place[i] == FREE && pool_may_take(w->pool, k, i) && !breaks_promise(w, k, i) &&
            chance_below(&w->chance, 2))
            take(w, k, i);
}

static void put_back(struct world *w, uint32_t i)
{
    pool_put_back(w->pool, i);
    w->place[i] = FREE;
    w->taker[i] = POOL_NONE;
}

static void recall(struct world *w, uint32_t k)
{
    uint32_t out[TESTS_MAX], holder = POOL_NONE, n;

    n = pool_choose_recall(w->pool, &(struct pool_ask){ .taker = k }, &holder, out, TESTS_MAX);
    note(w, 3, n);
    for (uint32_t i = 0; i < n; i++) {
        note(w, 4, out[i]);
        assert_int_equal(w->place[out[i]], HELD);
        assert_int_equal(w->taker[out[i]], holder);
        assert_int_not_equal(holder, k);
        pool_promise(w->pool, out[i], k);
        put_back(w, out[i]);
        w->recalled_for[out[i]] = k;
    }
}

/* Somebody starts, ends, loses or leaves. */
static void happen(struct world *w)
{
    uint32_t i = chance_below(&w->chance, w->in.test_count), what = chance_below(&w->chance, 100);

    if (what == 98)
        pool_hurry(w->pool, i);
    if (w->place[i] == HELD && what < 60) {
        pool_start(w->pool, i);
        w->place[i] = STARTED;
    } else if (in_hand(w, i) && what < 90) {
        pool_finish(w->pool, i);
        w->place[i] = DONE;
    } else if (in_hand(w, i) || (w->place[i] == DONE && what < 2 && w->retries < TESTS_MAX)) {
        w->retries += w->place[i] == DONE;
        put_back(w, i);
    } else if (w->takers_live > 1 && what == 99 && w->in_run[w->taker_count - 1]) {
        uint32_t k = w->taker_count - 1;

        pool_leave(w->pool, k);
        w->in_run[k] = false;
        w->takers_live--;
        for (uint32_t j = 0; j < w->in.test_count; j++)
            if (in_hand(w, j) && w->taker[j] == k)
                put_back(w, j);
    }
}

static void check_counts(const struct world *w)
{
    uint32_t free_count = 0, held[TAKERS_MAX] = { 0 };
    uint64_t free_us = 0, held_us[TAKERS_MAX] = { 0 };

    for (uint32_t i = 0; i < w->in.test_count; i++) {
        if (w->place[i] == FREE) {
            free_count++;
            free_us += w->tests[i].cost_us;
        }
        if (in_hand(w, i)) {
            held[w->taker[i]] += w->place[i] == HELD;
            held_us[w->taker[i]] += w->tests[i].cost_us;
            assert_int_equal(pool_holder(w->pool, i), w->taker[i]);
        } else {
            assert_int_equal(pool_holder(w->pool, i), POOL_NONE);
        }
    }
    assert_int_equal(pool_free_count(w->pool), free_count);
    assert_int_equal(pool_free_us(w->pool), free_us);
    for (uint32_t k = 0; k < w->taker_count; k++) {
        assert_int_equal(pool_held_count(w->pool, k), held[k]);
        /* With set-ups; which of them depends on the order in which tests came. */
        assert_in_range(pool_held_us(w->pool, k), held_us[k], held_us[k] + TESTS_MAX * 400000);
    }
}

static bool all_done(const struct world *w)
{
    for (uint32_t i = 0; i < w->in.test_count; i++)
        if (w->place[i] != DONE)
            return false;
    return true;
}

/* As when tests turn up; here none does, and nothing may be different afterwards. */
static void grow(struct world *w)
{
    struct pool *grown = pool_grown(w->pool, &w->in);

    pool_free(w->pool);
    w->pool = grown;
}

static uint64_t run_case(uint64_t seed)
{
    struct world w;
    uint32_t steps;

    world_init(&w, seed);
    for (steps = 0; steps < STEPS_MAX && !all_done(&w); steps++) {
        uint32_t k = chance_below(&w.chance, w.taker_count);

        if (w.in_run[k] && w.hours && !chance_below(&w.chance, 4))
            claim(&w, k);
        if (w.in_run[k])
            ask(&w, k);
        if (w.in_run[k] && !chance_below(&w.chance, 4))
            recall(&w, k);
        if (w.in_run[k] && w.hours)
            ask(&w, k);
        happen(&w);
        if (seed % 3 == 0 && !chance_below(&w.chance, 10))
            grow(&w);
        check_counts(&w);
    }
    assert_true(steps < STEPS_MAX); /* every run ends: nothing is lost */
    pool_free(w.pool);
    return w.trace;
}

static void test_pool_keeps_its_promises_in_random_runs(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= CASES; seed++)
        (void)run_case(seed);
}

static void test_pool_decides_the_same_again(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++)
        assert_int_equal(run_case(seed), run_case(seed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool_keeps_its_promises_in_random_runs),
        cmocka_unit_test(test_pool_decides_the_same_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
