#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/limit.h"

static const struct limit_rules rules = {
    .test_ms = 1000, .stall_ms = 60000, .stopped_ms = 5000, .grace_ms = 3000
};
static const struct limit_rules no_rules = { .stopped_ms = 5000, .grace_ms = 3000 };
static const struct limit_test second = { .ms = 1000 };

static struct limit_test second_from(uint64_t begun_ms)
{
    return (struct limit_test){ .ms = 1000, .begun_ms = begun_ms };
}

/* A worker that is up, and its limit. */
struct watched {
    struct worker worker;
    struct limit limit;
};

static int set_up(void **state)
{
    static struct watched at;

    at = (struct watched){ .limit = { .wait = LIMIT_REST } };
    worker_init(&at.worker);
    (void)worker_step(&at.worker, WORKER_EV_HELLO, 0);
    *state = &at;
    return 0;
}

static void step(struct watched *at, enum worker_event event, uint32_t test)
{
    (void)worker_step(&at->worker, event, test);
}

static void see(struct watched *at, struct limit_test test, uint64_t now_ms)
{
    limit_see(&at->limit, &at->worker, test, now_ms);
}

static void start(struct watched *at, uint32_t test, uint64_t now_ms)
{
    step(at, WORKER_EV_RUN, test);
    see(at, second, now_ms);
    step(at, WORKER_EV_START, test);
    see(at, second_from(now_ms), now_ms);
}

static void done(struct watched *at, uint32_t test, uint64_t now_ms)
{
    step(at, WORKER_EV_DONE, test);
    see(at, second, now_ms);
}

static uint64_t due_ms(const struct watched *at)
{
    return limit_due_ms(&at->limit, &rules);
}

static enum limit_fx tick(struct watched *at, uint64_t now_ms)
{
    return limit_tick(&at->limit, &rules, now_ms);
}

/* Stacks first, then SIGTERM, then after the grace SIGKILL, each once. */
static void test_limit_tick_goes_step_by_step_when_a_test_is_over_its_time(void **state)
{
    struct watched *at = *state;

    start(at, 7, 100);
    assert_int_equal(due_ms(at), 1100);
    assert_int_equal(tick(at, 1099), LIMIT_FX_NONE);
    assert_int_equal(tick(at, 1100), LIMIT_FX_DUMP);
    assert_int_equal(tick(at, 1100), LIMIT_FX_NONE);
    assert_int_equal(tick(at, 1100 + LIMIT_DUMP_MS), LIMIT_FX_TERM);
    assert_int_equal(tick(at, 1100 + LIMIT_DUMP_MS + 2999), LIMIT_FX_NONE);
    assert_int_equal(tick(at, 1100 + LIMIT_DUMP_MS + 3000), LIMIT_FX_KILL);
    assert_int_equal(due_ms(at), LIMIT_NEVER);
    assert_int_equal(at->limit.subject, 7);
    assert_int_equal(at->limit.wait, LIMIT_TEST);
}

/* Each test has the whole of its time, also when the next one was named while it ran. */
static void test_limit_see_starts_anew_when_the_next_test_begins(void **state)
{
    struct watched *at = *state;

    start(at, 1, 0);
    step(at, WORKER_EV_RUN, 2);
    see(at, second, 500);
    assert_int_equal(due_ms(at), 1000);
    done(at, 1, 900);
    step(at, WORKER_EV_START, 2);
    see(at, second_from(950), 950);
    assert_int_equal(due_ms(at), 1950);
    done(at, 2, 1000);
    assert_int_equal(due_ms(at), LIMIT_NEVER); /* it waits for us */
}

/* Of tests that run side by side each has its own time: the oldest is due first, then the next. */
static void test_limit_see_goes_by_the_start_of_each_when_tests_run_side_by_side(void **state)
{
    struct watched *at = *state;

    at->worker.threads = 2;
    step(at, WORKER_EV_RUN, 1);
    step(at, WORKER_EV_RUN, 2);
    step(at, WORKER_EV_START, 1);
    see(at, second_from(100), 100);
    step(at, WORKER_EV_START, 2);
    see(at, second_from(100), 300);
    assert_int_equal(due_ms(at), 1100);
    step(at, WORKER_EV_DONE, 1);
    see(at, second_from(300), 900);
    assert_int_equal(at->limit.subject, 2);
    assert_int_equal(due_ms(at), 1300);
}

/* Fixtures that go down between tests have the time of the test before, in whose name they go. */
static void test_limit_see_blames_the_last_test_when_teardown_is_stuck(void **state)
{
    struct watched *at = *state;

    start(at, 1, 0);
    done(at, 1, 10);
    step(at, WORKER_EV_RUN, 2);
    see(at, second, 20);
    assert_int_equal(at->limit.wait, LIMIT_ANSWER);
    assert_int_equal(at->limit.subject, 1);
    assert_int_equal(due_ms(at), 1020 + LIMIT_SLACK_MS);
    see(at, (struct limit_test){ .ms = 0 }, 30); /* no change: the time goes on */
    assert_int_equal(due_ms(at), 1020 + LIMIT_SLACK_MS);
}

