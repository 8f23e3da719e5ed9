/* sim_agent.c - an agent: starts tests on its workers, asks for more, gives back, leaves. */
#include <stdlib.h>

#include "mem.h"
#include "plan/habits.h"
#include "plan/need.h"
#include "plan/sim_inner.h"

static uint64_t on_agent_us(const struct agent *a, uint64_t average_us)
{
    return (uint64_t)((wide_uint)average_us * 1000000 / a->about->speed_ppm);
}

static struct need need_now(const struct sim *s, const struct agent *a)
{
    uint64_t *left_us = mem_new(a->about->workers, sizeof(*left_us));
    uint64_t waiting_us = pool_waiting_us(a->pool);
    uint32_t speed_ppm = pace_speed_ppm(&a->pace);
    struct need need;

    for (uint32_t w = 0; w < a->about->workers; w++) {
        uint64_t own_us = pool_own_us(a->pool, w);

        if (a->workers[w].test != POOL_NONE)
            left_us[w] = need_left_us(a->workers[w].predicted_end_us - a->workers[w].start_us,
                                      s->now_us - a->workers[w].start_us, speed_ppm);
        left_us[w] += own_us;
        waiting_us -= own_us;
    }
    need = need_of(left_us, a->about->workers, waiting_us, speed_ppm);
    free(left_us);
    return need;
}

static void check_in(struct sim *s, uint32_t index, uint64_t wait_us)
{
    struct agent *a = &s->agents[index];

    if (a->check_us > s->now_us && a->check_us <= s->now_us + wait_us)
        return;
    a->check_us = s->now_us + wait_us;
    sim_post(s, wait_us, (struct event){ .kind = EVENT_CHECK, .agent = index });
}

/* More workers are free than was said, or half of the work that was told of is done. */
static bool need_changed(const struct agent *a, uint32_t free_workers, uint64_t backlog_us)
{
    return free_workers > a->asked_free ||
           (a->asked_backlog_us && backlog_us <= a->asked_backlog_us / 2);
}

static void ask_if_dry(struct sim *s, uint32_t index)
{
    struct agent *a = &s->agents[index];
    uint64_t ahead_us = s->in->request_us * HABIT_LEADS_AHEAD;
    uint32_t free_workers = a->about->workers - a->busy;
    struct need need;

    if (!a->here || a->leaving)
        return;
    need = need_now(s, a);
    if (a->asking && !need_changed(a, free_workers, need.backlog_us))
        return;
    if (!free_workers && need.dry_us > ahead_us) {
        check_in(s, index, need.dry_us - ahead_us + 1);
        return;
    }
    a->asking = true;
    a->asked_free = free_workers;
    a->asked_backlog_us = need.backlog_us;
    a->asked_us = s->now_us;
    s->out->requests++;
    sim_post(s, half_request_us(s),
             (struct event){ .kind = EVENT_ASK,
                             .agent = index,
                             .orders_seen = a->orders_seen,
                             .ask = { .taker = index,
                                      .free_workers = free_workers,
                                      .backlog_us = need.backlog_us,
                                      .dry_us = need.dry_us + 1,
                                      .lead_us = s->in->request_us + 1 } });
}

/* Set-ups of the scopes around a test that the worker's last test was not in. */
static uint64_t setups_us(const struct sim *s, uint32_t test, uint32_t last_scope, bool predicted)
{
    uint64_t sum_us = 0;

    for (uint32_t c = s->in->tests[test].scope; c != POOL_NONE; c = s->in->scopes[c].parent) {
        uint32_t open = last_scope;

        while (open != POOL_NONE && open != c)
            open = s->in->scopes[open].parent;
        if (open == POOL_NONE)
            sum_us += predicted ? s->in->scopes[c].setup_us : s->in->actual_setup_us[c];
    }
    return sum_us;
}

