/* The modes of one machine: several tests in a worker, everything in every worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench.h"

#define TESTS 10u

/* Ten tests of a file, granted. */
static void granted(struct bench *b, struct dispatch_input in)
{
    in.restarts_max = 4;
    opens(b, TESTS, ONE_FILE, in);
    grant_all(b, 1000000);
}

/* Up to max tests; returns how many. */
static uint32_t run(struct bench *b, uint32_t slot, uint32_t max)
{
    uint32_t ran = 0;

    while (ran < max && dispatch_worker(b->d, slot)->hand_count > 0) {
        uint32_t test = dispatch_worker(b->d, slot)->hand[0];

        heard(b, slot, WORKER_EV_START, test);
        heard(b, slot, WORKER_EV_DONE, test);
        ran++;
    }
    return ran;
}

/* A worker with threads has as many tests as it can run; when it dies in them, the first to begin
 * is named and the others run again. */
static void test_dispatch_fills_threads_and_names_one_test_when_the_worker_dies(void **state)
{
    struct bench *b = *state;

    granted(b, (struct dispatch_input){ .workers = 1, .threads = 3 });
    assert_int_equal(dispatch_free_workers(b->d), 0);
    heard(b, 0, WORKER_EV_HELLO, 0);
    assert_int_equal(b->runs, 3);
    heard(b, 0, WORKER_EV_START, dispatch_worker(b->d, 0)->hand[1]);
    heard(b, 0, WORKER_EV_START, dispatch_worker(b->d, 0)->hand[1]);
    heard(b, 0, WORKER_EV_GONE, 0);
    assert_int_equal(b->crashes, 1);
    heard(b, 1, WORKER_EV_HELLO, 0);
    assert_int_equal(run(b, 1, UINT32_MAX), TESTS - 1);
}

/* Every worker runs everything; the successor of one that died goes on where that one was, even
 * when all tests have a result by then. */
static void run_everything_in_each(struct bench *b, bool warm)
{
    granted(b, (struct dispatch_input){
                   .workers = 2, .each = true, .settle_when_dry = true, .warm = warm });
    assert_int_equal(b->forks, 2);
    heard(b, 0, WORKER_EV_HELLO, 0);
    heard(b, 1, WORKER_EV_HELLO, 0);
    assert_int_equal(run(b, 0, UINT32_MAX), TESTS);
    dispatch_end(b->d);
    count_effects(b);
    assert_int_equal(run(b, 1, 4), 4);
    heard(b, 1, WORKER_EV_START, dispatch_worker(b->d, 1)->hand[0]);
    heard(b, 1, WORKER_EV_GONE, 0);
    assert_int_equal(b->crashes, 1);
    assert_int_equal(b->forks, 3);
    heard(b, 2, WORKER_EV_HELLO, 0);
    assert_int_equal(run(b, 2, UINT32_MAX), TESTS - 5);
    for (uint32_t slot = 0; slot < 3; slot += 2) {
        heard(b, slot, WORKER_EV_BYE, 0);
        heard(b, slot, WORKER_EV_GONE, 0);
    }
    assert_int_equal(b->forks, 3);
    assert_int_equal(b->empties, 1);
}

static void test_dispatch_runs_everything_in_each_worker_when_asked(void **state)
{
    run_everything_in_each(*state, false);
}

/* Nobody is hired after the end but for what a lost worker has left. */
static void test_dispatch_runs_everything_in_each_of_the_workers_that_start_early(void **state)
{
    run_everything_in_each(*state, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        bench_test(test_dispatch_fills_threads_and_names_one_test_when_the_worker_dies),
        bench_test(test_dispatch_runs_everything_in_each_worker_when_asked),
        bench_test(test_dispatch_runs_everything_in_each_of_the_workers_that_start_early),
    };

    return cmocka_run_group_tests_name("agent/dispatch-modes", tests, NULL, NULL);
}
