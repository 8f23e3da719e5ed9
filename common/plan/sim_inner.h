/* sim_inner.h - what the rooms of the simulator share: simulate.c (the loop), sim_event.c (the
 * queue of what will happen), sim_agent.c (an agent and its workers), sim_desk.c (the coordinator).
 * Not for: anybody else. */
#pragma once

#include "plan/pace.h"
#include "plan/simulate.h"

enum event_kind {
    EVENT_JOIN,     /* an agent is ready */
    EVENT_ASK,      /* its request has arrived at the coordinator */
    EVENT_GRANT,    /* the answer has arrived at the agent */
    EVENT_CHECK,    /* it looks whether it should ask, or take what it has put off */
    EVENT_BEGUN,    /* the coordinator learns that a test has started */
    EVENT_END,      /* a test ends on a worker */
    EVENT_RESULT,   /* the coordinator learns of it */
    EVENT_RECALL,   /* a recall arrives at the holder */
    EVENT_RELEASED, /* what it gives back arrives at the coordinator */
    EVENT_RETURNED, /* what one that leaves will not start arrives there */
    EVENT_LEAVE,    /* a machine is told to go, or is lost */
    EVENT_GONE,     /* the coordinator knows that an agent has left */
};

struct event {
    uint64_t at_us;
    uint64_t number; /* first come, first served among equals */
    enum event_kind kind;
    uint32_t agent, worker, test;
    uint64_t took_us; /* the test alone */
    struct pool_ask ask;
    uint32_t orders_seen;
};

struct worker {
    uint32_t test;  /* POOL_NONE: free */
    uint32_t scope; /* of its last test */
    uint64_t start_us, predicted_end_us;
    uint64_t run_us; /* of its test, without the set-ups */
};

struct list {
    uint32_t *items;
    uint32_t count;
};

struct agent {
    const struct sim_agent *about;
    struct pool *pool; /* of its workers */
    struct worker *workers;
    struct list granted, recalled, returned; /* on their way */
    uint32_t busy;                           /* workers with a test */
    struct pace pace;
    uint32_t asked_free, orders_seen; /* what its last request said; answers that it has got */
    uint64_t asked_backlog_us;        /* likewise */
    uint64_t asked_us;                /* when that was sent */
    uint64_t check_us;                /* when it looks again whether to ask */
    bool here, asking;                /* asking: a request is under way or held */
    bool leaving;                     /* it has been told to go: it starts nothing more */

    /* At the coordinator. */
    struct pool_ask ask; /* the request that is held */
    bool held;
    uint64_t told_us;     /* when what it says was so */
    uint64_t progress_us; /* when the agent last got or ended something */
    uint32_t orders;      /* answers with work that were sent */
    bool giving;          /* a recall is under way to it */
    bool known;           /* the coordinator counts on it */
    struct pace_machine fleet_pace;
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
    struct pace_fleet fleet_pace; /* as the coordinator knows it */
};

/* sim_event.c */
void sim_post(struct sim *s, uint64_t delay_us, struct event ev);
struct event sim_next(struct sim *s);

/* sim_agent.c */
void agent_join(struct sim *s, uint32_t index);
void agent_drive(struct sim *s, uint32_t index);
void agent_granted(struct sim *s, uint32_t index);
void agent_end(struct sim *s, const struct event *ev);
void agent_recall(struct sim *s, uint32_t index);
void agent_leave(struct sim *s, uint32_t index);
void agent_fini(struct agent *a);

/* sim_desk.c */
void desk_ask(struct sim *s, const struct event *ev);
void desk_begun(struct sim *s, const struct event *ev);
void desk_result(struct sim *s, const struct event *ev);
void desk_released(struct sim *s, uint32_t index);
void desk_returned(struct sim *s, uint32_t index);
void desk_gone(struct sim *s, uint32_t index);

static inline uint64_t half_request_us(const struct sim *s)
{
    return s->in->request_us / 2;
}