static void start_test(struct sim *s, uint32_t index, uint32_t w, uint32_t test)
{
    struct agent *a = &s->agents[index];
    struct worker *worker = &a->workers[w];
    uint64_t setup_us = on_agent_us(a, setups_us(s, test, worker->scope, false));

    pool_take(a->pool, w, test);
    pool_start(a->pool, test);
    worker->start_us = s->now_us;
    worker->run_us = on_agent_us(a, s->in->actual_us[test]);
    worker->predicted_end_us =
        s->now_us + s->in->tests[test].cost_us + setups_us(s, test, worker->scope, true);
    worker->test = test;
    worker->copy = s->tests[test].copied == index;
    worker->scope = s->in->tests[test].scope;
    a->busy++;
    s->out->setup_us += setup_us;
    sim_post(s, half_request_us(s),
             (struct event){ .kind = EVENT_BEGUN, .agent = index, .test = test });
    sim_post(s, setup_us + worker->run_us,
             (struct event){ .kind = EVENT_END, .agent = index, .worker = w, .test = test });
}

static bool is_alone(const struct sim *s, const struct agent *a)
{
    return a->asking && a->asked_free && s->now_us > a->asked_us + HABIT_ALONE_US;
}

/* Gives every free worker its next test, then asks for more if that is needed. */
void agent_drive(struct sim *s, uint32_t index)
{
    struct agent *a = &s->agents[index];

    for (uint32_t w = 0; a->here && !a->leaving && w < a->about->workers; w++) {
        struct pool_ask ask = { .taker = w, .free_workers = 1, .more = !is_alone(s, a) };
        uint32_t test;

        if (a->workers[w].test == POOL_NONE && pool_choose(a->pool, &ask, &test, 1))
            start_test(s, index, w, test);
    }
    ask_if_dry(s, index);
    if (a->here && !a->leaving && a->busy < a->about->workers && pool_free_count(a->pool) &&
        !is_alone(s, a))
        check_in(s, index, a->asked_us + HABIT_ALONE_US + 1 - s->now_us);
}

void agent_join(struct sim *s, uint32_t index)
{
    struct agent *a = &s->agents[index];
    struct pool_input own = { .tests = s->in->tests,
                              .test_count = s->in->test_count,
                              .scopes = s->in->scopes,
                              .scope_count = s->in->scope_count,
                              .policy = s->in->policy,
                              .start_absent = true,
                              .one_machine = true };

    a->pool = pool_new(&own);
    a->workers = mem_new(a->about->workers, sizeof(*a->workers));
    for (uint32_t w = 0; w < a->about->workers; w++) {
        pool_join(a->pool, w, 1, 1000000);
        a->workers[w] = (struct worker){ .test = POOL_NONE, .scope = POOL_NONE };
    }
    pace_start(&a->fleet_pace, s->in->startup_us, a->about->startup_us);
    pool_join(s->pool, index, a->about->workers, pace_machine_ppm(&s->fleet_pace, &a->fleet_pace));
    a->here = a->known = true;
    a->progress_us = s->now_us;
    if (a->about->leave_us != SIM_NEVER)
        sim_post(s, a->about->leave_us > s->now_us ? a->about->leave_us - s->now_us : 0,
                 (struct event){ .kind = EVENT_LEAVE, .agent = index });
    ask_if_dry(s, index);
}

void agent_granted(struct sim *s, uint32_t index)
{
    struct agent *a = &s->agents[index];

    /* One that is about to leave does not take it: what it holds is free when it has gone. */
    for (uint32_t i = 0; i < a->granted.count && a->here && !a->leaving; i++)
        pool_put_back(a->pool, a->granted.items[i]);
    a->asking = false;
    a->pace.told_ppm = a->speed_ppm;
    a->orders_seen = a->orders;
    agent_drive(s, index);
}

static void gone(struct sim *s, uint32_t index, uint64_t delay_us)
{
    s->agents[index].here = false;
    sim_post(s, delay_us, (struct event){ .kind = EVENT_GONE, .agent = index });
}

