#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/start.h"

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

static struct start_choice chosen(enum start_wish wish, enum start_when when,
                                  const struct start_facts *facts)
{
    struct start_choice choice;

    start_choose(wish, when, facts, &choice);
    return choice;
}

/* Nothing found: a fork, and not a word. */
static void test_start_choose_forks_when_nothing_is_in_the_way(void **state)
{
    struct start_facts none = { 0 };
    struct start_choice choice = chosen(START_AUTO, START_AFTER_COLLECTION, &none);

    (void)state;
    assert_int_equal(choice.mode, START_FORK);
    assert_string_equal(choice.why, "");
    assert_int_equal(chosen(START_AUTO, START_BEFORE_CONFIGURE, &none).mode, START_FORK);
}

/* What came while collecting was not there before configure; what was there then is in every fork.
 */
static void test_start_choose_goes_back_only_as_far_as_it_must(void **state)
{
    static const char *const words[] = { "a thread", "a socket", "CUDA", "conftest.py:1 reads X" };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
        char text[40];
        struct start_facts facts = { 0 };
        char **members[] = { &facts.threads, &facts.files, &facts.modules, &facts.identity };
        struct start_choice choice;

        (void)snprintf(text, sizeof(text), "%s", words[i]);
        *members[i] = text;
        choice = chosen(START_AUTO, START_AFTER_COLLECTION, &facts);
        assert_int_equal(choice.mode, START_EARLY);
        assert_non_null(strstr(choice.why, words[i]));
        choice = chosen(START_AUTO, START_BEFORE_CONFIGURE, &facts);
        assert_int_equal(choice.mode, START_SPAWN);
        assert_non_null(strstr(choice.why, words[i]));
    }
}

static void test_start_choose_names_all_that_it_knows(void **state)
{
    char thread[] = "thread 'x'", file[] = "file a.db";
    struct start_facts facts = { .threads = thread, .files = file };

    (void)state;
    assert_string_equal(chosen(START_AUTO, START_AFTER_COLLECTION, &facts).why,
                        "workers start early, each collecting for itself: thread 'x' would not "
                        "exist in a fork; file a.db would be shared by all forks");
}

static void test_start_choose_obeys_and_warns(void **state)
{
    char thread[] = "thread 'x'";
    struct start_facts facts = { .threads = thread };
    struct start_choice choice = chosen(START_WISH_FORK, START_AFTER_COLLECTION, &facts);

    (void)state;
    assert_int_equal(choice.mode, START_FORK);
    assert_string_equal(choice.why, "workers are forked, as asked, although thread 'x' would not "
                                    "exist in a fork");
    choice = chosen(START_WISH_EARLY, START_BEFORE_CONFIGURE, &facts);
    assert_int_equal(choice.mode, START_EARLY);
    assert_non_null(strstr(choice.why, "as asked"));
    choice = chosen(START_WISH_SPAWN, START_BEFORE_CONFIGURE, &facts);
    assert_int_equal(choice.mode, START_SPAWN);
    assert_string_equal(choice.why, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_reads_its_words_and_no_others),
        cmocka_unit_test(test_start_choose_forks_when_nothing_is_in_the_way),
        cmocka_unit_test(test_start_choose_goes_back_only_as_far_as_it_must),
        cmocka_unit_test(test_start_choose_names_all_that_it_knows),
        cmocka_unit_test(test_start_choose_obeys_and_warns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
