#include "suite.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "mem.h"

#define THREADS_MAX 1024u

/* Texts to numbers from 0, in the order of first sight. */
struct names {
    struct view *items;
    uint32_t *slots; /* number + 1; 0: free */
    uint32_t count;
    size_t cap, slot_count; /* slot_count is a power of two, at least twice count */
};

struct whole {
    struct suite suite; /* first member: what callers hold */
    struct names scopes;
    size_t scope_cap;
};

static size_t names_slot(const struct names *n, struct view text)
{
    size_t at = (size_t)hash_fast(text.at, text.len) & (n->slot_count - 1);

    for (; n->slots[at] != 0; at = (at + 1) & (n->slot_count - 1)) {
        struct view held = n->items[n->slots[at] - 1];

        if (held.len == text.len && memcmp(held.at, text.at, text.len) == 0)
            break;
    }
    return at;
}

static void names_widen(struct names *n)
{
    size_t wanted = n->slot_count ? n->slot_count * 2 : 64;

    free(n->slots);
    n->slots = mem_new(wanted, sizeof(*n->slots));
    n->slot_count = wanted;
    for (uint32_t i = 0; i < n->count; i++)
        n->slots[names_slot(n, n->items[i])] = i + 1;
}

/* The number of text; *out_new tells whether it was not there before. */
static uint32_t names_add(struct names *n, struct view text, bool *out_new)
{
    size_t at;

    if ((size_t)n->count * 2 >= n->slot_count)
        names_widen(n);
    at = names_slot(n, text);
    *out_new = n->slots[at] == 0;
    if (*out_new) {
        n->items = mem_grow(n->items, &n->cap, (size_t)n->count + 1, sizeof(*n->items));
        n->items[n->count++] = text;
        n->slots[at] = n->count;
    }
    return n->slots[at] - 1;
}

static void names_fini(struct names *n)
{
    free(n->items);
    free(n->slots);
}

static uint32_t scope_of(struct whole *w, struct view id, const char *kind, uint32_t parent)
{
    bool is_new;
    uint32_t scope = names_add(&w->scopes, id, &is_new);

    if (is_new) {
        size_t cap = w->scope_cap;

        w->suite.scopes =
            mem_grow(w->suite.scopes, &cap, (size_t)scope + 1, sizeof(*w->suite.scopes));
        w->suite.names =
            mem_grow(w->suite.names, &w->scope_cap, (size_t)scope + 1, sizeof(*w->suite.names));
        w->suite.scopes[scope] = (struct pool_scope){ .parent = parent };
        w->suite.names[scope] = (struct suite_scope){ .id = id, .kind = kind };
        w->suite.scope_count = w->scopes.count;
    }
    return scope;
}

static bool starts(struct view word, const char *prefix, struct view *out_rest)
{
    size_t len = strlen(prefix);

    if (word.len <= len || memcmp(word.at, prefix, len) != 0)
        return false;
    *out_rest = (struct view){ .at = word.at + len, .len = word.len - len };
    return true;
}

/* A whole number from 1 to max, or out stays as it is. */
static void read_number(struct view text, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9' || value > max / 10)
            return;
        value = value * 10 + (uint64_t)(text.at[i] - '0');
    }
    if (value >= 1 && value <= max)
        *out = value;
}

/* The comma list of marks that docs/runner-protocol.md describes. together stays as it is where no
 * mark says more. */
static void read_flags(const struct manifest_test *from, struct pool_test *test,
                       struct names *mutexes, struct view *together)
{
    const char *flags = from->flags;

    while (*flags) {
        size_t len = strcspn(flags, ",");
        struct view word = { .at = flags, .len = len };
        struct view rest;
        uint64_t threads = test->threads;
        bool is_new;

        if (view_eq(word, "serial"))
            test->flags |= POOL_SERIAL;
        else if (view_eq(word, "serial=run"))
            test->flags |= POOL_SERIAL | POOL_ALONE;
        else if (view_eq(word, "no_speculate"))
            test->flags |= POOL_NO_SPECULATE;
        else if (starts(word, "threads=", &rest))
            read_number(rest, THREADS_MAX, &threads);
        else if (starts(word, "mem=", &rest))
            read_number(rest, POOL_MEM_BYTES_MAX, &test->mem_bytes);
        else if (starts(word, "mutex=", &rest))
            test->mutex = names_add(mutexes, rest, &is_new);
        else if (view_eq(word, SUITE_TOGETHER_FILE))
            *together = manifest_id_file(from->id);
        else if (view_eq(word, SUITE_TOGETHER_SCOPE))
            *together = manifest_id_scope(from->id);
        test->threads = (uint32_t)threads;
        flags += len + (flags[len] == ',');
    }
}

struct suite *suite_new(const struct manifest *manifest)
{
    struct whole *w = mem_new(1, sizeof(*w));
    struct names groups = { .items = NULL }, mutexes = { .items = NULL };

    w->suite.test_count = manifest->count;
    w->suite.tests = mem_new(manifest->count, sizeof(*w->suite.tests));
    for (uint32_t i = 0; i < manifest->count; i++) {
        const struct manifest_test *from = &manifest->tests[i];
        struct view file = manifest_id_file(from->id);
        struct view scope = manifest_id_scope(from->id);
        struct pool_test *test = &w->suite.tests[i];
        struct view together = view_of(from->group); /* what it is never parted from */
        bool is_new;

        *test = (struct pool_test){ .group = POOL_NONE, .mutex = POOL_NONE, .threads = 1 };
        test->scope = scope_of(w, file, "module", POOL_NONE);
        if (scope.len > file.len)
            test->scope = scope_of(w, scope, "class", test->scope);
        read_flags(from, test, &mutexes, &together);
        if (together.len)
            test->group = names_add(&groups, together, &is_new);
    }
    w->suite.group_count = groups.count;
    w->suite.mutex_count = mutexes.count;
    names_fini(&groups);
    names_fini(&mutexes);
    INVARIANT(w->suite.scope_count == w->scopes.count);
    return &w->suite;
}

uint32_t suite_find_scope(const struct suite *suite, const char *kind, const char *id)
{
    const struct whole *w = (const struct whole *)suite;
    size_t at;
    uint32_t scope;

    if (w->scopes.slot_count == 0)
        return POOL_NONE;
    at = names_slot(&w->scopes, view_of(id));
    if (w->scopes.slots[at] == 0)
        return POOL_NONE;
    scope = w->scopes.slots[at] - 1;
    return strcmp(suite->names[scope].kind, kind) == 0 ? scope : POOL_NONE;
}

void suite_free(struct suite *suite)
{
    struct whole *w = (struct whole *)suite;

    if (!w)
        return;
    names_fini(&w->scopes);
    free(suite->tests);
    free(suite->scopes);
    free(suite->names);
    free(w);
}
