/* What is told of memory: kept with the run, handed out with the manifest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture.h"
#include "mem.h"
#include "plan/peak.h"

static void seal_with(struct fixture *f, const uint32_t *mem_mib, uint32_t count)
{
    struct seal_facts facts = { .manifest = manifest_of(count, UINT32_MAX),
                                .costs_us = mem_new(count, sizeof(uint64_t)),
                                .scope_us = mem_new(1, sizeof(uint64_t)),
                                .scope_count = 1,
                                .mem_mib = mem_dup(mem_mib, count * sizeof(*mem_mib)) };
    struct change change = { .kind = CHANGE_NONE };

    decide_seal(f->run, &facts, &change);
    turn(f, &change);
}

static void test_seal_names_the_tests_that_need_much(void **state)
{
    const uint32_t mem_mib[] = { PEAK_HEAVY_MIB - 1, PEAK_HEAVY_MIB, 0, PROTO_MEM_MIB_MAX };
    struct fixture *f = *state;

    joins_slot(f, 0, 1);
    seal_with(f, mem_mib, 4);
    assert_int_equal(f->run->heavy_count, 2);
    assert_int_equal(f->run->heavy[0].test, 1);
    assert_int_equal(f->run->heavy[0].mem_mib, PEAK_HEAVY_MIB);
    assert_int_equal(f->run->heavy[1].test, 3);
    assert_int_equal(f->run->heavy[1].mem_mib, PROTO_MEM_MIB_MAX);
    assert_int_equal(f->shadow->heavy_count, 2); /* it came out of the stored form */
}

static void test_seal_names_the_heaviest_where_there_are_too_many(void **state)
{
    const uint32_t count = PROTO_HEAVY_MAX + 2;
    uint32_t *mem_mib = mem_new(count, sizeof(*mem_mib));
    struct fixture *f = *state;

    for (uint32_t i = 0; i < count; i++)
        mem_mib[i] = PEAK_HEAVY_MIB + 1;
    mem_mib[1] = mem_mib[7] = PEAK_HEAVY_MIB; /* the least of them */
    mem_mib[count - 1] = PROTO_MEM_MIB_MAX;
    joins_slot(f, 0, 1);
    seal_with(f, mem_mib, count);
    assert_int_equal(f->run->heavy_count, PROTO_HEAVY_MAX);
    assert_int_equal(f->run->heavy[1].test, 2);
    assert_int_equal(f->run->heavy[6].test, 8);
    assert_int_equal(f->run->heavy[PROTO_HEAVY_MAX - 1].test, count - 1);
    free(mem_mib);
}

static void test_results_keep_the_memory_of_the_accepted_try(void **state)
{
    struct fixture *f = *state;
    struct result r = { .outcome = OUTCOME_PASSED, .mem_mib = 300 };
    struct verdict_answer answer = { 0 };
    struct results_request req = { .request = 1, .results = &r, .result_count = 1 };
    struct change change = { .kind = CHANGE_NONE };

    holds_all(f);
    r.test.id = (char *)f->run->manifest->tests[1].id;
    r.fence = f->run->tests[1].fence;
    assert_int_equal(decide_results(f->run, 0, &req, &change, &f->err), ERR_NONE);
    turn(f, &change);
    assert_int_equal(f->run->tests[1].mem_mib, 300);
    assert_int_equal(f->shadow->tests[1].mem_mib, 300);
    assert_int_equal(f->run->tests[0].mem_mib, 0);
    ledger_answer(f->run, &answer);
    assert_string_equal(answer.heaviest, f->run->manifest->tests[1].id);
    assert_int_equal(answer.heaviest_mib, 300);
    verdict_answer_fini(&answer);
}

static void test_leave_tells_the_memory_of_a_worker(void **state)
{
    struct fixture *f = *state;
    struct leave_request req = { .worker_mib = 40, .worker_peak_mib = 340 };
    struct change change = { .kind = CHANGE_NONE };

    holds_all(f);
    assert_int_equal(decide_leave(f->run, 0, &req, &change, &f->err), ERR_NONE);
    turn(f, &change);
    assert_int_equal(f->shadow->sessions[0]->worker_mib, 40);
    assert_int_equal(f->shadow->sessions[0]->worker_peak_mib, 340);
}

/* A stored change of another program, or a damaged one. */
static void test_change_check_refuses_heavy_tests_that_are_none(void **state)
{
    struct heavy_test heavy = { .test = 2, .mem_mib = 100 };
    struct fixture *f = *state;
    struct change change = { .kind = CHANGE_SEAL };

    joins_slot(f, 0, 1);
    change.as.seal.manifest = manifest_of(2, UINT32_MAX);
    change.as.seal.test_count = 2;
    change.as.seal.heavy = &heavy;
    change.as.seal.heavy_count = 1;
    assert_int_equal(change_check(f->run, &change, &f->err), ERR_MALFORMED);
    heavy.test = 1;
    f->err = (struct err)ERR_INIT;
    assert_int_equal(change_check(f->run, &change, &f->err), ERR_NONE);
    manifest_free(change.as.seal.manifest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(test_seal_names_the_tests_that_need_much),
        fixture_test(test_seal_names_the_heaviest_where_there_are_too_many),
        fixture_test(test_results_keep_the_memory_of_the_accepted_try),
        fixture_test(test_leave_tells_the_memory_of_a_worker),
        fixture_test(test_change_check_refuses_heavy_tests_that_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
