#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "watch/ignore.h"

static bool ignores(const char *rules, const char *path, enum ignore_kind kind)
{
    struct ignore *ignore = ignore_new();
    bool has;

    ignore_add(ignore, rules, strlen(rules));
    has = ignore_has(ignore, path, kind);
    ignore_free(ignore);
    return has;
}

/* Without any rule: what tools leave behind, and no source. */
static void test_ignore_knows_what_tools_leave(void **state)
{
    (void)state;
    assert_true(ignores("", ".git", IGNORE_FOLDER));
    assert_true(ignores("", "a/b/__pycache__", IGNORE_FOLDER));
    assert_true(ignores("", "a/b.pyc", IGNORE_FILE));
    assert_true(ignores("", "a/.b.py.swp", IGNORE_FILE));
    assert_true(ignores("", "build", IGNORE_FOLDER));
    assert_false(ignores("", "src/build", IGNORE_FOLDER));
    assert_false(ignores("", "tests/test_a.py", IGNORE_FILE));
    assert_false(ignores("", ".github", IGNORE_FOLDER));
}

/* git's rules, each by an example of its manual. */
static void test_ignore_reads_rules_as_git_does(void **state)
{
    static const struct {
        const char *rules, *path;
        enum ignore_kind kind;
        bool ignored;
    } cases[] = {
        { "*.log\n", "a/b.log", IGNORE_FILE, true },
        { "# *.log\n\n", "a/b.log", IGNORE_FILE, false },
        { "\\#a\n", "#a", IGNORE_FILE, true },
        { "out/\n", "x/out", IGNORE_FOLDER, true },
        { "out/\n", "x/out", IGNORE_FILE, false },
        { "/out\n", "out", IGNORE_FILE, true },
        { "/out\n", "x/out", IGNORE_FILE, false },
        { "doc/*.txt\n", "doc/a.txt", IGNORE_FILE, true },
        { "doc/*.txt\n", "doc/x/a.txt", IGNORE_FILE, false },
        { "doc/*.txt\n", "x/doc/a.txt", IGNORE_FILE, false },
        { "**/gen\n", "a/b/gen", IGNORE_FOLDER, true },
        { "a/**/c.txt\n", "a/x/y/c.txt", IGNORE_FILE, true },
        { "made/**\n", "made", IGNORE_FOLDER, true },
        { "*.log\n!keep.log\n", "keep.log", IGNORE_FILE, false },
        { "!keep.log\n*.log\n", "keep.log", IGNORE_FILE, true },
        { "a.txt  \r\n", "a.txt", IGNORE_FILE, true },
        { "a.txt", "a.txt", IGNORE_FILE, true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (ignores(cases[i].rules, cases[i].path, cases[i].kind) != cases[i].ignored)
            fail_msg("'%s' and %s", cases[i].rules, cases[i].path);
    }
}

/* A rule that could take for ever is passed over. */
static void test_ignore_passes_over_rules_beyond_its_limits(void **state)
{
    (void)state;
    assert_false(ignores("*a*a*a*a*a*a*a*a*a*\n", "aaaaaaaaaaaaaaaa", IGNORE_FILE));
    assert_false(ignores("/\n!\n**/\n\n", "x", IGNORE_FILE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ignore_knows_what_tools_leave),
        cmocka_unit_test(test_ignore_reads_rules_as_git_does),
        cmocka_unit_test(test_ignore_passes_over_rules_beyond_its_limits),
    };

    return cmocka_run_group_tests_name("agent/ignore", tests, NULL, NULL);
}
