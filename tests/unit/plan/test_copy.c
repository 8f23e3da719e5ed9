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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy_does_not_pay_while_a_test_is_in_its_time),
        cmocka_unit_test(test_copy_pays_when_a_test_is_overdue),
        cmocka_unit_test(test_copy_pays_beside_a_slow_machine_from_the_start),
        cmocka_unit_test(test_copy_counts_its_set_up_and_the_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