/* The worker is free again; the try counts if it came to an end, as the first of its test. */
static void end_try(struct sim *s, uint32_t index, uint32_t worker, bool complete)
{
    struct agent *a = &s->agents[index];
    struct worker *w = &a->workers[worker];
    struct sim_test *t = &s->tests[w->test];
    bool counts = complete && !t->ended;

    s->out->spans =
        mem_grow(s->out->spans, &s->span_cap, s->out->span_count + 1u, sizeof(*s->out->spans));
    s->out->spans[s->out->span_count++] = (struct sim_span){ .test = w->test,
                                                             .agent = index,
                                                             .worker = worker,
                                                             .start_us = w->start_us,
                                                             .end_us = s->now_us,
                                                             .copy = w->copy,
                                                             .counts = counts };
    if (counts) {
        t->ended = true;
        s->out->makespan_us = s->now_us - s->out->first_us;
    }
    pool_finish(a->pool, w->test);
    w->test = POOL_NONE;
    a->busy--;
}

void agent_end(struct sim *s, const struct event *ev)
{
    struct agent *a = &s->agents[ev->agent];
    struct worker *w = &a->workers[ev->worker];

    if (!a->here || w->test != ev->test)
        return;
    pace_add(&a->pace, w->predicted_end_us - w->start_us, s->now_us - w->start_us);
    end_try(s, ev->agent, ev->worker, true);
    sim_post(
        s, half_request_us(s),
        (struct event){
            .kind = EVENT_RESULT, .agent = ev->agent, .test = ev->test, .took_us = w->run_us });
    agent_drive(s, ev->agent);
    if (a->leaving && !a->busy)
        gone(s, ev->agent, half_request_us(s));
}

/* Another was first. A new worker takes the place of the one that ran it. */
void agent_abandon(struct sim *s, const struct event *ev)
{
    struct agent *a = &s->agents[ev->agent];

    if (!a->here)
        return;
    if (pool_is_free(a->pool, ev->test))
        pool_finish(a->pool, ev->test);
    for (uint32_t w = 0; w < a->about->workers; w++)
        if (a->workers[w].test == ev->test) {
            end_try(s, ev->agent, w, false);
            a->workers[w].scope = POOL_NONE;
        }
    agent_drive(s, ev->agent);
    if (a->leaving && !a->busy)
        gone(s, ev->agent, half_request_us(s));
}

void agent_recall(struct sim *s, uint32_t index)
{
    struct agent *a = &s->agents[index];
    uint32_t kept = 0;

    if (!a->here)
        return; /* nobody answers */
    for (uint32_t i = 0; i < a->recalled.count; i++) {
        uint32_t test = a->recalled.items[i];

        if (!pool_is_free(a->pool, test))
            continue;
        pool_finish(a->pool, test); /* gone from here; a later shard may bring it again */
        a->recalled.items[kept++] = test;
    }
    a->recalled.count = kept;
    s->out->moved += kept;
    sim_post(s, half_request_us(s), (struct event){ .kind = EVENT_RELEASED, .agent = index });
    ask_if_dry(s, index);
}

static void give_up_unstarted(struct sim *s, struct agent *a)
{
    a->returned.items = mem_new(pool_free_count(a->pool), sizeof(*a->returned.items));
    for (uint32_t t = 0; t < s->in->test_count; t++)
        if (pool_is_free(a->pool, t)) {
            pool_finish(a->pool, t);
            a->returned.items[a->returned.count++] = t;
        }
}

/* With notice, what has begun may end, for a grace; the rest goes back at once.
 * Without, or after it, what runs is lost. */
void agent_leave(struct sim *s, uint32_t index)
{
    struct agent *a = &s->agents[index];

    if (!a->here)
        return;
    if (!a->about->lost && !a->leaving && a->busy) {
        a->leaving = true;
        give_up_unstarted(s, a);
        sim_post(s, HABIT_GRACE_US, (struct event){ .kind = EVENT_LEAVE, .agent = index });
        sim_post(s, half_request_us(s), (struct event){ .kind = EVENT_RETURNED, .agent = index });
        return;
    }
    gone(s, index, a->about->lost ? s->in->detect_us : half_request_us(s));
}

void agent_fini(struct agent *a)
{
    pool_free(a->pool);
    free(a->workers);
    free(a->granted.items);
    free(a->recalled.items);
    free(a->returned.items);
}
