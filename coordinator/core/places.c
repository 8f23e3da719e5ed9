#include "core/places.h"

#include <stdlib.h>
#include <string.h>

#include "core/copies.h"
#include "core/decide.h"
#include "core/ledger.h"
#include "mem.h"
#include "plan/suite.h"

struct pool *seal_pool(const struct seal_facts *facts)
{
    struct suite *suite = suite_new(facts->manifest);
    struct pool_input in = { 0 };
    struct pool *pool;

    for (uint32_t i = 0; i < suite->test_count; i++)
        suite->tests[i].cost_us = facts->costs_us[i];
    for (uint32_t i = 0; i < suite->scope_count && i < facts->scope_count; i++)
        suite->scopes[i].setup_us = facts->scope_us[i];
    in.tests = suite->tests;
    in.test_count = suite->test_count;
    in.scopes = suite->scopes;
    in.scope_count = suite->scope_count;
    in.policy = POOL_AUTO;
    pool = pool_new(&in);
    suite_free(suite);
    return pool;
}

static void carry(struct run *run)
{
    for (uint32_t i = 0; i < run->test_count && i < run->carried_count; i++) {
        const struct carried *c = &run->carried[i];

        if (c->outcome == OUTCOME_NONE)
            continue;
        ledger_carry(run, i, c);
    }
}

static struct run_test test_free(void)
{
    return (struct run_test){ .session = SESSION_NONE, .prev = POOL_NONE, .next = POOL_NONE };
}

void places_seal(struct run *run, struct change_seal *seal)
{
    INVARIANT(!run->manifest && seal->manifest && seal->manifest->count == seal->test_count);
    run->manifest = seal->manifest;
    seal->manifest = NULL;
    run->test_count = run->sealed_count = run->manifest->count;
    run->lanes = lanes_of(run->manifest);
    run->wide = seal->wide;
    run->pool = seal->pool ? seal->pool
                           : seal_pool(&(struct seal_facts){ .manifest = run->manifest,
                                                             .costs_us = seal->costs_us,
                                                             .scope_us = seal->scope_us,
                                                             .scope_count = seal->scope_count });
    seal->pool = NULL;
    run->highs_us = seal->highs_us;
    seal->highs_us = NULL;
    for (uint32_t i = 0; i < seal->first.count; i++)
        pool_hurry(run->pool, seal->first.at[i]);
    run->startup_us = seal->startup_us;
    run->heavy = seal->heavy;
    run->heavy_count = seal->heavy_count;
    seal->heavy = NULL;
    seal->heavy_count = 0;
    run->costs_us = seal->costs_us;
    seal->costs_us = NULL;
    run->tests = mem_new(run->test_count, sizeof(*run->tests));
    for (uint32_t i = 0; i < run->test_count; i++)
        run->tests[i] = test_free();
    for (uint32_t i = 0; i < run->session_count; i++)
        if (session_lives(run->sessions[i]) && !run->sessions[i]->late)
            places_join(run, i);
    run->state = RUN_RUNNING;
    if (!run->wide)
        carry(run);
    free(run->carried);
    run->carried = NULL;
    run->carried_count = 0;
}

void places_grow(struct run *run, uint64_t cost_us)
{
    uint32_t before = run->test_count, count = run->manifest->count;
    struct suite *suite = suite_new(run->manifest);
    struct pool *pool;

    run->tests = mem_resize(run->tests, count, sizeof(*run->tests));
    run->costs_us = mem_resize(run->costs_us, count, sizeof(*run->costs_us));
    if (run->highs_us)
        run->highs_us = mem_resize(run->highs_us, count, sizeof(*run->highs_us));
    for (uint32_t i = before; i < count; i++) {
        run->tests[i] = test_free();
        run->costs_us[i] = suite->tests[i].cost_us = cost_us;
        if (run->highs_us)
            run->highs_us[i] = 0;
    }
    pool = pool_grown(run->pool, &(struct pool_input){ .tests = suite->tests,
                                                       .test_count = count,
                                                       .scopes = suite->scopes,
                                                       .scope_count = suite->scope_count,
                                                       .policy = POOL_AUTO });
    pool_free(run->pool);
    run->pool = pool;
    run->test_count = run->lanes.tests = count; /* there is one lane */
    for (uint32_t i = before; i < count; i++)
        pool_put_back(pool, i);
    suite_free(suite);
}

void places_join(struct run *run, uint32_t session)
{
    if (!run->pool)
        return;
    pool_join(run->pool, session, run->sessions[session]->workers, 1000000);
    places_expect(run);
}

void places_started(struct run *run, uint32_t session)
{
    struct session *s = run->sessions[session];

    if (!run->pool || s->late || !session_lives(s) || s->collected_ms < s->joined_ms ||
        session_is_again(s)) /* it collected in its first life */
        return;
    pace_start(&s->pace, run->startup_us, (s->collected_ms - s->joined_ms) * 1000);
    pool_respeed(run->pool, session, pace_machine_ppm(&run->pace, &s->pace));
}

/* Who is missing is taken to be as large as those who came are on average. */
void places_expect(struct run *run)
{
    uint32_t here = 0, seen = 0, machines = 0;

    for (uint32_t i = 0; i < run->session_count; i++) {
        const struct session *s = run->sessions[i];

        if (s->late)
            continue;
        machines++;
        seen += s->workers;
        here += session_lives(s) ? s->workers : 0;
    }
    if (machines)
        here += ledger_slots_missing(run) * ((seen + machines / 2) / machines);
    pool_expect(run->pool, here);
}

