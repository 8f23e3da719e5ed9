#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan/suite.h"

static void add(struct manifest *m, const char *id, const char *group, const char *flags)
{
    struct err err = ERR_INIT;

    assert_int_equal(manifest_add(m, view_of(id), view_of(group), view_of(flags), &err), ERR_NONE);
}

/* Files and classes are found once each, a class knows its file, and both can be looked up. */
static void test_suite_new_makes_a_tree_of_files_and_classes(void **state)
{
    struct manifest *m = manifest_new();
    struct suite *s;

    (void)state;
    add(m, "a.py::test_1", "", "");
    add(m, "a.py::C::test_2[x::y]", "", "");
    add(m, "b.py::test_3", "", "");
    add(m, "a.py::C::test_4", "", "");
    manifest_seal(m);
    s = suite_new(m);
    assert_int_equal(s->test_count, 4);
    assert_int_equal(s->scope_count, 3);
    assert_int_equal(s->tests[1].scope, s->tests[3].scope);
    assert_int_equal(s->scopes[s->tests[1].scope].parent, s->tests[0].scope);
    assert_int_equal(s->scopes[s->tests[2].scope].parent, POOL_NONE);
    assert_int_equal(suite_find_scope(s, "class", "a.py::C"), s->tests[1].scope);
    assert_int_equal(suite_find_scope(s, "module", "b.py"), s->tests[2].scope);
    assert_int_equal(suite_find_scope(s, "module", "a.py::C"), POOL_NONE);
    assert_int_equal(suite_find_scope(s, "module", "c.py"), POOL_NONE);
    suite_free(s);
    manifest_free(m);
}

/* Marks become numbers; a thread count that makes no sense is no thread count. */
static void test_suite_new_reads_marks_and_ignores_what_it_does_not_know(void **state)
{
    struct manifest *m = manifest_new();
    struct suite *s;

    (void)state;
    add(m, "a::1", "g", "serial,threads=4,mem=2147483648,mutex=db");
    add(m, "a::2", "", "no_speculate,mem=4096,mutex=db");
    add(m, "a::3", "g", "threads=0,mutex=other,forked");
    add(m, "a::4", "", "threads=99999,serialised,mem=99999999999999999999");
    manifest_seal(m);
    s = suite_new(m);
    assert_int_equal(s->tests[0].flags, POOL_SERIAL);
    assert_int_equal(s->tests[0].threads, 4);
    assert_int_equal(s->tests[0].mem_bytes, (uint64_t)2 << 30);
    assert_int_equal(s->tests[0].group, s->tests[2].group);
    assert_int_equal(s->tests[1].group, POOL_NONE);
    assert_int_equal(s->tests[1].flags, POOL_NO_SPECULATE);
    assert_int_equal(s->tests[0].mutex, s->tests[1].mutex);
    assert_int_not_equal(s->tests[0].mutex, s->tests[2].mutex);
    assert_int_equal(s->tests[2].threads, 1);
    assert_int_equal(s->tests[3].threads, 1);
    assert_int_equal(s->tests[3].mem_bytes, 0);
    assert_int_equal(s->tests[3].flags, 0);
    assert_int_equal(s->group_count, 1);
    assert_int_equal(s->mutex_count, 2);
    suite_free(s);
    manifest_free(m);
}

/* What --dist keeps in one worker is a group, whatever marks say. */
static void test_suite_new_keeps_together_what_flags_say(void **state)
{
    struct manifest *m = manifest_new();
    struct suite *s;

    (void)state;
    add(m, "a.py::1", "g", "serial,together=file");
    add(m, "a.py::C::2", "", "together=file");
    add(m, "b.py::1", "g", "together=file,mutex=db");
    add(m, "c.py::1", "", "together=scope");
    add(m, "c.py::C::2", "g", "together=scope");
    add(m, "c.py::C::3[x::y]", "", "together=scope");
    add(m, "d.py::1", "g", "together=files");
    add(m, "d.py::2", "", "not_together=file");
    manifest_seal(m);
    s = suite_new(m);
    assert_int_equal(s->tests[0].group, s->tests[1].group);
    assert_int_equal(s->tests[0].flags, POOL_SERIAL);
    assert_int_not_equal(s->tests[2].group, s->tests[0].group);
    assert_int_equal(s->tests[2].mutex, 0);
    assert_int_not_equal(s->tests[3].group, s->tests[4].group);
    assert_int_equal(s->tests[4].group, s->tests[5].group);
    assert_int_not_equal(s->tests[6].group, s->tests[0].group);
    assert_int_equal(s->tests[7].group, POOL_NONE);
    assert_int_equal(s->group_count, 5);
    suite_free(s);
    manifest_free(m);
}

/* Many files: the table grows and still tells them apart. */
static void test_suite_new_keeps_a_thousand_files_apart(void **state)
{
    struct manifest *m = manifest_new();
    struct suite *s;

    (void)state;
    for (int i = 0; i < 2000; i++) {
        struct str id = STR_MAX(64);
        struct err err = ERR_INIT;

        assert_int_equal(str_addf(&id, &err, "f%d.py::t%d", i % 1000, i), ERR_NONE);
        add(m, str_text(&id), "", "");
        str_fini(&id);
    }
    manifest_seal(m);
    s = suite_new(m);
    assert_int_equal(s->scope_count, 1000);
    assert_int_equal(s->tests[1999].scope, s->tests[999].scope);
    suite_free(s);
    manifest_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suite_new_makes_a_tree_of_files_and_classes),
        cmocka_unit_test(test_suite_new_reads_marks_and_ignores_what_it_does_not_know),
        cmocka_unit_test(test_suite_new_keeps_together_what_flags_say),
        cmocka_unit_test(test_suite_new_keeps_a_thousand_files_apart),
    };

    return cmocka_run_group_tests_name("plan/suite", tests, NULL, NULL);
}
