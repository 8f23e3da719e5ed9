#include "plan/pack.h"

#include <stdlib.h>

#include "mem.h"
#include "plan/bucket.h"
#include "plan/pack_load.h"

#define COST_US_MAX  ((uint64_t)86400 * 1000000)
#define SETUP_US_MIN 500u /* a cheaper set-up is not worth keeping anything together for */
#define BIND_FACTOR  128u /* a scope binds when its set-up times this is over its work */
#define PIECES       16u  /* of a machine's share: so finely are files cut, at the most */
#define TOLERANCE    256u /* files together may cost this part of the longest machine */
#define LOOKS_MAX    ((uint64_t)8000000) /* tests times machines that are all looked at */

/* What is placed as one at first: items[first .. first + count). */
struct block {
    uint64_t cost_us; /* with the set-ups of its first test's scopes */
    uint32_t first, count;
};

struct packing {
    const struct pack_input *in;
    uint32_t *order; /* tests, those of an item together */
    struct pack_item *items;
    struct block *blocks;
    uint32_t item_count, block_count, order_count;
    uint64_t share_us;                                 /* of one machine, if all were equal */
    uint32_t key_count, *keys, *heads, *tails, *nexts; /* lists of tests that belong together */
};

static uint64_t cost_of(const struct pack_input *in, uint32_t test)
{
    uint64_t us = in->tests[test].cost_us;

    return us < COST_US_MAX ? us : COST_US_MAX;
}

static uint64_t setups_around(const struct pack_input *in, uint32_t test)
{
    uint64_t us = 0;

    for (uint32_t s = in->tests[test].scope; s != POOL_NONE; s = in->scopes[s].parent)
        us += in->scopes[s].setup_us;
    return us;
}

static uint32_t file_of(const struct pack_input *in, uint32_t scope)
{
    while (scope != POOL_NONE && in->scopes[scope].parent != POOL_NONE)
        scope = in->scopes[scope].parent;
    return scope;
}

/* Keys: scopes as units or binding, then files, then groups, then mutexes, then one for the rest.
 */
static uint32_t group_key(const struct pack_input *in, uint32_t group)
{
    return 2 * in->scope_count + group;
}

static uint32_t mutex_key(const struct pack_input *in, uint32_t mutex)
{
    return 2 * in->scope_count + in->test_count + mutex;
}

static uint32_t find_root(uint32_t *roots, uint32_t key)
{
    while (roots[key] != key) {
        roots[key] = roots[roots[key]];
        key = roots[key];
    }
    return key;
}

/* The unit of a test by policy and group, POOL_NONE for none. */
static uint32_t unit_of(const struct pack_input *in, const struct pool_test *t)
{
    switch (in->policy) {
    case POOL_SCOPE:
        return t->scope;
    case POOL_FILE:
        return file_of(in, t->scope);
    case POOL_AUTO:
    case POOL_GROUP:
    case POOL_EACH:
        return t->group == POOL_NONE ? POOL_NONE : group_key(in, t->group);
    case POOL_LOAD:
    case POOL_STEAL:
        return POOL_NONE;
    }
    UNREACHABLE("policy");
}

static uint32_t binding_scope(const struct pack_input *in, const uint64_t *works_us, uint32_t test)
{
    uint32_t found = POOL_NONE;

    if (in->policy == POOL_LOAD || in->policy == POOL_STEAL)
        return POOL_NONE;
    for (uint32_t s = in->tests[test].scope; s != POOL_NONE; s = in->scopes[s].parent)
        if (in->scopes[s].setup_us >= SETUP_US_MIN &&
            in->scopes[s].setup_us >= works_us[s] / BIND_FACTOR)
            found = s;
    return found;
}

