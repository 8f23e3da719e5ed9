/* sim_desk.c - the coordinator: answers requests or holds them, recalls, learns. */
#include <stdlib.h>

#include "mem.h"
#include "plan/sim_inner.h"

static void list_take(struct list *l, const uint32_t *items, uint32_t count)
{
    free(l->items);
    l->items = mem_dup(items, count * sizeof(*items));
    l->count = count;
}

static void recall_for(struct sim *s, uint32_t index)
{
    uint32_t holder = POOL_NONE, n;

    n = pool_choose_recall(s->pool, &s->agents[index].ask, &holder, s->answer, s->in->test_count);
    if (!n || s->agents[holder].giving || s->agents[holder].leaving)
        return;
    list_take(&s->agents[holder].recalled, s->answer, n);
    s->agents[holder].giving = true;
    for (uint32_t i = 0; i < n; i++)
        pool_promise(s->pool, s->answer[i], index);
    s->out->recalls++;
    sim_post(s, half_request_us(s), (struct event){ .kind = EVENT_RECALL, .agent = holder });
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
    n = pool_choose(s->pool, &a->ask, s->answer, s->in->test_count);
    a->held = n == 0;
    if (!n) {
        if (a->ask.free_workers && !pool_free_count(s->pool))
            recall_for(s, index);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        pool_take(s->pool, index, s->answer[i]);
    a->orders++;
    a->progress_us = s->now_us;
    list_take(&a->granted, s->answer, n);
    sim_post(s, half_request_us(s), (struct event){ .kind = EVENT_GRANT, .agent = index });
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
    if (s->agents[ev->agent].known && pool_holder(s->pool, ev->test) == ev->agent)
        pool_start(s->pool, ev->test);
}

void desk_result(struct sim *s, const struct event *ev)
{
    struct agent *a = &s->agents[ev->agent];

    if (s->done[ev->test])
        return;
    s->done[ev->test] = true;
    s->out->ended++;
    a->progress_us = s->now_us;
    pool_finish(s->pool, ev->test);
    pace_learn(&s->fleet_pace, &a->fleet_pace, s->in->tests[ev->test].cost_us, ev->took_us);
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
    for (uint32_t i = 0; i < a->returned.count; i++)
        if (pool_holder(s->pool, a->returned.items[i]) == index)
            pool_put_back(s->pool, a->returned.items[i]);
    answer_held(s);
}

void desk_gone(struct sim *s, uint32_t index)
{
    s->agents[index].known = s->agents[index].held = false;
    pool_leave(s->pool, index);
    for (uint32_t t = 0; t < s->in->test_count; t++)
        if (pool_holder(s->pool, t) == index)
            pool_put_back(s->pool, t);
    answer_held(s);
}
