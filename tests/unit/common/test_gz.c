#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gz.h"
#include "mem.h"

#define PLAIN_BYTES 100000u

/* Text that shrinks well, so that it also serves as a small bomb. */
static char *plain_text(void)
{
    char *text = mem_new(PLAIN_BYTES, 1);

    for (size_t i = 0; i < PLAIN_BYTES; i++)
        text[i] = (char)('a' + i / 7 % 26);
    return text;
}

static void test_gz_unpack_gives_back_what_was_packed(void **state)
{
    char *plain = plain_text();
    struct str packed = STR_MAX(PLAIN_BYTES);
    struct str again = STR_MAX(PLAIN_BYTES + 4);
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(str_addz(&again, "head", &err), ERR_NONE);
    assert_int_equal(gz_pack(plain, PLAIN_BYTES, &packed, &err), ERR_NONE);
    assert_true(packed.len < PLAIN_BYTES / 10);
    assert_int_equal(gz_unpack(packed.at, packed.len, &again, &err), ERR_NONE);
    assert_int_equal(again.len, PLAIN_BYTES + 4);
    assert_memory_equal(again.at, "head", 4);
    assert_memory_equal(again.at + 4, plain, PLAIN_BYTES);
    str_fini(&packed);
    str_fini(&again);
    free(plain);
}

/* A bomb stops at the cap, and what was in the output stays. */
static void test_gz_unpack_stops_at_the_cap(void **state)
{
    char *plain = plain_text();
    struct str packed = STR_MAX(PLAIN_BYTES);
    struct str out = STR_MAX(PLAIN_BYTES - 1);
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(str_addz(&out, "x", &err), ERR_NONE);
    assert_int_equal(gz_pack(plain, PLAIN_BYTES, &packed, &err), ERR_NONE);
    assert_int_equal(gz_unpack(packed.at, packed.len, &out, &err), ERR_TOO_LARGE);
    assert_string_equal(str_text(&out), "x");
    str_fini(&packed);
    str_fini(&out);
    free(plain);
}

static void test_gz_unpack_refuses_cut_trailing_and_foreign_bytes(void **state)
{
    struct str packed = STR_MAX(1000);
    struct str out = STR_MAX(1000);
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(gz_pack("hello", 5, &packed, &err), ERR_NONE);
    for (size_t len = 0; len < packed.len; len++)
        assert_int_equal(gz_unpack(packed.at, len, &out, &err), ERR_MALFORMED);
    assert_int_equal(str_addz(&packed, "!", &err), ERR_NONE);
    assert_int_equal(gz_unpack(packed.at, packed.len, &out, &err), ERR_MALFORMED);
    assert_int_equal(gz_unpack("hello", 5, &out, &err), ERR_MALFORMED);
    assert_int_equal(out.len, 0);
    str_fini(&packed);
    str_fini(&out);
}

static void test_gz_pack_refuses_a_small_cap(void **state)
{
    struct str out = STR_MAX(8);
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(gz_pack("hello", 5, &out, &err), ERR_TOO_LARGE);
    assert_int_equal(out.len, 0);
    str_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gz_unpack_gives_back_what_was_packed),
        cmocka_unit_test(test_gz_unpack_stops_at_the_cap),
        cmocka_unit_test(test_gz_unpack_refuses_cut_trailing_and_foreign_bytes),
        cmocka_unit_test(test_gz_pack_refuses_a_small_cap),
    };

    return cmocka_run_group_tests_name("common/gz", tests, NULL, NULL);
}
