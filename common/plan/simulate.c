#include "plan/simulate.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "plan/need.h"
#include "plan/pace.h"

#define AHEAD_LEADS 3u /* an agent asks when it has three requests' time of work left */

enum event_kind {
    EVENT_JOIN,     /* an agent is ready */
    EVENT_ASK,      /* its request has arrived at the coordinator */
    EVENT_GRANT,    /* the answer has arrived at the agent */
    EVENT_CHECK,    /* it may be time to ask again */
    EVENT_BEGUN,    /* the coordinator learns that a test has started */
    EVENT_END,      /* a test ends on a worker */
    EVENT_RESULT,   /* the coordinator learns of it */
    EVENT_RECALL,   /* a recall arrives at the holder */
    EVENT_RELEASED, /* what it gives back arrives at the coordinator */
    EVENT_LEAVE,
    EVENT_GONE, /* the coordinator knows that an agent has left */
};

struct event {
    uint64_t at_us;
    uint64_t number; /* first come, first served among equals */
    enum event_kind kind;
    uint32_t agent, worker, test;
    uint64_t predicted_us, took_us;
    struct pool_ask ask;
};

struct worker {
    uint32_t test; /* POOL_NONE: free */
    uint32_t scope;
    uint64_t start_us, predicted_end_us;
};

struct list {
    uint32_t *items;
    uint32_t count;
};

struct agent {
    const struct sim_agent *about;
    struct pool *pool; /* of its workers */
    struct worker *workers;
    struct list granted, recalled; /* on their way */
    uint32_t busy;                 /* workers with a test */
    struct pace pace;
    uint32_t asked_free; /* what its last request said */
    uint64_t check_us;   /* when it looks again whether to ask */
    bool here, asking;   /* asking: a request is under way or held */
    struct pool_ask ask; /* at the coordinator: the request that is held */
    bool held, ordered;  /* ordered: an answer is on its way */
    bool giving;         /* a recall is under way to it */
    bool known;          /* the coordinator counts on it */
};

struct sim {
    const struct sim_input *in;
    struct sim_result *out;
    struct pool *pool; /* the coordinator's */
    struct agent *agents;
    struct event *events; /* a heap */
    size_t event_count, event_cap;
    uint64_t next_number, now_us;
    uint32_t *answer; /* room for every test */
    bool *done;
    struct pace all, *paces; /* of the agents, as the coordinator knows them */
};

static bool before(const struct event *a, const struct event *b)
{
    return a->at_us < b->at_us || (a->at_us == b->at_us && a->number < b->number);
}

static void post(struct sim *s, uint64_t delay_us, struct event ev)
{
    size_t i = s->event_count++;

    s->events = mem_grow(s->events, &s->event_cap, s->event_count, sizeof(*s->events));
    ev.at_us = s->now_us + delay_us;
    ev.number = s->next_number++;
    for (; i && before(&ev, &s->events[(i - 1) / 2]); i = (i - 1) / 2)
        s->events[i] = s->events[(i - 1) / 2];
    s->events[i] = ev;
}

static struct event take_event(struct sim *s)
{
    struct event first = s->events[0], last = s->events[--s->event_count];
    size_t i = 0, child;

    for (; (child = 2 * i + 1) < s->event_count; i = child) {
        if (child + 1 < s->event_count && before(&s->events[child + 1], &s->events[child]))
            child++;
        if (!before(&s->events[child], &last))
            break;
        s->events[i] = s->events[child];
    }
    s->events[i] = last;
    return first;
}

static uint64_t half_request_us(const struct sim *s)
{
    return s->in->request_us / 2;
}

static uint64_t on_agent_us(const struct agent *a, uint64_t average_us)
{
    return (uint64_t)((wide_uint)average_us * 1000000 / a->about->speed_ppm);
}

static struct need need_now(const struct sim *s, const struct agent *a)
{
    uint64_t *left_us = mem_new(a->about->workers, sizeof(*left_us));
    struct need need;

    for (uint32_t w = 0; w < a->about->workers; w++)
        if (a->workers[w].test != POOL_NONE && a->workers[w].predicted_end_us > s->now_us)
            left_us[w] = a->workers[w].predicted_end_us - s->now_us;
    need =
        need_of(left_us, a->about->workers, pool_free_us(a->pool), pace_speed_ppm(&a->pace, NULL));
    free(left_us);
    return need;
}

