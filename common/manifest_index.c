#include "manifest_index.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "mem.h"

#define ARENA_BLOCK_BYTES (1u << 20)
#define INDEX_SLOTS_MIN   64u
#define SORT_SMALL        12u /* so few are sorted by insertion */
#define SORT_WORD_BYTES   8u

struct block {
    struct block *before;
    char bytes[];
};

struct manifest_arena {
    struct block *last;
    size_t used, size;
};

struct manifest_arena *arena_new(void)
{
    return mem_new(1, sizeof(struct manifest_arena));
}

void arena_free(struct manifest_arena *a)
{
    if (!a)
        return;
    while (a->last) {
        struct block *before = a->last->before;

        free(a->last);
        a->last = before;
    }
    free(a);
}

const char *arena_text(struct manifest_arena *a, struct view text)
{
    char *at;

    if (text.len + 1 > a->size - a->used) {
        struct block *b;

        INVARIANT(text.len < ARENA_BLOCK_BYTES);
        b = mem_resize(NULL, sizeof(*b) + ARENA_BLOCK_BYTES, 1);
        b->before = a->last;
        a->last = b;
        a->used = 0;
        a->size = ARENA_BLOCK_BYTES;
    }
    at = a->last->bytes + a->used;
    memcpy(at, text.at, text.len);
    at[text.len] = '\0';
    a->used += text.len + 1;
    return at;
}

/* Open addressing with linear probing, at most three quarters full. The tag is the upper half of
 * the hash: it spares most comparisons of text, and the table grows without hashing again. */
struct slot {
    uint32_t tag;
    uint32_t position_1; /* 0: empty */
};

struct manifest_index {
    struct slot *slots;
    uint32_t mask, used;
    uint32_t *occurrences; /* by position of an id's first occurrence */
    size_t occurrences_cap;
};

struct manifest_index *index_new(void)
{
    struct manifest_index *x = mem_new(1, sizeof(*x));

    x->slots = mem_new(INDEX_SLOTS_MIN, sizeof(*x->slots));
    x->mask = INDEX_SLOTS_MIN - 1;
    return x;
}

void index_free(struct manifest_index *x)
{
    if (!x)
        return;
    free(x->slots);
    free(x->occurrences);
    free(x);
}

static uint32_t tag_of(struct view id, uint32_t k)
{
    uint64_t h = hash_fast(id.at, id.len) + k * UINT64_C(0x9e3779b97f4a7c15);

    return (uint32_t)(h ^ h >> 32);
}

uint32_t index_find(const struct manifest_index *x, const struct manifest_test *tests,
                    struct view id, uint32_t k)
{
    uint32_t tag = tag_of(id, k);

    for (uint32_t i = tag & x->mask; x->slots[i].position_1; i = (i + 1) & x->mask) {
        uint32_t position = x->slots[i].position_1 - 1;

        if (x->slots[i].tag == tag && tests[position].k == k && view_eq(id, tests[position].id))
            return position;
    }
    return UINT32_MAX;
}

uint32_t index_occurrences(const struct manifest_index *x, const struct manifest_test *tests,
                           struct view id)
{
    uint32_t first = index_find(x, tests, id, 0);

    return first == UINT32_MAX ? 0 : x->occurrences[first];
}

static void put(struct slot *slots, uint32_t mask, struct slot slot)
{
    uint32_t i = slot.tag & mask;

    while (slots[i].position_1)
        i = (i + 1) & mask;
    slots[i] = slot;
}

static void grow(struct manifest_index *x)
{
    uint32_t mask = 2 * x->mask + 1;
    struct slot *slots = mem_new((size_t)mask + 1, sizeof(*slots));

    for (uint32_t i = 0; i <= x->mask; i++)
        if (x->slots[i].position_1)
            put(slots, mask, x->slots[i]);
    free(x->slots);
    x->slots = slots;
    x->mask = mask;
}

void index_add(struct manifest_index *x, const struct manifest_test *tests, uint32_t position)
{
    const struct manifest_test *t = &tests[position];
    struct view id = view_of(t->id);

    if (x->used >= x->mask / 4 * 3)
        grow(x);
    put(x->slots, x->mask, (struct slot){ .tag = tag_of(id, t->k), .position_1 = position + 1 });
    x->used++;
    x->occurrences = mem_grow(x->occurrences, &x->occurrences_cap, (size_t)position + 1,
                              sizeof(*x->occurrences));
    x->occurrences[position] = 1;
    if (t->k > 0)
        x->occurrences[index_find(x, tests, id, 0)] = t->k + 1;
}

/* Sorting. Ids share long beginnings, so comparing them whole reads the same bytes again and again.
 * Eight bytes at a time are loaded into the item, items are sorted by them, and runs that are still
 * equal go on with the next eight. No input makes that quadratic. */
struct sort_item {
    uint64_t word; /* bytes [depth, depth + 8) of the id, big endian, 0 past its end */
    const char *id;
    uint32_t position;
};

static uint64_t word_at(const char *text)
{
    uint64_t word = 0;

    for (size_t i = 0; i < SORT_WORD_BYTES; i++) {
        word = word << 8 | (unsigned char)*text;
        text += *text != '\0';
    }
    return word;
}

/* Equal ids stand in order of k already: that is the order of their positions. */
static int compare_items(const void *left, const void *right)
{
    const struct sort_item *a = left;
    const struct sort_item *b = right;

    if (a->word != b->word)
        return a->word < b->word ? -1 : 1;
    return a->position < b->position ? -1 : 1;
}

static void sort_few(struct sort_item *items, size_t count, size_t depth)
{
    for (size_t i = 1; i < count; i++) {
        struct sort_item item = items[i];
        size_t j = i;

        while (j > 0) {
            int order = strcmp(items[j - 1].id + depth, item.id + depth);

            if (order < 0 || (order == 0 && items[j - 1].position < item.position))
                break;
            items[j] = items[j - 1];
            j--;
        }
        items[j] = item;
    }
}

/* Sorts items whose ids agree in their first depth bytes and are at least that long. */
static void sort_items(struct sort_item *items, size_t count, size_t depth)
{
    bool same = true;
    bool sorted = true;
    size_t from = 0;

    if (count <= SORT_SMALL) {
        sort_few(items, count, depth);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        items[i].word = word_at(items[i].id + depth);
        same = same && items[i].word == items[0].word;
        sorted = sorted && (i == 0 || compare_items(&items[i - 1], &items[i]) < 0);
    }
    if (!sorted)
        qsort(items, count, sizeof(*items), compare_items);
    if (same && (items[0].word & 0xff) != 0) {
        sort_items(items, count, depth + SORT_WORD_BYTES);
        return;
    }
    for (size_t i = 1; i <= count; i++) {
        if (i < count && items[i].word == items[from].word)
            continue;
        if (i - from > 1 && (items[from].word & 0xff) != 0)
            sort_items(items + from, i - from, depth + SORT_WORD_BYTES);
        from = i;
    }
}

uint32_t *manifest_sorted(const struct manifest *m)
{
    struct sort_item *items = mem_new(m->count, sizeof(*items));
    uint32_t *order = mem_new(m->count, sizeof(*order));

    for (uint32_t i = 0; i < m->count; i++)
        items[i] = (struct sort_item){ .id = m->tests[i].id, .position = i };
    sort_items(items, m->count, 0);
    for (uint32_t i = 0; i < m->count; i++)
        order[i] = items[i].position;
    free(items);
    return order;
}
