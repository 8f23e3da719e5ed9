/* dispatch.h - which worker runs what, and how many workers there are. Pure.
 *
 * Over common/plan/pool (by deal.h), with workers as takers. Told what happened, it queues effects;
 * the caller does them in order. The next test is named early behind a short one (so that a worker
 * never waits for a round trip) and late behind a long one (so that no test is stuck behind it);
 * with a limit of failures never early. Not for: frames, processes, or what a test's result means.
 */
#pragma once

#include "plan/need.h"
#include "plan/suite.h"
#include "worker.h"

/* Predicted work in hand below which the next test is named early. */
#define DISPATCH_EARLY_US 5000u
/* Tests in one hand, at most, that are named early. */
#define DISPATCH_EARLY_HAND 24u
/* Tests that a worker still has to begin before it lacks anything, when it is far ahead. */
#define DISPATCH_FAR_AHEAD 12u
/* The same when one of them has no history. */
#define DISPATCH_GUESS_HAND 2u
/* Predicted work of a suite that one worker may have done before another has started. */
#define DISPATCH_TINY_US 100000u

enum dispatch_fx_kind {
    DISPATCH_FORK,   /* slot: ask for this worker */
    DISPATCH_RUN,    /* slot, test */
    DISPATCH_SETTLE, /* slot */
    DISPATCH_NONE,   /* slot: it asked for its next test, and there is none now */
    DISPATCH_LAST,   /* slot: it asked, and nothing will come any more */
    DISPATCH_CANCEL, /* slot */
    DISPATCH_QUIT,   /* slot */
    DISPATCH_KILL,   /* slot: it broke the rules */
    DISPATCH_CRASH,  /* slot; test, or WORKER_NO_TEST when it died between tests */
    DISPATCH_UNRUN,  /* slot, test: the worker left in the middle of it, in good order */
    DISPATCH_BROKEN, /* no worker is left and none may be started; stop */
    DISPATCH_EMPTY,  /* after the end or a stop: the last worker is gone */
};

struct dispatch_fx {
    enum dispatch_fx_kind kind;
    uint32_t slot, test;
};

struct dispatch_input {
    const struct suite *suite; /* lent until free; costs as far as they are known */
    enum pool_policy policy;
    uint32_t workers;
    uint32_t cpus;          /* for tests that need several; at least as many as workers */
    uint64_t mem_bytes;     /* for the tests' own memory; 0: not counted */
    uint32_t recycle_after; /* tests of one worker before a fresh one takes its place; 0: never */
    uint32_t restarts_max;  /* losses of workers after which none is replaced */
    bool warm;              /* start all workers at once, before there are tests */
    bool settle_when_dry;   /* nothing can come any more when nothing is here */
    bool one_at_a_time;     /* never name early: a failure may end the run */
    uint32_t threads;       /* tests that a worker runs at a time; 0: one */
    bool each;              /* every worker runs everything; alone only */
    bool in_order;          /* as collected: no order is faster than another */
};

struct dispatch;

struct dispatch *dispatch_new(const struct dispatch_input *in);
void dispatch_free(struct dispatch *d);

/* More tests turned up: the suite, lent until free in place of the first, begins with all of it. */
void dispatch_grow(struct dispatch *d, const struct suite *suite);

/* How fast this machine is believed to be, as the coordinator sees it. */
void dispatch_paced(struct dispatch *d, uint32_t speed_ppm);
/* What entering a scope costs a worker; before the tests in it are granted. */
void dispatch_scope(struct dispatch *d, uint32_t scope, uint64_t setup_us);
/* Before it is granted: this one goes before all others. */
void dispatch_hurry(struct dispatch *d, uint32_t test);
/* Work comes; cost as predicted. A test that is here already is ignored. */
void dispatch_grant(struct dispatch *d, uint32_t test, uint64_t cost_us);
/* Call after the last grant of a batch. */
void dispatch_granted(struct dispatch *d);
/* What a test's last try came to does not count: it waits for a worker once more. */
void dispatch_again(struct dispatch *d, uint32_t test);

/* A worker idles beside tests of a scope that is dear to enter and that another worker is in: it
 * waits for other work to come, which is cheaper, until dispatch_alone says that none is coming. */
bool dispatch_waits(const struct dispatch *d);
void dispatch_alone(struct dispatch *d);

/* Granted, and neither finished nor given back. */
bool dispatch_is_here(const struct dispatch *d, uint32_t test);

/* Takes a test out if no worker has it; true when it may be given back. */
bool dispatch_release(struct dispatch *d, uint32_t test);

/* Something was heard of a worker; test for START and DONE, took_us for DONE. ERR-free: what must
 * not be said leads to DISPATCH_KILL. False when slot is unknown. */
bool dispatch_heard(struct dispatch *d, uint32_t slot, enum worker_event event, uint32_t test,
                    uint64_t took_us);

/* The worker took too long and is being ended: it gets nothing more. The loss of a worker whose
 * test ran into its time limit is no loss of the worker's making, and not counted. */
void dispatch_condemn(struct dispatch *d, uint32_t slot);

void dispatch_end(struct dispatch *d);  /* no more tests will come: finish these, then go */
void dispatch_stop(struct dispatch *d); /* start nothing more: finish what runs, then go */

/* Memory gets short: this worker gets no tests until it is resumed or retired; those named to it
 * early go to others. */
void dispatch_hold(struct dispatch *d, uint32_t slot);
void dispatch_resume(struct dispatch *d, uint32_t slot);
/* It ends after its test, in good order; a fresh one takes its slot as far as the limit allows. */
void dispatch_retire(struct dispatch *d, uint32_t slot);
/* At most so many workers from now on, at least 1; those over it are the caller's to retire. */
void dispatch_limit(struct dispatch *d, uint32_t workers);
/* One worker less from now on: the next one lost is not replaced, and the run is broken when there
 * is no other. */
void dispatch_shrink(struct dispatch *d);

/* No worker can be started any more: those that were asked for will not come. */
void dispatch_barren(struct dispatch *d);

/* The next effect to do, in order. */
bool dispatch_next(struct dispatch *d, struct dispatch_fx *out);

/* For the source, for status, for messages. */
const struct worker *dispatch_worker(const struct dispatch *d, uint32_t slot); /* NULL: unknown */
uint32_t dispatch_losses(const struct dispatch *d); /* of workers, as restarts_max counts them */
uint32_t dispatch_slots(const struct dispatch *d);  /* slots given so far */
uint32_t dispatch_free_workers(const struct dispatch *d);         /* that could take a test now */
bool dispatch_far_ahead(const struct dispatch *d, uint32_t slot); /* lacks nothing for a while */
uint64_t dispatch_backlog_us(const struct dispatch *d);           /* predicted, not begun */
/* The same with what is running; ran_us: by slot, how long the test that it is in has run. */
struct need dispatch_need(const struct dispatch *d, const uint64_t *ran_us);
uint32_t dispatch_most_up(const struct dispatch *d); /* workers that ran at once, at most */
