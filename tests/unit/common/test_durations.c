#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "durations.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if (call)                                                                                  \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

static void assert_read(const char *text, const char *want)
{
    struct durations_file *file = NULL;
    struct str got = STR_MAX(10000);
    struct err err = ERR_INIT;
    struct durations durations;

    OK(durations_parse(text, strlen(text), &file, &err));
    durations = durations_of(file);
    for (uint32_t i = 0; i < durations.count; i++)
        OK(str_addf(&got, &err, "%s=%llu ", durations.items[i].id,
                    (unsigned long long)durations.items[i].us));
    assert_string_equal(str_text(&got), want);
    str_fini(&got);
    durations_free(file);
}

static void assert_refused(const char *text, enum err_code want, const char *why)
{
    struct durations_file *file = NULL;
    struct err err = ERR_INIT;

    assert_int_equal(durations_parse(text, strlen(text), &file, &err), want);
    if (!strstr(err.text, why))
        fail_msg("'%s' does not say '%s'", err.text, why);
    assert_null(file);
}

static void test_durations_parse_reads_both_shapes(void **state)
{
    (void)state;
    assert_read("{}", "");
    assert_read("[]", "");
    assert_read("{\"b\": 0.25, \"a\": 3, \"c\": 1e-3, \"d\": 0}", "a=3000000 b=250000 c=1000 d=0 ");
    assert_read("[[\"b\", 0.25], [\"a\", 3]]", "a=3000000 b=250000 ");
    assert_read("{\"a\": 0.0000005}", "a=1 ");
    assert_read("{\"a\": 0.0000004}", "a=0 ");
}

/* As dict() does with the pairs. */
static void test_durations_parse_lets_the_last_of_equal_ids_win(void **state)
{
    (void)state;
    assert_read("[[\"b\", 1], [\"a\", 2], [\"b\", 3], [\"a\", 4], [\"b\", 5]]",
                "a=4000000 b=5000000 ");
}

static void test_durations_parse_names_what_is_wrong(void **state)
{
    (void)state;
    assert_refused("{\"a\": 1", ERR_MALFORMED, "durations: ");
    assert_refused("17", ERR_MALFORMED, "durations: ");
    assert_refused("{\"t.py::a\": -0.5}", ERR_INVALID, "'t.py::a': -0.5 is not a time");
    assert_refused("{\"t.py::a\": 1e12}", ERR_INVALID, "'t.py::a': 1e+12 is not a time");
    assert_refused("{\"t.py::a\": \"1\"}", ERR_INVALID, "'t.py::a': the time is not a number");
    assert_refused("{\"t.py::a\": null}", ERR_INVALID, "'t.py::a': the time is not a number");
    assert_refused("{\"\": 1}", ERR_INVALID, "an id has");
    assert_refused("[[\"a\", 1], [\"b\"]]", ERR_INVALID, "item 1 is not a pair");
    assert_refused("[\"a\"]", ERR_INVALID, "item 0 is not a pair");
    assert_refused("[[1, \"a\"]]", ERR_INVALID, "item 0 is not a pair");
}

/* What Python's json.dump(..., sort_keys=True, indent=4) gives for the same. */
static void test_durations_print_writes_as_pytest_split_does(void **state)
{
    const struct duration items[] = {
        { .id = "a\"\\\n\x01\x7f", .us = 0 },        { .id = "b\xc3\xa9", .us = 1 },
        { .id = "c\xf0\x9f\x98\x80", .us = 250000 }, { .id = "d", .us = 12000000 },
        { .id = "e\xff", .us = 1234567890123 },
    };
    struct durations durations = { .items = items, .count = ARRAY_LEN(items) };
    struct str got = STR_MAX(10000);
    struct err err = ERR_INIT;

    (void)state;
    OK(durations_print(&durations, &got, &err));
    assert_string_equal(str_text(&got), "{\n"
                                        "    \"a\\\"\\\\\\n\\u0001\\u007f\": 0.0,\n"
                                        "    \"b\\u00e9\": 0.000001,\n"
                                        "    \"c\\ud83d\\ude00\": 0.25,\n"
                                        "    \"d\": 12.0,\n"
                                        "    \"e\\ufffd\": 1234567.890123\n"
                                        "}");
    str_clear(&got);
    durations.count = 0;
    OK(durations_print(&durations, &got, &err));
    assert_string_equal(str_text(&got), "{}");
    str_fini(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations_parse_reads_both_shapes),
        cmocka_unit_test(test_durations_parse_lets_the_last_of_equal_ids_win),
        cmocka_unit_test(test_durations_parse_names_what_is_wrong),
        cmocka_unit_test(test_durations_print_writes_as_pytest_split_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
