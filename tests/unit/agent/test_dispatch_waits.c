/* What waits for a worker: one that idles beside a scope that is dear to enter, and a test that
 * must run again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench.h"

#define TESTS 8u

static uint32_t runs(struct dispatch *d)
{
    struct dispatch_fx fx;
    uint32_t count = 0;

    while (dispatch_next(d, &fx))
        count += fx.kind == DISPATCH_RUN;
    return count;
}

static struct dispatch *opened(struct bench *b, uint32_t workers)
{
    opens(b, TESTS, ONE_FILE, (struct dispatch_input){ .workers = workers, .restarts_max = 8 });
    return b->d;
}

/* One worker is in the file: the other waits for other work before it pays the set-up again. */
static void test_dispatch_waits_before_a_worker_joins_a_dear_scope(void **state)
{
    struct dispatch *d = opened(*state, 2);

    dispatch_scope(d, 0, 2000000);
    for (uint32_t i = 0; i < TESTS; i++)
        dispatch_grant(d, i, 1000000);
    dispatch_granted(d);
    assert_true(dispatch_heard(d, 0, WORKER_EV_HELLO, 0, 0));
    assert_true(dispatch_heard(d, 1, WORKER_EV_HELLO, 0, 0));
    assert_int_equal(runs(d), 1);
    assert_true(dispatch_waits(d));
    dispatch_alone(d);
    assert_int_equal(runs(d), 1);
    assert_false(dispatch_waits(d));
}

/* A condemned worker ends a test, and that does not count: the next worker gets it. */
static void test_dispatch_runs_a_test_again_when_its_last_try_does_not_count(void **state)
{
    struct dispatch *d = opened(*state, 1);

    dispatch_grant(d, 0, 1000000);
    dispatch_granted(d);
    assert_true(dispatch_heard(d, 0, WORKER_EV_HELLO, 0, 0));
    assert_true(dispatch_heard(d, 0, WORKER_EV_START, 0, 0));
    assert_int_equal(runs(d), 1);
    dispatch_condemn(d, 0);
    assert_true(dispatch_heard(d, 0, WORKER_EV_DONE, 0, 0));
    dispatch_again(d, 0);
    dispatch_again(d, 0); /* it waits already */
    assert_true(dispatch_heard(d, 0, WORKER_EV_BYE, 0, 0));
    assert_true(dispatch_heard(d, 0, WORKER_EV_GONE, 0, 0));
    assert_int_equal(runs(d), 0);
    assert_true(dispatch_heard(d, 1, WORKER_EV_HELLO, 0, 0));
    assert_int_equal(runs(d), 1);
    assert_int_equal(dispatch_worker(d, 1)->hand[0], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        bench_test(test_dispatch_waits_before_a_worker_joins_a_dear_scope),
        bench_test(test_dispatch_runs_a_test_again_when_its_last_try_does_not_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
