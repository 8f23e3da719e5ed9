#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/fallback.h"

static char url[] = "https://ci.example.org";

static struct target target_of(uint32_t index, uint32_t total, uint32_t attempt)
{
    return (struct target){ .url = url, .index = index, .total = total, .attempt = attempt };
}

static void test_fallback_check_needs_a_slot(void **state)
{
    const struct fallback wanted = { .wanted = true };
    const struct target whole = target_of(1, 2, 0), none = target_of(PROTO_SLOT_NONE, 0, 1),
                        no_index = target_of(PROTO_SLOT_NONE, 2, 1);
    const struct target alone = { .index = PROTO_SLOT_NONE };
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(fallback_check(&wanted, &whole, &err), ERR_NONE);
    assert_int_equal(fallback_check(&wanted, &none, &err), ERR_USAGE);
    assert_non_null(strstr(err.text, "--index"));
    assert_int_equal(fallback_check(&wanted, &no_index, &err), ERR_USAGE);
    assert_int_equal(fallback_check(&(struct fallback){ 0 }, &none, &err), ERR_NONE);
    assert_int_equal(fallback_check(&wanted, &alone, &err), ERR_NONE); /* no coordinator at all */
}

/* A run that was meant to have a coordinator, and a pull request from a fork that cannot. */
static void test_fallback_idle_says_when_there_is_no_coordinator(void **state)
{
    const struct target given = target_of(1, 2, 1);
    const struct target alone = { .index = PROTO_SLOT_NONE };

    (void)state;
    assert_null(fallback_idle(&(struct fallback){ .wanted = true }, &given));
    assert_null(fallback_idle(&(struct fallback){ 0 }, &alone));
    assert_non_null(strstr(fallback_idle(&(struct fallback){ .wanted = true }, &alone),
                           "--fallback has no effect"));
    assert_non_null(strstr(fallback_idle(&(struct fallback){ .allow_offline = true }, &alone),
                           "--allow-offline has no effect"));
}

/* Whoever believes that this alone brings the fallback should hear of it before an outage. */
static void test_fallback_check_refuses_allow_offline_alone(void **state)
{
    const struct target whole = target_of(1, 2, 1);
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(fallback_check(&(struct fallback){ .allow_offline = true }, &whole, &err),
                     ERR_USAGE);
    assert_int_equal(
        fallback_check(&(struct fallback){ .wanted = true, .allow_offline = true }, &whole, &err),
        ERR_NONE);
}

static void test_fallback_may_only_when_wanted_and_unreachable(void **state)
{
    const struct fallback wanted = { .wanted = true };
    const struct target first = target_of(0, 2, 1), unknown = target_of(0, 2, 0);
    static const enum err_code others[] = { ERR_NONE,  ERR_TLS,        ERR_TOKEN,
                                            ERR_USAGE, ERR_SLOT_TAKEN, ERR_RUN_CLOSED };
    const char *why;

    (void)state;
    assert_true(fallback_may(&wanted, &first, false, ERR_UNREACHABLE, &why));
    assert_true(fallback_may(&wanted, &unknown, false, ERR_UNREACHABLE, &why));
    assert_null(why);
    assert_false(fallback_may(&(struct fallback){ 0 }, &first, false, ERR_UNREACHABLE, &why));
    assert_null(why);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_false(fallback_may(&wanted, &first, false, others[i], &why));
        assert_null(why);
    }
}

static void test_fallback_may_not_after_a_join_or_in_a_second_attempt(void **state)
{
    const struct fallback wanted = { .wanted = true, .allow_offline = true };
    const struct target first = target_of(0, 2, 1), second = target_of(0, 2, 2);
    const char *why;

    (void)state;
    assert_false(fallback_may(&wanted, &first, true, ERR_UNREACHABLE, &why));
    assert_non_null(strstr(why, "join"));
    assert_false(fallback_may(&wanted, &second, false, ERR_UNREACHABLE, &why));
    assert_non_null(strstr(why, "second attempt"));
}

/* Green needs the user's word and the knowledge that nothing failed elsewhere before. */
static void test_fallback_exit_is_green_only_when_allowed_in_a_first_attempt(void **state)
{
    const struct fallback wanted = { .wanted = true },
                          allowed = { .wanted = true, .allow_offline = true };
    const struct target first = target_of(0, 2, 1), unknown = target_of(0, 2, 0);
    const char *why;

    (void)state;
    assert_int_equal(fallback_exit(&wanted, &first, EXIT_OK, &why), EXIT_UNDELIVERED);
    assert_non_null(why);
    assert_int_equal(fallback_exit(&allowed, &unknown, EXIT_OK, &why), EXIT_UNDELIVERED);
    assert_non_null(strstr(why, "MAKESPAN_ATTEMPT"));
    assert_int_equal(fallback_exit(&allowed, &first, EXIT_OK, &why), EXIT_OK);
    assert_null(why);
    assert_int_equal(fallback_exit(&wanted, &first, EXIT_TESTS, &why), EXIT_TESTS);
    assert_null(why);
    assert_int_equal(fallback_exit(&allowed, &first, EXIT_DRAINED, &why), EXIT_DRAINED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fallback_check_needs_a_slot),
        cmocka_unit_test(test_fallback_idle_says_when_there_is_no_coordinator),
        cmocka_unit_test(test_fallback_check_refuses_allow_offline_alone),
        cmocka_unit_test(test_fallback_may_only_when_wanted_and_unreachable),
        cmocka_unit_test(test_fallback_may_not_after_a_join_or_in_a_second_attempt),
        cmocka_unit_test(test_fallback_exit_is_green_only_when_allowed_in_a_first_attempt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
