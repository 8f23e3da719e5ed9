#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/paid.h"

/* A price paid by three workers is a third each on entry, and once in the least that is due; what
 * is wider than a file is due as it was. */
static void test_paid_shares_a_price_among_those_who_paid(void **state)
{
    static const char *const ids[] = { "a.py::C::1", "a.py::2", "b.py::3" };
    struct manifest *m = manifest_new();
    struct suite *suite;
    struct paid *paid;
    struct err err = ERR_INIT;
    uint32_t file, klass;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        assert_int_equal(manifest_add(m, view_of(ids[i]), view_of(""), view_of(""), &err),
                         ERR_NONE);
    manifest_seal(m);
    suite = suite_new(m);
    paid = paid_new(suite);
    file = suite_find_scope(suite, "module", "a.py");
    klass = suite_find_scope(suite, "class", "a.py::C");
    for (int i = 0; i < 3; i++)
        paid_add(paid, "module", "a.py", 100);
    paid_add(paid, "class", "a.py::C", 40);
    paid_add(paid, "session", "", 7);
    assert_int_equal(paid_entry_us(paid, file), 0);
    paid_ran(paid, 0, 0);
    paid_ran(paid, 0, 0);
    paid_ran(paid, 1, 1);
    paid_ran(paid, 1, 2);
    assert_int_equal(paid_entry_us(paid, file), 100);
    assert_int_equal(paid_entry_us(paid, klass), 40);
    assert_int_equal(paid_least_us(paid), 147);
    paid_free(paid);
    suite_free(suite);
    manifest_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paid_shares_a_price_among_those_who_paid),
    };

    return cmocka_run_group_tests_name("agent/paid", tests, NULL, NULL);
}
