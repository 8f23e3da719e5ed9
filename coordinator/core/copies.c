#include "core/copies.h"

#include "core/places.h"
#include "mem.h"
#include "plan/copy.h"

struct copy *copies_find(const struct run *run, uint32_t test, uint32_t session)
{
    for (uint32_t i = 0; i < run->copy_count; i++)
        if (run->copies[i].test == test && run->copies[i].session == session)
            return &run->copies[i];
    return NULL;
}

static struct copy *copy_of(const struct run *run, uint32_t test)
{
    for (uint32_t i = 0; i < run->copy_count; i++)
        if (run->copies[i].test == test)
            return &run->copies[i];
    return NULL;
}

bool copies_may_give(const struct run *run, uint32_t test, uint32_t session)
{
    const struct run_test *t = &run->tests[test];
    const struct session *s = run->sessions[session];

    return t->place == TEST_STARTED && t->session != session && s->state == SESSION_LIVE &&
           s->speculate && run->sessions[t->session]->speculate && !session_lacks(s, test) &&
           t->copies < COPIES_OF_TEST_MAX && pool_may_copy(run->pool, test) && !copy_of(run, test);
}

void copies_give(struct run *run, uint32_t test, uint32_t session, uint64_t fence)
{
    run->copies =
        mem_grow(run->copies, &run->copy_cap, (size_t)run->copy_count + 1, sizeof(*run->copies));
    run->copies[run->copy_count++] =
        (struct copy){ .test = test, .session = session, .fence = fence };
    run->sessions[session]->copy_count++;
    run->tests[test].copies++;
    run->copies_given++;
}

void copies_drop(struct run *run, struct copy *copy)
{
    run->sessions[copy->session]->copy_count--;
    *copy = run->copies[--run->copy_count];
}

void copies_drop_of(struct run *run, uint32_t session, enum copies_which which)
{
    for (uint32_t i = run->copy_count; i-- > 0;)
        if (run->copies[i].session == session && (which == COPIES_ALL || !run->copies[i].started))
            copies_drop(run, &run->copies[i]);
}

static void tell_abandon(struct run *run, uint32_t test, uint32_t session)
{
    struct session *s = run->sessions[session];
    struct session_order *order;

    if (!session_lives(s) || s->ended)
        return;
    order = order_make(s, ORDER_ABANDON);
    order->tests = mem_new(1, sizeof(*order->tests));
    order->tests[0] = test;
    order->test_count = 1;
}

void copies_settle(struct run *run, uint32_t test, uint32_t session)
{
    const struct run_test *t = &run->tests[test];
    struct copy *copy = copy_of(run, test);

    if (!copy)
        return;
    if (copy->session == session)
        run->copies_won++;
    else
        tell_abandon(run, test, copy->session);
    if ((t->place == TEST_HELD || t->place == TEST_STARTED) && t->session != session)
        tell_abandon(run, test, t->session);
    copies_drop(run, copy);
}

void copies_take_over(struct run *run, uint32_t test)
{
    struct copy *found = copy_of(run, test);
    struct copy copy;

    if (!found)
        return;
    copy = *found;
    copies_drop(run, found);
    places_give(run, test, copy.session, copy.fence);
    if (copy.started)
        places_start(run, test);
}
