/* Joining again: our session ended while nobody heard of us (this machine was suspended, the
 * network was gone), and the run goes on. What was measured is delivered by then; what runs is ours
 * again if nobody else was given it. */
#include <stdlib.h>

#include "mem.h"
#include "remote_inner.h"

/* Nobody lost this session by being silent for its life's length. */
static bool ended_soon(const struct remote *r)
{
    return r->again_count > 0 && clock_mono_ms(r->opts.clock) - r->again_ms < r->session_ms;
}

bool remote_may_join_again(const struct remote *r)
{
    if (r->over)
        return false;
    switch (r->state) {
    case REMOTE_JOINED:
    case REMOTE_AGREEING:
    case REMOTE_RUNNING:
        return !r->draining && !r->want_leave &&
               (r->again_count < REMOTE_AGAIN_MAX || !ended_soon(r));
    case REMOTE_NEW:
    case REMOTE_JOINING:
    case REMOTE_ENDED:
    case REMOTE_LEAVING:
    case REMOTE_DONE:
        return false;
    }
    UNREACHABLE("state of remote");
}

void remote_join_again(struct remote *r)
{
    remote_say(r, "the coordinator gave this machine up and its tests to others; joining again");
    if (r->agree_call)
        client_cancel(r->agree_call);
    r->agree_call = NULL;
    r->state = REMOTE_JOINING;
    r->again = true;
    r->again_count = ended_soon(r) ? r->again_count + 1 : 1;
    r->refused_since_ms = 0;
    id_new(r->nonce);
    if (r->source.events->lost)
        r->source.events->lost(r->source.ctx);
    remote_join(r);
}

void remote_joined_again(struct remote *r, const struct join_answer *join)
{
    r->gone = (struct err)ERR_INIT;
    r->again = false;
    r->again_ms = clock_mono_ms(r->opts.clock);
    remote_begin_session(r, join);
    remote_say(r, "joined run %s again", join->run);
    if (r->want_leave) {
        remote_leave_when_delivered(r);
    } else if (r->own) {
        r->state = REMOTE_AGREEING;
        remote_offer(r);
    }
    remote_results_now(r);
}

/* What was measured while we asked goes where the rest went, and that is all. */
void remote_not_again(struct remote *r, const struct err *why)
{
    struct err err = r->gone;

    if (why->code != ERR_CONFLICT) {
        remote_fail(r, why);
        return;
    }
    err_set(&err, ERR_SESSION_GONE, "%s, and %s", r->gone.text, why->text);
    r->gone = err;
    r->again = false;
    r->over = true;
    r->state = REMOTE_JOINED;
    remote_gone(r, &r->gone);
}
