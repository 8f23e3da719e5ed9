#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/pressure.h"

#define MIB   ((uint64_t)1 << 20)
#define TOTAL (1000 * MIB)
#define LOW   (TOTAL / 16)
#define ROOM  (500 * MIB)

/* A machine of 1000 MiB and the workers on it; advice is followed at once. */
struct machine {
    struct pressure p;
    struct pressure_now now;
};

static struct machine machine_of(uint32_t workers)
{
    return (struct machine){ .now = { .now_ms = 100000,
                                      .total_bytes = TOTAL,
                                      .free_bytes = ROOM,
                                      .working = workers,
                                      .wanted = workers,
                                      .worker_bytes = 100 * MIB } };
}

static enum pressure_advice after(struct machine *m, uint64_t ms)
{
    enum pressure_advice advice;

    m->now.now_ms += ms;
    advice = pressure_step(&m->p, &m->now);
    switch (advice) {
    case PRESSURE_NOTHING:
        break;
    case PRESSURE_HOLD:
        m->now.working--;
        m->now.held++;
        break;
    case PRESSURE_RETIRE:
        m->now.held--;
        m->now.leaving++;
        break;
    case PRESSURE_RESUME:
        m->now.held--;
        m->now.working++;
        break;
    case PRESSURE_ADD:
        m->now.working++;
        break;
    }
    return advice;
}

static void test_pressure_holds_first_and_retires_later_down_to_one(void **state)
{
    struct machine m = machine_of(3);

    (void)state;
    assert_int_equal(after(&m, 500), PRESSURE_NOTHING);
    m.now.free_bytes = LOW - 1;
    assert_int_equal(after(&m, 100), PRESSURE_HOLD);
    assert_int_equal(after(&m, PRESSURE_HOLD_MS - 1), PRESSURE_NOTHING);
    assert_int_equal(after(&m, 1), PRESSURE_RETIRE);
    assert_int_equal(after(&m, 1), PRESSURE_NOTHING);
    m.now.leaving = 0; /* it has gone, and it is not enough */
    assert_int_equal(after(&m, 1), PRESSURE_HOLD);
    assert_int_equal(after(&m, PRESSURE_HOLD_MS), PRESSURE_RETIRE);
    m.now.leaving = 0;
    for (int i = 0; i < 100; i++)
        assert_int_equal(after(&m, 1000), PRESSURE_NOTHING);
    assert_int_equal(m.now.working, 1);
}

/* With next to nothing left, a held worker is not given time. */
static void test_pressure_retires_at_once_when_it_is_critical(void **state)
{
    struct machine m = machine_of(3);

    (void)state;
    m.now.free_bytes = 10 * MIB;
    assert_int_equal(after(&m, 100), PRESSURE_HOLD);
    assert_int_equal(after(&m, 0), PRESSURE_HOLD);
    assert_int_equal(after(&m, 0), PRESSURE_RETIRE);
    assert_int_equal(after(&m, 100), PRESSURE_NOTHING);
    assert_int_equal(m.now.working, 1);
}

/* Memory that goes fast is short before little is left. */
static void test_pressure_looks_ahead(void **state)
{
    struct machine m = machine_of(3);

    (void)state;
    m.now.free_bytes = 600 * MIB;
    assert_int_equal(after(&m, 500), PRESSURE_NOTHING);
    m.now.free_bytes = 500 * MIB; /* gone in 2.5 s */
    assert_int_equal(after(&m, 500), PRESSURE_NOTHING);
    m.now.free_bytes = 300 * MIB; /* gone in 0.75 s */
    assert_int_equal(after(&m, 500), PRESSURE_HOLD);
    assert_int_equal(after(&m, 100), PRESSURE_NOTHING);
    m.now.free_bytes = 230 * MIB; /* gone in 0.33 s */
    assert_int_equal(after(&m, 100), PRESSURE_HOLD);
    assert_int_equal(m.now.working, 1);
}

/* What waits in a long test does not keep the others from being held. */
/* What is left at one look may be gone before the next: then that comes sooner, and all but one
 * worker are held after one look. */
static void test_pressure_looks_more_often_the_sooner_all_is_gone(void **state)
{
    struct machine m = machine_of(4);

    (void)state;
    assert_int_equal(pressure_next_look_ms(&m.p, &m.now), PRESSURE_LOOK_MS);
    assert_int_equal(after(&m, 500), PRESSURE_NOTHING);
    assert_int_equal(pressure_next_look_ms(&m.p, &m.now), PRESSURE_LOOK_MS);
    m.now.free_bytes = 300 * MIB; /* 200 in half a second: 750 ms are left */
    assert_int_equal(after(&m, 500), PRESSURE_HOLD);
    assert_int_equal(pressure_next_look_ms(&m.p, &m.now), 750 / 4);
    m.now.free_bytes = 100 * MIB;
    assert_int_equal(after(&m, 187), PRESSURE_HOLD);
    assert_int_equal(pressure_next_look_ms(&m.p, &m.now), PRESSURE_LOOK_MIN_MS);
    assert_int_equal(after(&m, 0), PRESSURE_HOLD);
    assert_int_equal(m.now.working, 1);
    m.now.free_bytes = 100 * MIB + 1; /* it has stopped */
    (void)after(&m, 25);
    assert_int_equal(pressure_next_look_ms(&m.p, &m.now), PRESSURE_LOOK_NEAR_MS);
}

/* The next look may come as late as the last: what went between them may go once more, and again.
 */
