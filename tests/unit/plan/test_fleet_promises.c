/* Tens of thousands of small fleets in virtual time, both levels of scheduling at once: what holds
 * for each of them, whatever was predicted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chance.h"
#include "plan/copy.h"
#include "plan/simulate.h"

#define FLEETS      30000u
#define PLAIN       20000u
#define LOSSES      10000u
#define COPYING     5000u
#define TESTS_MAX   24u
#define AGENTS_MAX  5u
#define WORKERS_MAX 3u
#define SCOPES      6u /* three files, a class in each */
#define FILES       3u
#define ASKING_US   (4 * (uint64_t)POOL_LEAD_US)

struct fleet {
    uint64_t chance;
    struct pool_test tests[TESTS_MAX];
    struct pool_scope scopes[SCOPES];
    uint64_t actual_us[TESTS_MAX], setup_us[SCOPES];
    struct sim_agent agents[AGENTS_MAX + 1];
    struct sim_input in;
};

/* Two of three tests are foretold well; others at a quarter to four times their time, or, where no
 * bound hangs on it, at anything. */
static uint64_t foretold_us(struct fleet *f, uint64_t actual_us, bool any)
{
    if (chance_below(&f->chance, 3))
        return actual_us;
    if (any)
        return 1u << chance_below(&f->chance, 22);
    return (actual_us << chance_below(&f->chance, 5)) / 4;
}

/* Tests of any length, foretold well, badly or not at all. */
static void fleet_tests(struct fleet *f, bool bound)
{
    for (uint32_t c = 0; c < SCOPES; c++) {
        f->scopes[c].parent = c < FILES ? POOL_NONE : c - FILES;
        f->scopes[c].setup_us = bound ? chance_below(&f->chance, 100000) : 0;
        f->setup_us[c] = bound ? chance_below(&f->chance, 100000) : 0;
    }
    f->in.test_count = 1 + chance_below(&f->chance, TESTS_MAX);
    for (uint32_t i = 0; i < f->in.test_count; i++) {
        f->actual_us[i] = 1 + chance_below(&f->chance, 1u << chance_below(&f->chance, 22));
        f->tests[i] = (struct pool_test){ .cost_us = foretold_us(f, f->actual_us[i], bound),
                                          .scope = chance_below(&f->chance, SCOPES),
                                          .group = POOL_NONE,
                                          .mutex = POOL_NONE,
                                          .threads = 1 };
        if (bound && !chance_below(&f->chance, 4))
            f->tests[i].group = chance_below(&f->chance, 2) % f->in.test_count;
        if (bound && !chance_below(&f->chance, 8))
            f->tests[i].mutex = chance_below(&f->chance, 2) % f->in.test_count;
        if (bound && !chance_below(&f->chance, 16))
            f->tests[i].flags = POOL_SERIAL;
    }
}

static void fleet_init(struct fleet *f, uint64_t seed, bool bound)
{
    memset(f, 0, sizeof(*f));
    f->chance = seed;
    fleet_tests(f, bound);
    f->in.tests = f->tests;
    f->in.actual_us = f->actual_us;
    f->in.scopes = f->scopes;
    f->in.actual_setup_us = f->setup_us;
    f->in.scope_count = SCOPES;
    f->in.policy = bound ? (enum pool_policy)chance_below(&f->chance, POOL_EACH) : POOL_AUTO;
    f->in.agents = f->agents;
    f->in.agent_count = 1 + chance_below(&f->chance, AGENTS_MAX);
    f->in.expect_all = chance_below(&f->chance, 2);
    f->in.request_us = bound ? chance_below(&f->chance, 3) * 20000 : 0;
    f->in.detect_us = 10000000;
    for (uint32_t a = 0; a < AGENTS_MAX + 1; a++)
        f->agents[a] = (struct sim_agent){
            .start_us = bound ? chance_below(&f->chance, 500000) : 0,
            .workers = bound ? 1 + chance_below(&f->chance, WORKERS_MAX) : 1,
            .speed_ppm = bound ? 500000 + chance_below(&f->chance, 1000000) : 1000000,
            .leave_us = SIM_NEVER,
        };
}