/* Lists the tests that belong together, in the order of collection. */
static void list_keys(struct packing *p, bool *units)
{
    const struct pack_input *in = p->in;
    uint32_t rest = 2 * in->scope_count + 2 * in->test_count;
    uint32_t *roots = mem_new(rest, sizeof(*roots));
    uint64_t *works_us = mem_new(in->scope_count, sizeof(*works_us));

    for (uint32_t k = 0; k < rest; k++)
        roots[k] = k;
    for (uint32_t i = 0; i < in->test_count; i++) {
        uint32_t unit = unit_of(in, &in->tests[i]);

        for (uint32_t s = in->tests[i].scope; s != POOL_NONE; s = in->scopes[s].parent)
            works_us[s] += cost_of(in, i);
        if (unit != POOL_NONE && in->tests[i].mutex != POOL_NONE)
            roots[find_root(roots, mutex_key(in, in->tests[i].mutex))] = find_root(roots, unit);
    }
    for (uint32_t i = 0; i < in->test_count; i++) {
        const struct pool_test *t = &in->tests[i];
        uint32_t unit = unit_of(in, t), scope = binding_scope(in, works_us, i);

        if (unit == POOL_NONE && t->mutex != POOL_NONE)
            unit = mutex_key(in, t->mutex);
        if (unit != POOL_NONE) {
            p->keys[i] = find_root(roots, unit);
            units[p->keys[i]] = true;
        } else if (scope != POOL_NONE) {
            p->keys[i] = scope;
        } else {
            p->keys[i] = t->scope == POOL_NONE ? rest : in->scope_count + file_of(in, t->scope);
        }
        p->nexts[i] = POOL_NONE;
        if (p->heads[p->keys[i]] == POOL_NONE)
            p->heads[p->keys[i]] = i;
        else
            p->nexts[p->tails[p->keys[i]]] = i;
        p->tails[p->keys[i]] = i;
    }
    free(roots);
    free(works_us);
}

static void add_item(struct packing *p, uint32_t test, bool joins)
{
    if (!joins)
        p->items[p->item_count++] = (struct pack_item){ .first = p->order_count };
    p->items[p->item_count - 1].cost_us += cost_of(p->in, test);
    p->items[p->item_count - 1].count++;
    p->order[p->order_count++] = test;
}

static void end_block(struct packing *p, uint32_t first_item)
{
    struct block b = { .first = first_item, .count = p->item_count - first_item };

    if (!b.count)
        return;
    for (uint32_t i = b.first; i < p->item_count; i++)
        b.cost_us += p->items[i].cost_us;
    b.cost_us += setups_around(p->in, p->order[p->items[b.first].first]);
    p->blocks[p->block_count++] = b;
}

/* Items and blocks of one list: a unit is one item; a scope that binds is cut only if it is more
 * than a machine's share; of a file, long tests go alone and the others in small pieces. */
static void cut_list(struct packing *p, uint32_t key, bool is_unit)
{
    bool binds = key < p->in->scope_count;
    uint64_t piece_us = binds ? p->share_us : p->share_us / PIECES, sum_us = 0;
    uint32_t first = p->item_count;

    for (uint32_t t = p->heads[key]; t != POOL_NONE; t = p->nexts[t]) {
        uint64_t us = cost_of(p->in, t);

        if (is_unit) {
            add_item(p, t, t != p->heads[key]);
            continue;
        }
        if (!binds && us > piece_us) {
            uint32_t kept = p->item_count;

            end_block(p, first);
            add_item(p, t, false);
            end_block(p, kept);
            first = p->item_count;
            sum_us = 0;
            continue;
        }
        if (sum_us && sum_us + us > piece_us) {
            end_block(p, first);
            first = p->item_count;
            sum_us = 0;
        }
        add_item(p, t, false);
        sum_us += us;
    }
    end_block(p, first);
}

