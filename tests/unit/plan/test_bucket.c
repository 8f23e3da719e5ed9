#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "chance.h"
#include "plan/bucket.h"

#define ITEMS 500u

static void test_bucket_of_grows_with_size_within_a_sixteenth(void **state)
{
    uint16_t last = 0;

    (void)state;
    assert_int_equal(bucket_of(0), 0);
    for (uint64_t v = 1; v < (uint64_t)1 << 60; v += 1 + v / 40) {
        assert_true(bucket_of(v) >= last && bucket_of(v) < BUCKET_COUNT);
        assert_true(bucket_of(v + v / 16 + 1) > bucket_of(v));
        last = bucket_of(v);
    }
    assert_true(bucket_of(UINT64_MAX) < BUCKET_COUNT);
}

/* Whatever comes and goes, a walk meets each that is in once, largest first. */
static void test_bucket_walk_meets_everyone_in_order(void **state)
{
    static struct bucket_queue q;
    struct bucket_link links[ITEMS];
    uint64_t size_us[ITEMS] = { 0 }, chance = 7;
    bool in[ITEMS] = { false };

    (void)state;
    bucket_init(&q);
    assert_int_equal(bucket_first(&q), BUCKET_NONE);
    for (uint32_t step = 0; step < 20000; step++) {
        uint32_t i = chance_below(&chance, ITEMS), met = 0, count = 0;

        if (in[i]) {
            bucket_remove(&q, links, i);
        } else {
            size_us[i] = chance_next(&chance) >> chance_below(&chance, 64);
            bucket_add(&q, links, i, size_us[i]);
        }
        in[i] = !in[i];
        if (step % 100)
            continue;
        for (uint32_t k = bucket_first(&q), last = BUCKET_COUNT; k != BUCKET_NONE;
             k = bucket_next(&q, links, k), met++) {
            assert_true(in[k] && links[k].bucket <= last);
            last = links[k].bucket;
        }
        for (uint32_t k = 0; k < ITEMS; k++)
            count += in[k];
        assert_int_equal(met, count);
    }
}

static void test_bucket_keeps_the_order_of_coming_among_equals(void **state)
{
    static struct bucket_queue q;
    struct bucket_link links[3];

    (void)state;
    bucket_init(&q);
    bucket_add(&q, links, 2, 1000);
    bucket_add(&q, links, 0, 1000);
    bucket_add(&q, links, 1, 1000);
    assert_int_equal(bucket_first(&q), 2);
    assert_int_equal(bucket_next(&q, links, 2), 0);
    assert_int_equal(bucket_next(&q, links, 0), 1);
    assert_int_equal(bucket_next(&q, links, 1), BUCKET_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bucket_of_grows_with_size_within_a_sixteenth),
        cmocka_unit_test(test_bucket_walk_meets_everyone_in_order),
        cmocka_unit_test(test_bucket_keeps_the_order_of_coming_among_equals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
