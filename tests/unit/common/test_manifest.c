#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hash.h"
#include "manifest_lanes.h"
#include "mem.h"

static void add(struct manifest *m, const char *id, const char *group, const char *flags)
{
    struct err err = ERR_INIT;

    assert_int_equal(manifest_add(m, view_of(id), view_of(group), view_of(flags), &err), ERR_NONE);
}

static struct manifest *manifest_of(const char *const *ids, size_t count)
{
    struct manifest *m = manifest_new();

    for (size_t i = 0; i < count; i++)
        add(m, ids[i], "", "");
    manifest_seal(m);
    return m;
}

static void test_manifest_counts_occurrences_and_finds_each(void **state)
{
    static const char *const ids[] = { "a::x", "a::y", "a::x", "b::x", "a::x" };
    struct manifest *m = manifest_of(ids, ARRAY_LEN(ids));

    (void)state;
    assert_int_equal(m->tests[4].k, 2);
    assert_int_equal(manifest_find(m, "a::x", 0), 0);
    assert_int_equal(manifest_find(m, "a::x", 1), 2);
    assert_int_equal(manifest_find(m, "a::x", 2), 4);
    assert_int_equal(manifest_find(m, "a::x", 3), UINT32_MAX);
    assert_int_equal(manifest_find(m, "b::x", 0), 3);
    assert_int_equal(manifest_find(m, "b::x", 1), UINT32_MAX);
    assert_int_equal(manifest_find(m, "", 0), UINT32_MAX);
    manifest_free(m);
}

/* The digest is what the header says, by hand. */
/* What was sealed keeps its digest and its places; another occurrence than the next is refused. */
static void test_manifest_extend_adds_behind_what_is_sealed(void **state)
{
    static const char *const ids[] = { "a::x", "a::y" };
    struct manifest *m = manifest_of(ids, ARRAY_LEN(ids));
    struct manifest_test more = { .id = "a::x", .k = 1, .group = "g", .flags = "serial" };
    char digest[MANIFEST_DIGEST_BYTES];
    struct err err = ERR_INIT;

    (void)state;
    memcpy(digest, m->digest, sizeof(digest));
    assert_int_equal(manifest_extend(m, &more, &err), ERR_NONE);
    assert_int_equal(manifest_find(m, "a::x", 1), 2);
    assert_int_equal(manifest_find(m, "a::x", 0), 0);
    assert_string_equal(m->tests[2].flags, "serial");
    assert_string_equal(m->digest, digest);
    assert_int_equal(manifest_extend(m, &more, &err), ERR_CONFLICT);
    more.k = 3;
    assert_int_equal(manifest_extend(m, &more, &err), ERR_CONFLICT);
    assert_int_equal(m->count, 3);
    manifest_free(m);
}

static void test_manifest_digest_is_over_sorted_tests(void **state)
{
    static const char bytes[] = "makespan-manifest 1\n"
                                "a\0\0\0\0\0g\0serial\0"
                                "a\0\1\0\0\0\0\0"
                                "b\0\0\0\0\0\0";
    struct manifest *m = manifest_new();
    char hex[HASH_HEX_BYTES];

    (void)state;
    add(m, "b", "", "");
    add(m, "a", "g", "serial");
    add(m, "a", "", "");
    manifest_seal(m);
    hash_hex(bytes, sizeof(bytes), hex);
    assert_string_equal(m->digest, hex);
    manifest_free(m);
}

/* Many ids with long common beginnings, in two orders: same digest; a changed flag: another. */
static void test_manifest_digest_ignores_order_but_not_content(void **state)
{
    struct manifest *up = manifest_new();
    struct manifest *down = manifest_new();
    struct manifest *other = manifest_new();
    char id[128];

    (void)state;
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(id, sizeof(id), "tests/some/long/folder/test_%d.py::TestClass::test[%d]",
                       i % 70, i * 7919 % 5000);
        add(up, id, "", "");
        add(other, id, "", i == 4000 ? "serial" : "");
    }
    for (uint32_t i = up->count; i > 0; i--)
        add(down, up->tests[i - 1].id, "", "");
    manifest_seal(up);
    manifest_seal(down);
    manifest_seal(other);
    assert_string_equal(up->digest, down->digest);
    assert_string_not_equal(up->digest, other->digest);
    manifest_free(up);
    manifest_free(down);
    manifest_free(other);
}

