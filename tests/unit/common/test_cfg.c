#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cfg.h"

#define WORDS_MAX 8

/* A command with one option of each kind. */
struct sample {
    bool verbose;
    const char *url;
    uint32_t total;
    uint64_t wait_ms;
    struct cfg_list labels, words;
    struct cfg_option options[5];
    struct cfg_command command;
    /* What the last parse gave. */
    int rest;
    bool help;
    struct err err;
};

static int set_up(void **state)
{
    static struct sample sample;
    struct sample *s = &sample;

    *s = (struct sample){ .url = "default", .total = 1, .help = true, .err = ERR_INIT };
    s->options[0] = (struct cfg_option){ .name = "verbose",
                                         .short_name = 'v',
                                         .help = "Say more.",
                                         .env = "CFG_TEST_VERBOSE",
                                         .kind = CFG_FLAG,
                                         .into = &s->verbose };
    s->options[1] = (struct cfg_option){ .name = "url",
                                         .env = "CFG_TEST_URL",
                                         .value = "URL",
                                         .help = "Where the coordinator answers.",
                                         .kind = CFG_TEXT,
                                         .into = &s->url };
    s->options[2] = (struct cfg_option){ .name = "total",
                                         .short_name = 'n',
                                         .env = "CFG_TEST_TOTAL",
                                         .value = "N",
                                         .help = "How many agents take part.",
                                         .kind = CFG_U32,
                                         .into = &s->total,
                                         .min = 1,
                                         .max = 99 };
    s->options[3] = (struct cfg_option){ .name = "wait",
                                         .value = "TIME",
                                         .help = "How long.",
                                         .kind = CFG_DURATION,
                                         .into = &s->wait_ms,
                                         .max = 3600000 };
    s->options[4] = (struct cfg_option){
        .name = "label", .value = "K=V", .help = "A label.", .kind = CFG_LIST, .into = &s->labels
    };
    s->command = (struct cfg_command){ .usage = "tool [options] FILE",
                                       .about = "About it.",
                                       .options = s->options,
                                       .option_count = 5 };
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = { "CFG_TEST_URL", "CFG_TEST_TOTAL", "CFG_TEST_VERBOSE" };
    struct sample *s = *state;

    free(s->labels.items);
    free(s->words.items);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (unsetenv(names[i]) != 0)
            return -1;
    return 0;
}

/* Parses "tool" and the words up to NULL. */
static enum err_code parse(struct sample *s, const char *const *words)
{
    char *argv[WORDS_MAX + 1] = { "tool" };
    int argc = 1;

    for (; words[argc - 1]; argc++)
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    return cfg_parse(&s->command, argc, argv, &s->rest, &s->help, &s->err);
}

#define parses(s, ...)                                                                             \
    assert_int_equal(parse(s, (const char *const[]){ __VA_ARGS__, NULL }), ERR_NONE)

/* An option that may stand without its value does not take the next word for it. */
static void test_cfg_bare_option_has_a_value_of_its_own(void **state)
{
    struct sample *s = *state;
    char *help_text;

    s->options[1].bare = "10%";
    parses(s, "--url", "--total", "2", "run");
    assert_string_equal(s->url, "10%");
    assert_int_equal(s->rest, 4);
    parses(s, "--url=20%", "run");
    assert_string_equal(s->url, "20%");
    s->options[1].bare = ""; /* no value is one here, unless somebody meant to give one */
    parses(s, "--url", "run");
    assert_string_equal(s->url, "");
    s->options[1].bare = "10%";
    parses(s, "--url", "run", "--help");
    assert_false(s->help); /* it is the command's own */
    help_text = cfg_help(&s->command);
    assert_non_null(strstr(help_text, "--url[=URL]"));
    free(help_text);
}

static void test_cfg_option_beats_environment_beats_default(void **state)
{
    struct sample *s = *state;

    assert_int_equal(setenv("CFG_TEST_URL", "from-env", 1), 0);
    assert_int_equal(setenv("CFG_TEST_TOTAL", "5", 1), 0);
    assert_int_equal(setenv("CFG_TEST_VERBOSE", "", 1), 0);
    parses(s, "--total=7", "--label", "a=b", "--label=c=d", "--wait", "5m", "run", "--total");
    assert_string_equal(s->url, "from-env");
    assert_int_equal(s->total, 7);
    assert_false(s->verbose);
    assert_false(s->help);
    assert_int_equal(s->wait_ms, 300000);
    assert_int_equal(s->labels.count, 2);
    assert_string_equal(s->labels.items[1], "c=d");
    assert_int_equal(s->rest, 7);
}

