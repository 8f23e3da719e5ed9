#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "machine/core_file.h"

static void assert_glob(const char *pattern, bool uses_pid, const char *expected)
{
    struct core_rule rule = { .pattern = pattern, .uses_pid = uses_pid };
    struct str out = STR_MAX(4096);
    struct err err = ERR_INIT;

    assert_int_equal(core_file_glob(&rule, "/a[b]", 17, &out, &err), ERR_NONE);
    assert_string_equal(str_text(&out), expected);
    str_fini(&out);
}

/* Where the kernel puts an image: a name in the process's folder, or a path of its own. */
static void test_core_file_glob_fills_in_what_is_known_when_a_pattern_is_given(void **state)
{
    (void)state;
    assert_glob("core", false, "/a\\[b\\]/core");
    assert_glob("core", true, "/a\\[b\\]/core.17");
    assert_glob("core.%p", true, "/a\\[b\\]/core.17");
    assert_glob("/var/crash/%e-%p-%t%%", false, "/var/crash/*-17-*%");
    assert_glob("/odd*%", false, "/odd\\*");
}

static void test_core_file_glob_refuses_when_a_program_gets_the_image(void **state)
{
    struct core_rule rule = { .pattern = "|/usr/bin/keep %p" };
    struct str out = STR_MAX(4096);
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(core_file_glob(&rule, "/", 17, &out, &err), ERR_INVALID);
    assert_int_equal(out.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_core_file_glob_fills_in_what_is_known_when_a_pattern_is_given),
        cmocka_unit_test(test_core_file_glob_refuses_when_a_program_gets_the_image),
    };

    return cmocka_run_group_tests_name("core_file", tests, NULL, NULL);
}
