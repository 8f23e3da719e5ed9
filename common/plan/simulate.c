#include "plan/simulate.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "plan/sim_inner.h"

static void happen(struct sim *s, const struct event *ev)
{
    switch (ev->kind) {
    case EVENT_JOIN:
        agent_join(s, ev->agent);
        return;
    case EVENT_ASK:
        desk_ask(s, ev);
        return;
    case EVENT_GRANT:
        agent_granted(s, ev->agent);
        return;
    case EVENT_CHECK:
        agent_drive(s, ev->agent);
        return;
    case EVENT_BEGUN:
        desk_begun(s, ev);
        return;
    case EVENT_END:
        agent_end(s, ev);
        return;
    case EVENT_RESULT:
        desk_result(s, ev);
        return;
    case EVENT_RECALL:
        agent_recall(s, ev->agent);
        return;
    case EVENT_RELEASED:
        desk_released(s, ev->agent);
        return;
    case EVENT_RETURNED:
        desk_returned(s, ev->agent);
        return;
    case EVENT_LEAVE:
        agent_leave(s, ev->agent);
        return;
    case EVENT_GONE:
        desk_gone(s, ev->agent);
        return;
    case EVENT_ABANDON:
        agent_abandon(s, ev);
        return;
    case EVENT_WAKE:
        desk_wake(s);
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
    *s = (struct sim){ .in = in, .out = out };
    memset(out, 0, sizeof(*out));
    out->first_us = UINT64_MAX;
    s->pool = pool_new(&shared);
    s->agents = mem_new(in->agent_count, sizeof(*s->agents));
    s->answer = mem_new(in->test_count, sizeof(*s->answer));
    s->tests = mem_new(in->test_count, sizeof(*s->tests));
    s->begun.items = mem_new(in->test_count, sizeof(*s->begun.items));
    for (uint32_t i = 0; i < in->test_count; i++)
        s->tests[i].copy = s->tests[i].copied = POOL_NONE;
    for (uint32_t i = 0; i < in->agent_count; i++) {
        workers += in->agents[i].workers;
        s->agents[i].about = &in->agents[i];
        if (in->agents[i].start_us < out->first_us)
            out->first_us = in->agents[i].start_us;
        sim_post(s, in->agents[i].start_us, (struct event){ .kind = EVENT_JOIN, .agent = i });
    }
    if (in->expect_all)
        pool_expect(s->pool, workers);
    if (in->speculate)
        sim_post(s, out->first_us, (struct event){ .kind = EVENT_WAKE });
}

static void sim_fini(struct sim *s)
{
    for (uint32_t i = 0; i < s->in->agent_count; i++)
        agent_fini(&s->agents[i]);
    pool_free(s->pool);
    free(s->agents);
    free(s->events);
    free(s->answer);
    free(s->tests);
    free(s->begun.items);
}

void sim_run(const struct sim_input *in, struct sim_result *out)
{
    struct sim s;

    sim_init(&s, in, out);
    while (s.event_count) {
        struct event ev = sim_next(&s);

        s.now_us = ev.at_us;
        happen(&s, &ev);
    }
    sim_fini(&s);
}
