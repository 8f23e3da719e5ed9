#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "options.h"

#define WORDS_MAX 8

/* argv as one text, words parted by blanks. */
static enum err_code read_line(const char *line, struct options *out, struct err *err)
{
    char text[256] = "";
    char *argv[WORDS_MAX] = { NULL };
    int argc = 0;
    char *help = NULL;
    enum err_code rc;

    memcpy(text, line, strlen(line) + 1);
    for (char *word = text; word && argc < WORDS_MAX;) {
        char *end = strchr(word, ' ');

        if (end)
            *end++ = '\0';
        argv[argc++] = word;
        word = end;
    }
    rc = options_read(argc, argv, out, &help, err);
    free(help);
    return rc;
}

static void test_options_understands_every_command(void **state)
{
    static const struct {
        const char *line;
        enum makespand_command want;
    } examples[] = {
        { "makespand --data d", COMMAND_SERVE },
        { "makespand serve --data d", COMMAND_SERVE },
        { "makespand token create --data d", COMMAND_TOKEN_CREATE },
        { "makespand --data d token list", COMMAND_TOKEN_LIST },
        { "makespand token --data d revoke 0123", COMMAND_TOKEN_REVOKE },
        { "makespand store check --data d", COMMAND_STORE_CHECK },
        { "makespand store backup copy.db --data d", COMMAND_STORE_BACKUP },
    };
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
        struct options options = { 0 };

        if (read_line(examples[i].line, &options, &err))
            fail_msg("%s: %s", examples[i].line, err.text);
        assert_int_equal(options.command, examples[i].want);
        options_fini(&options);
    }
}

static void test_options_keeps_runs_as_long_as_asked(void **state)
{
    struct options options = { 0 };
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(read_line("makespand --data d", &options, &err), ERR_NONE);
    assert_int_equal(options.keep_days, OPTIONS_KEEP_DAYS_DEFAULT);
    options_fini(&options);
    assert_int_equal(read_line("makespand --data d --keep 0", &options, &err), ERR_NONE);
    assert_int_equal(options.keep_days, 0);
    options_fini(&options);
}

static void test_options_refuses_what_makes_no_sense(void **state)
{
    static const char *const lines[] = {
        "makespand frob",
        "makespand serve again",
        "makespand token",
        "makespand token frob",
        "makespand token revoke",
        "makespand token list more",
        "makespand store",
        "makespand store backup",
        "makespand store check more",
        "makespand --log-format x",
        "makespand --max-connections 0",
        "makespand --nothing",
        "makespand --keep 99999",
        "makespand --data=",
    };
    struct options options = { 0 };
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        if (read_line(lines[i], &options, &err) != ERR_USAGE)
            fail_msg("%s", lines[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_understands_every_command),
        cmocka_unit_test(test_options_keeps_runs_as_long_as_asked),
        cmocka_unit_test(test_options_refuses_what_makes_no_sense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