void places_widen(struct run *run)
{
    run->wide = true;
    for (uint32_t i = 0; i < run->test_count; i++)
        if (run->tests[i].flags & TEST_CARRIED)
            ledger_uncarry(run, i);
}

static void list_add(struct run *run, uint32_t test, uint32_t session)
{
    struct session *s = run->sessions[session];
    struct run_test *t = &run->tests[test];

    t->session = session;
    t->prev = POOL_NONE;
    t->next = s->held_first;
    if (t->next != POOL_NONE)
        run->tests[t->next].prev = test;
    s->held_first = test;
    s->held_count++;
    run->held_count++;
}

static void list_remove(struct run *run, uint32_t test)
{
    struct run_test *t = &run->tests[test];
    struct session *s = run->sessions[t->session];

    if (t->prev == POOL_NONE)
        s->held_first = t->next;
    else
        run->tests[t->prev].next = t->next;
    if (t->next != POOL_NONE)
        run->tests[t->next].prev = t->prev;
    t->prev = POOL_NONE;
    t->next = POOL_NONE;
    s->held_count--;
    run->held_count--;
    if (t->flags & TEST_RECALLED) {
        t->flags &= ~(uint32_t)TEST_RECALLED;
        s->recall_count--;
    }
}

void places_give(struct run *run, uint32_t test, uint32_t session, uint64_t fence)
{
    struct run_test *t = &run->tests[test];

    INVARIANT(t->place == TEST_FREE);
    t->place = TEST_HELD;
    t->fence = fence;
    list_add(run, test, session);
    pool_take(run->pool, session, test);
}

void places_start(struct run *run, uint32_t test)
{
    struct run_test *t = &run->tests[test];

    INVARIANT(t->place == TEST_HELD);
    t->place = TEST_STARTED;
    if (t->flags & TEST_RECALLED) {
        t->flags &= ~(uint32_t)TEST_RECALLED;
        run->sessions[t->session]->recall_count--;
    }
    pool_start(run->pool, test);
}

void places_recall(struct run *run, uint32_t test, uint32_t for_session)
{
    struct run_test *t = &run->tests[test];

    INVARIANT(t->place == TEST_HELD);
    if (t->flags & TEST_RECALLED)
        return;
    t->flags |= TEST_RECALLED;
    pool_promise(run->pool, test, for_session);
    run->sessions[t->session]->recall_count++;
}

void places_spare(struct run *run, uint32_t test, uint32_t session)
{
    const struct run_test *t = &run->tests[test];
    struct session_order *order;

    if (t->place != TEST_HELD || t->session == session || (t->flags & TEST_RECALLED) ||
        run->sessions[t->session]->ended)
        return;
    order = order_make(run->sessions[t->session], ORDER_RECALL);
    order->tests = mem_new(1, sizeof(*order->tests));
    order->tests[0] = test;
    order->test_count = 1;
}

void places_free(struct run *run, uint32_t test)
{
    struct run_test *t = &run->tests[test];

    INVARIANT(t->place != TEST_FREE);
    if (t->place != TEST_DONE)
        list_remove(run, test);
    t->place = TEST_FREE;
    t->session = SESSION_NONE;
    pool_put_back(run->pool, test);
    copies_take_over(run, test);
}

void places_done(struct run *run, uint32_t test)
{
    struct run_test *t = &run->tests[test];

    INVARIANT(t->place != TEST_DONE);
    if (t->place != TEST_FREE)
        list_remove(run, test);
    t->place = TEST_DONE;
    pool_finish(run->pool, test);
}

void places_free_held(struct run *run, uint32_t session, enum places_which which)
{
    uint32_t test = run->sessions[session]->held_first;

    while (test != POOL_NONE) {
        uint32_t next = run->tests[test].next;

        if (which == PLACES_ALL || run->tests[test].place == TEST_HELD)
            places_free(run, test);
        test = next;
    }
}

struct session_order *order_make(struct session *session, enum order_kind kind)
{
    struct session_order *order;

    session->orders = mem_grow(session->orders, &session->order_cap,
                               (size_t)session->order_count + 1, sizeof(*session->orders));
    order = &session->orders[session->order_count++];
    *order = (struct session_order){ .kind = kind, .number = ++session->order_last };
    return order;
}

static void order_free(struct session_order *order)
{
    free(order->tests);
    free(order->text);
}

void orders_seen(struct session *session, uint64_t seen)
{
    uint32_t n = 0;

    if (seen > session->order_seen)
        session->order_seen = seen;
    while (n < session->order_count && session->orders[n].number <= seen)
        order_free(&session->orders[n++]);
    if (n == 0)
        return;
    session->order_count -= n;
    memmove(session->orders, session->orders + n, session->order_count * sizeof(*session->orders));
}

void orders_drop_work(struct session *session)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < session->order_count; i++) {
        struct session_order *order = &session->orders[i];

        if (order->kind == ORDER_SHARD || order->kind == ORDER_RECALL)
            order_free(order);
        else
            session->orders[kept++] = *order;
    }
    session->order_count = kept;
}
