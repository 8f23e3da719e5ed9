/* The modes of one machine: several tests in a worker, everything in every worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/dispatch.h"

#define TESTS 10u

struct bench {
    struct manifest *manifest;
    struct suite *suite;
    struct dispatch *d;
    uint32_t forks, runs, crashes, empties;
};

static void count_effects(struct bench *b)
{
    struct dispatch_fx fx;

    while (dispatch_next(b->d, &fx)) {
        b->forks += fx.kind == DISPATCH_FORK;
        b->runs += fx.kind == DISPATCH_RUN;
        b->crashes += fx.kind == DISPATCH_CRASH;
        b->empties += fx.kind == DISPATCH_EMPTY;
    }
}

static void set_up(struct bench *b, struct dispatch_input in)
{
    struct err err = ERR_INIT;

    *b = (struct bench){ .manifest = manifest_new() };
    for (uint32_t i = 0; i < TESTS; i++) {
        struct str id = STR_MAX(64);

        assert_int_equal(str_addf(&id, &err, "f.py::t%u", i), ERR_NONE);
        assert_int_equal(
            manifest_add(b->manifest, view_of(str_text(&id)), view_of(""), view_of(""), &err),
            ERR_NONE);
        str_fini(&id);
    }
    manifest_seal(b->manifest);
    b->suite = suite_new(b->manifest);
    in.suite = b->suite;
    in.restarts_max = 4;
    b->d = dispatch_new(&in);
    for (uint32_t i = 0; i < TESTS; i++)
        dispatch_grant(b->d, i, 1000000);
    dispatch_granted(b->d);
    count_effects(b);
}

static void tear_down(struct bench *b)
{
    dispatch_free(b->d);
    suite_free(b->suite);
    manifest_free(b->manifest);
}

static void heard(struct bench *b, uint32_t slot, enum worker_event event, uint32_t test)
{
    assert_true(dispatch_heard(b->d, slot, event, test, 1000));
    count_effects(b);
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
    struct bench b;

    (void)state;
    set_up(&b, (struct dispatch_input){ .workers = 1, .threads = 3 });
    assert_int_equal(dispatch_free_workers(b.d), 0);
    heard(&b, 0, WORKER_EV_HELLO, 0);
    assert_int_equal(b.runs, 3);
    heard(&b, 0, WORKER_EV_START, dispatch_worker(b.d, 0)->hand[1]);
    heard(&b, 0, WORKER_EV_START, dispatch_worker(b.d, 0)->hand[1]);
    heard(&b, 0, WORKER_EV_GONE, 0);
    assert_int_equal(b.crashes, 1);
    heard(&b, 1, WORKER_EV_HELLO, 0);
    assert_int_equal(run(&b, 1, UINT32_MAX), TESTS - 1);
    tear_down(&b);
}

/* Every worker runs everything; the successor of one that died goes on where that one was, even
 * when all tests have a result by then. */
static void run_everything_in_each(bool warm)
{
    struct bench b;

    set_up(&b, (struct dispatch_input){
                   .workers = 2, .each = true, .settle_when_dry = true, .warm = warm });
    assert_int_equal(b.forks, 2);
    heard(&b, 0, WORKER_EV_HELLO, 0);
    heard(&b, 1, WORKER_EV_HELLO, 0);
    assert_int_equal(run(&b, 0, UINT32_MAX), TESTS);
    dispatch_end(b.d);
    count_effects(&b);
    assert_int_equal(run(&b, 1, 4), 4);
    heard(&b, 1, WORKER_EV_START, dispatch_worker(b.d, 1)->hand[0]);
    heard(&b, 1, WORKER_EV_GONE, 0);
    assert_int_equal(b.crashes, 1);
    assert_int_equal(b.forks, 3);
    heard(&b, 2, WORKER_EV_HELLO, 0);
    assert_int_equal(run(&b, 2, UINT32_MAX), TESTS - 5);
    for (uint32_t slot = 0; slot < 3; slot += 2) {
        heard(&b, slot, WORKER_EV_BYE, 0);
        heard(&b, slot, WORKER_EV_GONE, 0);
    }
    assert_int_equal(b.forks, 3);
    assert_int_equal(b.empties, 1);
    tear_down(&b);
}

static void test_dispatch_runs_everything_in_each_worker_when_asked(void **state)
{
    (void)state;
    run_everything_in_each(false);
}

/* Nobody is hired after the end but for what a lost worker has left. */
static void test_dispatch_runs_everything_in_each_of_the_workers_that_start_early(void **state)
{
    (void)state;
    run_everything_in_each(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dispatch_fills_threads_and_names_one_test_when_the_worker_dies),
        cmocka_unit_test(test_dispatch_runs_everything_in_each_worker_when_asked),
        cmocka_unit_test(test_dispatch_runs_everything_in_each_of_the_workers_that_start_early),
    };

    return cmocka_run_group_tests_name("agent/dispatch-modes", tests, NULL, NULL);
}
