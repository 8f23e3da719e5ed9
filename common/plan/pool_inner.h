/* pool_inner.h - what pool.c (changes), pool_grow.c (more tests), pool_lot.c (order), pool_state.c
 * (what is where), pool_clock.c (how much of it is done), pool_recall.c and the files of
 * pool_pick.h (decisions) share.
 *
 * A free test is found in two ways: by its size, among all tests that may go alone; and in its
 * *lot*, with those that it is better run beside: its unit, a scope whose set-up is worth sharing,
 * the tests of its mutex, or just its file, in the order of collection. Lots with free tests are
 * queued by size too. So every change is O(1), and choosing walks the queues without touching them.
 * Not for: anybody else. */
#pragma once

#include "plan/bucket.h"
#include "plan/pool.h"

#define POOL_COST_US_MAX  ((uint64_t)86400 * 1000000) /* what a longer test counts as */
#define POOL_SETUP_US_MIN 500u                        /* a cheaper set-up is not worth a thought */
#define POOL_BIND_FACTOR  128u /* a scope binds when its set-up times this is over its work */
#define POOL_LOOSE_FACTOR 8u   /* a test of this many set-ups' length goes alone */

enum test_state { TEST_ABSENT, TEST_FREE, TEST_HELD, TEST_STARTED, TEST_DONE };

enum test_queue {
    TESTS_ALONE, /* by size: may be run apart from its lot */
    TESTS_HEAVY, /* in a machine: needs more than one CPU, or much memory */
    TESTS_FIRST, /* before all others, in the order in which they came */
    TESTS_QUEUES,
    TESTS_NONE /* only with its lot */
};

struct node {
    uint64_t cost_us;
    uint64_t setup_us; /* while in hand: of the scopes that its taker enters with it */
    uint64_t begun_us; /* while it runs: since when, by pool_begun; 0: nobody has said */
    uint32_t scope, group, mutex;
    uint32_t lot;        /* the lot it is in while free, and was in last; POOL_NONE for none */
    uint32_t prev, next; /* in the lot while free, in its taker's list while held */
    uint32_t taker;      /* who holds it, started it, or finished it last */
    uint32_t promised;   /* for whom it is recalled, POOL_NONE for nobody */
    uint32_t mem_mib;
    uint16_t threads;
    uint8_t state; /* enum test_state */
    uint8_t queue; /* enum test_queue */
    uint8_t flags;
    bool counted; /* in its lot's begun */
};

enum lot_kind {
    LOT_UNIT,  /* stays on the worker that has begun it */
    LOT_SCOPE, /* shares a set-up; is cut only where that pays */
    LOT_MUTEX, /* never overlap: a chain */
    LOT_FILE,  /* a file's tests, in order: a worker stays with them if nothing presses */
};

enum lot_queue {
    LOTS_WHOLE, /* units, scopes, mutexes that nobody is at */
    LOTS_FILES, /* files that nobody is at */
    LOTS_BEGUN, /* scopes and files that somebody is at */
    LOTS_QUEUES,
    LOTS_OWNED, /* the rest of a unit, in its owner's own list */
    LOTS_OUT    /* no free test */
};

struct lot {
    uint64_t sum_us; /* of its free tests */
    uint32_t head, tail, count;
    uint32_t hint;    /* one of them: where the next to come probably belongs */
    uint32_t owner;   /* who took from it last; of a unit: who alone may */
    uint32_t claimed; /* of a unit: tests held, started or done by its owner */
    uint32_t begun;   /* of these, started or done */
    uint32_t first;   /* of count, POOL_FIRST: then it goes before other lots */
    uint8_t queue;    /* enum lot_queue */
    uint8_t kind;     /* enum lot_kind */
};

/* Tests that run, as far as it is known since when (pool_clock.c). */
struct pool_clock {
    uint64_t count, begun_us, cost_us; /* sums */
};

