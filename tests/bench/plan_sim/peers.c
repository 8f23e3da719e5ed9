#include "peers.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define LONG_TEST_US 100000u /* xdist's load sends no more to a node whose last test took this */

const char *const peer_names[PEER_COUNT] = { "load",   "loadscope", "loadfile",       "worksteal",
                                             "chunks", "least",     "one-request LPT" };

struct node { /* a worker, wherever it is */
    uint32_t agent;
    uint32_t *queue;
    uint32_t head, tail; /* pending: [head, tail) of queue, the one that runs included */
    uint32_t scope;
    bool runs, shut;
    uint64_t free_us, end_us, last_us;
};

struct fleet {
    const struct sim_input *in;
    struct node *nodes;
    uint32_t node_count;
    uint32_t *pending; /* not yet sent: [next, in->test_count), or units */
    uint32_t next;
    uint32_t *units, *unit_starts, unit_count, next_unit;
    uint64_t last_end_us;
};

static uint64_t setups_us(const struct sim_input *in, uint32_t test, uint32_t last, bool predicted)
{
    uint64_t sum_us = 0;

    for (uint32_t c = in->tests[test].scope; c != POOL_NONE; c = in->scopes[c].parent) {
        uint32_t open = last;

        while (open != POOL_NONE && open != c)
            open = in->scopes[open].parent;
        if (open == POOL_NONE)
            sum_us += predicted ? in->scopes[c].setup_us : in->actual_setup_us[c];
    }
    return sum_us;
}

static uint32_t pending_of(const struct node *n)
{
    return n->tail - n->head;
}

static void send(struct node *n, uint32_t test)
{
    n->queue[n->tail++] = test;
}

static void start_next(struct fleet *f, struct node *n)
{
    uint32_t test;
    uint64_t us;

    if (n->runs || n->head == n->tail)
        return;
    test = n->queue[n->head];
    us = f->in->actual_us[test] + setups_us(f->in, test, n->scope, false);
    us = us * 1000000 / f->in->agents[n->agent].speed_ppm;
    n->scope = f->in->tests[test].scope;
    n->runs = true;
    n->last_us = us;
    n->end_us = n->free_us + us;
}

/* load */
static void load_send(struct fleet *f, struct node *n, uint32_t count)
{
    while (count-- && f->next < f->in->test_count)
        send(n, f->next++);
}

static void load_start(struct fleet *f)
{
    uint32_t tests = f->in->test_count, chunk = tests / f->node_count / 4;

    if (tests < 2 * f->node_count) {
        for (uint32_t i = 0; i < tests; i++)
            load_send(f, &f->nodes[i % f->node_count], 1);
        return;
    }
    for (uint32_t i = 0; i < f->node_count; i++)
        load_send(f, &f->nodes[i], chunk < 2 ? 2 : chunk);
}

static void load_refill(struct fleet *f, struct node *n)
{
    uint32_t each = (f->in->test_count - f->next) / f->node_count;
    uint32_t least = each / 4 < 2 ? 2 : each / 4, most = each / 2 < 2 ? 2 : each / 2;

    if (f->next == f->in->test_count || pending_of(n) >= least)
        return;
    if (n->last_us >= LONG_TEST_US && pending_of(n) >= 2)
        return;
    load_send(f, n, most - pending_of(n));
}

/* loadscope and loadfile */
static const struct fleet *sorted_fleet; /* qsort has no argument for it */
static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const uint32_t *at = sorted_fleet->unit_starts;
    uint32_t nx = at[x + 1] - at[x], ny = at[y + 1] - at[y];

    return nx != ny ? (nx < ny) - (nx > ny) : (x > y) - (x < y);
}

static uint32_t unit_key(const struct sim_input *in, uint32_t test, bool by_file)
{
    uint32_t s = in->tests[test].scope;

    while (by_file && in->scopes[s].parent != POOL_NONE)
        s = in->scopes[s].parent;
    return s;
}

/* pending becomes the tests by unit, units their order: most tests first. */
static void make_units(struct fleet *f, bool by_file)
{
    const struct sim_input *in = f->in;
    uint32_t *number = mem_new(in->scope_count, sizeof(*number)), at = 0;

    f->units = mem_new(in->scope_count + 1, sizeof(*f->units));
    f->unit_starts = mem_new(in->scope_count + 2, sizeof(*f->unit_starts));
    for (uint32_t i = 0; i < in->test_count; i++)
        if (!number[unit_key(in, i, by_file)])
            number[unit_key(in, i, by_file)] = ++f->unit_count;
    for (uint32_t u = 0; u < f->unit_count; u++) {
        f->units[u] = u;
        f->unit_starts[u] = at;
        for (uint32_t i = 0; i < in->test_count; i++)
            if (number[unit_key(in, i, by_file)] == u + 1)
                f->pending[at++] = i;
    }
    f->unit_starts[f->unit_count] = at;
    free(number);
    sorted_fleet = f;
    qsort(f->units, f->unit_count, sizeof(*f->units), by_size);
}