static void test_pressure_looks_further_ahead_when_looks_come_late(void **state)
{
    struct machine m = machine_of(4);

    (void)state;
    (void)after(&m, 500);
    m.now.free_bytes = 301 * MIB; /* 199 in two seconds: all is gone in three */
    assert_int_equal(after(&m, 2000), PRESSURE_HOLD);
    assert_int_equal(after(&m, 0), PRESSURE_NOTHING);
    m.now.free_bytes = 140 * MIB; /* less is left than went: it may not last until the next look */
    assert_int_equal(after(&m, 2000), PRESSURE_HOLD);
    assert_int_equal(after(&m, 0), PRESSURE_HOLD);
    assert_int_equal(m.now.working, 1);
}

static void test_pressure_goes_on_while_one_is_slow_to_leave(void **state)
{
    struct machine m = machine_of(3);

    (void)state;
    m.now.free_bytes = LOW - 1;
    assert_int_equal(after(&m, 100), PRESSURE_HOLD);
    assert_int_equal(after(&m, PRESSURE_HOLD_MS), PRESSURE_RETIRE);
    assert_int_equal(after(&m, PRESSURE_RETIRE_MS), PRESSURE_HOLD);
}

static void test_pressure_recovers_step_by_step(void **state)
{
    struct machine m = machine_of(3);

    (void)state;
    m.now.free_bytes = LOW - 1;
    assert_int_equal(after(&m, 100), PRESSURE_HOLD);
    assert_int_equal(after(&m, PRESSURE_HOLD_MS), PRESSURE_RETIRE);
    m.now.leaving = 0;
    assert_int_equal(after(&m, 1), PRESSURE_HOLD);
    m.now.free_bytes = ROOM;
    assert_int_equal(after(&m, 1), PRESSURE_NOTHING);
    assert_int_equal(after(&m, PRESSURE_CALM_MS), PRESSURE_RESUME);
    assert_int_equal(after(&m, PRESSURE_ADD_MS - 1), PRESSURE_NOTHING);
    assert_int_equal(after(&m, 1), PRESSURE_ADD);
    assert_int_equal(after(&m, PRESSURE_ADD_MS), PRESSURE_NOTHING);
    assert_int_equal(m.now.working, 3);
}

/* Room for new tests is not room for a worker. */
static void test_pressure_adds_only_where_a_worker_fits(void **state)
{
    struct machine m = machine_of(1);

    (void)state;
    m.now.wanted = 2;
    m.now.free_bytes = 2 * LOW + 30 * MIB;
    assert_int_equal(after(&m, 1), PRESSURE_NOTHING);
    assert_int_equal(after(&m, 10 * PRESSURE_ADD_MS), PRESSURE_NOTHING);
    m.now.free_bytes = 300 * MIB;
    assert_int_equal(after(&m, 1), PRESSURE_ADD);
}

/* A held worker may own tests that nobody else may run: it is not held for ever. */
static void test_pressure_never_holds_for_ever(void **state)
{
    struct machine m = machine_of(2);

    (void)state;
    m.now.free_bytes = LOW - 1;
    assert_int_equal(after(&m, 100), PRESSURE_HOLD);
    m.now.free_bytes = LOW + 1;
    assert_int_equal(after(&m, PRESSURE_STUCK_MS - 1), PRESSURE_NOTHING);
    assert_int_equal(after(&m, 1), PRESSURE_RETIRE);
    m = machine_of(2);
    m.now.free_bytes = LOW - 1;
    assert_int_equal(after(&m, 100), PRESSURE_HOLD);
    m.now.working = 0; /* the other one died */
    assert_int_equal(after(&m, 1), PRESSURE_RESUME);
}

/* Waiting for memory counts where there is little; a neighbour's does not. */
static void test_pressure_believes_a_stall_when_memory_is_not_plenty(void **state)
{
    struct machine m = machine_of(2);

    (void)state;
    m.now.stalled = true;
    assert_int_equal(after(&m, 100), PRESSURE_NOTHING);
    m.now.free_bytes = 200 * MIB;
    assert_int_equal(after(&m, 100), PRESSURE_HOLD);
}

static void test_pressure_does_nothing_where_nothing_is_known(void **state)
{
    struct machine m = machine_of(2);

    (void)state;
    m.now.total_bytes = m.now.free_bytes = 0;
    assert_int_equal(after(&m, 100), PRESSURE_NOTHING);
    assert_int_equal(pressure_low_bytes(64 * MIB), 32 * MIB);
    assert_int_equal(pressure_low_bytes(1000000 * MIB), 1024 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pressure_holds_first_and_retires_later_down_to_one),
        cmocka_unit_test(test_pressure_retires_at_once_when_it_is_critical),
        cmocka_unit_test(test_pressure_looks_ahead),
        cmocka_unit_test(test_pressure_looks_more_often_the_sooner_all_is_gone),
        cmocka_unit_test(test_pressure_looks_further_ahead_when_looks_come_late),
        cmocka_unit_test(test_pressure_goes_on_while_one_is_slow_to_leave),
        cmocka_unit_test(test_pressure_recovers_step_by_step),
        cmocka_unit_test(test_pressure_adds_only_where_a_worker_fits),
        cmocka_unit_test(test_pressure_never_holds_for_ever),
        cmocka_unit_test(test_pressure_believes_a_stall_when_memory_is_not_plenty),
        cmocka_unit_test(test_pressure_does_nothing_where_nothing_is_known),
    };

    return cmocka_run_group_tests_name("agent/pressure", tests, NULL, NULL);
}
