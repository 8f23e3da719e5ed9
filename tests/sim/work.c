/* What a fake agent has in hand: its queue, its workers, and what it owes the coordinator. */
#include <string.h>

#include "work.h"

static void outbox_add(struct agent *a, struct out out)
{
    INVARIANT(a->out_count < OUTBOX_MAX);
    a->outbox[a->out_count++] = out;
}

void work_settle(struct world *w, struct agent *a, uint32_t worker)
{
    struct worker *k = &a->worker[worker];

    if (!k->owes_teardown)
        return;
    k->owes_teardown = false;
    if (w->nature[k->last.test] != TEARDOWN_BAD)
        return;
    a->bad = true;
    outbox_add(a,
               (struct out){
                   .piece = k->last, .worker = worker, .outcome = OUTCOME_ERROR, .amends = true });
}

static uint64_t takes_ms(struct world *w, uint32_t test)
{
    return w->dur_ms[test] + (sim_chance(w, w->stall_ppm) ? 5000 + sim_random(w, 60000) : 0);
}

bool work_abandon(struct agent *a, uint32_t test)
{
    for (uint32_t q = 0; q < a->queue_count; q++) {
        if (a->queue[q].test != test)
            continue;
        a->release[a->release_count++] = a->queue[q];
        memmove(&a->queue[q], &a->queue[q + 1], (--a->queue_count - q) * sizeof(*a->queue));
        return true;
    }
    for (uint32_t i = 0; i < a->workers; i++) {
        struct worker *k = &a->worker[i];

        if (!k->busy || k->piece.test != test)
            continue;
        INVARIANT(a->cut_count < TESTS_MAX);
        a->cut[a->cut_count++] = k->piece;
        k->busy = k->owes_teardown = false;
        k->try_number = 0;
        return true;
    }
    return false;
}

/* On its own machine an agent keeps apart what must not meet. */
static bool may_start(const struct world *w, const struct agent *a, uint32_t test)
{
    for (uint32_t i = 0; i < a->workers; i++) {
        uint32_t other = a->worker[i].piece.test;

        if (a->worker[i].busy && (w->alone[test] || w->alone[other] ||
                                  (w->mutex[test] && w->mutex[test] == w->mutex[other])))
            return false;
    }
    return true;
}

/* The first in the queue that may start; queue_count for none. */
static uint32_t next_in_queue(const struct world *w, const struct agent *a)
{
    uint32_t q = 0;

    while (q < a->queue_count && !may_start(w, a, a->queue[q].test))
        q++;
    return q;
}

void work_start(struct world *w, uint32_t at)
{
    struct agent *a = &w->agent[at];

    for (uint32_t i = 0; i < a->workers; i++) {
        struct worker *k = &a->worker[i];
        uint32_t q = next_in_queue(w, a);

        if (k->busy || q == a->queue_count)
            continue;
        work_settle(w, a, i);
        k->busy = true;
        k->piece = a->queue[q];
        memmove(&a->queue[q], &a->queue[q + 1], (--a->queue_count - q) * sizeof(*a->queue));
        k->try_number = ++w->tries;
        a->begun[sim_file(k->piece.test)] = true;
        check_start(w, at, k->piece.test);
        if (!a->found_said[sim_file(k->piece.test)])
            a->found[sim_file(k->piece.test)] = w->seed % 3 == 1;
        sim_event(w, takes_ms(w, k->piece.test),
                  (struct event){
                      .kind = EV_TEST_DONE, .agent = at, .worker = i, .call = k->try_number });
    }
}

void agent_test_done(struct world *w, uint32_t at, uint32_t worker, uint64_t try_number)
{
    struct agent *a = &w->agent[at];
    struct worker *k = &a->worker[worker];
    enum nature nature = w->nature[k->piece.test];
    bool good;

    if (a->state == AG_EXITED || !k->busy || k->try_number != try_number)
        return;
    good =
        nature == GOOD || nature == TEARDOWN_BAD || (nature == FLAKY && w->runs[k->piece.test] > 0);
    w->runs[k->piece.test]++;
    k->busy = false;
    a->ran = true;
    k->last = k->piece;
    k->owes_teardown = true;
    a->bad = a->bad || !good;
    outbox_add(a, (struct out){ .piece = k->piece,
                                .worker = worker,
                                .outcome = good ? OUTCOME_PASSED : OUTCOME_FAILED });
    agent_step(w, at);
}

uint32_t work_free(const struct agent *a)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < a->workers; i++)
        n += !a->worker[i].busy;
    return n;
}

bool work_is_idle(const struct agent *a)
{
    return work_free(a) == a->workers;
}

static bool any_found(const struct agent *a)
{
    for (uint32_t f = 0; f < FILES; f++)
        if (a->found[f])
            return true;
    return false;
}

bool work_owes(const struct agent *a)
{
    return a->out_count || a->release_count || a->cut_count || any_found(a);
}
