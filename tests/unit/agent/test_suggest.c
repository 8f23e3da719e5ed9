#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "options/suggest.h"

static const char *const words[] = { "run", "status", "verdict", "durations" };

static void test_suggest_finds_the_nearest_word(void **state)
{
    (void)state;
    assert_string_equal(suggest("rnu", words, ARRAY_LEN(words)), "run");
    assert_string_equal(suggest("sttaus", words, ARRAY_LEN(words)), "status");
    assert_string_equal(suggest("duration", words, ARRAY_LEN(words)), "durations");
    assert_string_equal(suggest("verdikt", words, ARRAY_LEN(words)), "verdict");
}

static void test_suggest_is_silent_when_nothing_is_near(void **state)
{
    char longest[SUGGEST_WORD_BYTES_MAX + 2];

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(longest); i++)
        longest[i] = 'x';
    longest[sizeof(longest) - 1] = '\0';
    assert_null(suggest("pytest", words, ARRAY_LEN(words)));
    assert_null(suggest("", words, ARRAY_LEN(words)));
    assert_null(suggest(longest, words, ARRAY_LEN(words)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suggest_finds_the_nearest_word),
        cmocka_unit_test(test_suggest_is_silent_when_nothing_is_near),
    };

    return cmocka_run_group_tests_name("agent/suggest", tests, NULL, NULL);
}