static void test_cfg_short_forms_and_double_dash(void **state)
{
    struct sample *s = *state;

    parses(s, "-v", "-n4", "--", "--total");
    assert_true(s->verbose);
    assert_int_equal(s->total, 4);
    assert_int_equal(s->rest, 4);
}

/* With a list for words, options may follow them, and a lone dash is a word. */
static void test_cfg_collects_words_between_options(void **state)
{
    struct sample *s = *state;

    s->command.words = &s->words;
    parses(s, "import", "-", "--total", "3");
    assert_int_equal(s->words.count, 2);
    assert_string_equal(s->words.items[1], "-");
    assert_int_equal(s->total, 3);
    assert_int_equal(s->rest, 5);
}

static void test_cfg_errors_name_option_and_value(void **state)
{
    static const struct {
        const char *words[3];
        const char *text;
    } cases[] = {
        { { "--total", "12x", NULL }, "option --total: '12x' is not a whole number from 1 to 99" },
        { { "--total", "0", NULL }, "option --total: '0' is not between 1 and 99" },
        { { "--total", NULL, NULL }, "option --total needs a value: --total N" },
        { { "--totl", "3", NULL }, "there is no option --totl; did you mean --total?" },
        { { "--quite-other", NULL, NULL }, "there is no option --quite-other; --help lists all" },
        { { "--rx", NULL, NULL }, "there is no option --rx; --help lists all" }, /* not --url */
        { { "--url=", NULL, NULL }, "option --url: its value is empty; leave it out or give one" },
        { { "-x", NULL, NULL }, "there is no option -x; --help lists all" },
        { { "-vn", NULL, NULL }, "option -v takes no value: write -v alone" },
        { { "--verbose=maybe", NULL, NULL }, "option --verbose: 'maybe' is neither 1 nor 0" },
    };
    struct sample *s = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        s->err = (struct err)ERR_INIT;
        assert_int_equal(parse(s, cases[i].words), ERR_USAGE);
        assert_string_equal(s->err.text, cases[i].text);
    }
}

/* An error in the environment names the variable, not the option. */
static void test_cfg_error_names_the_variable(void **state)
{
    struct sample *s = *state;

    assert_int_equal(setenv("CFG_TEST_TOTAL", "many", 1), 0);
    assert_int_equal(parse(s, (const char *const[]){ NULL }), ERR_USAGE);
    assert_string_equal(s->err.text, "CFG_TEST_TOTAL: 'many' is not a whole number from 1 to 99");
}

static void test_cfg_help_wins_over_mistakes_but_not_over_the_command(void **state)
{
    struct sample *s = *state;

    s->help = false;
    parses(s, "--nonsense", "--help");
    assert_true(s->help);
    parses(s, "--total", "3", "pytest", "--help");
    assert_false(s->help);
}

static void test_cfg_help_keeps_to_80_columns(void **state)
{
    struct sample *s = *state;
    char *text;

    s->options[1].help = "Where the coordinator answers, for example https://ci.example.org:8470; "
                         "without it the tests run on this machine alone.";
    s->command.about =
        "One paragraph that is longer than a line of eighty columns and therefore has to "
        "be broken somewhere.\n\nAnother.";
    s->command.tail = "Examples:\n  tool x\n";
    text = cfg_help(&s->command);
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
        assert_true(strcspn(line, "\n") <= 80);
        assert_true(strcspn(line, "\n") == 0 || line[strcspn(line, "\n") - 1] != ' ');
    }
    assert_non_null(
        strstr(text, "  -n, --total N           How many agents take part. [$CFG_TEST_TOTAL]\n"));
    assert_non_null(strstr(text, "somewhere.\n\nAnother.\n\nOptions:\n"));
    assert_non_null(strstr(text, "\n\nExamples:\n  tool x\n"));
    free(text);
}

#define cfg_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cfg_test(test_cfg_option_beats_environment_beats_default),
        cfg_test(test_cfg_bare_option_has_a_value_of_its_own),
        cfg_test(test_cfg_short_forms_and_double_dash),
        cfg_test(test_cfg_collects_words_between_options),
        cfg_test(test_cfg_errors_name_option_and_value),
        cfg_test(test_cfg_error_names_the_variable),
        cfg_test(test_cfg_help_wins_over_mistakes_but_not_over_the_command),
        cfg_test(test_cfg_help_keeps_to_80_columns),
    };

    return cmocka_run_group_tests_name("common/cfg", tests, NULL, NULL);
}
