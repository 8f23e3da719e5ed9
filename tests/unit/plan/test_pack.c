#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chance.h"
#include "mem.h"
#include "plan/pack.h"

#define PLAIN .scope = POOL_NONE, .group = POOL_NONE, .mutex = POOL_NONE, .threads = 1
#define SMALL 9u /* tests of an instance that is solved exactly */
#define CASES 400u

/* What the plan makes of each machine, computed anew. */
static uint64_t longest_of(const struct pack_input *in, const uint32_t *machine)
{
    uint64_t worst_us = 0;

    for (uint32_t m = 0; m < in->machines; m++) {
        uint64_t us = 0;

        for (uint32_t s = 0; s < in->scope_count; s++) {
            bool used = false;

            for (uint32_t i = 0; i < in->test_count && !used; i++)
                for (uint32_t c = in->tests[i].scope; machine[i] == m && c != POOL_NONE && !used;
                     c = in->scopes[c].parent)
                    used = c == s;
            us += used ? in->scopes[s].setup_us : 0;
        }
        for (uint32_t i = 0; i < in->test_count; i++)
            us += machine[i] == m ? in->tests[i].cost_us : 0;
        worst_us = us > worst_us ? us : worst_us;
    }
    return worst_us;
}

/* Branch and bound over all plans; machines are alike, so a test opens at most one new one. */
static void search(const struct pack_input *in, uint32_t *machine, uint32_t at, uint32_t open,
                   uint64_t *best_us)
{
    struct pack_input head = *in;

    head.test_count = at;
    if (at && longest_of(&head, machine) >= *best_us)
        return;
    if (at == in->test_count) {
        *best_us = longest_of(in, machine);
        return;
    }
    for (uint32_t m = 0; m < in->machines && m <= open; m++) {
        machine[at] = m;
        search(in, machine, at + 1, open + (m == open), best_us);
    }
}

static void test_pack_is_near_the_optimum_of_small_instances(void **state)
{
    uint64_t chance = 5;
    double sum[2] = { 0, 0 };

    (void)state;
    for (uint32_t n = 0; n < CASES; n++) {
        struct pool_test tests[SMALL];
        struct pool_scope scopes[3];
        uint32_t machine[SMALL], best_machine[SMALL], setups = n % 2;
        struct pack_input in = { .tests = tests,
                                 .test_count = SMALL,
                                 .scopes = scopes,
                                 .scope_count = 3,
                                 .machines = 2 + n % 3 };
        struct pack_result res;
        uint64_t best_us = UINT64_MAX;

        for (uint32_t s = 0; s < 3; s++)
            scopes[s] = (struct pool_scope){ POOL_NONE, setups * chance_below(&chance, 400000) };
        for (uint32_t i = 0; i < SMALL; i++) {
            tests[i] = (struct pool_test){ .cost_us = 1000 + chance_below(&chance, 500000), PLAIN };
            tests[i].scope = chance_below(&chance, 3);
        }
        pack(&in, machine, &res);
        search(&in, best_machine, 0, 0, &best_us);
        assert_int_equal(res.longest_us, longest_of(&in, machine));
        assert_true(res.bound_us <= best_us && best_us <= res.longest_us);
        /* Longest first ends within 4/3 - 1/(3m) of the optimum; nothing after it makes it longer.
         */
        if (!setups)
            assert_true(res.longest_us * 3 * in.machines <= best_us * (4 * in.machines - 1));
        sum[setups] += (double)res.longest_us / (double)best_us;
    }
    assert_true(sum[0] / (CASES / 2.0) < 1.02);
    assert_true(sum[1] / (CASES / 2.0) < 1.02);
}

