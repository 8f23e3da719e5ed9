#include "plan/pack_load.h"

#include <stdlib.h>

#include "mem.h"

#define EFFORT_MAX ((uint64_t)4000000) /* looks at a possible move */
#define SWAPS_MAX  ((uint64_t)250000)  /* pairs that are tried between two machines */

/* How many tests of a scope a machine has: open addressing; only scopes with a set-up count. */
struct tallies {
    struct tally {
        uint64_t key; /* machine * scopes + scope, plus 1 */
        uint32_t count;
    } * slots;
    size_t mask, used;
};

struct pack_load {
    const struct pack_input *in;
    const struct pack_item *items;
    const uint32_t *order;
    uint32_t item_count;
    uint64_t *us, *setup_us;         /* by machine */
    uint32_t *first;                 /* item of a machine, POOL_NONE at the end */
    uint32_t *prev, *next, *machine; /* by item */
    struct tallies tallies;
    uint64_t effort;
};

static struct tally *slot_of(const struct tallies *t, uint64_t key)
{
    uint64_t hash = key * 0x9e3779b97f4a7c15u;
    size_t i = (size_t)(hash >> 20) & t->mask;

    while (t->slots[i].key && t->slots[i].key != key)
        i = (i + 1) & t->mask;
    return &t->slots[i];
}

static void widen(struct tallies *t)
{
    struct tallies wider = { .mask = t->mask ? 2 * t->mask + 1 : 63, .used = t->used };

    wider.slots = mem_new(wider.mask + 1, sizeof(*wider.slots));
    for (size_t i = 0; t->slots && i <= t->mask; i++)
        if (t->slots[i].key)
            *slot_of(&wider, t->slots[i].key) = t->slots[i];
    free(t->slots);
    *t = wider;
}

struct pack_load *pack_load_new(const struct pack_input *in, const struct pack_item *items,
                                uint32_t item_count, const uint32_t *order)
{
    struct pack_load *l = mem_new(1, sizeof(*l));

    *l = (struct pack_load){ .in = in, .items = items, .order = order, .item_count = item_count };
    l->us = mem_new(in->machines, sizeof(*l->us));
    l->setup_us = mem_new(in->machines, sizeof(*l->setup_us));
    l->first = mem_new(in->machines, sizeof(*l->first));
    l->prev = mem_new(item_count, sizeof(*l->prev));
    l->next = mem_new(item_count, sizeof(*l->next));
    l->machine = mem_new(item_count, sizeof(*l->machine));
    for (uint32_t m = 0; m < in->machines; m++)
        l->first[m] = POOL_NONE;
    for (uint32_t i = 0; i < item_count; i++)
        l->machine[i] = POOL_NONE;
    widen(&l->tallies);
    return l;
}

void pack_load_free(struct pack_load *l)
{
    if (!l)
        return;
    free(l->us);
    free(l->setup_us);
    free(l->first);
    free(l->prev);
    free(l->next);
    free(l->machine);
    free(l->tallies.slots);
    free(l);
}

static struct tally *tally_at(struct pack_load *l, uint32_t machine, uint32_t scope)
{
    uint64_t key = (uint64_t)machine * l->in->scope_count + scope + 1;
    struct tally *t;

    if (l->tallies.used * 2 > l->tallies.mask)
        widen(&l->tallies);
    t = slot_of(&l->tallies, key);
    if (!t->key) {
        t->key = key;
        l->tallies.used++;
    }
    return t;
}

/* Counts an item's tests in their scopes in or out; returns the set-ups that this adds or saves. */
static uint64_t count_scopes(struct pack_load *l, uint32_t item, uint32_t machine, bool in)
{
    const struct pack_item *it = &l->items[item];
    uint64_t setup_us = 0;

    for (uint32_t i = it->first; i < it->first + it->count; i++)
        for (uint32_t s = l->in->tests[l->order[i]].scope; s != POOL_NONE;
             s = l->in->scopes[s].parent) {
            struct tally *t;

            if (!l->in->scopes[s].setup_us)
                continue;
            t = tally_at(l, machine, s);
            if (in ? t->count++ == 0 : --t->count == 0)
                setup_us += l->in->scopes[s].setup_us;
        }
    return setup_us;
}

static void enter(struct pack_load *l, uint32_t item, uint32_t machine)
{
    uint64_t setup_us = count_scopes(l, item, machine, true);

    l->us[machine] += l->items[item].cost_us + setup_us;
    l->setup_us[machine] += setup_us;
}

static void leave(struct pack_load *l, uint32_t item, uint32_t machine)
{
    uint64_t setup_us = count_scopes(l, item, machine, false);

    l->us[machine] -= l->items[item].cost_us + setup_us;
    l->setup_us[machine] -= setup_us;
}

static void unlink_item(struct pack_load *l, uint32_t item)
{
    if (l->prev[item] == POOL_NONE)
        l->first[l->machine[item]] = l->next[item];
    else
        l->next[l->prev[item]] = l->next[item];
    if (l->next[item] != POOL_NONE)
        l->prev[l->next[item]] = l->prev[item];
}