static bool overlap(const struct sim_span *a, const struct sim_span *b)
{
    return a->start_us < b->end_us && b->start_us < a->end_us;
}

static void assert_once(const struct fleet *f, const struct sim_result *res)
{
    uint32_t times[TESTS_MAX] = { 0 };

    assert_int_equal(res->ended, f->in.test_count);
    for (uint32_t i = 0; i < res->span_count; i++)
        if (res->spans[i].counts)
            assert_int_equal(times[res->spans[i].test]++, 0);
    for (uint32_t t = 0; t < f->in.test_count; t++)
        assert_int_equal(times[t], 1);
    assert_true(f->in.speculate || res->span_count == f->in.test_count);
}

static void assert_same_again(const struct fleet *f, const struct sim_result *res)
{
    struct sim_result again;

    sim_run(&f->in, &again);
    assert_int_equal(again.span_count, res->span_count);
    for (uint32_t i = 0; i < res->span_count; i++) {
        const struct sim_span *a = &again.spans[i], *b = &res->spans[i];

        assert_int_equal(a->test, b->test);
        assert_int_equal(a->agent, b->agent);
        assert_int_equal(a->worker, b->worker);
        assert_int_equal(a->start_us, b->start_us);
        assert_int_equal(a->end_us, b->end_us);
        assert_int_equal(a->counts, b->counts);
    }
    free(again.spans);
}

/* What holds two tests together under this policy; POOL_NONE: nothing. */
static uint32_t unit_of(const struct fleet *f, uint32_t test)
{
    const struct pool_test *t = &f->tests[test];

    switch (f->in.policy) {
    case POOL_SCOPE:
        return t->scope;
    case POOL_FILE:
        return t->scope % FILES;
    case POOL_AUTO:
    case POOL_GROUP:
    case POOL_EACH:
        return t->group;
    case POOL_LOAD:
    case POOL_STEAL:
        return POOL_NONE;
    }
    fail();
    return POOL_NONE;
}

static void assert_pair(const struct fleet *f, const struct sim_span *a, const struct sim_span *b)
{
    const struct pool_test *s = &f->tests[a->test], *t = &f->tests[b->test];
    bool same_agent = a->agent == b->agent, same_worker = same_agent && a->worker == b->worker;

    if (unit_of(f, a->test) != POOL_NONE && unit_of(f, a->test) == unit_of(f, b->test))
        assert_true(same_worker);
    if (!overlap(a, b))
        return;
    assert_false(same_worker);
    assert_false(s->mutex != POOL_NONE && s->mutex == t->mutex);
    assert_false(same_agent && ((s->flags | t->flags) & POOL_SERIAL));
}

/* Every test runs once, units stay together, what excludes one another never overlaps, and the same
 * fleet does the same again. */
static void test_sim_run_keeps_every_promise(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= FLEETS; seed++) {
        struct fleet f;
        struct sim_result res;

        fleet_init(&f, seed, true);
        sim_run(&f.in, &res);
        assert_once(&f, &res);
        for (uint32_t i = 0; i < res.span_count; i++)
            for (uint32_t j = 0; j < i; j++)
                assert_pair(&f, &res.spans[i], &res.spans[j]);
        if (seed % 8 == 0)
            assert_same_again(&f, &res);
        free(res.spans);
    }
}

static uint64_t work_us(const struct fleet *f, uint64_t *out_longest_us)
{
    uint64_t sum_us = 0;

    *out_longest_us = 0;
    for (uint32_t i = 0; i < f->in.test_count; i++) {
        sum_us += f->actual_us[i];
        if (f->actual_us[i] > *out_longest_us)
            *out_longest_us = f->actual_us[i];
    }
    return sum_us;
}

static uint64_t makespan_us(const struct fleet *f)
{
    struct sim_result res;

    sim_run(&f->in, &res);
    assert_once(f, &res);
    free(res.spans);
    return res.makespan_us;
}

/* No machine idles for long while there is work that it may do, so Graham's bounds hold (1966,
 * 1969): work spread evenly and one test more; and a machine more lengthens the run by no more than
 * 1 + (m - 1) / (m + 1), an anomaly that every list of tests can have. On top of both comes what
 * asking takes in the planner's eyes: work of a few requests' time is given out together, and is
 * not worth a recall. */
