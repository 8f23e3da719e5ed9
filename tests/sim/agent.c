/* The life of a fake agent: joins, collects, runs what it is given, settles, leaves. */
#include <string.h>

#include "call.h"

#define EXIT_KILLED 137u
#define EXIT_GONE   74u
#define EXIT_SLOT   71u
#define CUT_MS      4000u
#define BEAT_MS     2500u

static void agent_exit(struct world *w, uint32_t at, uint32_t code)
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

static void outbox_add(struct agent *a, struct out out)
{
    INVARIANT(a->out_count < OUTBOX_MAX);
    a->outbox[a->out_count++] = out;
}

/* The fixture around the last test of a worker is torn down. */
static void settle_worker(struct world *w, struct agent *a, uint32_t worker)
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

/* Somebody else was faster: what waits goes back, what runs ends with the fixture around it. */
static bool abandon(struct agent *a, uint32_t test)
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
            any = abandon(a, t) || any;
    sim_seen.cut_off += any;
    if (any)
        agent_step(w, at);
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

static void start_tests(struct world *w, uint32_t at)
{
    struct agent *a = &w->agent[at];

    for (uint32_t i = 0; i < a->workers; i++) {
        struct worker *k = &a->worker[i];
        uint32_t q = next_in_queue(w, a);

        if (k->busy || q == a->queue_count)
            continue;
        settle_worker(w, a, i);
        k->busy = true;
        k->piece = a->queue[q];
        memmove(&a->queue[q], &a->queue[q + 1], (--a->queue_count - q) * sizeof(*a->queue));
        k->try_number = ++w->tries;
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

static bool all_idle(const struct agent *a)
{
    return free_workers(a) == a->workers;
}

static bool any_found(const struct agent *a)
{
    for (uint32_t f = 0; f < FILES; f++)
        if (a->found[f])
            return true;
    return false;
}

static bool owes(const struct agent *a)
{
    return a->out_count || a->release_count || a->cut_count || any_found(a);
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
        if (!a->call[CALL_RESULTS] && owes(a))
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
        start_tests(w, at);
    if ((a->state == AG_ENDING || a->drained) && all_idle(a))
        for (uint32_t i = 0; i < a->workers; i++)
            settle_worker(w, a, i);
    if (a->state == AG_ENDING && all_idle(a) && a->faulty && a->ran && !a->bad)
        a->bad = true; /* no test shows it: its exit code does */
    if (!a->call[CALL_RESULTS] && owes(a))
        say_results(w, at);
    if (a->state == AG_RUNNING && !a->drained) {
        /* More workers are free than it said: a new pull, the held one is given up. */
        if (a->call[CALL_PULL] && !a->queue_count && free_workers(a) > a->said_free) {
            if (sim_chance(w, 500000))
                call_drop(a->call[CALL_PULL]);
            a->call[CALL_PULL] = 0;
        }
        if (!a->call[CALL_PULL])
            say_pull(w, at);
    }
    if ((a->state == AG_ENDING || a->drained) && all_idle(a) && !a->call[CALL_RESULTS] &&
        !owes(a) && (!a->draining || a->drained)) {
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

static bool has_piece(const struct agent *a, struct piece p)
{
    for (uint32_t i = 0; i < a->queue_count; i++)
        if (a->queue[i].test == p.test && a->queue[i].fence == p.fence)
            return true;
    return false;
}

/* From its life before, and its own again. */
static bool runs_already(struct agent *a, struct piece p)
{
    for (uint32_t i = 0; i < a->workers; i++) {
        if (a->worker[i].busy && a->worker[i].piece.test == p.test) {
            a->worker[i].piece.fence = p.fence;
            return true;
        }
    }
    return false;
}

static void obey(struct world *w, struct agent *a, const struct heard *h, uint32_t i)
{
    if (h->order[i] <= a->order_seen)
        return; /* sent again */
    a->order_seen = h->order[i];
    switch (h->order_kind[i]) {
    case ORDER_SHARD:
        for (uint32_t k = 0; k < h->piece_count[i] && !a->draining; k++) {
            if (runs_already(a, h->pieces[i][k]))
                continue;
            if (has_piece(a, h->pieces[i][k]))
                sim_fail(w, "a test was given twice under one fence", h->pieces[i][k].test, 0);
            a->queue[a->queue_count++] = h->pieces[i][k];
        }
        return;
    case ORDER_RECALL:
        for (uint32_t k = 0; k < h->piece_count[i]; k++) {
            for (uint32_t q = 0; q < a->queue_count; q++) {
                if (a->queue[q].test != h->pieces[i][k].test)
                    continue;
                a->release[a->release_count++] = a->queue[q];
                memmove(&a->queue[q], &a->queue[q + 1], (--a->queue_count - q) * sizeof(*a->queue));
                break;
            }
        }
        return;
    case ORDER_ABANDON:
        for (uint32_t k = 0; k < h->piece_count[i]; k++)
            (void)abandon(a, h->pieces[i][k].test);
        return;
    case ORDER_CANCEL:
        a->queue_count = 0;
        return;
    case ORDER_END:
        a->queue_count = 0;
        a->state = AG_ENDING;
        if (a->dies_at_end)
            sim_event(w, 0, (struct event){ .kind = EV_KILL, .agent = (uint32_t)(a - w->agent) });
        return;
    }
}

static void heard_results(struct agent *a)
{
    memmove(a->outbox, a->outbox + a->sent_count,
            (a->out_count - a->sent_count) * sizeof(*a->outbox));
    a->out_count -= a->sent_count;
    a->sent_count = 0;
    memmove(a->release, a->release + a->release_sent,
            (a->release_count - a->release_sent) * sizeof(*a->release));
    a->release_count -= a->release_sent;
    a->release_sent = 0;
    memmove(a->cut, a->cut + a->cut_sent, (a->cut_count - a->cut_sent) * sizeof(*a->cut));
    a->cut_count -= a->cut_sent;
    a->cut_sent = 0;
}

static void heard_good(struct world *w, uint32_t at, const struct heard *h)
{
    struct agent *a = &w->agent[at];

    switch (h->kind) {
    case CALL_JOIN:
        memcpy(a->run, h->run, sizeof(a->run));
        memcpy(w->last_run, h->run, sizeof(w->last_run));
        memcpy(a->session, h->session, sizeof(a->session));
        memcpy(a->token, h->token, sizeof(a->token));
        sim_seen.again += a->again;
        if (a->again) {
            a->again = false;
            a->state = AG_COLLECTED;
            break;
        }
        a->state = AG_COLLECTING;
        sim_event(w, 50 + sim_random(w, 1500), (struct event){ .kind = EV_AGENT, .agent = at });
        return;
    case CALL_COLLECTED:
        if (h->action == COLLECTED_GO)
            a->state = AG_RUNNING;
        if (h->action == COLLECTED_UPLOAD)
            a->state = AG_UPLOADING;
        break;
    case CALL_PART:
        if (h->sealed)
            a->state = sim_chance(w, 500000) ? AG_RUNNING : AG_COLLECTED;
        break;
    case CALL_PULL:
        for (uint32_t i = 0; i < h->order_count; i++)
            obey(w, a, h, i);
        break;
    case CALL_RESULTS:
        heard_results(a);
        break;
    case CALL_DRAIN:
        a->drained = true;
        break;
    case CALL_LEAVE:
        a->left_bad = a->bad && !a->draining;
        agent_exit(w, at, a->bad ? 1 : h->exit);
        return;
    }
    agent_step(w, at);
}

void agent_heard(struct world *w, uint32_t at, uint64_t call, struct heard *h)
{
    struct agent *a = &w->agent[at];
    struct call *c = call_find(call);

    if (a->state == AG_EXITED || a->call[h->kind] != call || !c)
        return;
    if (c->sent_ms > a->heard_ms && h->rc != ERR_UNAVAILABLE)
        a->heard_ms = c->sent_ms;
    if (h->rc == ERR_UNAVAILABLE || h->rc == ERR_SLOT_TAKEN || h->rc == ERR_IO ||
        h->rc == ERR_DISK_FULL) {
        if (h->kind == CALL_JOIN && h->rc == ERR_SLOT_TAKEN && a->tries_left-- == 0) {
            agent_exit(w, at, EXIT_SLOT);
            return;
        }
        return; /* the timeout sends it again */
    }
    if (h->kind == CALL_PART && (h->rc == ERR_CONFLICT || h->rc == ERR_TOKEN)) {
        call_drop(call);
        a->call[h->kind] = 0;
        a->state = AG_COLLECTED; /* somebody else was asked */
        agent_step(w, at);
        return;
    }
    call_drop(call);
    a->call[h->kind] = 0;
    if (h->rc == ERR_SESSION_GONE && a->state == AG_RUNNING && !a->draining &&
        (h->kind == CALL_PULL || h->kind == CALL_RESULTS)) {
        if (h->kind == CALL_RESULTS)
            heard_results(a); /* taken, as an observation */
        a->queue_count = 0;
        a->forgotten = true;
        agent_step(w, at);
        return;
    }
    if (h->rc == ERR_SESSION_GONE || (h->rc == ERR_CONFLICT && a->again)) {
        agent_exit(w, at, EXIT_GONE);
        return;
    }
    if (h->rc == ERR_MISMATCH && h->kind == CALL_COLLECTED) { /* all was over by then */
        agent_exit(w, at, EXIT_MISMATCH);
        return;
    }
    if (h->rc)
        sim_fail(w, "an agent was refused", h->kind, h->rc);
    heard_good(w, at, h);
}

void agent_timeout(struct world *w, uint32_t at, uint64_t call)
{
    struct agent *a = &w->agent[at];
    struct call *c = call_find(call);

    if (a->state != AG_EXITED && c && a->call[c->kind] == call)
        call_send(w, c);
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