void pack_load_put(struct pack_load *l, uint32_t item, uint32_t machine)
{
    if (l->machine[item] != POOL_NONE) {
        unlink_item(l, item);
        leave(l, item, l->machine[item]);
    }
    l->machine[item] = machine;
    l->prev[item] = POOL_NONE;
    l->next[item] = l->first[machine];
    if (l->first[machine] != POOL_NONE)
        l->prev[l->first[machine]] = item;
    l->first[machine] = item;
    enter(l, item, machine);
}

uint32_t pack_load_machine(const struct pack_load *l, uint32_t item)
{
    return l->machine[item];
}

uint64_t pack_load_us(const struct pack_load *l, uint32_t machine)
{
    return l->us[machine];
}

uint64_t pack_load_with(const struct pack_load *l, uint32_t item, uint32_t machine)
{
    const struct pack_item *it = &l->items[item];
    uint64_t us = l->us[machine] + it->cost_us;

    /* Exact for a single test; a unit's tests mostly share their scopes, the first one's stand in.
     */
    for (uint32_t s = l->in->tests[l->order[it->first]].scope; s != POOL_NONE;
         s = l->in->scopes[s].parent) {
        uint64_t key = (uint64_t)machine * l->in->scope_count + s + 1;

        if (l->in->scopes[s].setup_us && !slot_of(&l->tallies, key)->count)
            us += l->in->scopes[s].setup_us;
    }
    return us;
}

/* The longer of two machines' loads after item went from one to the other. */
static uint64_t after_move(struct pack_load *l, uint32_t item, uint32_t from, uint32_t to)
{
    uint64_t longer;

    leave(l, item, from);
    enter(l, item, to);
    longer = l->us[from] > l->us[to] ? l->us[from] : l->us[to];
    leave(l, item, to);
    enter(l, item, from);
    l->effort += 1 + l->items[item].count;
    return longer;
}

static bool move_one(struct pack_load *l, uint32_t from, uint32_t to)
{
    uint64_t best_us = l->us[from];
    uint32_t best = POOL_NONE;

    for (uint32_t i = l->first[from]; i != POOL_NONE && l->effort < EFFORT_MAX; i = l->next[i]) {
        uint64_t us;

        if (!l->items[i].cost_us || l->us[to] + l->items[i].cost_us >= best_us)
            continue; /* set-ups only make it worse */
        us = after_move(l, i, from, to);
        if (us < best_us) {
            best_us = us;
            best = i;
        }
    }
    if (best == POOL_NONE)
        return false;
    pack_load_put(l, best, to);
    return true;
}

static uint32_t count_items(const struct pack_load *l, uint32_t machine)
{
    uint32_t n = 0;

    for (uint32_t i = l->first[machine]; i != POOL_NONE; i = l->next[i])
        n++;
    return n;
}

static bool swap_one(struct pack_load *l, uint32_t from, uint32_t to)
{
    uint64_t best_us = l->us[from];
    uint32_t best = POOL_NONE, best_back = POOL_NONE;

    if ((uint64_t)count_items(l, from) * count_items(l, to) > SWAPS_MAX)
        return false;
    for (uint32_t i = l->first[from]; i != POOL_NONE; i = l->next[i])
        for (uint32_t k = l->first[to]; k != POOL_NONE && l->effort < EFFORT_MAX; k = l->next[k]) {
            uint64_t out_us = l->items[i].cost_us, back_us = l->items[k].cost_us, us;

            l->effort++;
            if (out_us <= back_us || l->us[to] + out_us - back_us >= best_us + l->setup_us[to])
                continue;
            leave(l, i, from);
            enter(l, i, to);
            us = after_move(l, k, to, from);
            leave(l, i, to);
            enter(l, i, from);
            l->effort += l->items[i].count;
            if (us < best_us) {
                best_us = us;
                best = i;
                best_back = k;
            }
        }
    if (best == POOL_NONE)
        return false;
    pack_load_put(l, best, to);
    pack_load_put(l, best_back, from);
    return true;
}

static uint32_t longest(const struct pack_load *l)
{
    uint32_t best = 0;

    for (uint32_t m = 1; m < l->in->machines; m++)
        if (l->us[m] > l->us[best])
            best = m;
    return best;
}

static uint32_t shortest(const struct pack_load *l)
{
    uint32_t best = 0;

    for (uint32_t m = 1; m < l->in->machines; m++)
        if (l->us[m] < l->us[best])
            best = m;
    return best;
}

/* Moves with the shortest machine first, as they mostly do; then whatever helps with any. */
static bool improve_once(struct pack_load *l)
{
    uint32_t from = longest(l), to = shortest(l);

    if (from == to)
        return false;
    if (move_one(l, from, to) || swap_one(l, from, to))
        return true;
    for (uint32_t m = 0; m < l->in->machines && l->effort < EFFORT_MAX; m++)
        if (m != from && m != to && (move_one(l, from, m) || swap_one(l, from, m)))
            return true;
    return false;
}

void pack_load_improve(struct pack_load *l)
{
    while (l->effort < EFFORT_MAX && improve_once(l))
        l->effort += l->in->machines;
}

uint64_t pack_load_longest_us(const struct pack_load *l)
{
    return l->us[longest(l)];
}

uint64_t pack_load_setup_us(const struct pack_load *l)
{
    uint64_t sum_us = 0;

    for (uint32_t m = 0; m < l->in->machines; m++)
        sum_us += l->setup_us[m];
    return sum_us;
}