/* Files stay together where it costs next to nothing, also when their set-ups are unknown. */
static void test_pack_keeps_files_together_if_that_is_as_short(void **state)
{
    struct pool_scope files[4];
    struct pool_test tests[400];
    uint32_t machine[400], torn = 0;
    const struct pack_input in = {
        .tests = tests, .test_count = 400, .scopes = files, .scope_count = 4, .machines = 4
    };
    struct pack_result res;

    (void)state;
    for (uint32_t s = 0; s < 4; s++)
        files[s] = (struct pool_scope){ POOL_NONE, 0 };
    for (uint32_t i = 0; i < 400; i++) {
        tests[i] = (struct pool_test){ .cost_us = 10000, PLAIN };
        tests[i].scope = i / 100;
    }
    pack(&in, machine, &res);
    assert_int_equal(res.longest_us, res.bound_us);
    for (uint32_t i = 1; i < 400; i++)
        torn += tests[i].scope == tests[i - 1].scope && machine[i] != machine[i - 1];
    assert_true(torn < 80);
}

static void test_pack_pays_a_dear_setup_once(void **state)
{
    const struct pool_scope scopes[] = { { POOL_NONE, 9000000 }, { POOL_NONE, 9000000 } };
    struct pool_test tests[40];
    uint32_t machine[40];
    const struct pack_input in = {
        .tests = tests, .test_count = 40, .scopes = scopes, .scope_count = 2, .machines = 2
    };
    struct pack_result res;

    (void)state;
    for (uint32_t i = 0; i < 40; i++) {
        tests[i] = (struct pool_test){ .cost_us = 100000 + i, PLAIN };
        tests[i].scope = i % 2;
    }
    pack(&in, machine, &res);
    assert_int_equal(res.setup_us, 18000000);
    for (uint32_t i = 2; i < 40; i++)
        assert_int_equal(machine[i], machine[i % 2]);
}

/* Without a coordinator only one machine may have the tests of a mutex, or of a group. */
static void test_pack_never_cuts_a_unit(void **state)
{
    uint64_t chance = 3;

    (void)state;
    for (uint32_t n = 0; n < 2000; n++) {
        struct pool_test tests[60];
        struct pool_scope scopes[6];
        uint32_t machine[60], count = 1 + chance_below(&chance, 60);
        struct pack_input in = { .tests = tests,
                                 .test_count = count,
                                 .scopes = scopes,
                                 .scope_count = 6,
                                 .policy = (enum pool_policy)(n % (POOL_EACH + 1)),
                                 .machines = 1 + chance_below(&chance, 9) };
        struct pack_result res;

        for (uint32_t s = 0; s < 6; s++)
            scopes[s] =
                (struct pool_scope){ s < 3 ? POOL_NONE : s - 3, chance_below(&chance, 2) * 100000 };
        for (uint32_t i = 0; i < count; i++) {
            tests[i] = (struct pool_test){ .cost_us = chance_below(&chance, 300000), PLAIN };
            tests[i].scope = chance_below(&chance, 4) ? chance_below(&chance, 6) : POOL_NONE;
            if (!chance_below(&chance, 3))
                tests[i].group = chance_below(&chance, count);
            if (!chance_below(&chance, 5))
                tests[i].mutex = chance_below(&chance, count);
        }
        pack(&in, machine, &res);
        assert_int_equal(res.longest_us, longest_of(&in, machine));
        assert_true(res.bound_us <= res.longest_us);
        for (uint32_t i = 0; i < count; i++) {
            assert_true(machine[i] < in.machines);
            for (uint32_t k = 0; k < i; k++) {
                bool group = in.policy == POOL_AUTO || in.policy == POOL_GROUP;
                bool same = tests[i].mutex != POOL_NONE && tests[i].mutex == tests[k].mutex;

                same |= group && tests[i].group != POOL_NONE && tests[i].group == tests[k].group;
                same |= in.policy == POOL_SCOPE && tests[i].scope != POOL_NONE &&
                        tests[i].scope == tests[k].scope;
                same |= in.policy == POOL_FILE && tests[i].scope != POOL_NONE &&
                        tests[k].scope != POOL_NONE && tests[i].scope % 3 == tests[k].scope % 3;
                assert_true(!same || machine[i] == machine[k]);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pack_is_near_the_optimum_of_small_instances),
        cmocka_unit_test(test_pack_keeps_files_together_if_that_is_as_short),
        cmocka_unit_test(test_pack_pays_a_dear_setup_once),
        cmocka_unit_test(test_pack_never_cuts_a_unit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
