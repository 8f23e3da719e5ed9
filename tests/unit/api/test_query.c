#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/query.h"

static void test_query_decode_takes_percent_signs(void **state)
{
    static const char *const examples[][2] = { { "a%2Fb", "a/b" },
                                               { "", "" },
                                               { "a+b", "a+b" },
                                               { "%C3%a4", "\xc3\xa4" },
                                               { "100%25", "100%" } };
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
        char *text = NULL;

        assert_int_equal(query_decode(view_of(examples[i][0]), &text, &err), ERR_NONE);
        assert_string_equal(text, examples[i][1]);
        free(text);
    }
}

/* A NUL would cut the text for whoever reads it next; half an escape and bytes that are no text
 * mean nothing. */
static void test_query_decode_refuses_what_is_no_text(void **state)
{
    static const char *const examples[] = { "%00", "a%", "a%4", "%zz", "%-1", "%ff", "%C3" };
    struct err err = ERR_INIT;
    char *text = NULL;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(examples); i++)
        assert_int_equal(query_decode(view_of(examples[i]), &text, &err), ERR_INVALID);
    assert_null(text);
}

static void test_query_opt_text_finds_a_whole_name_once(void **state)
{
    struct err err = ERR_INIT;
    char *text = NULL;

    (void)state;
    assert_int_equal(query_opt_text("suite=u&run_key=a%26b&x", "run_key", &text, &err), ERR_NONE);
    assert_string_equal(text, "a&b");
    free(text);
    text = NULL;
    assert_int_equal(query_opt_text("a=1&b", "b", &text, &err), ERR_NONE);
    assert_string_equal(text, "");
    free(text);
    text = NULL;
    assert_int_equal(query_opt_text("key=1&run_keys=2", "run_key", &text, &err), ERR_NONE);
    assert_null(text);
    assert_int_equal(query_opt_text("a=1&b=2&a=3", "a", &text, &err), ERR_INVALID);
    assert_null(text);
}

static void test_query_opt_u32_has_a_range(void **state)
{
    struct err err = ERR_INIT;
    uint32_t v = 7;

    (void)state;
    assert_int_equal(query_opt_u32("wait_ms=30000", "wait_ms", 30000, &v, &err), ERR_NONE);
    assert_int_equal(v, 30000);
    assert_int_equal(query_opt_u32("", "wait_ms", 30000, &v, &err), ERR_NONE);
    assert_int_equal(v, 30000);
    assert_int_equal(query_opt_u32("wait_ms=30001", "wait_ms", 30000, &v, &err), ERR_INVALID);
    assert_int_equal(query_opt_u32("wait_ms=", "wait_ms", 30000, &v, &err), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_query_decode_takes_percent_signs),
        cmocka_unit_test(test_query_decode_refuses_what_is_no_text),
        cmocka_unit_test(test_query_opt_text_finds_a_whole_name_once),
        cmocka_unit_test(test_query_opt_u32_has_a_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
