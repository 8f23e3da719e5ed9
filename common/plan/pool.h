/* pool.h - the unstarted tests of a run and who should get which next: pull scheduling, pure.
 *
 * One algorithm for two levels: takers are agents (with several workers each) in the coordinator,
 * and workers in an agent. A test that is long beside what each worker has still to do goes first,
 * longest first; otherwise a worker stays with the file it is at, in the order of collection.
 * Shares shrink with what is left, down to what bridges a request; scopes whose set-up is dear are
 * kept whole; tests are recalled from the taker that would finish last. One worker alone runs
 * everything in the order of collection. Integers only, no clock, no chance: the same calls give
 * the same answers on every machine.
 *
 * Choosing is const (a decision); pool_take and the other changes are separate, so that a stored
 * change can be applied again after a restart without deciding anew. A test is named by its index
 * in the manifest. Misuse (an index out of range, taking a test that is not free) breaks an
 * INVARIANT: callers check input.
 *
 * States of a test:  absent -> free -> held (by one taker, unstarted) -> started -> done
 *                               ^------- put_back --------|-----------------| */
#pragma once

#include <stdbool.h>

#include "base.h"

#define POOL_TAKERS_MAX 4096u
#define POOL_NONE       UINT32_MAX

/* What shares a price that a worker pays once: a file, its classes, theirs; a tree. What is wider
 * than a file (package, session) is not listed: it is paid nearly everywhere. */
struct pool_scope {
    uint32_t parent;   /* index of the wider scope, POOL_NONE at the top */
    uint64_t setup_us; /* predicted set-up and teardown time that a worker pays on entering it */
};

struct pool_test {
    uint64_t cost_us;   /* predicted own time, without wider fixtures */
    uint32_t scope;     /* narrowest scope that it is in, POOL_NONE for none */
    uint32_t group;     /* tests of one group run on one worker in order, POOL_NONE for none */
    uint32_t mutex;     /* tests of one mutex never overlap in the run, POOL_NONE for none */
    uint32_t threads;   /* CPUs it needs at once, 1 unless asked */
    uint32_t flags;     /* POOL_SERIAL | POOL_NO_SPECULATE | ..., below */
    uint64_t mem_bytes; /* memory it needs for itself while it runs, 0: not worth a thought */
};
#define POOL_MEM_BYTES_MAX ((uint64_t)1 << 50)

#define POOL_SERIAL       1u /* needs its machine alone */
#define POOL_NO_SPECULATE 2u
#define POOL_ALONE        16u /* with POOL_SERIAL: needs the whole run alone */
#define POOL_GUESS        4u  /* no history: cost_us is a guess, so its file's order says more */
#define POOL_FIRST        8u /* goes before all others that it need not stay with; see pool_hurry */

/* SCOPE, FILE and GROUP keep a scope, a file, a group on one worker from its first test on; AUTO
 * keeps groups so, and scopes and files together where that does not lengthen the run; LOAD and
 * STEAL keep nothing together. EACH (every taker runs everything) is AUTO here: its caller has a
 * pool per taker. */
enum pool_policy { POOL_AUTO, POOL_LOAD, POOL_SCOPE, POOL_FILE, POOL_GROUP, POOL_STEAL, POOL_EACH };

struct pool_input {
    const struct pool_test *tests; /* in collection order; lent for pool_new */
    uint32_t test_count;
    const struct pool_scope *scopes; /* a scope's index is above its parent's */
    uint32_t scope_count;
    enum pool_policy policy;
    bool start_absent;  /* tests become free by pool_put_back (an agent's pool: as shards arrive) */
    bool one_machine;   /* takers are workers of one machine: serial and threads are kept here */
    uint32_t cpus;      /* of that machine, for threads; 0: as many as its workers */
    uint64_t mem_bytes; /* of that machine, for the tests' own; 0: not counted */
};

struct pool;

struct pool *pool_new(const struct pool_input *in);
void pool_free(struct pool *pool);

/* The same pool, for when more tests turn up: with the tests, scopes, groups and mutexes of in,
 * which begin with the pool's own. What is where, costs and set-ups as they are known by now stay;
 * the new tests are absent, whatever in says. */
struct pool *pool_grown(const struct pool *old, const struct pool_input *in);

/* Takers come and go. A taker's index is the caller's, below POOL_TAKERS_MAX, and free again when
 * it has left; workers is how many tests it runs at once, speed_ppm 1000000 for a machine of
 * average speed. Leaving puts nothing back: the caller names each test with pool_put_back, so that
 * it is a stored change. */
void pool_join(struct pool *pool, uint32_t taker, uint32_t workers, uint32_t speed_ppm);
void pool_leave(struct pool *pool, uint32_t taker);

/* A better figure, from what has ended so far (pace.h). */
void pool_respeed(struct pool *pool, uint32_t taker, uint32_t speed_ppm);

/* All takers get through predicted work so much faster than their speeds say, 1000000 at first.
 * Speeds tell who should get what; this, when it will be over. */
void pool_pace(struct pool *pool, uint32_t pace_ppm);

