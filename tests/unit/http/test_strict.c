#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/strict.h"

struct example {
    const char *headers; /* "Name: value" lines, parted by a newline */
    unsigned minor;
    bool may_have_body;
    enum err_code want;
};

static void add_headers(struct strict *strict, char *lines)
{
    for (char *line = lines; line && *line;) {
        char *end = strchr(line, '\n');
        char *colon;

        if (end)
            *end++ = '\0';
        colon = strchr(line, ':');
        *colon = '\0';
        strict_header(strict, line, colon[1] ? colon + 2 : "");
        line = end;
    }
}

static void check(const struct example *e)
{
    struct strict strict = { .major = 1, .minor = e->minor, .may_have_body = e->may_have_body };
    struct err err = ERR_INIT;
    char lines[256] = "";

    memcpy(lines, e->headers, strlen(e->headers) + 1);
    add_headers(&strict, lines);
    if (strict_check(&strict, &err) != e->want)
        fail_msg("'%s' on 1.%u: %s (%s)", e->headers, e->minor, err_name(err.code), err.text);
}

/* Whatever two readers could frame in two ways is refused. */
static void test_strict_refuses_ambiguous_framing(void **state)
{
    static const struct example examples[] = {
        { "Content-Length: 3", 1, true, ERR_MALFORMED }, /* no Host */
        { "Host: a\nhost: a", 1, true, ERR_MALFORMED },
        { "Host: a\nContent-Length: 3\nContent-Length: 3", 1, true, ERR_MALFORMED },
        { "Host: a\nContent-Length: 3\nTransfer-Encoding: chunked", 1, true, ERR_MALFORMED },
        { "Host: a\nContent-Length: +3", 1, true, ERR_MALFORMED },
        { "Host: a\nContent-Length: 3, 3", 1, true, ERR_MALFORMED },
        { "Host: a\nContent-Length: 0x3", 1, true, ERR_MALFORMED },
        { "Host: a\nContent-Length:", 1, true, ERR_MALFORMED },
        { "Host: a\nTransfer-Encoding: gzip, chunked", 1, true, ERR_MALFORMED },
        { "Host: a\nTransfer-Encoding: identity", 1, true, ERR_MALFORMED },
        { "Host: a\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked", 1, true,
          ERR_MALFORMED },
        { "Host: a\nTransfer-Encoding : chunked", 1, true, ERR_MALFORMED },
        { "Host: a\nTransfer-Encoding: chunked", 0, true, ERR_MALFORMED },
        { "Host: a\nContent-Length: 3", 1, false, ERR_MALFORMED },
        { "Host: a\nTransfer-Encoding: chunked", 1, false, ERR_MALFORMED },
        { "Host: a\n: b", 1, true, ERR_MALFORMED },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(examples); i++)
        check(&examples[i]);
}

static void test_strict_accepts_plain_requests(void **state)
{
    static const struct example examples[] = {
        { "Host: a", 1, false, ERR_NONE },
        { "HOST: a\nContent-Length: 3", 1, true, ERR_NONE },
        { "Host: a\nTransfer-Encoding: Chunked", 1, true, ERR_NONE },
        { "Accept: x", 0, false, ERR_NONE },
        { "Host: a\nContent-Length: 0", 1, false, ERR_NONE },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(examples); i++)
        check(&examples[i]);
}

static void test_strict_refuses_other_versions(void **state)
{
    struct strict strict = { .major = 2, .minor = 0, .host_count = 1 };
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(strict_check(&strict, &err), ERR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strict_refuses_ambiguous_framing),
        cmocka_unit_test(test_strict_accepts_plain_requests),
        cmocka_unit_test(test_strict_refuses_other_versions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
