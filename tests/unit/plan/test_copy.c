#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan/copy.h"

#define S       1000000u
#define AVERAGE 1000000u

static struct copy_case usual(uint64_t ran_us)
{
    return (struct copy_case){ .ran_us = ran_us,
                               .cost_us = 10 * S,
                               .high_us = 16 * S,
                               .speed_ppm = AVERAGE,
                               .taker_ppm = AVERAGE };
}

static void test_copy_does_not_pay_while_a_test_is_in_its_time(void **state)
{
    (void)state;
    for (uint64_t s = 0; s <= 16; s++) {
        const struct copy_case c = usual(s * S);

        assert_false(copy_pays(&c));
    }
}

/* Past what it ever needs, as long again is the best guess. */
static void test_copy_pays_when_a_test_is_overdue(void **state)
{
    const struct copy_case c = usual(17 * S);

    (void)state;
    assert_int_equal(copy_left_us(&c), 17 * S);
    assert_true(copy_pays(&c));
}

static void test_copy_pays_beside_a_slow_machine_from_the_start(void **state)
{
    struct copy_case c = usual(S);

    (void)state;
    c.speed_ppm = AVERAGE / 3;
    assert_true(copy_pays(&c));
    c.ran_us = 25 * S; /* of 30: soon done */
    assert_false(copy_pays(&c));
}

static void test_copy_counts_its_set_up_and_the_way(void **state)
{
    struct copy_case c = usual(17 * S);

    (void)state;
    c.setup_us = 6 * S;
    assert_false(copy_pays(&c));
    c.setup_us = 0;
    c.lead_us = 6 * S;
    assert_false(copy_pays(&c));
    c.lead_us = 0;
    c.taker_ppm = AVERAGE / 2;
    assert_false(copy_pays(&c));
}

/* The search takes what ends last, and passes over what must not run twice. */
static void test_copy_weigh_takes_the_last_that_pays(void **state)
{
    struct pool_test tests[4];
    const struct pool_input in = { .tests = tests, .test_count = ARRAY_LEN(tests) };
    struct copy_choice choice = { .taker = 1, .test = POOL_NONE };
    struct pool *pool;

    (void)state;
    for (uint32_t i = 0; i < ARRAY_LEN(tests); i++)
        tests[i] = (struct pool_test){ .cost_us = (10 + i) * S,
                                       .scope = POOL_NONE,
                                       .group = POOL_NONE,
                                       .mutex = POOL_NONE,
                                       .threads = 1 };
    tests[3].flags = POOL_NO_SPECULATE;
    choice.pool = pool = pool_new(&in);
    pool_join(pool, 0, 4, AVERAGE / 3);
    pool_join(pool, 1, 4, AVERAGE);
    copy_weigh(&choice, &(struct copy_running){ .test = 0, .ran_us = 25 * S, .cost_us = 10 * S });
    assert_int_equal(choice.test, POOL_NONE); /* it soon ends where it is */
    for (uint32_t i = 1; i < ARRAY_LEN(tests); i++)
        copy_weigh(&choice,
                   &(struct copy_running){ .test = i, .ran_us = S, .cost_us = (10 + i) * S });
    assert_int_equal(choice.test, 2);
    copy_weigh(&choice, &(struct copy_running){ .test = 1, .ran_us = S, .cost_us = 11 * S });
    assert_int_equal(choice.test, 2);
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy_does_not_pay_while_a_test_is_in_its_time),
        cmocka_unit_test(test_copy_pays_when_a_test_is_overdue),
        cmocka_unit_test(test_copy_pays_beside_a_slow_machine_from_the_start),
        cmocka_unit_test(test_copy_counts_its_set_up_and_the_way),
        cmocka_unit_test(test_copy_weigh_takes_the_last_that_pays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
