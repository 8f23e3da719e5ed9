/* pool_split.c - among how many workers a scope that is dear to enter is split.
 *
 * Each of them pays the set-up, so more workers are not always sooner: wanted is the earliest end
 * by which all that is left can be done, split as that end needs it. A scope that one worker can
 * run until then is not split at all. */
#include "plan/pool_pick.h"

#define SPLIT_LOTS_MAX 128u /* with more scopes than this, they fill the workers whole */
#define SPLIT_SEEN_MAX 512u /* nor are more lots of other kinds looked at to find them */
#define SPLIT_STEPS    12u  /* halvings of the range that the end is in */
/* Of set-ups within them, no more than ten times the work counts. */
#define INNER_PPM_MAX 10000000u

/* With five scopes for four workers, or fewer, it matters which worker gets how much of which. With
 * more, small shares even that out, and what remains is split in the end. */
#define FEW_SCOPES      5u
#define FEW_PER_WORKERS 4u

struct split_lot {
    uint64_t setup_us, sum_us;
    uint64_t busy_us; /* its owner is busy with other things so long */
    bool owned;       /* somebody is in it */
};

struct split {
    struct split_lot lots[SPLIT_LOTS_MAX];
    uint32_t count, seen; /* seen: with lots of other kinds */
    uint64_t most_us;     /* the longest of them on one worker */
};

static uint64_t workers_of(const struct pick *p)
{
    return max_u64(p->pool->workers, p->pool->expected_workers);
}

static uint64_t ceil_div(uint64_t a, uint64_t b)
{
    return a / b + (a % b != 0);
}

static struct split_lot describe(const struct pick *p, const struct lot *lot)
{
    const struct pool *pool = p->pool;
    struct split_lot l = { .setup_us = lot_setup_us(pool, lot), .sum_us = lot->sum_us };

    l.owned = lot->owner != POOL_NONE && taker_is_in(pool, lot->owner);
    if (l.owned)
        l.busy_us =
            pool->takers[lot->owner].held_us * 1000 / taker_milli(&pool->takers[lot->owner]);
    if (p->inner_ppm)
        l.sum_us += scale_u64(l.sum_us, p->inner_ppm, 1000000);
    return l;
}

/* Workers that enter a scope so that it ends in time; UINT32_MAX when none are enough. */
static uint32_t entering(const struct split_lot *l, uint64_t end_us)
{
    uint64_t rest_us = l->sum_us, workers;

    if (l->owned)
        rest_us = sub_u64(rest_us, sub_u64(end_us, l->busy_us));
    if (!rest_us)
        return 0;
    if (end_us <= l->setup_us)
        return UINT32_MAX;
    workers = ceil_div(rest_us, end_us - l->setup_us);
    return workers < UINT32_MAX ? (uint32_t)workers : UINT32_MAX;
}

static bool gather(struct split *s, const struct pick *p, enum lot_queue which)
{
    const struct pool *pool = p->pool;
    const struct bucket_queue *q = &pool->lot_queues[which];

    for (uint32_t i = bucket_first(q); i != BUCKET_NONE; i = bucket_next(q, pool->lot_links, i)) {
        struct split_lot *l = &s->lots[s->count];

        if (s->count == SPLIT_LOTS_MAX || s->seen++ == SPLIT_SEEN_MAX)
            return false;
        if (pool->lots[i].kind != LOT_SCOPE)
            continue;
        *l = describe(p, &pool->lots[i]);
        s->most_us = max_u64(s->most_us, l->setup_us + l->sum_us + l->busy_us);
        s->count++;
    }
    return true;
}

/* Can all be done until then? A worker cannot take two pieces that each fill half of the time. */
static bool in_time(const struct split *s, const struct pick *p, uint64_t left_us, uint64_t end_us)
{
    uint64_t room_us = scale_u64(end_us, p->expected_milli, 1000);
    uint64_t large = 0;

    for (uint32_t i = 0; i < s->count && left_us <= room_us; i++) {
        const struct split_lot *l = &s->lots[i];
        uint32_t workers = entering(l, end_us);

        if (workers > workers_of(p))
            return false;
        if (workers > !l->owned)
            left_us += l->setup_us * (workers - !l->owned);
        if (workers && (l->setup_us + l->sum_us / workers) * 2 > end_us)
            large += workers;
    }
    return left_us <= room_us && large <= workers_of(p);
}

/* Set-ups of scopes within these, by the work that they are in. */
static void add_inner(struct split *s, struct pick *p)
{
    uint64_t inner_us = p->pool->free_setup_us, sum_us = 0;

    for (uint32_t i = 0; i < s->count; i++) {
        sum_us += s->lots[i].sum_us;
        if (!s->lots[i].owned)
            inner_us = sub_u64(inner_us, s->lots[i].setup_us);
    }
    if (sum_us)
        p->inner_ppm = min_u64(scale_u64(inner_us, 1000000, sum_us), INNER_PPM_MAX);
    for (uint32_t i = 0; i < s->count; i++)
        s->lots[i].sum_us += scale_u64(s->lots[i].sum_us, p->inner_ppm, 1000000);
    s->most_us += scale_u64(s->most_us, p->inner_ppm, 1000000);
}

void pick_split(struct pick *p, uint64_t left_us)
{
    struct split s = { .count = 0 };
    uint64_t low_us = p->end_us, high_us;

    p->split_us = 0;
    if (p->pool->one_machine || !gather(&s, p, LOTS_WHOLE) || !gather(&s, p, LOTS_BEGUN) ||
        !s.count || s.count * FEW_PER_WORKERS > workers_of(p) * FEW_SCOPES)
        return;
    add_inner(&s, p);
    high_us = low_us + s.most_us;
    for (uint32_t i = 0; i < SPLIT_STEPS; i++) {
        uint64_t middle_us = low_us + (high_us - low_us) / 2;

        if (in_time(&s, p, left_us, middle_us))
            high_us = middle_us;
        else
            low_us = middle_us;
    }
    p->split_us = high_us;
}

bool pick_wants_more(const struct pick *p, const struct lot *lot)
{
    struct split_lot l = describe(p, lot);
    uint32_t workers;

    if (!p->split_us || !l.owned || lot->owner == p->taker)
        return false;
    workers = entering(&l, p->split_us);
    return workers > 0 && workers < UINT32_MAX;
}

uint64_t pick_piece_us(const struct pick *p, const struct lot *lot, uint64_t setup_us)
{
    struct split_lot l = describe(p, lot);
    uint32_t workers;

    if (lot->owner == p->taker && !setup_us)
        return p->split_us;
    workers = entering(&l, p->split_us);
    if (workers == UINT32_MAX || !workers)
        return sub_u64(lot->sum_us, setup_us) / 2;
    return l.sum_us / workers;
}
