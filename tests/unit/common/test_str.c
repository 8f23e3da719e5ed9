#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "str.h"

/* A string never grows over its cap, and a refused append changes nothing. */
static void test_str_add_refuses_over_cap(void **state)
{
    struct str s = STR_MAX(5);
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(str_addz(&s, "abc", &err), ERR_NONE);
    assert_int_equal(str_addz(&s, "def", &err), ERR_TOO_LARGE);
    assert_string_equal(str_text(&s), "abc");
    assert_int_equal(str_addf(&s, &err, "%d", 42), ERR_NONE);
    assert_string_equal(str_text(&s), "abc42");
    str_fini(&s);
}

/* Numbers are parsed whole and within their range. */
static void test_parse_u32_refuses_what_is_not_a_number(void **state)
{
    static const char *const bad[] = {
        "", "12x", "-1", "+1", " 1", "1 ", "0x1", "4294967296", "11"
    };
    struct err err = ERR_INIT;
    uint32_t v = 7;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(parse_u32(bad[i], 0, 10, &v, &err), ERR_INVALID);
    assert_int_equal(v, 7);
    assert_int_equal(parse_u32("10", 0, 10, &v, &err), ERR_NONE);
    assert_int_equal(v, 10);
}

static void test_parse_duration_reads_units(void **state)
{
    struct err err = ERR_INIT;
    uint64_t ms = 0;

    (void)state;
    assert_int_equal(parse_duration_ms("90", 1000000, &ms, &err), ERR_NONE);
    assert_int_equal(ms, 90000);
    assert_int_equal(parse_duration_ms("5m", 1000000, &ms, &err), ERR_NONE);
    assert_int_equal(ms, 300000);
    assert_int_equal(parse_duration_ms("250ms", 1000000, &ms, &err), ERR_NONE);
    assert_int_equal(ms, 250);
    assert_int_equal(parse_duration_ms("1h", 1000000, &ms, &err), ERR_INVALID);
    assert_int_equal(parse_duration_ms("5x", 1000000, &ms, &err), ERR_INVALID);
    assert_int_equal(ms, 250);
}

/* Overlong forms, surrogates and cut sequences end the valid prefix. */
static void test_utf8_valid_len_stops_at_first_bad_byte(void **state)
{
    (void)state;
    assert_int_equal(utf8_valid_len("abc", 3), 3);
    assert_int_equal(utf8_valid_len("a\xc3\xa9z", 4), 4);
    assert_int_equal(utf8_valid_len("a\xc0\x80", 3), 1);
    assert_int_equal(utf8_valid_len("a\xed\xa0\x80", 4), 1);
    assert_int_equal(utf8_valid_len("a\xf0\x9f\x98", 4), 1);
    assert_int_equal(utf8_valid_len("\xf0\x9f\x98\x80", 4), 4);
    assert_int_equal(utf8_valid_len("\xff", 1), 0);
}

static void test_str_parse_size_reads_units_and_checks_the_range(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes; /* 0: refused */
    } cases[] = {
        { "65536", 65536 },
        { "1K", 1024 },
        { "3KB", 3000 },
        { "2MiB", 2u << 20 },
        { "500MB", 500000000 },
        { "4G", 4ull << 30 },
        { "", 0 },
        { "MiB", 0 },
        { "-1", 0 },
        { "1.5G", 0 },
        { "1 G", 0 },
        { "9GIB", 0 },
        { "99999999999999G", 0 },
        { "17G", 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t bytes = 0;
        struct err err = ERR_INIT;
        enum err_code rc = parse_size(cases[i].text, 16ull << 30, &bytes, &err);

        assert_int_equal(rc, cases[i].bytes ? ERR_NONE : ERR_INVALID);
        assert_int_equal(bytes, cases[i].bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_str_add_refuses_over_cap),
        cmocka_unit_test(test_parse_u32_refuses_what_is_not_a_number),
        cmocka_unit_test(test_parse_duration_reads_units),
        cmocka_unit_test(test_utf8_valid_len_stops_at_first_bad_byte),
        cmocka_unit_test(test_str_parse_size_reads_units_and_checks_the_range),
    };

    return cmocka_run_group_tests_name("common/str", tests, NULL, NULL);
}
