#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/client.h"

struct refusal_case {
    uint32_t status;
    const char *body;
    enum err_code code;
    const char *text;
};

/* A problem of ours says what it is; what comes from something in between is told by its status,
 * and its page is shown no further than its first control character. */
static void test_client_refusal_reads_problems_and_foreign_pages(void **state)
{
    static const struct refusal_case cases[] = {
        { 409, "{\"status\":409,\"code\":\"slot-taken\",\"detail\":\"slot 0 is taken\"}",
          ERR_SLOT_TAKEN, "slot 0 is taken" },
        { 401, "{\"status\":401,\"code\":\"token-refused\"}", ERR_TOKEN, "token-refused" },
        { 503, "{\"status\":503,\"code\":\"disk-full\",\"detail\":\"no room\"}", ERR_UNAVAILABLE,
          "no room" },
        { 503, "{\"status\":503,\"code\":\"of-the-future\",\"detail\":\"later\"}", ERR_UNAVAILABLE,
          "later" },
        { 400, "{\"status\":400,\"code\":\"of-the-future\",\"detail\":\"x\"}", ERR_INTERNAL, "x" },
        { 502, "<html>\r\n<b>Bad", ERR_UNAVAILABLE,
          "HTTP status 502 that no coordinator gives: <html>" },
        { 504, "", ERR_UNAVAILABLE, "HTTP status 504 that no coordinator gives" },
        { 404, "\x1b[31mred", ERR_NOT_FOUND, "HTTP status 404 that no coordinator gives" },
        { 301, "{}", ERR_INVALID, "HTTP status 301 that no coordinator gives: {}" },
        { 500, "[]", ERR_INTERNAL, "HTTP status 500 that no coordinator gives: []" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct transport_answer answer = { .status = cases[i].status,
                                                 .body = view_of(cases[i].body) };
        struct err err = ERR_INIT;

        assert_int_equal(client_refusal(&answer, &err), cases[i].code);
        assert_string_equal(err.text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_refusal_reads_problems_and_foreign_pages),
    };

    return cmocka_run_group_tests_name("agent/client", tests, NULL, NULL);
}