/* How many workers the run will have once all have come (a CI matrix knows), so that the first to
 * come does not take the work of those who follow; 0: who is there is all. A hint. */
void pool_expect(struct pool *pool, uint32_t workers);

/* What an idle (or nearly idle) taker should get now: up to max indices into out, in running order;
 * 0 when nothing free is eligible for it. An agent asks while it still has about three lead_us of
 * work, so that it is never idle for the time of a request; near the end of the run it gets less
 * ahead, down to one. One that has plenty, or its fair share, gets 0. With a free worker and
 * eligible work the answer is never 0. A request that was sent before its agent saw the last order
 * must not be asked for: it counts what it is about to get as missing. */
struct pool_ask {
    uint32_t taker;
    uint32_t free_workers; /* workers without a test */
    uint64_t backlog_us;   /* predicted work it still has by its own account, summed over workers */
    uint64_t dry_us;       /* time until its first worker has nothing to do; 0: from backlog_us */
    bool more;             /* in a machine: work may still come from elsewhere, soon */
    uint64_t waited_us;    /* since it got or ended anything: what it waits for may never come */
    uint64_t lead_us;      /* from asking to having the answer; 0: POOL_LEAD_US, in a machine 0 */
    uint64_t now_us;       /* by the clock of pool_begun; 0: what runs counts in full */
};
#define POOL_LEAD_US 20000u
uint32_t pool_choose(const struct pool *pool, const struct pool_ask *ask, uint32_t *out,
                     uint32_t max);

/* Could the taker have this free test now, beside what all have in hand? */
bool pool_may_take(const struct pool *pool, uint32_t taker, uint32_t test);

/* Nothing free is left and the taker is idle: which unstarted tests another taker should give back
 * for it. Never started ones, never the one that each worker of the holder would run next. Returns
 * the count; 0 when moving something would not end the run earlier. */
uint32_t pool_choose_recall(const struct pool *pool, const struct pool_ask *ask,
                            uint32_t *out_holder, uint32_t *out, uint32_t max);

/* Changes. */
void pool_take(struct pool *pool, uint32_t taker, uint32_t test); /* free -> held */
void pool_promise(struct pool *pool, uint32_t test,
                  uint32_t taker);                    /* once back, it is for taker */
void pool_start(struct pool *pool, uint32_t test);    /* held -> started */
void pool_finish(struct pool *pool, uint32_t test);   /* any but done -> done */
void pool_put_back(struct pool *pool, uint32_t test); /* absent, held, started, done -> free */
void pool_recost(struct pool *pool, uint32_t test, uint64_t cost_us);    /* a better prediction */
void pool_rescope(struct pool *pool, uint32_t scope, uint64_t setup_us); /* of its set-up */
void pool_hurry(struct pool *pool, uint32_t test);                       /* is POOL_FIRST now */

/* A started test runs since then, as far as is known: by it, what others run counts for less as
 * time goes by. Not a stored change: without it, as after a restart, it counts in full. */
void pool_begun(struct pool *pool, uint32_t test, uint64_t now_us);

/* What is where: for status, tests and the decision to let an idle taker go. */
uint32_t pool_free_count(const struct pool *pool);
uint64_t pool_free_us(const struct pool *pool);
bool pool_is_free(const struct pool *pool, uint32_t test);
/* What a free test may not be parted from, POOL_NONE for nothing; and the taker who is in that. */
uint32_t pool_unit_of(const struct pool *pool, uint32_t test);
uint32_t pool_unit_owner(const struct pool *pool, uint32_t test);
bool pool_is_owner(const struct pool *pool, uint32_t taker);       /* of a unit with free tests */
bool pool_may_copy(const struct pool *pool, uint32_t test);        /* by its flags, and its run's */
bool pool_is_alone(const struct pool *pool, uint32_t test);        /* POOL_ALONE */
bool pool_is_first(const struct pool *pool, uint32_t test);        /* POOL_FIRST */
uint32_t pool_held_count(const struct pool *pool, uint32_t taker); /* unstarted, held by it */
uint64_t pool_held_us(const struct pool *pool, uint32_t taker);    /* held or started, with the
                                                                      set-ups of their scopes */
uint64_t pool_waiting_us(const struct pool *pool); /* free, with the set-ups still to be paid */
uint64_t pool_own_us(const struct pool *pool, uint32_t taker); /* of that, what a taker is at and
                                                                  others had better not enter */
uint32_t pool_holder(const struct pool *pool, uint32_t test);  /* POOL_NONE if nobody */
bool pool_is_in(const struct pool *pool, uint32_t taker);      /* has joined and not left */
uint32_t pool_speed_ppm(const struct pool *pool, uint32_t taker);
uint64_t pool_setup_us(const struct pool *pool, uint32_t test); /* of all scopes around it */
/* The narrowest scope of a test, POOL_NONE for none; a scope's parent; its set-up alone. */
uint32_t pool_scope(const struct pool *pool, uint32_t test);
uint32_t pool_scope_parent(const struct pool *pool, uint32_t scope);
uint64_t pool_scope_us(const struct pool *pool, uint32_t scope);
