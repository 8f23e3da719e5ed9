#include "plan/pool_inner.h"

/* The taker that would end last by what it holds, among those with something to give. */
static uint32_t slowest(const struct pool *pool, uint32_t but, uint64_t *out_end_us)
{
    uint32_t found = POOL_NONE;
    uint64_t worst_us = 0;

    for (uint32_t i = 0; i < pool->taker_count; i++) {
        const struct pool_taker *k = &pool->takers[i];
        uint64_t end_us;

        if (i == but || !taker_is_in(pool, i) || k->held_count <= k->workers)
            continue;
        end_us = k->held_us * 1000 / taker_milli(k);
        if (end_us > worst_us) {
            worst_us = end_us;
            found = i;
        }
    }
    *out_end_us = worst_us;
    return found;
}

/* The whole of a unit, if none of it has begun and none of it is among the first skipped. */
static uint32_t recall_unit(const struct pool *pool, uint32_t from, uint32_t stop, uint32_t *out,
                            uint32_t max)
{
    uint32_t index = pool->tests[from].lot, n = 0;
    const struct lot *lot = &pool->lots[index];

    if (lot->begun || lot->claimed > max)
        return 0;
    for (uint32_t t = from; t != stop && n < lot->claimed; t = pool->tests[t].prev)
        if (pool->tests[t].lot == index)
            out[n++] = t;
    return n == lot->claimed ? n : 0;
}

static bool named(const uint32_t *tests, uint32_t count, uint32_t test)
{
    while (count-- > 0)
        if (tests[count] == test)
            return true;
    return false;
}

uint32_t pool_choose_recall(const struct pool *pool, uint32_t taker, uint32_t *out_holder,
                            uint32_t *out, uint32_t max)
{
    uint64_t lead_us = pool->one_machine ? 0 : (uint64_t)2 * POOL_LEAD_US;
    uint64_t end_us, want_us, moved_us = 0;
    const struct pool_taker *holder, *k = &pool->takers[taker];
    uint32_t from, keep, n = 0;

    INVARIANT(taker_is_in(pool, taker));
    from = slowest(pool, taker, &end_us);
    if (pool->free_count > pool->alone_free || from == POOL_NONE || end_us <= lead_us || !max)
        return 0;
    holder = &pool->takers[from];
    /* Both would end together: what the holder does in the time that is left is shared. */
    want_us = (uint64_t)((wide_uint)(end_us - lead_us) * taker_milli(holder) * taker_milli(k) /
                         (taker_milli(holder) + taker_milli(k)) / 1000);
    keep = holder->held_head;
    for (uint32_t i = 0; i + 1 < holder->workers && keep != POOL_NONE; i++)
        keep = pool->tests[keep].next;
    for (uint32_t t = holder->held_tail;
         t != keep && t != POOL_NONE && n < max && moved_us < want_us; t = pool->tests[t].prev) {
        const struct node *node = &pool->tests[t];
        uint32_t got = 1;

        if (node->mutex != POOL_NONE || moved_us + node->cost_us / 2 > want_us)
            continue;
        if (node->lot != POOL_NONE && pool->lots[node->lot].kind == LOT_UNIT)
            got = named(out, n, t) ? 0 : recall_unit(pool, t, keep, out + n, max - n);
        else
            out[n] = t;
        for (uint32_t i = n; i < n + got; i++)
            moved_us += pool->tests[out[i]].cost_us;
        n += got;
    }
    if (n)
        *out_holder = from;
    return n;
}