/* The end of a session belongs to no test: reports and coverage may take their time. */
static void test_limit_see_uses_the_stall_time_when_a_session_ends(void **state)
{
    struct watched *at = *state;

    start(at, 1, 0);
    done(at, 1, 10);
    step(at, WORKER_EV_QUIT, 0);
    see(at, second, 20);
    assert_int_equal(at->limit.subject, 1);
    assert_int_equal(due_ms(at), 1020 + LIMIT_SLACK_MS);
    step(at, WORKER_EV_IDLE, 0);
    see(at, second, 500);
    assert_int_equal(at->limit.subject, WORKER_NO_TEST);
    assert_int_equal(due_ms(at), 60500);
}

/* Nobody asked for limits: a test may run for ever, and nothing is due. */
static void test_limit_due_is_never_when_nothing_was_asked(void **state)
{
    struct watched *at = *state;

    step(at, WORKER_EV_RUN, 1);
    see(at, (struct limit_test){ .ms = 0 }, 0);
    assert_int_equal(limit_due_ms(&at->limit, &no_rules), LIMIT_NEVER);
    step(at, WORKER_EV_START, 1);
    see(at, (struct limit_test){ .ms = 0 }, 0);
    assert_int_equal(limit_due_ms(&at->limit, &no_rules), LIMIT_NEVER);
}

/* A stopped process has its own short time, whatever it was doing; going on ends that. */
static void test_limit_stopped_is_due_when_nobody_continues_it(void **state)
{
    struct watched *at = *state;

    start(at, 1, 100);
    limit_stopped(&at->limit, 600);
    assert_int_equal(due_ms(at), 5600);
    limit_continued(&at->limit, 2600);
    assert_int_equal(due_ms(at), 3100); /* what it lost is given back */
    limit_stopped(&at->limit, 3000);
    assert_int_equal(tick(at, 8000), LIMIT_FX_DUMP);
    assert_true(at->limit.was_stopped);
    limit_continued(&at->limit, 8001); /* our own doing, so that it can show its stacks */
    assert_int_equal(tick(at, 8000 + LIMIT_DUMP_MS), LIMIT_FX_TERM);
}

/* A laptop that was closed, an agent that was stopped: nobody's time has passed. */
static void test_limit_shift_moves_what_is_due_when_all_stood_still(void **state)
{
    struct watched *at = *state;

    start(at, 1, 100);
    limit_shift(&at->limit, 100000);
    assert_int_equal(due_ms(at), 101100);
}

/* What a worker is being ended for stands, whatever it still says. */
static void test_limit_see_changes_nothing_when_it_is_being_ended(void **state)
{
    struct watched *at = *state;

    start(at, 1, 0);
    assert_int_equal(tick(at, 1000), LIMIT_FX_DUMP);
    done(at, 1, 1100);
    assert_int_equal(at->limit.subject, 1);
    assert_int_equal(at->limit.wait, LIMIT_TEST);
    assert_int_equal(tick(at, 1000 + LIMIT_DUMP_MS), LIMIT_FX_TERM);
}

/* A test's own limit beats the default, 0 takes it away; nonsense is as if it were not there. */
static void test_limit_of_flags_reads_marks_when_there_are_some(void **state)
{
    (void)state;
    assert_int_equal(limit_of_flags("", 5).ms, 5);
    assert_int_equal(limit_of_flags("serial,timeout=250,mutex=a", 5).ms, 250);
    assert_int_equal(limit_of_flags("timeout=0", 5).ms, 0);
    assert_int_equal(limit_of_flags("timeout=", 5).ms, 5);
    assert_int_equal(limit_of_flags("timeout=-1", 5).ms, 5);
    assert_int_equal(limit_of_flags("timeout=99999999999999999999999", 5).ms, LIMIT_MS_MAX);
    assert_false(limit_of_flags("timeout=250", 5).backstop);
    assert_true(limit_of_flags("backstop=9000", 5).backstop);
    assert_int_equal(limit_of_flags("backstop=9000", 5).ms, 9000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_limit_tick_goes_step_by_step_when_a_test_is_over_its_time,
                               set_up),
        cmocka_unit_test_setup(test_limit_see_starts_anew_when_the_next_test_begins, set_up),
        cmocka_unit_test_setup(test_limit_see_goes_by_the_start_of_each_when_tests_run_side_by_side,
                               set_up),
        cmocka_unit_test_setup(test_limit_see_blames_the_last_test_when_teardown_is_stuck, set_up),
        cmocka_unit_test_setup(test_limit_see_uses_the_stall_time_when_a_session_ends, set_up),
        cmocka_unit_test_setup(test_limit_due_is_never_when_nothing_was_asked, set_up),
        cmocka_unit_test_setup(test_limit_stopped_is_due_when_nobody_continues_it, set_up),
        cmocka_unit_test_setup(test_limit_shift_moves_what_is_due_when_all_stood_still, set_up),
        cmocka_unit_test_setup(test_limit_see_changes_nothing_when_it_is_being_ended, set_up),
        cmocka_unit_test(test_limit_of_flags_reads_marks_when_there_are_some),
    };

    return cmocka_run_group_tests_name("limit", tests, NULL, NULL);
}
