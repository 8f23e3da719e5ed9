#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/backoff.h"

/* The way there may get better; a refusal stays one. */
static void test_backoff_retries_trouble_on_the_way_only(void **state)
{
    static const enum err_code again[] = { ERR_UNREACHABLE, ERR_TIMEOUT, ERR_UNAVAILABLE, ERR_IO };
    static const enum err_code never[] = { ERR_NONE,       ERR_TOKEN,        ERR_SLOT_TAKEN,
                                           ERR_TLS,        ERR_SESSION_GONE, ERR_MALFORMED,
                                           ERR_RUN_CLOSED, ERR_INTERNAL };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(again); i++)
        assert_true(backoff_retryable(again[i]));
    for (size_t i = 0; i < ARRAY_LEN(never); i++)
        assert_false(backoff_retryable(never[i]));
}

static void test_backoff_ms_doubles_to_its_cap_with_jitter(void **state)
{
    (void)state;
    for (uint32_t tries = 1; tries < 40; tries++) {
        uint32_t full = tries > 6 ? BACKOFF_MAX_MS : BACKOFF_FIRST_MS << (tries - 1);

        if (full > BACKOFF_MAX_MS)
            full = BACKOFF_MAX_MS;
        assert_int_equal(backoff_ms(tries, 0, 0), full / 2);
        assert_int_equal(backoff_ms(tries, full / 2, 0), full);
        assert_in_range(backoff_ms(tries, UINT64_MAX, 0), full / 2, full);
    }
}

static void test_backoff_ms_honours_what_was_asked_for_up_to_its_cap(void **state)
{
    (void)state;
    assert_int_equal(backoff_ms(1, 0, 3000), 3000);
    assert_int_equal(backoff_ms(1, 0, 60000), BACKOFF_ASKED_MAX_MS);
    assert_int_equal(backoff_ms(10, 0, 10), BACKOFF_MAX_MS / 2);
}

/* The last try may begin exactly at the end of the patience, and no patience means no second try.
 */
static void test_backoff_within_counts_the_pause(void **state)
{
    (void)state;
    assert_true(backoff_within(1000, 1000, 500, 500));
    assert_false(backoff_within(1000, 1001, 500, 500));
    assert_false(backoff_within(1000, 1000, 1, 0));
    assert_false(backoff_within(0, 10, UINT64_MAX, 500));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backoff_retries_trouble_on_the_way_only),
        cmocka_unit_test(test_backoff_ms_doubles_to_its_cap_with_jitter),
        cmocka_unit_test(test_backoff_ms_honours_what_was_asked_for_up_to_its_cap),
        cmocka_unit_test(test_backoff_within_counts_the_pause),
    };

    return cmocka_run_group_tests_name("agent/backoff", tests, NULL, NULL);
}
