#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fs.h"
#include "mem.h"
#include "options/target.h"

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define PIN    "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

/* Every variable that could reach a test from the CI that runs it. */
static int set_up(void **state)
{
    static const char *const names[] = {
        "GITHUB_ACTIONS", "GITLAB_CI",   "BUILDKITE",      "CIRCLECI",
        "TF_BUILD",       "JENKINS_URL", "MAKESPAN_TOKEN",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (unsetenv(names[i]) != 0)
            return -1;
    return setenv("MAKESPAN_TOKEN", "msp_secret", 1);
}

static void expect_usage(const struct options *o, enum err_code code, const char *part)
{
    struct target t = { 0 };
    struct err err = ERR_INIT;

    assert_int_equal(target_resolve(o, DIGEST, &t, &err), code);
    assert_non_null(strstr(err.text, part));
    assert_null(strstr(err.text, "msp_secret"));
}

static void test_target_alone_needs_nothing(void **state)
{
    struct options o = OPTIONS_INIT;
    struct target t;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(target_resolve(&o, DIGEST, &t, &err), ERR_NONE);
    assert_null(t.url);
    assert_string_equal(t.project, "default");
    assert_string_equal(t.suite, "default");
    assert_null(t.run_key);
    target_fini(&t);
}

static void test_target_is_the_options_before_the_ci(void **state)
{
    struct options o = OPTIONS_INIT;
    struct target t;
    struct err err = ERR_INIT;

    (void)state;
    o.url = "https://c.example:8443/";
    o.project = "mine";
    o.ca = PIN;
    o.index = 1;
    o.total = 3;
    assert_int_equal(setenv("CIRCLECI", "true", 1), 0);
    assert_int_equal(setenv("CIRCLE_WORKFLOW_ID", "w", 1), 0);
    assert_int_equal(setenv("CIRCLE_JOB", "j", 1), 0);
    assert_int_equal(setenv("CIRCLE_NODE_INDEX", "5", 1), 0);
    assert_int_equal(setenv("CIRCLE_NODE_TOTAL", "8", 1), 0);
    assert_int_equal(target_resolve(&o, DIGEST, &t, &err), ERR_NONE);
    assert_string_equal(t.url, "https://c.example:8443");
    assert_string_equal(t.pin, PIN);
    assert_string_equal(t.project, "mine");
    assert_string_equal(t.token, "msp_secret");
    assert_string_equal(t.run_key, "circleci/w/j/-/default/0123456789ab");
    assert_int_equal(t.index, 1);
    assert_int_equal(t.total, 3);
    target_fini(&t);
    o.index = PROTO_SLOT_NONE;
    o.total = 0;
    assert_int_equal(target_resolve(&o, NULL, &t, &err), ERR_NONE);
    assert_int_equal(t.index, 5);
    assert_int_equal(t.total, 8);
    assert_null(t.run_key); /* a reader has no command */
    assert_string_equal(t.run_prefix, "circleci/w/");
    target_fini(&t);
}

static void test_target_says_what_is_missing(void **state)
{
    struct options o = OPTIONS_INIT;

    (void)state;
    o.url = "http://c.example";
    expect_usage(&o, ERR_USAGE, "https://HOST");
    o.url = "https://";
    expect_usage(&o, ERR_USAGE, "https://HOST");
    o.url = "https://user:pw@c.example";
    expect_usage(&o, ERR_USAGE, "no user");
    o.url = "https://c.example";
    expect_usage(&o, ERR_USAGE, "--run-key");
    o.run_key = "k";
    o.index = 3;
    o.total = 3;
    expect_usage(&o, ERR_USAGE, "index 3 is not under total 3");
    o.total = 4;
    o.ca = "sha256//tooshort";
    expect_usage(&o, ERR_USAGE, "is not a pin");
    o.ca = "/no/such/file";
    expect_usage(&o, ERR_USAGE, "/no/such/file");
    o.ca = NULL;
    o.output = "xml";
    expect_usage(&o, ERR_USAGE, "neither text nor json");
    assert_int_equal(unsetenv("MAKESPAN_TOKEN"), 0);
    expect_usage(&o, ERR_TOKEN, "MAKESPAN_TOKEN");
    assert_int_equal(setenv("MAKESPAN_TOKEN", "msp_secret\nX-Evil: 1", 1), 0);
    expect_usage(&o, ERR_USAGE, "unusual character");
}

static void test_target_reads_the_token_from_a_file(void **state)
{
    struct options o = OPTIONS_INIT;
    struct target t;
    struct err err = ERR_INIT;
    struct str path = STR_MAX(PATH_BYTES_MAX);
    char *folder = NULL;

    (void)state;
    assert_int_equal(fs_tempdir("msp-test", &folder, &err), ERR_NONE);
    assert_int_equal(str_addf(&path, &err, "%s/token", folder), ERR_NONE);
    assert_int_equal(fs_replace(path.at, "msp_file\n", 9, FS_PRIVATE, &err), ERR_NONE);
    o.url = "https://c.example";
    o.project = "p";
    o.run_key = "k";
    o.token_file = path.at;
    assert_int_equal(target_resolve(&o, DIGEST, &t, &err), ERR_NONE);
    assert_string_equal(t.token, "msp_file");
    target_fini(&t);
    assert_int_equal(fs_remove_tree(folder, &err), ERR_NONE);
    str_fini(&path);
    free(folder);
}

static void test_target_has_labels_that_are_pairs(void **state)
{
    struct options o = OPTIONS_INIT;
    const char *good[] = { "os=debian", "empty=" };
    const char *bad[] = { "os" };
    struct target t;
    struct err err = ERR_INIT;

    (void)state;
    o.labels = (struct cfg_list){ .items = good, .count = 2 };
    assert_int_equal(target_resolve(&o, NULL, &t, &err), ERR_NONE);
    assert_int_equal(t.label_count, 2);
    assert_string_equal(t.labels[0].key, "os");
    assert_string_equal(t.labels[1].value, "");
    target_fini(&t);
    o.labels = (struct cfg_list){ .items = bad, .count = 1 };
    expect_usage(&o, ERR_USAGE, "label 'os' is not KEY=VALUE");
}

/* What the coordinator would refuse is said here, and nothing that was asked for is left out. */
static void test_target_takes_nothing_that_is_refused_later(void **state)
{
    struct options o = OPTIONS_INIT;
    const char *many[PROTO_LABELS_MAX + 1];
    char long_name[PROTO_KEY_BYTES_MAX + 4];
    const char *one[] = { long_name };
    char *token = mem_new(PROTO_TOKEN_BYTES_MAX + 2, 1);
    struct target t;
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = "same=1";
    o.labels = (struct cfg_list){ .items = many, .count = ARRAY_LEN(many) };
    expect_usage(&o, ERR_USAGE, "65 labels are over 64");
    memset(long_name, 'x', sizeof(long_name));
    memcpy(long_name + PROTO_KEY_BYTES_MAX + 1, "=v", 3);
    o.labels = (struct cfg_list){ .items = one, .count = 1 };
    expect_usage(&o, ERR_USAGE, "its name or its value is over 1000 bytes");
    assert_int_equal(setenv("CIRCLECI", "true", 1), 0);
    assert_int_equal(setenv("CIRCLE_BRANCH", long_name, 1), 0);
    o.labels.count = 0;
    assert_int_equal(target_resolve(&o, NULL, &t, &err), ERR_NONE);
    for (uint32_t i = 0; i < t.label_count; i++)
        assert_string_not_equal(t.labels[i].key, "ref"); /* a branch like that is no label */
    target_fini(&t);
    memset(token, 't', PROTO_TOKEN_BYTES_MAX + 1);
    assert_int_equal(setenv("MAKESPAN_TOKEN", token, 1), 0);
    o.url = "https://c.example";
    expect_usage(&o, ERR_USAGE, "the token in MAKESPAN_TOKEN is over 4096 bytes");
    free(token);
}

/* "a b" and "a", "b" are different commands. */
static void test_options_command_digest_tells_words_apart(void **state)
{
    char *one[] = { "a b", NULL };
    char *two[] = { "a", "b", NULL };
    char first[HASH_HEX_BYTES];
    char second[HASH_HEX_BYTES];

    (void)state;
    options_command_digest(1, one, first);
    options_command_digest(2, two, second);
    assert_string_not_equal(first, second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_target_alone_needs_nothing, set_up),
        cmocka_unit_test_setup(test_target_is_the_options_before_the_ci, set_up),
        cmocka_unit_test_setup(test_target_says_what_is_missing, set_up),
        cmocka_unit_test_setup(test_target_reads_the_token_from_a_file, set_up),
        cmocka_unit_test_setup(test_target_has_labels_that_are_pairs, set_up),
        cmocka_unit_test_setup(test_target_takes_nothing_that_is_refused_later, set_up),
        cmocka_unit_test_setup(test_options_command_digest_tells_words_apart, set_up),
    };

    return cmocka_run_group_tests_name("agent/target", tests, NULL, NULL);
}
