/* The life of a fake agent: joins, collects, runs what it is given, settles, leaves. */
#include <string.h>

#include "call.h"
#include "work.h"

#define EXIT_KILLED 137u
#define CUT_MS      4000u
#define BEAT_MS     2500u

void agent_exit(struct world *w, uint32_t at, uint32_t code)
{
    struct agent *a = &w->agent[at];

    a->state = AG_EXITED;
    a->job_exit = code;
    for (uint32_t i = 0; i < CALL_KINDS; i++) {
        if (a->call[i])
            call_drop(a->call[i]);
        a->call[i] = 0;
    }
}

void agent_begin(struct world *w, uint32_t at)
{
    w->agent[at].state = AG_JOINING;
    if (w->any_exclusive)
        sim_event(w, 500, (struct event){ .kind = EV_WATCH, .agent = at });
    agent_step(w, at);
}

/* What must not run twice at once ends while the session still lives, and goes back. */
void agent_watch(struct world *w, uint32_t at)
{
    struct agent *a = &w->agent[at];
    bool any = false;

    if (a->state == AG_EXITED)
        return;
    sim_event(w, 500, (struct event){ .kind = EV_WATCH, .agent = at });
    if (a->state != AG_RUNNING && a->state != AG_ENDING)
        return;
    if (w->now_ms - a->heard_ms > BEAT_MS && !a->call[CALL_RESULTS])
        say_results(w, at); /* perhaps of nothing: a beat */
    if (w->now_ms - a->heard_ms + CUT_MS <= PROTO_SESSION_MS)
        return;
    for (uint32_t t = 0; t < w->test_count; t++)
        if (w->any_alone || w->mutex[t])
            any = work_abandon(a, t) || any;
    sim_seen.cut_off += any;
    if (any)
        agent_step(w, at);
}

/* What was measured is delivered first; what runs goes on. */
static void join_again(struct world *w, uint32_t at)
{
    struct agent *a = &w->agent[at];
    struct str text = STR_MAX(39);
    struct err err = ERR_INIT;

    for (uint32_t i = 0; i < CALL_KINDS; i++) {
        if (a->call[i])
            call_drop(a->call[i]);
        a->call[i] = 0;
        a->number[i] = 0;
    }
    INVARIANT(str_addf(&text, &err, "nonce-%u-%u-0123456789abcdef", at, ++a->lives) == ERR_NONE);
    memcpy(a->nonce, text.at, text.len + 1);
    str_fini(&text);
    a->order_seen = 0;
    a->queue_count = 0;
    a->forgotten = false;
    a->again = true;
    a->state = AG_JOINING;
    agent_step(w, at);
}

static void step_running(struct world *w, uint32_t at)
{
    struct agent *a = &w->agent[at];

    if (a->forgotten) {
        if (!a->call[CALL_RESULTS] && work_owes(a))
            say_results(w, at);
        else if (!a->call[CALL_RESULTS])
            join_again(w, at);
        return;
    }
    if (a->draining && !a->drained && !a->call[CALL_DRAIN]) {
        a->queue_count = 0; /* the coordinator takes them back */
        say_drain(w, at);
    }
    if (!a->draining && a->state == AG_RUNNING)
        work_start(w, at);
    if ((a->state == AG_ENDING || a->drained) && work_is_idle(a))
        for (uint32_t i = 0; i < a->workers; i++)
            work_settle(w, a, i);
    if (a->state == AG_ENDING && work_is_idle(a) && a->faulty && a->ran && !a->bad)
        a->bad = true; /* no test shows it: its exit code does */
    if (!a->call[CALL_RESULTS] && work_owes(a))
        say_results(w, at);
    if (a->state == AG_RUNNING && !a->drained) {
        /* More workers are free than it said: a new pull, the held one is given up. */
        if (a->call[CALL_PULL] && !a->queue_count && work_free(a) > a->said_free) {
            if (sim_chance(w, 500000))
                call_drop(a->call[CALL_PULL]);
            a->call[CALL_PULL] = 0;
        }
        if (!a->call[CALL_PULL])
            say_pull(w, at);
    }
    if ((a->state == AG_ENDING || a->drained) && work_is_idle(a) && !a->call[CALL_RESULTS] &&
        !work_owes(a) && (!a->draining || a->drained)) {
        a->state = AG_LEAVING;
        if (a->call[CALL_PULL]) {
            call_drop(a->call[CALL_PULL]);
            a->call[CALL_PULL] = 0;
        }
        say_leave(w, at);
    }
}

void agent_step(struct world *w, uint32_t at)
{
    struct agent *a = &w->agent[at];

    switch (a->state) {
    case AG_OFF:
    case AG_EXITED:
    case AG_COLLECTING:
    case AG_LEAVING:
        return;
    case AG_JOINING:
        if (!a->call[CALL_JOIN])
            say_join(w, at);
        return;
    case AG_COLLECTED:
        if (!a->call[CALL_COLLECTED])
            say_collected(w, at);
        return;
    case AG_UPLOADING:
        if (!a->call[CALL_PART])
            say_part(w, at);
        return;
    case AG_RUNNING:
    case AG_ENDING:
        step_running(w, at);
        return;
    }
}

void agent_kill(struct world *w, uint32_t at)
{
    struct agent *a = &w->agent[at];

    if (a->state == AG_OFF || a->state == AG_EXITED)
        return;
    a->gone = true;
    agent_exit(w, at, EXIT_KILLED);
}

void agent_drain(struct world *w, uint32_t at)
{
    struct agent *a = &w->agent[at];

    if (a->state == AG_RUNNING) {
        a->draining = true;
        agent_step(w, at);
    } else if (a->state == AG_JOINING || a->state == AG_COLLECTING) {
        agent_kill(w, at);
    }
}

void agent_end(struct world *w, uint32_t at)
{
    struct agent *a = &w->agent[at];

    if (a->state != AG_RUNNING || a->draining)
        return;
    a->queue_count = 0;
    a->state = AG_ENDING;
    agent_step(w, at);
}