static void test_sim_run_wastes_no_machine(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= PLAIN; seed++) {
        struct fleet f;
        uint64_t longest_us, sum_us, m, took_us, more_us;

        fleet_init(&f, seed, false);
        m = f.in.agent_count;
        sum_us = work_us(&f, &longest_us);
        took_us = makespan_us(&f);
        assert_in_range(took_us, sum_us / m, (sum_us + (m - 1) * longest_us) / m + ASKING_US);
        f.in.agent_count++;
        more_us = makespan_us(&f);
        assert_true(more_us * (m + 1) <= took_us * 2 * m + ASKING_US * (m + 1));
    }
}

/* A machine that goes costs what it had not done yet, spread over the others, and one test; one
 * that is lost without a word also the time until that is seen, and what it ran. */
static void test_sim_run_loses_no_test_with_a_machine(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= LOSSES; seed++) {
        struct fleet f;
        uint64_t longest_us, sum_us, left;

        fleet_init(&f, seed, false);
        f.in.agent_count = 2 + seed % (AGENTS_MAX - 1);
        sum_us = work_us(&f, &longest_us);
        f.agents[0].leave_us = chance_below(&f.chance, (uint32_t)(sum_us / f.in.agent_count + 1));
        f.agents[0].lost = seed % 2;
        left = f.in.agent_count - 1;
        assert_in_range(makespan_us(&f), 0,
                        (f.agents[0].lost ? f.in.detect_us : 0) + sum_us / left + longest_us +
                            ASKING_US);
    }
}

/* Tests that take long on a slow machine, a machine that may go, and agents that want copies. */
static void fleet_late(struct fleet *f, uint64_t seed)
{
    fleet_init(f, seed, true);
    f->in.speculate = true;
    f->in.agent_count = 2 + seed % (AGENTS_MAX - 1);
    f->agents[0].speed_ppm = 50000 + chance_below(&f->chance, 500000);
    for (uint32_t i = 0; i < f->in.test_count; i++)
        if (!chance_below(&f->chance, 4))
            f->tests[i].flags |= POOL_NO_SPECULATE;
    if (seed % 2) {
        f->agents[1].leave_us = f->agents[1].start_us + chance_below(&f->chance, 4000000);
        f->agents[1].lost = seed % 4 == 1;
    }
}

/* Of tries that a test has. */
static void assert_copies(const struct fleet *f, const struct sim_result *res)
{
    uint32_t copies[TESTS_MAX] = { 0 };

    for (uint32_t i = 0; i < res->span_count; i++) {
        const struct sim_span *s = &res->spans[i];
        const struct pool_test *t = &f->tests[s->test];

        for (uint32_t j = 0; j < i; j++)
            if (res->spans[j].test == s->test)
                assert_int_not_equal(res->spans[j].agent, s->agent);
        if (!s->copy)
            continue;
        assert_true(++copies[s->test] <= COPIES_OF_TEST_MAX);
        assert_int_equal(t->flags & (POOL_NO_SPECULATE | POOL_SERIAL), 0);
        assert_int_equal(t->mutex, POOL_NONE);
        assert_int_equal(unit_of(f, s->test), POOL_NONE);
    }
}

/* Copies of running tests change none of it: each test has one result, what holds it together or
 * apart holds, and a copy is never where the test runs already, nor of one that forbids it. */
static void test_sim_run_copies_what_it_may(void **state)
{
    uint32_t copies = 0, won = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= COPYING; seed++) {
        struct fleet f;
        struct sim_result res;

        fleet_late(&f, seed);
        sim_run(&f.in, &res);
        assert_once(&f, &res);
        assert_copies(&f, &res);
        copies += res.copies;
        won += res.copies_won;
        assert_true(res.copies_won <= res.copies);
        if (seed % 8 == 0)
            assert_same_again(&f, &res);
        free(res.spans);
    }
    assert_true(won > 0 && won < copies);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_run_keeps_every_promise),
        cmocka_unit_test(test_sim_run_wastes_no_machine),
        cmocka_unit_test(test_sim_run_loses_no_test_with_a_machine),
        cmocka_unit_test(test_sim_run_copies_what_it_may),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
