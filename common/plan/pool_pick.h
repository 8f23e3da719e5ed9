/* pool_pick.h - one answer of pool_choose in the making: what pool_choose.c (in which order),
 * pool_size.c (how much), pool_split.c (among how many) and pool_match.c (on which machine) share.
 * Not for: anybody else.
 *
 * Work is in microseconds of an average machine, summed over workers. */
#pragma once

#include "plan/pool_inner.h"

struct pick {
    const struct pool *pool;
    const struct pool_taker *k;
    uint32_t taker;
    bool more;                   /* of pool_ask */
    uint64_t lead_us, waited_us; /* likewise */

    /* How much: pool_size.c */
    uint64_t end_us;         /* time until the run's predicted end, with all that are expected */
    uint64_t expected_milli; /* workers times their speed, with all that are expected */
    uint64_t level_us;       /* work that a worker of this taker does until then */
    uint64_t share_us;       /* what it should get now */
    uint64_t bridge_us;      /* what its workers need until another request could be answered */
    uint64_t horizon_us;     /* no test of one worker counts for more of that than this */
    uint32_t least;          /* so many tests in any case */
    uint32_t dry;            /* its workers that will have nothing to do before the next answer */
    uint32_t long_bucket;    /* tests in larger buckets are for those: others need less to go on */
    uint32_t press_bucket;   /* tests in larger buckets come first, wherever they are */

    /* Among how many: pool_split.c */
    uint64_t split_us;  /* by when all could be done if dear scopes are split; 0: see share_us */
    uint64_t inner_ppm; /* set-ups within these scopes, over their work */

    /* On which machine: pool_match.c */
    uint64_t probe_us; /* no test longer than this yet; 0: any */
    uint32_t rival;    /* who would end the longest test first; POOL_NONE: not looked for yet */
    uint32_t spared;   /* left to another machine for now, POOL_NONE for none */
    uint32_t left;     /* tests that were left to others, ... */
    uint64_t left_us;  /* ... and their sum */
    bool nobody_comes; /* who is not here yet is not waited for */
    bool put_off;      /* a test was left that this taker might run */

    uint64_t given_us, bridged_us; /* of share_us, of bridge_us */
    uint32_t scope;                /* of the last test given */
    uint32_t given_long;           /* larger than long_bucket */
    bool stopped;                  /* the next test is too long for this share */
    bool passed;                   /* one was passed over: the rest only bridges */
    bool alone;                    /* what was picked needs the run alone */
    uint32_t *out;
    uint32_t max, count;
    uint32_t filled; /* workers that what was picked keeps busy: one for a scope */
};

/* Fills in how much; false when the taker has enough. */
bool pick_size(struct pick *p, const struct pool_ask *ask);

/* Fills in split_us and inner_ppm. left_us: all work that is left in the run. */
void pick_split(struct pick *p, uint64_t left_us);

/* Should others join a scope that somebody is in? */
bool pick_wants_more(const struct pick *p, const struct lot *lot);

/* The work in it that one who enters it now should do. */
uint64_t pick_piece_us(const struct pick *p, const struct lot *lot, uint64_t setup_us);

/* Fills in probe_us, and keeps the share small while it is above 0. */
void pick_probe(struct pick *p);

/* Would this test alone last longer here than the run to come? */
bool pick_outlasts(const struct pick *p, uint32_t test);

/* Should this test wait for another machine, or until more is known of them? */
bool pick_waits(struct pick *p, uint32_t test);

static inline uint64_t sub_u64(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static inline uint64_t scale_u64(uint64_t v, uint64_t by, uint64_t per)
{
    return (uint64_t)((wide_uint)v * by / per);
}
