#include "plan/pool_inner.h"

/* Tests that a taker has not started but is about to, on workers that have none. */
static uint32_t due_count(const struct pool_taker *k)
{
    return k->workers > k->running ? k->workers - k->running : 0;
}

/* The taker that would end last by what it holds, among those with something to give. */
static uint32_t slowest(const struct pool *pool, uint32_t but, uint64_t *out_end_us)
{
    uint32_t found = POOL_NONE;
    uint64_t worst_us = 0;

    for (uint32_t i = 0; i < pool->taker_count; i++) {
        const struct pool_taker *k = &pool->takers[i];
        uint64_t end_us;

        if (i == but || !taker_is_in(pool, i) || k->held_count <= due_count(k))
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

/* The last of these; POOL_NONE when there is none. */
static uint32_t last_due(const struct pool *pool, const struct pool_taker *k)
{
    uint32_t test = POOL_NONE;

    for (uint32_t i = due_count(k); i > 0; i--)
        test = test == POOL_NONE ? k->held_head : pool->tests[test].next;
    return test;
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

/* Work of a dear scope that its holder can do without: one of its workers is in it, and both should
 * end together. What no worker has come to yet may go as a whole. */
static uint64_t spare_us(const struct pool *pool, const struct pool_taker *holder, uint32_t lot,
                         uint64_t setup_us)
{
    uint64_t rest_us = 0;
    uint32_t seen = 0, last = POOL_NONE;

    for (uint32_t t = holder->held_head; t != POOL_NONE; t = pool->tests[t].next) {
        if (pool->tests[t].lot == lot) {
            if (!rest_us && seen >= holder->workers)
                return UINT64_MAX;
            rest_us += pool->tests[t].cost_us;
        }
        seen += pool->tests[t].lot != last;
        last = pool->tests[t].lot;
    }
    return rest_us > setup_us ? (rest_us - setup_us) / 2 : 0;
}

uint32_t pool_choose_recall(const struct pool *pool, const struct pool_ask *ask,
                            uint32_t *out_holder, uint32_t *out, uint32_t max)
{
    uint32_t taker = ask->taker;
    uint64_t lead_us = 2 * pool_lead_us(pool, ask);
    uint64_t end_us, want_us, moved_us = 0;
    const struct pool_taker *holder, *k = &pool->takers[taker];
    uint32_t from, keep, at = taker_at(pool, k), n = 0, lot = POOL_NONE;
    uint64_t spared_us = UINT64_MAX;

    INVARIANT(taker_is_in(pool, taker));
    from = slowest(pool, taker, &end_us);
    /* A taker that idles with unstarted tests cannot start them now (they exclude one another):
     * with more it would do the same, and two such takers would recall from each other for ever. */
    if (pool->free_count > pool->alone_free || from == POOL_NONE || end_us < lead_us || !max ||
        k->held_count || k->running >= k->workers)
        return 0;
    holder = &pool->takers[from];
    /* Both would end together: what the holder does in the time that is left is shared. */
    want_us = (uint64_t)((wide_uint)(end_us - lead_us) * taker_milli(holder) * taker_milli(k) /
                         (taker_milli(holder) + taker_milli(k)) / 1000);
    keep = last_due(pool, holder);
    for (uint32_t t = holder->held_tail;
         t != keep && t != POOL_NONE && n < max && moved_us < want_us; t = pool->tests[t].prev) {
        const struct node *node = &pool->tests[t];
        uint64_t setup_us = scope_enter_us(pool, node->scope, at);
        uint32_t got = 1;

        if (node->mutex != POOL_NONE || node->cost_us * 1000 / k->speed_milli > end_us + lead_us ||
            moved_us + setup_us + node->cost_us / 2 > want_us)
            continue;
        if (node->lot != lot) {
            lot = node->lot;
            spared_us = lot != POOL_NONE && pool->lots[lot].kind == LOT_SCOPE
                            ? spare_us(pool, holder, lot, setup_us)
                            : UINT64_MAX;
        }
        if (node->cost_us > spared_us)
            continue;
        if (spared_us != UINT64_MAX)
            spared_us -= node->cost_us;
        if (node->lot != POOL_NONE && pool->lots[node->lot].kind == LOT_UNIT)
            got = named(out, n, t) ? 0 : recall_unit(pool, t, keep, out + n, max - n);
        else
            out[n] = t;
        for (uint32_t i = n; i < n + got; i++)
            moved_us += pool->tests[out[i]].cost_us;
        if (got) {
            moved_us += setup_us;
            at = node->scope;
        }
        n += got;
    }
    if (n)
        *out_holder = from;
    return n;
}
