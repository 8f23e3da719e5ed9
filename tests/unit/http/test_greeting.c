#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "greeting.h"

static struct greeting sample(const char *address, const char *first_name)
{
    return (struct greeting){ .address = address,
                              .first_name = first_name,
                              .machine = "ci-host",
                              .pin = "sha256//PIN",
                              .folder = "/data" };
}

static void test_greeting_url_is_reachable_by_others(void **state)
{
    static const struct {
        const char *address, *name, *want;
    } examples[] = {
        { "[::]:8443", NULL, "https://ci-host:8443" },
        { "0.0.0.0:1", NULL, "https://ci-host:1" },
        { "127.0.0.1:4711", NULL, "https://127.0.0.1:4711" },
        { "[::1]:4711", NULL, "https://[::1]:4711" },
        { "[::]:8443", "ci.example.org", "https://ci.example.org:8443" },
        { "[::]:8443", "fd00::17", "https://[fd00::17]:8443" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
        struct greeting g = sample(examples[i].address, examples[i].name);
        struct str url = STR_MAX(512);
        struct err err = ERR_INIT;

        assert_int_equal(greeting_url(&g, &url, &err), ERR_NONE);
        assert_string_equal(str_text(&url), examples[i].want);
        str_fini(&url);
    }
}

/* Scripts read the first line; a token is only shown when it was made just now. */
static void test_greeting_text_shows_a_new_token_only(void **state)
{
    struct greeting g = sample("[::]:8443", NULL);
    struct str text = STR_MAX(GREETING_BYTES_MAX);
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(greeting_text(&g, &text, &err), ERR_NONE);
    assert_memory_equal(str_text(&text), "makespand: listening on https://[::]:8443\n", 42);
    assert_non_null(strstr(str_text(&text), "token create"));
    str_clear(&text);
    g.token = "msp_secret";
    assert_int_equal(greeting_text(&g, &text, &err), ERR_NONE);
    assert_non_null(strstr(str_text(&text), "export MAKESPAN_TOKEN=msp_secret\n"));
    str_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greeting_url_is_reachable_by_others),
        cmocka_unit_test(test_greeting_text_shows_a_new_token_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