static void scope_refill(struct fleet *f, struct node *n)
{
    uint32_t u;

    if (f->next_unit == f->unit_count || pending_of(n) > 2)
        return;
    u = f->units[f->next_unit++];
    for (uint32_t i = f->unit_starts[u]; i < f->unit_starts[u + 1]; i++)
        send(n, f->pending[i]);
}

static void scope_start(struct fleet *f, bool by_file)
{
    make_units(f, by_file);
    for (uint32_t i = 0; i < f->node_count; i++)
        scope_refill(f, &f->nodes[i]);
    for (uint32_t i = 0; i < f->node_count; i++)
        if (pending_of(&f->nodes[i]))
            scope_refill(f, &f->nodes[i]);
}

/* worksteal */
static void steal_start(struct fleet *f)
{
    for (uint32_t i = 0; i < f->node_count; i++)
        load_send(f, &f->nodes[i], (f->in->test_count - f->next) / (f->node_count - i));
}

static void steal_refill(struct fleet *f, struct node *n)
{
    struct node *rich = &f->nodes[0];
    uint32_t len, count;

    if (pending_of(n) >= 2)
        return;
    for (uint32_t i = 1; i < f->node_count; i++)
        if (pending_of(&f->nodes[i]) > pending_of(rich))
            rich = &f->nodes[i];
    len = pending_of(rich);
    count = len < 2 ? 0 : len / 2 < len - 2 ? len / 2 : len - 2;
    for (uint32_t i = 0; i < count; i++)
        send(n, rich->queue[rich->tail - count + i]);
    rich->tail -= count;
}

/* pytest-split: a group an agent, then first come first served */
static uint64_t stored_us(const struct sim_input *in, uint32_t test)
{
    uint32_t last = test ? in->tests[test - 1].scope : POOL_NONE;

    return in->tests[test].cost_us + setups_us(in, test, last, true);
}

static void chunk_groups(const struct sim_input *in, uint32_t *group)
{
    uint64_t total_us = 0, here_us = 0;
    uint32_t g = 0;

    for (uint32_t i = 0; i < in->test_count; i++)
        total_us += stored_us(in, i);
    for (uint32_t i = 0; i < in->test_count; i++) {
        if (here_us * in->agent_count >= total_us && g + 1 < in->agent_count) {
            g++;
            here_us = 0;
        }
        here_us += stored_us(in, i);
        group[i] = g;
    }
}

static const uint64_t *sorted_us;
static int by_us(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    if (sorted_us[x] != sorted_us[y])
        return sorted_us[x] < sorted_us[y] ? 1 : -1;
    return (x > y) - (x < y);
}

static uint32_t *longest_first(const struct sim_input *in)
{
    uint32_t *order = mem_new(in->test_count, sizeof(*order));
    uint64_t *us = mem_new(in->test_count, sizeof(*us));

    for (uint32_t i = 0; i < in->test_count; i++) {
        order[i] = i;
        us[i] = stored_us(in, i);
    }
    sorted_us = us;
    qsort(order, in->test_count, sizeof(*order), by_us);
    free(us);
    return order;
}

static void least_groups(const struct sim_input *in, uint32_t *group)
{
    uint32_t *order = longest_first(in);
    uint64_t *sums_us = mem_new(in->agent_count, sizeof(*sums_us));

    for (uint32_t i = 0; i < in->test_count; i++) {
        uint32_t best = 0;

        for (uint32_t g = 1; g < in->agent_count; g++)
            if (sums_us[g] < sums_us[best])
                best = g;
        sums_us[best] += stored_us(in, order[i]);
        group[order[i]] = best;
    }
    free(sums_us);
    free(order);
}

