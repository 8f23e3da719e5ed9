/* pool_inner.h - what pool.c (changes), pool_lot.c (order) and pool_choose.c (decisions) share.
 *
 * Free tests lie in *lots*: a lot is what is better given out together. A test alone, a group, a
 * scope whose set-up is worth sharing, the small change of a file, the tests of a mutex. A lot with
 * free tests stands in one queue, sorted by size; a queue is an array of lists, one for each
 * sixteenth of a power of two, with a bitmap of those in use. So every change is O(1), and choosing
 * walks the queue from the largest lot down without touching it. Not for: anybody else. */
#pragma once

#include "plan/pool.h"

#define POOL_BUCKETS      1024u
#define POOL_COST_US_MAX  ((uint64_t)86400 * 1000000) /* what a longer test counts as */
#define POOL_CRUMB_US     5000u /* below, tests of a file go together: order hardly matters */
#define POOL_SETUP_US_MIN 500u  /* a cheaper set-up is not worth a thought */
#define POOL_BIND_FACTOR  128u  /* a scope binds when its set-up times this is over its work */
#define POOL_LOOSE_FACTOR 8u    /* a test of this many set-ups' length goes alone */

enum test_state { TEST_ABSENT, TEST_FREE, TEST_HELD, TEST_STARTED, TEST_DONE };

struct node {
    uint64_t cost_us;
    uint32_t scope, group, mutex;
    uint32_t lot;        /* POOL_NONE unless free, or in an exclusive lot */
    uint32_t prev, next; /* in the lot while free, in its taker's list while held */
    uint32_t taker;      /* who holds it, started it, or finished it last */
    uint16_t threads;
    uint8_t state; /* enum test_state */
    uint8_t flags;
    bool counted; /* in its lot's begun */
};

enum lot_kind {
    LOT_SINGLE, /* one test */
    LOT_UNIT,   /* stays on the worker that has begun it */
    LOT_SCOPE,  /* shares a set-up; may be cut where that pays */
    LOT_CRUMBS, /* small tests of a file; may be cut anywhere */
    LOT_MUTEX,  /* never overlap: a chain */
};

enum lot_queue {
    QUEUE_FRESH, /* nobody is at it */
    QUEUE_BEGUN, /* a scope that somebody has entered */
    QUEUE_HEAVY, /* in a machine: tests that need more than one CPU */
    QUEUE_COUNT,
    QUEUE_OWNED, /* the rest of a unit, in its owner's own list */
    QUEUE_OUT,   /* no free test */
};

struct lot {
    uint64_t sum_us; /* of its free tests */
    uint32_t head, tail, count;
    uint32_t prev, next;
    uint32_t owner;   /* who took from it last; of a unit: who alone may */
    uint32_t claimed; /* of a unit: tests held, started or done by its owner */
    uint32_t begun;   /* of these, started or done */
    uint16_t bucket;
    uint8_t queue; /* enum lot_queue */
    uint8_t kind;  /* enum lot_kind */
};

struct queue {
    uint32_t head[POOL_BUCKETS], tail[POOL_BUCKETS];
    uint64_t used[POOL_BUCKETS / 64];
};

struct pool_taker {
    uint64_t held_us;              /* held and started */
    uint32_t held_head, held_tail; /* unstarted, in the order taken */
    uint32_t held_count, running;  /* unstarted, started */
    uint32_t owned;                /* its units with free tests */
    uint32_t last;                 /* the scope's lot that it entered last */
    uint32_t workers, speed_milli; /* 0 workers: not there */
    bool seen;                     /* has joined once */
};

struct pool_place {             /* a scope */
    uint64_t setup_us, work_us; /* work: own time of all its tests */
    uint32_t parent, root;
};

struct pool_mutex {
    uint32_t taker, in_hand; /* who holds or runs tests of it, how many */
};

struct pool {
    struct node *tests;
    struct lot *lots; /* of tests, then scopes twice (scope, crumbs), groups, mutexes */
    struct pool_place *scopes;
    struct pool_taker *takers;
    struct pool_mutex *mutexes;
    struct queue queues[QUEUE_COUNT];
    uint32_t test_count, scope_count, group_count, mutex_count, lot_count;
    uint32_t taker_count; /* highest index in use, plus one */
    uint32_t free_count;
    uint32_t busy_takers, extra_threads; /* with a test in hand; threads over one a test in hand */
    uint32_t workers, cpus;
    uint32_t serial_taker, serial_count; /* in a machine: who has serial tests in hand */
    uint64_t free_us, held_us, capacity_milli;
    enum pool_policy policy;
    bool one_machine;
};

/* pool_lot.c: the lot of a free test; in and out of it. */
void lot_insert(struct pool *pool, uint32_t test);
void lot_remove(struct pool *pool, uint32_t test);
void lot_disown(struct pool *pool, uint32_t lot);

/* What a unit must know to stay where it was begun; all but lot_claim are for tests not free. */
void lot_claim(struct pool *pool, uint32_t test, uint32_t taker);
void lot_begin(struct pool *pool, uint32_t test);
void lot_unclaim(struct pool *pool, uint32_t test);
uint64_t lot_setup_us(const struct pool *pool, const struct lot *lot);

/* The largest bucket below limit that is in use, or POOL_BUCKETS. */
uint32_t queue_below(const struct queue *queue, uint32_t limit);

static inline bool taker_is_in(const struct pool *pool, uint32_t taker)
{
    return taker < POOL_TAKERS_MAX && pool->takers[taker].workers > 0;
}

static inline bool test_is_heavy(const struct pool *pool, const struct node *t)
{
    return pool->one_machine && (t->threads > 1 || (t->flags & POOL_SERIAL));
}
