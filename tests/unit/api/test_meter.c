#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/meter.h"

/* A time on an edge is in the bucket of that edge, as "le" says; what is over the last edge is only
 * in the count. */
static void test_meter_puts_a_time_into_one_bucket(void **state)
{
    struct meter *meter = meter_new(2);
    const struct meter_row *row = meter_row(meter, 1);

    (void)state;
    meter_note(meter, 1, 200, 0);
    meter_note(meter, 1, 200, 1000);
    meter_note(meter, 1, 404, 1001);
    meter_note(meter, 1, 0, meter_edges_us[METER_BUCKETS - 1] + 1);
    assert_int_equal(row->buckets[0], 2);
    assert_int_equal(row->buckets[1], 1);
    assert_int_equal(row->buckets[METER_BUCKETS - 1], 0);
    assert_int_equal(row->count, 4);
    assert_int_equal(row->took_us, 2002 + meter_edges_us[METER_BUCKETS - 1]);
    assert_int_equal(row->by_status[200], 2);
    assert_int_equal(row->by_status[404], 1);
    assert_int_equal(row->by_status[0], 1);
    assert_int_equal(meter_row(meter, 0)->count, 0);
    meter_free(meter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meter_puts_a_time_into_one_bucket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
