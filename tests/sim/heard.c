/* What a fake agent makes of an answer. */
#include <string.h>

#include "call.h"
#include "work.h"

#define EXIT_GONE 74u
#define EXIT_SLOT 71u

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
            bool tied = w->together && a->begun[sim_file(h->pieces[i][k].test)];

            for (uint32_t q = 0; q < a->queue_count; q++) {
                if (a->queue[q].test != h->pieces[i][k].test)
                    continue;
                sim_seen.kept += tied;
                if (tied)
                    break;
                a->release[a->release_count++] = a->queue[q];
                memmove(&a->queue[q], &a->queue[q + 1], (--a->queue_count - q) * sizeof(*a->queue));
                break;
            }
        }
        return;
    case ORDER_ABANDON:
        for (uint32_t k = 0; k < h->piece_count[i]; k++)
            (void)work_abandon(a, h->pieces[i][k].test);
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
