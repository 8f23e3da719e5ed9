#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json.h"
#include "mem.h"

static struct json *parsed(const char *text)
{
    struct json *doc = NULL;
    struct err err = ERR_INIT;

    assert_int_equal(json_parse(text, strlen(text), &doc, &err), ERR_NONE);
    return doc;
}

static void refused(const char *text, enum err_code code)
{
    struct json *doc = NULL;
    struct err err = ERR_INIT;

    assert_int_equal(json_parse(text, strlen(text), &doc, &err), code);
    assert_null(doc);
}

static void test_json_parse_refuses_what_is_not_one_document(void **state)
{
    (void)state;
    refused("", ERR_MALFORMED);
    refused("{\"a\":1} x", ERR_MALFORMED);
    refused("{\"a\":1,\"a\":2}", ERR_MALFORMED);
    refused("{\"a\":\"\xff\"}", ERR_MALFORMED);
    refused("[1e999]", ERR_MALFORMED);
}

/* Depth is counted outside of text only, and 64 levels are still good. */
static void test_json_parse_refuses_deep_nesting(void **state)
{
    char deep[2 * JSON_DEPTH_MAX + 3];

    (void)state;
    memset(deep, '[', JSON_DEPTH_MAX);
    memset(deep + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    deep[2 * JSON_DEPTH_MAX] = '\0';
    json_free(parsed(deep));
    memset(deep, '[', JSON_DEPTH_MAX + 1);
    memset(deep + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    deep[2 * JSON_DEPTH_MAX + 2] = '\0';
    refused(deep, ERR_MALFORMED);
    json_free(parsed(
        "[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[\"]"));
}

/* A million arrays cost their text; one more is refused before anything is allocated. */
static void test_json_parse_refuses_too_many_values(void **state)
{
    size_t len = 3 * (size_t)JSON_CONTAINERS_MAX;
    char *text = mem_new(len + 2, 1);

    (void)state;
    for (size_t i = 0; i < JSON_CONTAINERS_MAX; i++)
        memcpy(text + 1 + 3 * i, "[],", 3);
    text[0] = '[';
    text[len] = ']';
    refused(text, ERR_TOO_LARGE);
    free(text);
}

static void test_json_getters_name_the_member_and_leave_outputs_alone(void **state)
{
    struct json *doc =
        parsed("{\"text\":\"abc\",\"n\":12,\"neg\":-1,\"real\":1.5,\"nul\":\"a\\u0000b\","
               "\"none\":null,\"list\":[1,2,3],\"big\":9223372036854775807}");
    struct err err = ERR_INIT;
    const char *text = "kept";
    const struct json *array = NULL;
    uint64_t n = 7;

    (void)state;
    assert_int_equal(json_get_text(doc, "missing", 9, &text, &err), ERR_INVALID);
    assert_string_equal(err.text, "missing: missing");
    assert_int_equal(json_get_text(doc, "n", 9, &text, &err), ERR_INVALID);
    assert_string_equal(err.text, "n: is a whole number, not text");
    assert_int_equal(json_get_text(doc, "text", 2, &text, &err), ERR_INVALID);
    assert_int_equal(json_get_text(doc, "nul", 9, &text, &err), ERR_INVALID);
    assert_int_equal(json_opt_text(doc, "none", 9, &text, &err), ERR_NONE);
    assert_string_equal(text, "kept");
    assert_int_equal(json_get_text(doc, "text", 3, &text, &err), ERR_NONE);
    assert_string_equal(text, "abc");
    assert_int_equal(json_get_u64(doc, "neg", 0, UINT64_MAX, &n, &err), ERR_INVALID);
    assert_int_equal(json_get_u64(doc, "n", 0, 11, &n, &err), ERR_INVALID);
    assert_string_equal(err.text, "n: 12 is not between 0 and 11");
    assert_int_equal(json_get_u64(doc, "real", 0, 11, &n, &err), ERR_INVALID);
    assert_int_equal(n, 7);
    assert_int_equal(json_get_u64(doc, "big", 0, UINT64_MAX, &n, &err), ERR_NONE);
    assert_true(n == INT64_MAX);
    assert_int_equal(json_get_array(doc, "list", 2, &array, &err), ERR_INVALID);
    assert_int_equal(json_err_at(&err, "results", 3), ERR_INVALID);
    assert_string_equal(err.text, "results[3].list: 3 items are over 2");
    json_free(doc);
}

static void test_json_members_come_in_file_order(void **state)
{
    struct json *doc = parsed("{\"z\":1,\"a\":2.5,\"m\":\"x\"}");
    struct json_member m;
    char seen[8] = "";
    double real = 0;

    (void)state;
    for (bool more = json_first(doc, &m); more; more = json_next(doc, &m)) {
        seen[strlen(seen)] = m.key[0];
        if (m.key[0] == 'a')
            assert_true(json_number(m.value, &real));
    }
    assert_string_equal(seen, "zam");
    assert_true(real == 2.5);
    json_free(doc);
}

static void test_json_building_replaces_bad_bytes_and_clamps(void **state)
{
    struct json *doc = json_new_object();
    struct json *list = json_new_array();
    char *text;

    (void)state;
    json_set_text(doc, "bad", "a\xff\xc3\xa9\xed\xa0\x80z");
    json_set_text(doc, "none", NULL);
    json_set_u64(doc, "big", UINT64_MAX);
    json_append_u64(list, 1);
    json_append_text(list, "two");
    json_set(doc, "list", list);
    text = json_dump(doc, JSON_TIGHT);
    assert_string_equal(text,
                        "{\"bad\":\"a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\","
                        "\"none\":null,\"big\":9223372036854775807,"
                        "\"list\":[1,\"two\"]}");
    free(text);
    json_free(doc);
}

static void test_json_text_lossy_shows_nuls(void **state)
{
    struct json *doc = parsed("[\"a\\u0000b\\u0000\",\"\"]");
    char *text = json_text_lossy(json_at(doc, 0));

    (void)state;
    assert_string_equal(text, "a\xef\xbf\xbd"
                              "b\xef\xbf\xbd");
    assert_null(json_text(json_at(doc, 0)));
    assert_string_equal(json_text(json_at(doc, 1)), "");
    free(text);
    json_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_parse_refuses_what_is_not_one_document),
        cmocka_unit_test(test_json_parse_refuses_deep_nesting),
        cmocka_unit_test(test_json_parse_refuses_too_many_values),
        cmocka_unit_test(test_json_getters_name_the_member_and_leave_outputs_alone),
        cmocka_unit_test(test_json_members_come_in_file_order),
        cmocka_unit_test(test_json_building_replaces_bad_bytes_and_clamps),
        cmocka_unit_test(test_json_text_lossy_shows_nuls),
    };

    return cmocka_run_group_tests_name("common/json", tests, NULL, NULL);
}
