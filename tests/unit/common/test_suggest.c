#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "suggest.h"

static const char *const words[] = { "run", "status", "verdict", "durations" };

static const char *nearest(const char *typed)
{
    struct suggestion found = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        suggest(&found, view_of(typed), words[i]);
    return found.word;
}

static void test_suggest_finds_the_nearest_word(void **state)
{
    (void)state;
    assert_string_equal(nearest("rnu"), "run");
    assert_string_equal(nearest("sttaus"), "status");
    assert_string_equal(nearest("duration"), "durations");
    assert_string_equal(nearest("verdikt"), "verdict");
}

static void test_suggest_is_silent_when_nothing_is_near(void **state)
{
    char longest[SUGGEST_WORD_BYTES_MAX + 2];

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(longest); i++)
        longest[i] = 'x';
    longest[sizeof(longest) - 1] = '\0';
    assert_null(nearest("pytest"));
    assert_null(nearest(""));
    assert_null(nearest(longest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suggest_finds_the_nearest_word),
        cmocka_unit_test(test_suggest_is_silent_when_nothing_is_near),
    };

    return cmocka_run_group_tests_name("common/suggest", tests, NULL, NULL);
}