/* Runs tests in the given order, each by the node of its group (or any) that is free first. */
static void list_run(struct fleet *f, const uint32_t *order, const uint32_t *group)
{
    for (uint32_t i = 0; i < f->in->test_count; i++) {
        uint32_t test = order ? order[i] : i;
        struct node *best = NULL;

        for (uint32_t k = 0; k < f->node_count; k++)
            if ((!group || f->nodes[k].agent == group[test]) &&
                (!best || f->nodes[k].free_us < best->free_us))
                best = &f->nodes[k];
        send(best, test);
        start_next(f, best);
        best->head = best->tail = 0;
        best->runs = false;
        best->free_us = best->end_us;
        if (best->end_us > f->last_end_us)
            f->last_end_us = best->end_us;
    }
}

static void refill(struct fleet *f, enum peer peer, struct node *n)
{
    switch (peer) {
    case PEER_LOAD:
        load_refill(f, n);
        return;
    case PEER_LOADSCOPE:
    case PEER_LOADFILE:
        scope_refill(f, n);
        return;
    case PEER_WORKSTEAL:
        steal_refill(f, n);
        return;
    case PEER_CHUNKS:
    case PEER_LEAST:
    case PEER_IDEAL:
        return;
    }
}

static void drain(struct fleet *f, enum peer peer)
{
    for (;;) {
        struct node *first = NULL;

        for (uint32_t i = 0; i < f->node_count; i++) {
            start_next(f, &f->nodes[i]);
            if (f->nodes[i].runs && (!first || f->nodes[i].end_us < first->end_us))
                first = &f->nodes[i];
        }
        if (!first)
            return;
        first->free_us = f->last_end_us = first->end_us;
        first->runs = false;
        first->head++;
        refill(f, peer, first);
    }
}

static void fleet_init(struct fleet *f, const struct sim_input *in, uint64_t *out_first_us)
{
    *f = (struct fleet){ .in = in };
    *out_first_us = UINT64_MAX;
    for (uint32_t a = 0; a < in->agent_count; a++)
        f->node_count += in->agents[a].workers;
    f->nodes = mem_new(f->node_count, sizeof(*f->nodes));
    f->pending = mem_new(in->test_count, sizeof(*f->pending));
    f->node_count = 0;
    for (uint32_t a = 0; a < in->agent_count; a++) {
        if (in->agents[a].start_us < *out_first_us)
            *out_first_us = in->agents[a].start_us;
        for (uint32_t w = 0; w < in->agents[a].workers; w++)
            f->nodes[f->node_count++] =
                (struct node){ .agent = a,
                               .queue = mem_new((size_t)4 * in->test_count, sizeof(uint32_t)),
                               .scope = POOL_NONE,
                               .free_us = in->agents[a].start_us };
    }
}

/* xdist waits until the last of its workers has collected. */
static void barrier(struct fleet *f)
{
    uint64_t last_us = 0;

    for (uint32_t i = 0; i < f->node_count; i++)
        if (f->nodes[i].free_us > last_us)
            last_us = f->nodes[i].free_us;
    for (uint32_t i = 0; i < f->node_count; i++)
        f->nodes[i].free_us = last_us;
}

static void run_static(struct fleet *f, enum peer peer)
{
    uint32_t *group = mem_new(f->in->test_count, sizeof(*group));

    if (peer == PEER_CHUNKS)
        chunk_groups(f->in, group);
    else
        least_groups(f->in, group);
    list_run(f, NULL, group);
    free(group);
}

static void run_ideal(struct fleet *f)
{
    uint32_t *order = longest_first(f->in);

    for (uint32_t i = 0; i < f->node_count; i++)
        f->nodes[i].free_us += f->in->request_us;
    list_run(f, order, NULL);
    free(order);
}

uint64_t peer_run(enum peer peer, const struct sim_input *in)
{
    struct fleet f;
    uint64_t first_us;

    fleet_init(&f, in, &first_us);
    switch (peer) {
    case PEER_LOAD:
        barrier(&f);
        load_start(&f);
        drain(&f, peer);
        break;
    case PEER_LOADSCOPE:
    case PEER_LOADFILE:
        barrier(&f);
        scope_start(&f, peer == PEER_LOADFILE);
        drain(&f, peer);
        break;
    case PEER_WORKSTEAL:
        barrier(&f);
        steal_start(&f);
        drain(&f, peer);
        break;
    case PEER_CHUNKS:
    case PEER_LEAST:
        run_static(&f, peer);
        break;
    case PEER_IDEAL:
        run_ideal(&f);
        break;
    }
    for (uint32_t i = 0; i < f.node_count; i++)
        free(f.nodes[i].queue);
    free(f.nodes);
    free(f.pending);
    free(f.units);
    free(f.unit_starts);
    return f.last_end_us - first_us;
}
