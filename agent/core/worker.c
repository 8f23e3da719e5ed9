#include "worker.h"

#include <string.h>

void worker_init(struct worker *w)
{
    *w = (struct worker){ .state = WORKER_STARTING, .threads = 1, .last = WORKER_NO_TEST };
}

uint32_t worker_running(const struct worker *w)
{
    return w->started ? w->hand[0] : WORKER_NO_TEST;
}

/* Where it is in the hand, from index from on up to to; to when it is not there. */
static uint32_t find(const struct worker *w, uint32_t test, uint32_t from, uint32_t to)
{
    while (from < to && w->hand[from] != test)
        from++;
    return from;
}

bool worker_runs(const struct worker *w, uint32_t test)
{
    return find(w, test, 0, w->started) < w->started;
}

bool worker_can_take(const struct worker *w)
{
    return (w->state == WORKER_IDLE || w->state == WORKER_WAITING || w->state == WORKER_RUNNING) &&
           w->hand_count < WORKER_HAND_MAX && !w->recalling && !w->held && !w->condemned;
}

bool worker_is_up(const struct worker *w)
{
    return w->state == WORKER_IDLE || w->state == WORKER_RUNNING || w->state == WORKER_WAITING ||
           w->state == WORKER_SETTLING;
}

uint32_t worker_take_unstarted(struct worker *w, uint32_t out[WORKER_HAND_MAX])
{
    uint32_t keep = w->started;
    uint32_t count = w->hand_count - keep;

    memcpy(out, w->hand + keep, count * sizeof(*out));
    w->hand_count = keep;
    if (w->state == WORKER_RUNNING && w->hand_count == 0)
        w->state = WORKER_WAITING;
    return count;
}

static enum worker_fx run(struct worker *w, uint32_t test)
{
    INVARIANT(worker_can_take(w));
    w->hand[w->hand_count++] = test;
    w->asks = false;
    w->state = WORKER_RUNNING;
    return WORKER_FX_NONE;
}

static enum worker_fx start(struct worker *w, uint32_t test)
{
    uint32_t at = find(w, test, w->started, w->hand_count);

    /* One that runs a test at a time takes them in the order in which they were named. */
    if (at == w->hand_count || w->started == w->threads || (w->threads == 1 && at > 0))
        return WORKER_FX_BROKE;
    memmove(w->hand + w->started + 1, w->hand + w->started, (at - w->started) * sizeof(*w->hand));
    w->hand[w->started++] = test;
    return WORKER_FX_NONE;
}

static enum worker_fx ask(struct worker *w, uint32_t test)
{
    if (!w->started || w->hand[0] != test)
        return WORKER_FX_BROKE;
    w->asks = w->hand_count == 1; /* else what it wants is on its way already */
    return WORKER_FX_NONE;
}

static enum worker_fx done(struct worker *w, uint32_t test)
{
    uint32_t at = find(w, test, 0, w->started);

    if (at == w->started)
        return WORKER_FX_BROKE;
    w->hand_count--;
    memmove(w->hand + at, w->hand + at + 1, (w->hand_count - at) * sizeof(*w->hand));
    w->started--;
    w->last = test;
    w->ran++;
    if (w->state == WORKER_RUNNING && w->hand_count == 0)
        w->state = WORKER_WAITING;
    return w->state == WORKER_QUITTING ? WORKER_FX_NONE : WORKER_FX_READY;
}

static enum worker_fx gone(struct worker *w)
{
    bool in_order = w->bye || (w->asked && !w->met); /* it never came, and need not any more */

    if (w->state == WORKER_DEAD)
        return WORKER_FX_NONE;
    w->state = WORKER_DEAD;
    return in_order ? WORKER_FX_LEFT : WORKER_FX_CRASHED;
}

enum worker_fx worker_step(struct worker *w, enum worker_event event, uint32_t test)
{
    /* The dead are past saying anything: a frame that was still under way changes nothing. */
    if (w->state == WORKER_DEAD)
        return WORKER_FX_NONE;
    switch (event) {
    case WORKER_EV_HELLO:
        w->met = true;
        if (w->state == WORKER_QUITTING)
            return WORKER_FX_NONE;
        if (w->state != WORKER_STARTING)
            return WORKER_FX_BROKE;
        w->state = WORKER_IDLE;
        return WORKER_FX_READY;
    case WORKER_EV_RUN:
        return run(w, test);
    case WORKER_EV_START:
        return start(w, test);
    case WORKER_EV_ASK:
        return ask(w, test);
    case WORKER_EV_DONE:
        return done(w, test);
    case WORKER_EV_SETTLE:
        INVARIANT(w->state == WORKER_WAITING);
        w->state = WORKER_SETTLING;
        return WORKER_FX_NONE;
    case WORKER_EV_IDLE:
        if (w->state == WORKER_QUITTING) {
            w->settled = true;
            return WORKER_FX_NONE;
        }
        if (w->condemned)
            return WORKER_FX_NONE; /* it may have been told to go past us */
        if (w->state != WORKER_SETTLING)
            return WORKER_FX_BROKE;
        w->state = WORKER_IDLE;
        return WORKER_FX_READY;
    case WORKER_EV_CANCEL:
        INVARIANT(worker_is_up(w));
        w->recalling = true;
        return WORKER_FX_NONE;
    case WORKER_EV_FORGOT:
        if (!w->recalling)
            return WORKER_FX_BROKE;
        w->recalling = false;
        return WORKER_FX_FORGOT;
    case WORKER_EV_QUIT:
        w->asked = true;
        w->state = WORKER_QUITTING;
        return WORKER_FX_NONE;
    case WORKER_EV_CONDEMN:
        w->condemned = true;
        return WORKER_FX_NONE;
    case WORKER_EV_BYE:
        w->state = WORKER_QUITTING;
        w->bye = true;
        return WORKER_FX_NONE;
    case WORKER_EV_GONE:
        return gone(w);
    }
    UNREACHABLE("worker event");
}