static void make_blocks(struct packing *p)
{
    const struct pack_input *in = p->in;
    bool *units;
    uint64_t work_us = 0;

    p->key_count = 2 * in->scope_count + 2 * in->test_count + 1;
    p->keys = mem_new(in->test_count, sizeof(*p->keys));
    p->nexts = mem_new(in->test_count, sizeof(*p->nexts));
    p->heads = mem_new(p->key_count, sizeof(*p->heads));
    p->tails = mem_new(p->key_count, sizeof(*p->tails));
    units = mem_new(p->key_count, sizeof(*units));
    for (uint32_t k = 0; k < p->key_count; k++)
        p->heads[k] = POOL_NONE;
    for (uint32_t i = 0; i < in->test_count; i++)
        work_us += cost_of(in, i);
    p->share_us = work_us / in->machines;
    list_keys(p, units);
    p->order = mem_new(in->test_count, sizeof(*p->order));
    p->items = mem_new(in->test_count, sizeof(*p->items));
    p->blocks = mem_new(in->test_count, sizeof(*p->blocks));
    for (uint32_t k = 0; k < p->key_count; k++)
        if (p->heads[k] != POOL_NONE)
            cut_list(p, k, units[k]);
    free(units);
    free(p->keys);
    free(p->nexts);
    free(p->heads);
    free(p->tails);
}

/* The machines by load, the least on top; among equals the lower number. */
struct heap {
    const struct pack_load *load;
    uint32_t *machines;
    uint32_t count;
};

static bool less(const struct heap *h, uint32_t a, uint32_t b)
{
    uint64_t x = pack_load_us(h->load, h->machines[a]), y = pack_load_us(h->load, h->machines[b]);

    return x < y || (x == y && h->machines[a] < h->machines[b]);
}

static void sink_top(struct heap *h)
{
    for (uint32_t i = 0, child; (child = 2 * i + 1) < h->count; i = child) {
        uint32_t kept = h->machines[i];

        if (child + 1 < h->count && less(h, child + 1, child))
            child++;
        if (!less(h, child, i))
            return;
        h->machines[i] = h->machines[child];
        h->machines[child] = kept;
    }
}

/* Largest block first, to the machine with the least to do. */
static void place_blocks(const struct packing *p, struct pack_load *load)
{
    struct bucket_queue *q = mem_new(1, sizeof(*q));
    struct bucket_link *links = mem_new(p->block_count, sizeof(*links));
    struct heap h = { .load = load, .count = p->in->machines };

    h.machines = mem_new(h.count, sizeof(*h.machines));
    for (uint32_t m = 0; m < h.count; m++)
        h.machines[m] = m;
    bucket_init(q);
    for (uint32_t b = 0; b < p->block_count; b++)
        bucket_add(q, links, b, p->blocks[b].cost_us);
    for (uint32_t b = bucket_first(q); b != BUCKET_NONE; b = bucket_next(q, links, b)) {
        for (uint32_t i = 0; i < p->blocks[b].count; i++)
            pack_load_put(load, p->blocks[b].first + i, h.machines[0]);
        sink_top(&h);
    }
    free(h.machines);
    free(links);
    free(q);
}

/* In the order of collection, cut where the machines' shares end: nothing is torn apart that can be
 * helped. */
static void place_in_order(const struct packing *p, struct pack_load *load)
{
    wide_uint sum_us = 0, done_us = 0;

    for (uint32_t i = 0; i < p->item_count; i++)
        sum_us += p->items[i].cost_us;
    for (uint32_t i = 0; i < p->item_count; i++) {
        wide_uint middle_us = done_us + p->items[i].cost_us / 2;
        uint32_t machine = sum_us ? (uint32_t)(middle_us * p->in->machines / sum_us)
                                  : (uint32_t)((uint64_t)i * p->in->machines / p->item_count);

        pack_load_put(load, i, machine < p->in->machines ? machine : p->in->machines - 1);
        done_us += p->items[i].cost_us;
    }
}

struct sized {
    uint64_t us;
    uint32_t item;
};

static int largest_first(const void *left, const void *right)
{
    const struct sized *a = left, *b = right;

    if (a->us != b->us)
        return a->us < b->us ? 1 : -1;
    return (a->item > b->item) - (a->item < b->item);
}

