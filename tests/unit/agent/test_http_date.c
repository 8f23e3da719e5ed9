#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/http_date.h"

static void test_http_date_is_read_exactly(void **state)
{
    struct err err = ERR_INIT;
    uint64_t s = 0;

    (void)state;
    assert_int_equal(http_date_parse("Thu, 01 Jan 1970 00:00:00 GMT", &s, &err), ERR_NONE);
    assert_int_equal(s, 0);
    assert_int_equal(http_date_parse("Thu, 29 Feb 2024 23:59:59 GMT", &s, &err), ERR_NONE);
    assert_int_equal(s, 1709251199);
    assert_int_equal(http_date_parse("Sun, 22 Nov 2026 11:18:49 GMT", &s, &err), ERR_NONE);
    assert_int_equal(s, 1795346329);
    assert_int_equal(http_date_parse("", &s, &err), ERR_INVALID);
    assert_int_equal(http_date_parse("Sun, 22 Nov 2026 11:18:49 UTC", &s, &err), ERR_INVALID);
    assert_int_equal(http_date_parse("Sun, 22 Xyz 2026 11:18:49 GMT", &s, &err), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_date_is_read_exactly),
    };

    return cmocka_run_group_tests_name("agent/http_date", tests, NULL, NULL);
}