static void test_manifest_decode_gives_back_what_was_encoded(void **state)
{
    struct manifest *m = manifest_new();
    struct manifest *again = NULL;
    struct str text = STR_MAX(1000);
    struct err err = ERR_INIT;

    (void)state;
    add(m, "tests/a.py::test[1 2\n3]", "grp", "serial,threads=2");
    add(m, "tests/a.py::test_\xc3\xa9", "grp", "");
    add(m, "tests/a.py::test_\xc3\xa8", "", "");
    add(m, "tests/a.py::test[1 2\n3]", "", "");
    manifest_seal(m);
    assert_int_equal(manifest_encode(m, &text, &err), ERR_NONE);
    assert_int_equal(manifest_decode(text.at, text.len, &again, &err), ERR_NONE);
    assert_string_equal(again->digest, m->digest);
    assert_int_equal(again->count, 4);
    for (uint32_t i = 0; i < 4; i++) {
        assert_string_equal(again->tests[i].id, m->tests[i].id);
        assert_string_equal(again->tests[i].group, m->tests[i].group);
        assert_string_equal(again->tests[i].flags, m->tests[i].flags);
        assert_int_equal(again->tests[i].k, m->tests[i].k);
    }
    manifest_free(again);
    /* Every shorter or longer text is refused. */
    for (size_t len = 0; len < text.len; len++)
        assert_int_equal(manifest_decode(text.at, len, &again, &err), ERR_MALFORMED);
    assert_int_equal(str_addz(&text, "x", &err), ERR_NONE);
    assert_int_equal(manifest_decode(text.at, text.len, &again, &err), ERR_MALFORMED);
    str_fini(&text);
    manifest_free(m);
}

static void test_manifest_decode_refuses_what_no_encoder_writes(void **state)
{
    static const char *const bad[] = {
        "makespan-manifest 2 0\n",
        "makespan-manifest 1 2000001\n",
        "makespan-manifest 1 1\n1 1 a 0  0 \n",    /* shares with nothing */
        "makespan-manifest 1 1\n00 1 a 0  0 \n",   /* leading zero */
        "makespan-manifest 1 1\n0 4097 a 0  0 \n", /* over the limit */
        "makespan-manifest 1 1\n0 1 a 0  0 \n\n",  /* a byte too many */
        "makespan-manifest 1 1\n0 99999999999999999999999 a 0  0 \n",
    };
    struct manifest *m = NULL;
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(manifest_decode(bad[i], strlen(bad[i]), &m, &err), ERR_MALFORMED);
    assert_int_equal(manifest_decode("makespan-manifest 1 1\n0 0  0  0 \n", 33, &m, &err),
                     ERR_INVALID);
    assert_null(m);
}

static void test_manifest_add_refuses_text_that_cannot_travel(void **state)
{
    struct manifest *m = manifest_new();
    struct view none = { .at = "", .len = 0 };
    struct err err = ERR_INIT;
    char *huge = mem_new(MANIFEST_ID_BYTES_MAX + 2, 1);

    (void)state;
    memset(huge, 'x', MANIFEST_ID_BYTES_MAX + 1);
    assert_int_equal(manifest_add(m, view_of(huge), none, none, &err), ERR_TOO_LARGE);
    assert_int_equal(manifest_add(m, none, none, none, &err), ERR_INVALID);
    assert_int_equal(manifest_add(m, view_of("a\xff"), none, none, &err), ERR_INVALID);
    assert_int_equal(manifest_add(m, (struct view){ .at = "a\0b", .len = 3 }, none, none, &err),
                     ERR_INVALID);
    assert_int_equal(m->count, 0);
    free(huge);
    manifest_free(m);
}