struct pool_taker {
    uint64_t held_us;              /* held and started */
    uint32_t held_head, held_tail; /* unstarted, in the order taken */
    uint32_t held_count, running;  /* unstarted, started */
    uint32_t owned;                /* its units with free tests */
    uint32_t last;                 /* the scope or file that it took from last */
    uint32_t took;                 /* the test that it took last */
    uint32_t workers, speed_milli; /* 0 workers: not there */
    struct pool_clock clock;
};

struct pool_place {             /* a scope */
    uint64_t setup_us, work_us; /* work: own time of all its tests */
    uint32_t parent, root;
    uint32_t free, touched; /* tests in it that are free; that are held, started or done */
};

struct pool_mutex {
    uint32_t taker, in_hand; /* who holds or runs tests of it, how many */
};

struct pool {
    struct node *tests;
    struct bucket_link *test_links, *lot_links;
    uint32_t *answer_at; /* where a test stands in an answer in the making, if it is there at all:
                            scratch of pool_choose, which changes nothing else */
    struct lot *lots;    /* of scopes, of files (by scope), of groups, of mutexes */
    struct pool_place *scopes;
    struct pool_taker *takers;
    struct pool_mutex *mutexes;
    struct bucket_queue test_queues[TESTS_QUEUES], lot_queues[LOTS_QUEUES];
    uint32_t test_count, scope_count, group_count, mutex_count, lot_count;
    size_t taker_cap;
    uint32_t taker_count; /* highest index that was ever in use, plus one */
    uint32_t free_count;
    uint32_t first_free;                 /* no test before it is free */
    uint32_t busy_takers, extra_threads; /* with a test in hand; threads over one a test in hand */
    uint64_t hand_mib, budget_mib;       /* memory of tests in hand, and of the machine */
    uint32_t workers, expected_workers, cpus;
    uint32_t serial_taker, serial_count; /* in a machine: who has serial tests in hand */
    uint32_t alone_count, alone_free, alone_in_hand; /* POOL_ALONE; ever, free, held or started */
    uint32_t busy_workers; /* with a test in hand: of a taker no more than it has */
    uint64_t free_us, held_us, capacity_milli;
    uint64_t free_setup_us; /* of the scopes that nobody has been in yet, with free tests */
    uint64_t pace_milli;    /* of all takers alike, see pool_pace */
    uint64_t done_us;       /* that was run here */
    struct pool_clock clock;
    enum pool_policy policy;
    bool one_machine;
};

/* pool_lot.c: where a free test stands. */
void lot_insert(struct pool *pool, uint32_t test);
void lot_remove(struct pool *pool, uint32_t test);
void lot_disown(struct pool *pool, uint32_t index);
uint64_t lot_setup_us(const struct pool *pool, const struct lot *lot);

/* The scope of the test that a taker took last. */
uint32_t taker_at(const struct pool *pool, const struct pool_taker *k);

/* Set-ups that a worker pays on going from one scope to another. */
uint64_t scope_enter_us(const struct pool *pool, uint32_t to, uint32_t from);

/* What a unit must know to stay where it was begun; all but lot_claim are for tests not free. */
void lot_claim(struct pool *pool, uint32_t test, uint32_t taker);
void lot_begin(struct pool *pool, uint32_t test);
void lot_unclaim(struct pool *pool, uint32_t test);

/* pool_clock.c: a test runs no more; what all takers but one have done of what they run. */
void clock_forget(struct pool *pool, uint32_t test);
uint64_t clock_done_us(const struct pool *pool, uint32_t but, uint64_t now_us);

static inline bool taker_is_in(const struct pool *pool, uint32_t taker)
{
    return taker < pool->taker_count && pool->takers[taker].workers > 0;
}

static inline uint64_t taker_milli(const struct pool_taker *k)
{
    return (uint64_t)k->workers * k->speed_milli;
}

static inline uint64_t pool_lead_us(const struct pool *pool, const struct pool_ask *ask)
{
    return ask->lead_us || pool->one_machine ? ask->lead_us : POOL_LEAD_US;
}