static void maybe_ask(struct sim *s, uint32_t index)
{
    struct agent *a = &s->agents[index];
    uint64_t ahead_us = s->in->request_us * AHEAD_LEADS;
    struct need need;
    bool is_free = a->busy < a->about->workers;

    if (!a->here || (a->asking && a->asked_free >= a->about->workers - a->busy))
        return;
    need = need_now(s, a);
    if (!is_free && need.dry_us > ahead_us) {
        uint64_t wait_us = need.dry_us - ahead_us + 1;

        if (a->check_us > s->now_us + wait_us || a->check_us <= s->now_us) {
            a->check_us = s->now_us + wait_us;
            post(s, wait_us, (struct event){ .kind = EVENT_CHECK, .agent = index });
        }
        return;
    }
    a->asking = true;
    a->asked_free = a->about->workers - a->busy;
    s->out->requests++;
    post(s, half_request_us(s),
         (struct event){ .kind = EVENT_ASK,
                         .agent = index,
                         .ask = { .taker = index,
                                  .free_workers = a->asked_free,
                                  .backlog_us = need.backlog_us,
                                  .dry_us = need.dry_us,
                                  .lead_us = s->in->request_us } });
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
    uint64_t run_us = on_agent_us(a, s->in->actual_us[test]);

    pool_take(a->pool, w, test);
    pool_start(a->pool, test);
    worker->start_us = s->now_us;
    worker->predicted_end_us =
        s->now_us + s->in->tests[test].cost_us + setups_us(s, test, worker->scope, true);
    worker->test = test;
    worker->scope = s->in->tests[test].scope;
    a->busy++;
    s->out->setup_us += setup_us;
    post(s, half_request_us(s),
         (struct event){ .kind = EVENT_BEGUN, .agent = index, .test = test });
    post(s, setup_us + run_us,
         (struct event){ .kind = EVENT_END, .agent = index, .worker = w, .test = test });
}

/* Gives every free worker of an agent its next test, then asks for more if that is needed. */
static void drive(struct sim *s, uint32_t index)
{
    struct agent *a = &s->agents[index];

    for (uint32_t w = 0; a->here && w < a->about->workers; w++) {
        struct pool_ask ask = { .taker = w, .free_workers = 1 };
        uint32_t test;

        if (a->workers[w].test == POOL_NONE && pool_choose(a->pool, &ask, &test, 1))
            start_test(s, index, w, test);
    }
    maybe_ask(s, index);
}

static void on_join(struct sim *s, uint32_t index)
{
    struct agent *a = &s->agents[index];
    struct pool_input own = { .tests = s->in->tests,
                              .test_count = s->in->test_count,
                              .scopes = s->in->scopes,
                              .scope_count = s->in->scope_count,
                              .policy = s->in->policy,
                              .start_absent = true,
                              .one_machine = true };

    a->pace = (struct pace)PACE_OF_AGENT;
    a->pool = pool_new(&own);
    a->workers = mem_new(a->about->workers, sizeof(*a->workers));
    for (uint32_t w = 0; w < a->about->workers; w++) {
        pool_join(a->pool, w, 1, 1000000);
        a->workers[w] = (struct worker){ .test = POOL_NONE, .scope = POOL_NONE };
    }
    pool_join(s->pool, index, a->about->workers, 1000000);
    a->here = a->known = true;
    if (a->about->leave_us != SIM_NEVER)
        post(s, a->about->leave_us > s->now_us ? a->about->leave_us - s->now_us : 0,
             (struct event){ .kind = EVENT_LEAVE, .agent = index });
    maybe_ask(s, index);
}

static void list_take(struct list *l, const uint32_t *items, uint32_t count)
{
    free(l->items);
    l->items = mem_dup(items, count * sizeof(*items));
    l->count = count;
}

static void recall_for(struct sim *s, uint32_t index)
{
    uint32_t holder = POOL_NONE, n;

    n = pool_choose_recall(s->pool, index, &holder, s->answer, s->in->test_count);
    if (!n || s->agents[holder].giving)
        return;
    list_take(&s->agents[holder].recalled, s->answer, n);
    s->agents[holder].giving = true;
    s->out->recalls++;
    post(s, half_request_us(s), (struct event){ .kind = EVENT_RECALL, .agent = holder });
}

