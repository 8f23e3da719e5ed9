/* places.h - moving tests between free, held, started and done: the run's own lists and the
 * planner's pool in step. Used by run_apply only; what may move is decided elsewhere. */
#pragma once

#include "core/change.h"

/* Takes the manifest of the change; builds tests and pool; lets every live session in. */
void places_seal(struct run *run, struct change_seal *seal);

/* The manifest was extended: its new tests, of this cost each, become free. */
void places_grow(struct run *run, uint64_t cost_us);

/* Lets a session into the pool, if there is one. */
void places_join(struct run *run, uint32_t session);
/* A session has collected: what its start took against others' tells how fast it is. */
void places_started(struct run *run, uint32_t session);
/* Tells the pool how many workers there are and are still to come; after sessions came or went. */
void places_expect(struct run *run);

/* A narrow epoch runs everything from now on: what it carried over is free again. */
void places_widen(struct run *run);

void places_give(struct run *run, uint32_t test, uint32_t session, uint64_t fence);
void places_start(struct run *run, uint32_t test);
void places_recall(struct run *run, uint32_t test, uint32_t for_session);
/* A result is there before its holder has begun it: that one is asked to leave it alone. */
void places_spare(struct run *run, uint32_t test, uint32_t session);
void places_free(struct run *run, uint32_t test); /* HELD, STARTED or DONE -> FREE */
void places_done(struct run *run, uint32_t test); /* any but DONE -> DONE */

enum places_which { PLACES_UNSTARTED, PLACES_ALL };
void places_free_held(struct run *run, uint32_t session, enum places_which which);

struct session_order *order_make(struct session *session, enum order_kind kind);
/* Orders that the session has seen are forgotten. */
void orders_seen(struct session *session, uint64_t seen);
/* A session that gets nothing more need not be sent its shards and recalls again. */
void orders_drop_work(struct session *session);
