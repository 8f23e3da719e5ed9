#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "start.h"

static void test_start_reads_its_words_and_no_others(void **state)
{
    static const char *const words[] = { "auto", "fork", "early", "spawn" };
    enum start_wish wish = START_WISH_SPAWN;
    struct err err = ERR_INIT;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
        assert_int_equal(start_parse(words[i], &wish, &err), ERR_NONE);
        assert_int_equal(wish, i);
    }
    assert_int_equal(start_parse(NULL, &wish, &err), ERR_NONE);
    assert_int_equal(wish, START_AUTO);
    assert_int_equal(start_parse("Fork", &wish, &err), ERR_USAGE);
    assert_string_equal(err.text, "--start is fork, early, spawn or auto, not 'Fork'");
}

static void test_start_begins_with_a_fork_unless_told_otherwise(void **state)
{
    (void)state;
    assert_int_equal(start_first(START_AUTO), START_FORK);
    assert_int_equal(start_first(START_WISH_FORK), START_FORK);
    assert_int_equal(start_first(START_WISH_EARLY), START_EARLY);
    assert_int_equal(start_first(START_WISH_SPAWN), START_SPAWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_reads_its_words_and_no_others),
        cmocka_unit_test(test_start_begins_with_a_fork_unless_told_otherwise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
