#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/guard.h"

static const struct guard_limits LIMITS = { .grace_ms = 10000,
                                            .slowest_bytes_per_s = 16384,
                                            .stall_ms = 30000,
                                            .idle_ms = 60000,
                                            .idle_crowded_ms = 5000 };

static bool overdue(const struct guard *guard, uint64_t now_ms)
{
    return guard_overdue(guard, &LIMITS, false, now_ms);
}

/* Without a byte a connection is good for the grace, and at its end still. */
static void test_guard_cuts_a_silent_client_after_grace(void **state)
{
    struct guard guard = guard_accepted(1000);

    (void)state;
    assert_false(overdue(&guard, 11000));
    assert_true(overdue(&guard, 11001));
}

/* A trickle of bytes does not renew the deadline, it only adds what the bytes may take. */
static void test_guard_cuts_a_trickle(void **state)
{
    struct guard guard = guard_accepted(0);

    (void)state;
    for (uint64_t ms = 1000; ms <= 10000; ms += 1000)
        guard_step(&guard, GUARD_EV_BYTES, 1, ms);
    assert_false(overdue(&guard, 10000));
    assert_true(overdue(&guard, 10001));
}

/* A large body that keeps the slowest rate allowed is never cut. */
static void test_guard_lets_a_slow_but_steady_body_through(void **state)
{
    struct guard guard = guard_accepted(0);

    (void)state;
    for (uint64_t s = 1; s <= 600; s++) {
        guard_step(&guard, GUARD_EV_BYTES, 16384, s * 1000);
        assert_false(overdue(&guard, s * 1000));
    }
    assert_true(overdue(&guard, 611 * 1000));
}

/* A held request has no limit here, and bytes of a next request do not change that. */
static void test_guard_leaves_a_held_request_alone(void **state)
{
    struct guard guard = guard_accepted(0);

    (void)state;
    guard_step(&guard, GUARD_EV_DISPATCHED, 0, 100);
    guard_step(&guard, GUARD_EV_BYTES, 100, 200);
    assert_int_equal(guard.phase, GUARD_HELD);
    assert_false(overdue(&guard, 100000000));
}

/* An answer must be taken in time as well. */
static void test_guard_cuts_a_client_that_does_not_read(void **state)
{
    struct guard guard = guard_accepted(0);

    (void)state;
    guard_step(&guard, GUARD_EV_DISPATCHED, 0, 100);
    guard_step(&guard, GUARD_EV_ANSWERED, 0, 5000);
    guard_step(&guard, GUARD_EV_BYTES, 32768, 5000);
    assert_false(overdue(&guard, 17000));
    assert_true(overdue(&guard, 17001));
}

/* What the kernel has taken is not what the client has read: without progress an answer ends, even
 * when its bytes would allow for more. */
static void test_guard_cuts_an_answer_that_stands_still(void **state)
{
    struct guard guard = guard_accepted(0);

    (void)state;
    guard_step(&guard, GUARD_EV_DISPATCHED, 0, 0);
    guard_step(&guard, GUARD_EV_ANSWERED, 0, 0);
    guard_step(&guard, GUARD_EV_BYTES, 6 << 20, 1000);
    assert_false(overdue(&guard, 31000));
    assert_true(overdue(&guard, 31001));
    guard_step(&guard, GUARD_EV_BYTES, 1, 31001);
    assert_false(overdue(&guard, 61001));
}

/* Between requests a connection may idle longer, unless new clients wait for its place; the first
 * byte of the next request starts the short clock again. */
static void test_guard_idles_longer_when_there_is_room(void **state)
{
    struct guard guard = guard_accepted(0);

    (void)state;
    guard_step(&guard, GUARD_EV_DISPATCHED, 0, 100);
    guard_step(&guard, GUARD_EV_ANSWERED, 0, 200);
    guard_step(&guard, GUARD_EV_SENT, 0, 1000);
    assert_false(guard_overdue(&guard, &LIMITS, false, 61000));
    assert_true(guard_overdue(&guard, &LIMITS, false, 61001));
    assert_false(guard_overdue(&guard, &LIMITS, true, 6000));
    assert_true(guard_overdue(&guard, &LIMITS, true, 6001));
    guard_step(&guard, GUARD_EV_BYTES, 1, 50000);
    assert_int_equal(guard.phase, GUARD_RECEIVING);
    assert_true(overdue(&guard, 60002));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guard_cuts_a_silent_client_after_grace),
        cmocka_unit_test(test_guard_cuts_a_trickle),
        cmocka_unit_test(test_guard_lets_a_slow_but_steady_body_through),
        cmocka_unit_test(test_guard_leaves_a_held_request_alone),
        cmocka_unit_test(test_guard_cuts_a_client_that_does_not_read),
        cmocka_unit_test(test_guard_cuts_an_answer_that_stands_still),
        cmocka_unit_test(test_guard_idles_longer_when_there_is_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
