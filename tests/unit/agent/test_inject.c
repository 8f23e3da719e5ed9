#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json.h"
#include "runner/inject.h"

#define WORDS_MAX 12

static char *const no_env[] = { NULL };

static const char *env_of(const struct injection *i, const char *name)
{
    size_t len = strlen(name);

    for (char **entry = i->env; *entry; entry++) {
        if (strncmp(*entry, name, len) == 0 && (*entry)[len] == '=')
            return *entry + len + 1;
    }
    return NULL;
}

static enum err_code run(char *const *argv, char *const *env, const char *junit,
                         struct injection *out)
{
    struct inject_input in = { .argv = argv,
                               .env = env,
                               .folder = "/p/py",
                               .socket = "/p/agent",
                               .key = "secret",
                               .junit = junit };
    struct err err = ERR_INIT;

    return inject(&in, out, &err);
}

/* Where '-p _makespan' goes for every way of naming pytest; 0: through the environment. */
static void test_inject_find_pytest_knows_the_ways_to_start_it(void **state)
{
    static const struct {
        const char *argv[WORDS_MAX];
        uint32_t first;
    } cases[] = {
        { { "pytest", "-q" }, 1 },
        { { "/usr/bin/pytest-3", "x" }, 1 },
        { { ".venv/bin/py.test" }, 1 },
        { { "python", "-m", "pytest", "-q" }, 3 },
        { { "python3.11", "-um", "pytest" }, 3 },
        { { "python3", "-mpytest", "-x" }, 2 },
        { { "/usr/bin/python3", "-X", "dev", "-W", "error", "-m", "pytest" }, 7 },
        { { "python3", "-Xdev", "-Werror", "-bb", "-m", "py.test" }, 6 },
        { { "python3", "--check-hash-based-pycs", "always", "-m", "pytest" }, 5 },
        { { "python3", "/usr/bin/pytest", "a" }, 2 },
        { { "python3", "-m", "coverage", "run", "-m", "pytest" }, 0 },
        { { "python3", "-c", "import pytest; pytest.main()" }, 0 },
        { { "python3", "runtests.py", "-m", "pytest" }, 0 },
        { { "python3", "-m" }, 0 },
        { { "python3" }, 0 },
        { { "uv", "run", "pytest" }, 0 },
        { { "pytest-watch" }, 0 },
        { { "tox" }, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint32_t first = 99;
        struct err err = ERR_INIT;

        assert_int_equal(inject_find_pytest((char *const *)(uintptr_t)cases[i].argv, &first, &err),
                         ERR_NONE);
        if (first != cases[i].first)
            fail_msg("case %zu: %u", i, first);
    }
}

static void test_inject_refuses_a_python_that_ignores_its_environment(void **state)
{
    char *const isolated[] = { "python3", "-I", "-m", "pytest", NULL };
    char *const bundled[] = { "python3", "-sE", "-m", "pytest", NULL };
    char *const after[] = { "python3", "-m", "pytest", "-I", NULL };
    struct injection out = { .argv = NULL };

    (void)state;
    assert_int_equal(run(isolated, no_env, NULL, &out), ERR_USAGE);
    assert_int_equal(run(bundled, no_env, NULL, &out), ERR_USAGE);
    assert_int_equal(run(after, no_env, NULL, &out), ERR_NONE);
    injection_fini(&out);
}

/* The plugin comes first, the report last but before "--". */
static void test_inject_puts_the_report_behind_options_and_before_paths(void **state)
{
    char *const argv[] = { "pytest", "-q", "--", "--odd", NULL };
    char *const plain[] = { "pytest", "-q", NULL };
    struct injection out = { .argv = NULL };

    (void)state;
    assert_int_equal(run(argv, no_env, "/r.xml", &out), ERR_NONE);
    assert_int_equal(out.way, INJECT_ARGUMENTS);
    assert_string_equal(out.argv[1], "-p");
    assert_string_equal(out.argv[2], "_makespan");
    assert_string_equal(out.argv[4], "--junitxml=/r.xml");
    assert_string_equal(out.argv[5], "--");
    assert_string_equal(out.argv[6], "--odd");
    assert_null(out.argv[7]);
    assert_null(env_of(&out, "PYTEST_ADDOPTS"));
    injection_fini(&out);
    assert_int_equal(run(plain, no_env, "/r.xml", &out), ERR_NONE);
    assert_string_equal(out.argv[4], "--junitxml=/r.xml");
    assert_null(out.argv[5]);
    injection_fini(&out);
}

static void test_inject_goes_through_addopts_when_a_wrapper_starts_pytest(void **state)
{
    char *const argv[] = { "uv", "run", "pytest", NULL };
    char *const env[] = { "PYTEST_ADDOPTS=-x", "PYTHONPATH=/old", "HOME=/h", NULL };
    struct injection out = { .argv = NULL };

    (void)state;
    assert_int_equal(run(argv, env, "/a b'c.xml", &out), ERR_NONE);
    assert_int_equal(out.way, INJECT_ADDOPTS);
    assert_string_equal(out.argv[1], "run");
    assert_null(out.argv[3]);
    assert_string_equal(env_of(&out, "PYTEST_ADDOPTS"),
                        "-p _makespan --junitxml='/a b'\\''c.xml' -x");
    assert_string_equal(env_of(&out, "PYTHONPATH"), "/p/py:/old");
    assert_string_equal(env_of(&out, "HOME"), "/h");
    assert_string_equal(env_of(&out, "_MAKESPAN_SOCKET"), "/p/agent");
    injection_fini(&out);
}

/* What we changed can be undone exactly; what was unset becomes unset again. */
static void test_inject_notes_what_the_environment_was(void **state)
{
    char *const argv[] = { "tox", NULL };
    char *const env[] = { "PYTHONPATH=/old", NULL };
    struct injection out = { .argv = NULL };
    struct json *doc = NULL;
    const char *text = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(run(argv, env, NULL, &out), ERR_NONE);
    text = env_of(&out, "_MAKESPAN_RESTORE");
    assert_non_null(text);
    assert_int_equal(json_parse(text, strlen(text), &doc, &err), ERR_NONE);
    assert_int_equal(json_get_text(doc, "PYTHONPATH", 100, &text, &err), ERR_NONE);
    assert_string_equal(text, "/old");
    text = "untouched";
    assert_int_equal(json_opt_text(doc, "PYTEST_ADDOPTS", 100, &text, &err), ERR_NONE);
    assert_string_equal(text, "untouched");
    assert_int_equal(json_size(doc), 2);
    json_free(doc);
    injection_fini(&out);
}

/* No credential of ours reaches a test, and an outer run's variables are replaced. */
static void test_inject_keeps_the_token_from_the_tests(void **state)
{
    char *const argv[] = { "pytest", NULL };
    char *const env[] = { "MAKESPAN_TOKEN=msp_1", "_MAKESPAN_KEY=outer", "MAKESPAN_URL=u", NULL };
    struct injection out = { .argv = NULL };

    (void)state;
    assert_int_equal(run(argv, env, NULL, &out), ERR_NONE);
    assert_null(env_of(&out, "MAKESPAN_TOKEN"));
    assert_string_equal(env_of(&out, "_MAKESPAN_KEY"), "secret");
    assert_string_equal(env_of(&out, "MAKESPAN_URL"), "u");
    injection_fini(&out);
}

/* The run's seed is set unless the user fixed one. */
static void test_inject_sets_the_hash_seed_only_when_it_is_free(void **state)
{
    static const struct {
        const char *entry, *result;
    } cases[] = { { "A=b", "42" },
                  { "PYTHONHASHSEED=random", "42" },
                  { "PYTHONHASHSEED=", "42" },
                  { "PYTHONHASHSEED=7", "7" } };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *const argv[] = { "pytest", NULL };
        char *const env[] = { (char *)(uintptr_t)cases[i].entry, NULL };
        struct inject_input in = { .argv = argv,
                                   .env = env,
                                   .folder = "/p",
                                   .socket = "/s",
                                   .key = "k",
                                   .has_seed = true,
                                   .seed = 42 };
        struct injection out;
        struct err err = ERR_INIT;

        assert_int_equal(inject(&in, &out, &err), ERR_NONE);
        assert_string_equal(env_of(&out, "PYTHONHASHSEED"), cases[i].result);
        injection_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inject_find_pytest_knows_the_ways_to_start_it),
        cmocka_unit_test(test_inject_refuses_a_python_that_ignores_its_environment),
        cmocka_unit_test(test_inject_puts_the_report_behind_options_and_before_paths),
        cmocka_unit_test(test_inject_goes_through_addopts_when_a_wrapper_starts_pytest),
        cmocka_unit_test(test_inject_notes_what_the_environment_was),
        cmocka_unit_test(test_inject_keeps_the_token_from_the_tests),
        cmocka_unit_test(test_inject_sets_the_hash_seed_only_when_it_is_free),
    };

    return cmocka_run_group_tests_name("agent/inject", tests, NULL, NULL);
}
