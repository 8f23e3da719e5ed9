/* sim_desk.c - the coordinator: answers requests or holds them, recalls, learns. */
#include <stdlib.h>

#include "mem.h"
#include "plan/sim_inner.h"

#define WAKE_US 500000u /* the service looks again so often */

static void list_take(struct list *l, const uint32_t *items, uint32_t count)
{
    free(l->items);
    l->items = mem_dup(items, count * sizeof(*items));
    l->count = count;
}

static bool recall_for(struct sim *s, uint32_t index)
{
    uint32_t holder = POOL_NONE, n;

    n = pool_choose_recall(s->pool, &s->agents[index].ask, &holder, s->answer, s->in->test_count);
    if (!n || s->agents[holder].giving || s->agents[holder].leaving)
        return false;
    list_take(&s->agents[holder].recalled, s->answer, n);
    s->agents[holder].giving = true;
    for (uint32_t i = 0; i < n; i++)
        pool_promise(s->pool, s->answer[i], index);
    s->out->recalls++;
    sim_post(s, half_request_us(s), (struct event){ .kind = EVENT_RECALL, .agent = holder });
    return true;
}

void desk_grant(struct sim *s, uint32_t index, const uint32_t *tests, uint32_t count)
{
    struct agent *a = &s->agents[index];

    a->held = false;
    a->orders++;
    a->speed_ppm = pool_speed_ppm(s->pool, index);
    a->progress_us = s->now_us;
    list_take(&a->granted, tests, count);
    sim_post(s, half_request_us(s), (struct event){ .kind = EVENT_GRANT, .agent = index });
}

/* Nothing is free: something that another holds, or a copy of what another runs. */
static void find_more(struct sim *s, uint32_t index)
{
    uint32_t test;

    if (recall_for(s, index))
        return;
    test = sim_copy_choose(s, index);
    if (test != POOL_NONE)
        sim_copy_give(s, index, test);
}

/* What was said when the request came may be long ago: work was done meanwhile. */
static void refresh(const struct sim *s, struct agent *a)
{
    uint64_t gone_us = s->now_us - a->told_us;
    uint64_t done_us = gone_us * (a->about->workers - a->ask.free_workers);

    a->told_us = s->now_us;
    a->ask.dry_us = a->ask.dry_us > gone_us ? a->ask.dry_us - gone_us : 1;
    a->ask.backlog_us = a->ask.backlog_us > done_us ? a->ask.backlog_us - done_us : 0;
}

/* Answers a request if that is possible; else it is held. */
static void answer(struct sim *s, uint32_t index)
{
    struct agent *a = &s->agents[index];
    uint32_t n;

    if (!a->known || a->leaving)
        return;
    refresh(s, a);
    a->ask.waited_us = s->now_us - a->progress_us;
    a->ask.now_us = s->now_us;
    n = pool_choose(s->pool, &a->ask, s->answer, s->in->test_count);
    a->held = n == 0;
    if (!n) {
        if (a->ask.free_workers && !pool_free_count(s->pool))
            find_more(s, index);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        pool_take(s->pool, index, s->answer[i]);
    desk_grant(s, index, s->answer, n);
}

static void answer_held(struct sim *s)
{
    for (uint32_t i = 0; i < s->in->agent_count; i++)
        if (s->agents[i].held)
            answer(s, i);
}

void desk_ask(struct sim *s, const struct event *ev)
{
    struct agent *a = &s->agents[ev->agent];

    if (ev->orders_seen < a->orders)
        return; /* sent before it got its last order: it will ask anew */
    a->ask = ev->ask;
    a->told_us = s->now_us;
    answer(s, ev->agent);
}

void desk_begun(struct sim *s, const struct event *ev)
{
    struct sim_test *t = &s->tests[ev->test];

    if (t->copy == ev->agent) {
        t->copy_begun = true;
    } else if (s->agents[ev->agent].known && pool_holder(s->pool, ev->test) == ev->agent) {
        pool_start(s->pool, ev->test);
        t->begun_us = s->now_us;
        pool_begun(s->pool, ev->test, s->now_us);
        s->begun.items[s->begun.count++] = ev->test;
    }
}

/* It runs no more, as far as the coordinator knows. */
static void not_begun(struct sim *s, uint32_t test)
{
    for (uint32_t i = 0; i < s->begun.count; i++)
        if (s->begun.items[i] == test) {
            s->begun.items[i] = s->begun.items[--s->begun.count];
            return;
        }
}

void desk_result(struct sim *s, const struct event *ev)
{
    struct agent *a = &s->agents[ev->agent];

    if (s->tests[ev->test].done)
        return;
    s->tests[ev->test].done = true;
    s->out->ended++;
    sim_copy_settle(s, ev->agent, ev->test);
    not_begun(s, ev->test);
    a->progress_us = s->now_us;
    pool_finish(s->pool, ev->test);
    pace_learn(&s->fleet_pace, &a->fleet_pace, s->in->tests[ev->test].cost_us, ev->took_us);
    pool_pace(s->pool, pace_fleet_ppm(&s->fleet_pace));
    if (a->known)
        pool_respeed(s->pool, ev->agent, pace_machine_ppm(&s->fleet_pace, &a->fleet_pace));
    answer_held(s);
}

void desk_released(struct sim *s, uint32_t index)
{
    struct agent *a = &s->agents[index];

    a->giving = false;
    for (uint32_t i = 0; i < a->recalled.count; i++)
        if (pool_holder(s->pool, a->recalled.items[i]) == index)
            pool_put_back(s->pool, a->recalled.items[i]);
    answer_held(s);
}

void desk_returned(struct sim *s, uint32_t index)
{
    struct agent *a = &s->agents[index];

    a->held = false;
    sim_copy_drop_of(s, index, SIM_COPIES_UNSTARTED);
    for (uint32_t i = 0; i < a->returned.count; i++)
        if (pool_holder(s->pool, a->returned.items[i]) == index)
            pool_put_back(s->pool, a->returned.items[i]);
    answer_held(s);
}

void desk_gone(struct sim *s, uint32_t index)
{
    s->agents[index].known = s->agents[index].held = false;
    sim_copy_drop_of(s, index, SIM_COPIES_ALL);
    pool_leave(s->pool, index);
    for (uint32_t t = 0; t < s->in->test_count; t++)
        if (pool_holder(s->pool, t) == index) {
            not_begun(s, t);
            pool_put_back(s->pool, t);
            sim_copy_take_over(s, t);
        }
    answer_held(s);
}

static bool anybody_left(const struct sim *s)
{
    for (uint32_t i = 0; i < s->in->agent_count; i++)
        if (s->agents[i].known || s->in->agents[i].start_us > s->now_us)
            return true;
    return false;
}

void desk_wake(struct sim *s)
{
    if (s->out->ended == s->in->test_count || !anybody_left(s))
        return;
    answer_held(s);
    sim_post(s, WAKE_US, (struct event){ .kind = EVENT_WAKE });
}