/* The coordinator answers a request if it can; else the request is held. */
static void answer(struct sim *s, uint32_t index)
{
    struct agent *a = &s->agents[index];
    uint32_t n;

    if (!a->known || a->ordered)
        return; /* sent before it saw the last order: it will ask anew */
    n = pool_choose(s->pool, &a->ask, s->answer, s->in->test_count);
    a->held = n == 0;
    if (!n) {
        if (a->ask.free_workers && !pool_free_count(s->pool))
            recall_for(s, index);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        pool_take(s->pool, index, s->answer[i]);
    a->ordered = true;
    list_take(&a->granted, s->answer, n);
    list_take(&a->granted, s->answer, n);
    post(s, half_request_us(s), (struct event){ .kind = EVENT_GRANT, .agent = index });
}

static void answer_held(struct sim *s)
{
    for (uint32_t i = 0; i < s->in->agent_count; i++)
        if (s->agents[i].held)
            answer(s, i);
}

static void on_grant(struct sim *s, uint32_t index)
{
    struct agent *a = &s->agents[index];

    for (uint32_t i = 0; i < a->granted.count && a->here; i++)
        pool_put_back(a->pool, a->granted.items[i]);
    a->asking = a->ordered = false;
    drive(s, index);
}

static void on_end(struct sim *s, const struct event *ev)
{
    struct agent *a = &s->agents[ev->agent];
    struct worker *w = &a->workers[ev->worker];

    if (!a->here || w->test != ev->test)
        return;
    s->out->spans[s->out->span_count++] = (struct sim_span){
        .test = ev->test,
        .agent = ev->agent,
        .worker = ev->worker,
        .start_us = w->start_us,
        .end_us = s->now_us,
    };
    s->out->busy_us += s->now_us - w->start_us;
    s->out->makespan_us = s->now_us - s->out->first_us;
    pace_add(&a->pace, w->predicted_end_us - w->start_us, s->now_us - w->start_us);
    pool_finish(a->pool, ev->test);
    w->test = POOL_NONE;
    a->busy--;
    post(s, half_request_us(s),
         (struct event){ .kind = EVENT_RESULT,
                         .agent = ev->agent,
                         .test = ev->test,
                         .predicted_us = w->predicted_end_us - w->start_us,
                         .took_us = s->now_us - w->start_us });
    drive(s, ev->agent);
}

static void on_result(struct sim *s, const struct event *ev)
{
    if (s->done[ev->test])
        return;
    s->done[ev->test] = true;
    s->out->ended++;
    pool_finish(s->pool, ev->test);
    pace_add(&s->all, ev->predicted_us, ev->took_us);
    pace_add(&s->paces[ev->agent], ev->predicted_us, ev->took_us);
    if (s->agents[ev->agent].known)
        pool_respeed(s->pool, ev->agent, pace_speed_ppm(&s->paces[ev->agent], &s->all));
    answer_held(s);
}

static void on_recall(struct sim *s, uint32_t index)
{
    struct agent *a = &s->agents[index];
    uint32_t kept = 0;

    for (uint32_t i = 0; i < a->recalled.count && a->here; i++) {
        uint32_t test = a->recalled.items[i];

        if (!pool_is_free(a->pool, test))
            continue;
        pool_finish(a->pool, test); /* gone from here; a later shard may bring it again */
        a->recalled.items[kept++] = test;
    }
    a->recalled.count = kept;
    s->out->moved += kept;
    post(s, half_request_us(s), (struct event){ .kind = EVENT_RELEASED, .agent = index });
    if (a->here)
        maybe_ask(s, index);
}

static void on_released(struct sim *s, uint32_t index)
{
    struct agent *a = &s->agents[index];

    a->giving = false;
    for (uint32_t i = 0; i < a->recalled.count; i++)
        if (pool_holder(s->pool, a->recalled.items[i]) == index)
            pool_put_back(s->pool, a->recalled.items[i]);
    answer_held(s);
}

/* A notice gives its running tests no time: they run again elsewhere. */
static void on_leave(struct sim *s, uint32_t index)
{
    struct agent *a = &s->agents[index];

    for (uint32_t w = 0; w < a->about->workers; w++)
        if (a->workers[w].test != POOL_NONE)
            s->out->busy_us += s->now_us - a->workers[w].start_us;
    a->here = false;
    post(s, a->about->lost ? s->in->detect_us : half_request_us(s),
         (struct event){ .kind = EVENT_GONE, .agent = index });
}

static void on_gone(struct sim *s, uint32_t index)
{
    s->agents[index].known = s->agents[index].held = false;
    pool_leave(s->pool, index);
    for (uint32_t t = 0; t < s->in->test_count; t++)
        if (pool_holder(s->pool, t) == index)
            pool_put_back(s->pool, t);
    answer_held(s);
}

static void happen(struct sim *s, const struct event *ev)
{
    switch (ev->kind) {
    case EVENT_JOIN:
        on_join(s, ev->agent);
        return;
    case EVENT_ASK:
        s->agents[ev->agent].ask = ev->ask;
        answer(s, ev->agent);
        return;
    case EVENT_GRANT:
        on_grant(s, ev->agent);
        return;
    case EVENT_CHECK:
        maybe_ask(s, ev->agent);
        return;
    case EVENT_BEGUN:
        if (s->agents[ev->agent].known && pool_holder(s->pool, ev->test) == ev->agent)
            pool_start(s->pool, ev->test);
        return;
    case EVENT_END:
        on_end(s, ev);
        return;
    case EVENT_RESULT:
        on_result(s, ev);
        return;
    case EVENT_RECALL:
        on_recall(s, ev->agent);
        return;
    case EVENT_RELEASED:
        on_released(s, ev->agent);
        return;
    case EVENT_LEAVE:
        on_leave(s, ev->agent);
        return;
    case EVENT_GONE:
        on_gone(s, ev->agent);
        return;
    }
    UNREACHABLE("event kind");
}

static void sim_init(struct sim *s, const struct sim_input *in, struct sim_result *out)
{
    struct pool_input shared = { .tests = in->tests,
                                 .test_count = in->test_count,
                                 .scopes = in->scopes,
                                 .scope_count = in->scope_count,
                                 .policy = in->policy };
    uint32_t workers = 0;

    INVARIANT(in->agent_count <= SIM_AGENTS_MAX);
    *s = (struct sim){ .in = in, .out = out, .all = PACE_OF_FLEET };
    memset(out, 0, sizeof(*out));
    out->first_us = UINT64_MAX;
    out->spans = mem_new(in->test_count, sizeof(*out->spans));
    s->pool = pool_new(&shared);
    s->agents = mem_new(in->agent_count, sizeof(*s->agents));
    s->answer = mem_new(in->test_count, sizeof(*s->answer));
    s->paces = mem_new(in->agent_count, sizeof(*s->paces));
    s->done = mem_new(in->test_count, sizeof(*s->done));
    for (uint32_t i = 0; i < in->agent_count; i++) {
        workers += in->agents[i].workers;
        s->agents[i].about = &in->agents[i];
        s->paces[i] = (struct pace)PACE_OF_FLEET;
        if (in->agents[i].start_us < out->first_us)
            out->first_us = in->agents[i].start_us;
        post(s, in->agents[i].start_us, (struct event){ .kind = EVENT_JOIN, .agent = i });
    }
    if (in->expect_all)
        pool_expect(s->pool, workers);
}

static void sim_fini(struct sim *s)
{
    for (uint32_t i = 0; i < s->in->agent_count; i++) {
        pool_free(s->agents[i].pool);
        free(s->agents[i].workers);
        free(s->agents[i].granted.items);
        free(s->agents[i].recalled.items);
    }
    pool_free(s->pool);
    free(s->agents);
    free(s->events);
    free(s->answer);
    free(s->paces);
    free(s->done);
}

void sim_run(const struct sim_input *in, struct sim_result *out)
{
    struct sim s;

    sim_init(&s, in, out);
    while (s.event_count) {
        struct event ev = take_event(&s);

        s.now_us = ev.at_us;
        happen(&s, &ev);
    }
    sim_fini(&s);
}