/* Item by item, each where it ends earliest with the set-ups that it would add there. */
static void place_items(const struct packing *p, struct pack_load *load)
{
    struct sized *sorted = mem_new(p->item_count, sizeof(*sorted));

    for (uint32_t i = 0; i < p->item_count; i++)
        sorted[i] = (struct sized){ .us = p->items[i].cost_us, .item = i };
    qsort(sorted, p->item_count, sizeof(*sorted), largest_first);
    for (uint32_t i = 0; i < p->item_count; i++) {
        uint64_t best_us = UINT64_MAX;
        uint32_t best = 0;

        for (uint32_t m = 0; m < p->in->machines; m++) {
            uint64_t us = pack_load_with(load, sorted[i].item, m);

            if (us < best_us) {
                best_us = us;
                best = m;
            }
        }
        pack_load_put(load, sorted[i].item, best);
    }
    free(sorted);
}

/* Work with every set-up paid once, shared equally; or the longest item with its set-ups. */
static uint64_t bound_of(const struct packing *p)
{
    const struct pack_input *in = p->in;
    bool *used = mem_new(in->scope_count, sizeof(*used));
    uint64_t sum_us = 0, longest_us = 0;

    for (uint32_t i = 0; i < p->item_count; i++) {
        const struct pack_item *it = &p->items[i];
        uint64_t us = it->cost_us + setups_around(in, p->order[it->first]);

        longest_us = us > longest_us ? us : longest_us;
        sum_us += it->cost_us;
    }
    for (uint32_t i = 0; i < in->test_count; i++)
        for (uint32_t s = in->tests[i].scope; s != POOL_NONE && !used[s];
             s = in->scopes[s].parent) {
            used[s] = true;
            sum_us += in->scopes[s].setup_us;
        }
    free(used);
    sum_us = (sum_us + in->machines - 1) / in->machines;
    return sum_us > longest_us ? sum_us : longest_us;
}

/* Plans are tried in this order; a later one must be shorter by more than the tolerance, as the
 * earlier keep more together. */
enum attempt { IN_ORDER, BY_BLOCK, BY_ITEM, ATTEMPT_COUNT };

static struct pack_load *try_plan(const struct packing *p, enum attempt attempt)
{
    struct pack_load *load = pack_load_new(p->in, p->items, p->item_count, p->order);

    switch (attempt) {
    case IN_ORDER:
        place_in_order(p, load);
        break;
    case BY_BLOCK:
        place_blocks(p, load);
        break;
    case BY_ITEM:
        place_items(p, load);
        break;
    case ATTEMPT_COUNT:
        UNREACHABLE("attempt");
    }
    pack_load_improve(load);
    return load;
}

static bool is_better(uint64_t later_us, const struct pack_load *earlier)
{
    return later_us + later_us / TOLERANCE < pack_load_longest_us(earlier);
}

static bool is_affordable(const struct packing *p, enum attempt attempt)
{
    return attempt != BY_ITEM || (uint64_t)p->item_count * p->in->machines <= LOOKS_MAX;
}

void pack(const struct pack_input *in, uint32_t *out_machine, struct pack_result *out)
{
    struct packing p = { .in = in };
    struct pack_load *best;
    uint64_t bound_us;

    INVARIANT(in->machines > 0);
    make_blocks(&p);
    bound_us = bound_of(&p);
    best = try_plan(&p, IN_ORDER);
    for (enum attempt a = BY_BLOCK; a < ATTEMPT_COUNT && is_better(bound_us, best); a++) {
        struct pack_load *load = is_affordable(&p, a) ? try_plan(&p, a) : NULL;

        if (load && is_better(pack_load_longest_us(load), best)) {
            pack_load_free(best);
            best = load;
        } else {
            pack_load_free(load);
        }
    }
    for (uint32_t i = 0; i < p.item_count; i++)
        for (uint32_t k = 0; k < p.items[i].count; k++)
            out_machine[p.order[p.items[i].first + k]] = pack_load_machine(best, i);
    *out = (struct pack_result){ .longest_us = pack_load_longest_us(best),
                                 .setup_us = pack_load_setup_us(best),
                                 .bound_us = bound_us };
    pack_load_free(best);
    free(p.order);
    free(p.items);
    free(p.blocks);
}
