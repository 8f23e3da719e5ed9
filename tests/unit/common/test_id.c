#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hash.h"
#include "id.h"

static void test_ids_and_tokens_are_long_and_differ(void **state)
{
    char a[ID_TEXT_BYTES];
    char b[ID_TEXT_BYTES];
    char token[TOKEN_TEXT_BYTES];

    (void)state;
    id_new(a);
    id_new(b);
    assert_int_equal(strlen(a), ID_TEXT_BYTES - 1);
    assert_string_not_equal(a, b);
    token_new("msp_", token);
    assert_int_equal(strlen(token), 56);
    assert_true(secret_eq(token, token));
    assert_false(secret_eq(token, a));
    assert_false(secret_eq("abc", "abd"));
}

/* FIPS 180-4: the digest of "abc". */
static void test_hash_hex_gives_the_known_digest(void **state)
{
    char hex[HASH_HEX_BYTES];

    (void)state;
    hash_hex("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_and_tokens_are_long_and_differ),
        cmocka_unit_test(test_hash_hex_gives_the_known_digest),
    };

    return cmocka_run_group_tests_name("common/id", tests, NULL, NULL);
}
