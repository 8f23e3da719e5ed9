#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/loop.h"
#include "http/offload.h"
#include "mem.h"

#define TASKS 1000u

struct fixture {
    struct loop *loop;
    struct offload *offload;
    uint32_t worked, done, refused;
    struct task *waiting; /* not taken yet */
};
struct task {
    struct fixture *fixture;
    uint32_t number;
    uint32_t worked_as;
};

static void work(void *ctx)
{
    struct task *task = ctx;

    task->worked_as = task->fixture->worked++; /* only the thread touches it */
}

static void done(void *ctx);

static void offer(struct fixture *f)
{
    while (f->waiting->number < TASKS) {
        if (!offload_run(f->offload, work, done, f->waiting)) {
            f->refused++;
            return;
        }
        f->waiting++;
    }
}

static void done(void *ctx)
{
    struct task *task = ctx;
    struct fixture *f = task->fixture;

    assert_int_equal(task->number, f->done);
    assert_int_equal(task->worked_as, task->number);
    if (++f->done == TASKS)
        loop_stop(f->loop);
    else
        offer(f); /* a done function may hand over more */
}

/* Everything is worked and delivered once, in order, and a full queue refuses. */
static void test_offload_delivers_in_order_and_refuses_when_full(void **state)
{
    struct fixture f = { 0 };
    struct err err = ERR_INIT;
    struct task *tasks = mem_new(TASKS + 1, sizeof(*tasks));

    (void)state;
    for (uint32_t i = 0; i <= TASKS; i++)
        tasks[i] = (struct task){ .fixture = &f, .number = i };
    assert_int_equal(loop_new(&f.loop, &err), ERR_NONE);
    f.offload = offload_new(f.loop);
    f.waiting = tasks;
    offer(&f);
    loop_run(f.loop);
    assert_int_equal(f.done, TASKS);
    assert_true(f.refused > 0);
    offload_free(f.offload);
    loop_free(f.loop);
    free(tasks);
}

static void count_done(void *ctx)
{
    struct task *task = ctx;

    task->fixture->done++;
}

/* What is queued at the end is finished and delivered, so that its owner can free it. */
static void test_offload_free_delivers_what_is_queued(void **state)
{
    struct fixture f = { 0 };
    struct task task = { .fixture = &f };
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(loop_new(&f.loop, &err), ERR_NONE);
    f.offload = offload_new(f.loop);
    for (uint32_t i = 0; i < OFFLOAD_QUEUE_MAX; i++)
        assert_true(offload_run(f.offload, work, count_done, &task));
    offload_free(f.offload);
    assert_int_equal(f.done, OFFLOAD_QUEUE_MAX);
    loop_free(f.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offload_delivers_in_order_and_refuses_when_full),
        cmocka_unit_test(test_offload_free_delivers_what_is_queued),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
