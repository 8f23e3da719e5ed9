#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/deal.h"

#define TESTS 6u
#define SPEED 1000000u

static const struct pool_test tests[TESTS] = {
    { .cost_us = 6000, .scope = POOL_NONE, .group = POOL_NONE, .mutex = POOL_NONE, .threads = 1 },
    { .cost_us = 5000, .scope = POOL_NONE, .group = POOL_NONE, .mutex = POOL_NONE, .threads = 1 },
    { .cost_us = 4000, .scope = POOL_NONE, .group = POOL_NONE, .mutex = POOL_NONE, .threads = 1 },
    { .cost_us = 3000, .scope = POOL_NONE, .group = POOL_NONE, .mutex = POOL_NONE, .threads = 1 },
    { .cost_us = 2000, .scope = POOL_NONE, .group = POOL_NONE, .mutex = POOL_NONE, .threads = 1 },
    { .cost_us = 1000, .scope = POOL_NONE, .group = POOL_NONE, .mutex = POOL_NONE, .threads = 1 },
};

static struct deal *dealt(uint32_t piles)
{
    struct deal *deal = deal_new(
        &(struct pool_input){
            .tests = tests, .test_count = TESTS, .start_absent = true, .one_machine = true },
        piles);

    for (uint32_t i = 0; i < TESTS; i++)
        deal_put_back(deal, i);
    return deal;
}

/* Takes and finishes up to max tests of the worker's pile; returns how many there were. */
static uint32_t run(const struct deal *deal, uint32_t slot, uint32_t max)
{
    struct pool *pile = deal_pile(deal, slot);
    uint32_t ran = 0, test;

    while (ran < max &&
           pool_choose(pile, &(struct pool_ask){ .taker = slot, .free_workers = 1 }, &test, 1)) {
        pool_take(pile, slot, test);
        pool_start(pile, test);
        pool_finish(pile, test);
        ran++;
    }
    return ran;
}

/* One pile: what one worker has run, the others do not. */
static void test_deal_runs_everything_once_when_the_pile_is_shared(void **state)
{
    struct deal *deal = dealt(1);

    (void)state;
    assert_true(deal_wants(deal, TESTS - 1));
    assert_false(deal_wants(deal, TESTS));
    deal_join(deal, 0, SPEED);
    deal_join(deal, 1, SPEED);
    assert_int_equal(run(deal, 0, 2), 2);
    assert_int_equal(deal_free_count(deal), TESTS - 2);
    assert_int_equal(run(deal, 1, TESTS) + run(deal, 0, TESTS), TESTS - 2);
    deal_free(deal);
}

/* A pile each: every worker runs everything, and who follows a dead one runs what is left of it. */
static void test_deal_goes_on_with_the_pile_of_a_worker_that_left(void **state)
{
    struct deal *deal = dealt(2);

    (void)state;
    deal_join(deal, 0, SPEED);
    assert_true(deal_wants(deal, 1));
    deal_join(deal, 1, SPEED);
    assert_false(deal_wants(deal, 0));
    assert_int_equal(run(deal, 0, 4), 4);
    assert_int_equal(deal_free_us(deal), 21000 + 3000);
    deal_leave(deal, 0);
    assert_true(deal_wants(deal, 0));
    deal_join(deal, 2, SPEED);
    assert_int_equal(run(deal, 2, TESTS), 2);
    assert_int_equal(run(deal, 1, TESTS), TESTS);
    assert_int_equal(deal_free_count(deal), 0);
    deal_leave(deal, 1);
    assert_false(deal_wants(deal, 0));
    deal_free(deal);
}

/* A test goes back to where it came from only while nobody has it, and never from several piles. */
static void test_deal_withdraws_only_what_nobody_holds(void **state)
{
    struct deal *shared = dealt(1), *own = dealt(2);

    (void)state;
    deal_join(shared, 0, SPEED);
    pool_take(deal_pile(shared, 0), 0, 3);
    assert_false(deal_withdraw(shared, 3));
    assert_true(deal_withdraw(shared, 4));
    assert_int_equal(deal_free_count(shared), TESTS - 2);
    assert_false(deal_withdraw(own, 4));
    deal_free(shared);
    deal_free(own);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(test_deal_runs_everything_once_when_the_pile_is_shared),
        cmocka_unit_test(test_deal_goes_on_with_the_pile_of_a_worker_that_left),
        cmocka_unit_test(test_deal_withdraws_only_what_nobody_holds),
    };

    return cmocka_run_group_tests_name("agent/deal", all, NULL, NULL);
}
