/* sim_inner.h - what the rooms of the simulator share: simulate.c (the loop), sim_event.c (the
 * queue of what will happen), sim_agent.c (an agent and its workers), sim_desk.c (the coordinator),
 * sim_copy.c (its copies of running tests).
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
    EVENT_ABANDON,  /* an agent is told that another was first with a test */
    EVENT_WAKE,     /* the coordinator looks what time alone has changed */
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
    bool copy;
};

struct list {
    uint32_t *items;
    uint32_t count;
};

/* A test as the coordinator sees it. */
struct sim_test {
    bool done;
    bool ended; /* on some worker; it may not have heard of that */
    bool copy_begun;
    uint32_t copy;     /* who runs a copy, or is about to; POOL_NONE: nobody */
    uint32_t copies;   /* given out so far ... */
    uint32_t copied;   /* ... the last to whom; POOL_NONE: none was */
    uint64_t begun_us; /* when it heard that its holder has begun it */
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
    uint32_t speed_ppm;   /* and what they say of its speed */
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
    struct sim_test *tests;
    struct list begun; /* that are begun and not done; room for every test */
    size_t span_cap;
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
void agent_abandon(struct sim *s, const struct event *ev);
void agent_fini(struct agent *a);

/* sim_desk.c */
void desk_ask(struct sim *s, const struct event *ev);
void desk_begun(struct sim *s, const struct event *ev);
void desk_result(struct sim *s, const struct event *ev);
void desk_released(struct sim *s, uint32_t index);
void desk_returned(struct sim *s, uint32_t index);
void desk_gone(struct sim *s, uint32_t index);
void desk_wake(struct sim *s);
void desk_grant(struct sim *s, uint32_t index, const uint32_t *tests, uint32_t count);

/* sim_copy.c */
uint32_t sim_copy_choose(const struct sim *s, uint32_t index); /* POOL_NONE: nothing pays */
void sim_copy_give(struct sim *s, uint32_t index, uint32_t test);
void sim_copy_settle(struct sim *s, uint32_t index, uint32_t test); /* index has its result */
void sim_copy_take_over(struct sim *s, uint32_t test);              /* its holder is gone */
enum sim_copies { SIM_COPIES_UNSTARTED, SIM_COPIES_ALL };
void sim_copy_drop_of(struct sim *s, uint32_t index, enum sim_copies which);

static inline uint64_t half_request_us(const struct sim *s)
{
    return s->in->request_us / 2;
}
