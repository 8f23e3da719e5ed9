#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/route.h"
#include "api/status.h"

static const struct route TABLE[] = {
    { .method = HTTP_GET, .pattern = "/v1/runs" },
    { .method = HTTP_GET, .pattern = "/v1/runs/{run}" },
    { .method = HTTP_GET, .pattern = "/v1/p/{project}/d" },
    { .method = HTTP_PUT, .pattern = "/v1/p/{project}/d" },
    { .method = HTTP_PUT, .pattern = "/v1/runs/{run}/manifest/{digest}/{part}" },
};

static enum err_code find(enum http_method method, const char *path, struct route_match *out)
{
    struct err err = ERR_INIT;

    return route_find(TABLE, ARRAY_LEN(TABLE), method, path, out, &err);
}

static void test_route_find_gives_the_decoded_pieces(void **state)
{
    struct route_match match = { 0 };

    (void)state;
    assert_int_equal(find(HTTP_PUT, "/v1/runs/r1/manifest/d%2f2/17", &match), ERR_NONE);
    assert_ptr_equal(match.route, &TABLE[4]);
    assert_string_equal(match.params[0], "r1");
    assert_string_equal(match.params[1], "d/2");
    assert_string_equal(match.params[2], "17");
    route_match_fini(&match);
}

static void test_route_find_serves_head_as_get(void **state)
{
    struct route_match match = { 0 };

    (void)state;
    assert_int_equal(find(HTTP_HEAD, "/v1/runs", &match), ERR_NONE);
    assert_ptr_equal(match.route, &TABLE[0]);
    route_match_fini(&match);
}

/* No prefix, no empty piece, no trailing slash stands for a path. */
static void test_route_find_refuses_near_misses(void **state)
{
    static const char *const paths[] = { "/",          "/v1",          "/v1/run",   "/v1/runs/",
                                         "/v1/runs//", "/v1/runs/a/b", "//v1/runs", "v1/runs",
                                         "",           "/v1/runs/a/",  "/V1/runs" };
    struct route_match match = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        if (find(HTTP_GET, paths[i], &match) != ERR_NOT_FOUND)
            fail_msg("'%s'", paths[i]);
    assert_int_equal(find(HTTP_GET, "/v1/runs/%00", &match), ERR_INVALID);
}

static void test_route_find_names_the_methods_of_a_path(void **state)
{
    struct route_match match = { 0 };

    (void)state;
    assert_int_equal(find(HTTP_POST, "/v1/p/x/d", &match), ERR_METHOD);
    assert_string_equal(match.allow, "GET, HEAD, PUT");
    assert_null(match.route);
    route_match_fini(&match);
    assert_int_equal(find(HTTP_OTHER, "/v1/runs", &match), ERR_METHOD);
    assert_string_equal(match.allow, "GET, HEAD");
    route_match_fini(&match);
}

/* What may succeed when tried again is 503 and nothing else is. */
static void test_status_503_is_for_what_may_pass(void **state)
{
    (void)state;
    assert_int_equal(api_status(ERR_UNAVAILABLE), 503);
    assert_int_equal(api_status(ERR_DISK_FULL), 503);
    assert_int_equal(api_status(ERR_TOKEN), 401);
    assert_int_equal(api_status(ERR_SLOT_TAKEN), 409);
    assert_int_equal(api_status(ERR_SESSION_GONE), 410);
    assert_int_equal(api_status(ERR_TOO_LARGE), 413);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_route_find_gives_the_decoded_pieces),
        cmocka_unit_test(test_route_find_serves_head_as_get),
        cmocka_unit_test(test_route_find_refuses_near_misses),
        cmocka_unit_test(test_route_find_names_the_methods_of_a_path),
        cmocka_unit_test(test_status_503_is_for_what_may_pass),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