static void test_manifest_diff_names_what_only_one_has(void **state)
{
    static const char *const left[] = { "a", "b", "b", "c" };
    static const char *const right[] = { "c", "b", "d" };
    struct manifest *a = manifest_of(left, ARRAY_LEN(left));
    struct manifest *b = manifest_of(right, ARRAY_LEN(right));
    struct manifest_diff d;

    (void)state;
    manifest_diff(a, b, &d);
    assert_int_equal(d.only_a_count, 2);
    assert_int_equal(d.only_a[0], 0);
    assert_int_equal(d.only_a[1], 2);
    assert_int_equal(d.only_b_count, 1);
    assert_int_equal(d.only_b[0], 2);
    manifest_diff_fini(&d);
    manifest_free(a);
    manifest_free(b);
}

static void test_manifest_id_parts(void **state)
{
    static const struct {
        const char *id, *file, *scope, *family;
    } cases[] = {
        { "t/a.py::test", "t/a.py", "t/a.py", "t/a.py::test" },
        { "t/a.py::T::test[x::y/z]", "t/a.py", "t/a.py::T", "t/a.py::T::test" },
        { "t/[a].py::test[1]", "t/[a].py", "t/[a].py", "t/[a].py::test" },
        { "plain", "plain", "plain", "plain" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_true(view_eq(manifest_id_file(cases[i].id), cases[i].file));
        assert_true(view_eq(manifest_id_scope(cases[i].id), cases[i].scope));
        assert_true(view_eq(manifest_id_family(cases[i].id), cases[i].family));
    }
}

/* Every test once a machine; k counts on through the machines, and each finds its own again. */
static void test_lanes_hold_every_test_for_each_machine(void **state)
{
    struct manifest *one = manifest_new(), *whole = NULL;
    struct err err = ERR_INIT;
    struct lanes lanes;

    (void)state;
    assert_int_equal(manifest_add(one, view_of("a::x"), view_of("g"), view_of("serial"), &err), 0);
    assert_int_equal(manifest_add(one, view_of("a::x"), view_of(""), view_of(""), &err), 0);
    manifest_seal(one);
    assert_int_equal(lanes_make(one, 3, &whole, &err), ERR_NONE);
    lanes = lanes_of(whole);
    assert_int_equal(lanes.count, 3);
    assert_int_equal(lanes.tests, 2);
    for (uint32_t i = 0; i < 6; i++) {
        assert_int_equal(whole->tests[i].k, i);
        assert_int_equal(lanes_lane(lanes, i), i / 2);
        assert_int_equal(lanes_k(whole, lanes, i), i % 2);
    }
    assert_string_equal(whole->tests[2].flags, "serial,lane=1");
    assert_string_equal(whole->tests[2].group, "g");
    assert_int_equal(lanes_of(one).count, 1);
    assert_int_equal(lanes_of(one).tests, 2);
    manifest_free(one);
    manifest_free(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lanes_hold_every_test_for_each_machine),
        cmocka_unit_test(test_manifest_counts_occurrences_and_finds_each),
        cmocka_unit_test(test_manifest_extend_adds_behind_what_is_sealed),
        cmocka_unit_test(test_manifest_digest_is_over_sorted_tests),
        cmocka_unit_test(test_manifest_digest_ignores_order_but_not_content),
        cmocka_unit_test(test_manifest_decode_gives_back_what_was_encoded),
        cmocka_unit_test(test_manifest_decode_refuses_what_no_encoder_writes),
        cmocka_unit_test(test_manifest_add_refuses_text_that_cannot_travel),
        cmocka_unit_test(test_manifest_diff_names_what_only_one_has),
        cmocka_unit_test(test_manifest_id_parts),
    };

    return cmocka_run_group_tests_name("common/manifest", tests, NULL, NULL);
}
