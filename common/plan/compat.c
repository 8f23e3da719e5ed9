#include "plan/compat.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "manifest.h"
#include "mem.h"
#include "plan/twister.h"

/* What a sort compares by, carried along because qsort takes no context. */
struct keyed {
    uint32_t index;
    struct view text;
    double seconds;
    uint32_t number;
};

static int by_index(const struct keyed *a, const struct keyed *b)
{
    return (a->index > b->index) - (a->index < b->index);
}

static int by_text(const void *left, const void *right)
{
    const struct keyed *a = left, *b = right;
    size_t len = a->text.len < b->text.len ? a->text.len : b->text.len;
    int order = memcmp(a->text.at, b->text.at, len);

    if (!order)
        order = (a->text.len > b->text.len) - (a->text.len < b->text.len);
    return order ? order : by_index(a, b);
}

/* As "<Function NAME>" sorts, not as NAME does: the ">" behind it counts when one is the start of
 * the other. */
static int by_repr(const struct keyed *a, const struct keyed *b)
{
    size_t len = a->text.len < b->text.len ? a->text.len : b->text.len;
    int order = memcmp(a->text.at, b->text.at, len);

    if (order || a->text.len == b->text.len)
        return order;
    if (a->text.len == len)
        return (unsigned char)'>' <= (unsigned char)b->text.at[len] ? -1 : 1;
    return (unsigned char)a->text.at[len] < (unsigned char)'>' ? -1 : 1;
}

static int by_seconds(const void *left, const void *right)
{
    const struct keyed *a = left, *b = right;
    int order = (a->seconds < b->seconds) - (a->seconds > b->seconds);

    if (!order)
        order = by_repr(a, b);
    return order ? order : by_index(a, b);
}

static int by_number(const void *left, const void *right)
{
    const struct keyed *a = left, *b = right;
    int order = (a->number < b->number) - (a->number > b->number);

    return order ? order : by_index(a, b);
}

/* What chunks and least take a test without a recorded time for: the mean of the others, or 1. */
static double unknown_seconds(const struct compat_input *in)
{
    struct keyed *sorted = mem_new(in->count, sizeof(*sorted));
    bool *again = mem_new(in->count, sizeof(*again));
    double sum = 0;
    uint32_t known = 0;

    /* Their table is keyed by id: one that is collected twice counts once. */
    for (uint32_t i = 0; i < in->count; i++)
        sorted[i] = (struct keyed){ .index = i, .text = view_of(in->ids[i]) };
    qsort(sorted, in->count, sizeof(*sorted), by_text);
    for (uint32_t i = 1; i < in->count; i++)
        again[sorted[i].index] = !strcmp(in->ids[sorted[i].index], in->ids[sorted[i - 1].index]);
    for (uint32_t i = 0; i < in->count; i++)
        if (!again[i] && in->seconds[i] >= 0) {
            sum += in->seconds[i];
            known++;
        }
    free(sorted);
    free(again);
    return known ? sum / known : 1;
}

static double *filled(const struct compat_input *in)
{
    double unknown = unknown_seconds(in);
    double *seconds = mem_new(in->count, sizeof(*seconds));

    for (uint32_t i = 0; i < in->count; i++)
        seconds[i] = in->seconds[i] >= 0 ? in->seconds[i] : unknown;
    return seconds;
}

static void chunks(const struct compat_input *in, uint32_t *out)
{
    double *seconds = filled(in);
    double all = 0, each, here = 0;
    uint32_t group = 0;

    for (uint32_t i = 0; i < in->count; i++)
        all += seconds[i];
    each = all / in->groups;
    for (uint32_t i = 0; i < in->count; i++) {
        if (here >= each && group + 1 < in->groups) {
            group++;
            here = 0;
        }
        here += seconds[i];
        out[i] = group;
    }
    free(seconds);
}

/* Groups by (sum, number), the least on top. */
struct heap {
    double *sums;
    uint32_t *groups;
    uint32_t count;
};

static bool less(const struct heap *h, uint32_t a, uint32_t b)
{
    double x = h->sums[h->groups[a]], y = h->sums[h->groups[b]];

    return x < y || (x <= y && h->groups[a] < h->groups[b]);
}

static void sink_top(struct heap *h)
{
    for (uint32_t i = 0, child; (child = 2 * i + 1) < h->count; i = child) {
        uint32_t kept = h->groups[i];

        if (child + 1 < h->count && less(h, child + 1, child))
            child++;
        if (!less(h, child, i))
            return;
        h->groups[i] = h->groups[child];
        h->groups[child] = kept;
    }
}

static void least(const struct compat_input *in, uint32_t *out)
{
    double *seconds = filled(in);
    struct keyed *sorted = mem_new(in->count, sizeof(*sorted));
    struct heap h = { .sums = mem_new(in->groups, sizeof(*h.sums)),
                      .groups = mem_new(in->groups, sizeof(*h.groups)),
                      .count = in->groups };

    for (uint32_t i = 0; i < in->count; i++) {
        struct view scope = manifest_id_scope(in->ids[i]);
        size_t skip = scope.len + (in->ids[i][scope.len] ? 2 : 0);

        sorted[i] =
            (struct keyed){ .index = i, .text = view_of(in->ids[i] + skip), .seconds = seconds[i] };
    }
    qsort(sorted, in->count, sizeof(*sorted), by_seconds);
    for (uint32_t g = 0; g < in->groups; g++)
        h.groups[g] = g;
    for (uint32_t i = 0; i < in->count; i++) {
        out[sorted[i].index] = h.groups[0];
        h.sums[h.groups[0]] += sorted[i].seconds;
        sink_top(&h);
    }
    free(seconds);
    free(sorted);
    free(h.sums);
    free(h.groups);
}

static uint32_t hex_digit(char c)
{
    return (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* The digest as a little-endian number, modulo the groups. */
static void hash(const struct compat_input *in, uint32_t *out)
{
    for (uint32_t i = 0; i < in->count; i++) {
        char hex[HASH_HEX_BYTES];
        uint64_t rest = 0;

        hash_hex(in->ids[i], strlen(in->ids[i]), hex);
        for (uint32_t byte = HASH_BYTES; byte-- > 0;)
            rest = (rest * 256 + hex_digit(hex[2 * byte]) * 16 + hex_digit(hex[2 * byte + 1])) %
                   in->groups;
        out[i] = (uint32_t)rest;
    }
}

/* Files by number of tests, most first, each to the group with the fewest tests. */
static void filename(const struct compat_input *in, uint32_t *out, uint32_t *out_order)
{
    struct keyed *sorted = mem_new(in->count, sizeof(*sorted));
    struct keyed *files = mem_new(in->count, sizeof(*files));
    uint32_t *file = mem_new(in->count, sizeof(*file)),
             *group_of = mem_new(in->count, sizeof(*file));
    uint32_t *place = mem_new(in->count, sizeof(*place)); /* of a file's next test in the order */
    uint32_t *sizes = mem_new(in->groups, sizeof(*sizes)), file_count = 0, at = 0;

    for (uint32_t i = 0; i < in->count; i++)
        sorted[i] = (struct keyed){ .index = i, .text = manifest_id_file(in->ids[i]) };
    qsort(sorted, in->count, sizeof(*sorted), by_text);
    for (uint32_t i = 0; i < in->count; i++) {
        bool same = i && sorted[i].text.len == sorted[i - 1].text.len &&
                    !memcmp(sorted[i].text.at, sorted[i - 1].text.at, sorted[i].text.len);

        if (!same) /* sorted by index among equals: this is the file's first test */
            files[file_count++] = (struct keyed){ .index = sorted[i].index };
        file[sorted[i].index] = files[file_count - 1].index;
        files[file_count - 1].number++;
    }
    qsort(files, file_count, sizeof(*files), by_number);
    for (uint32_t f = 0; f < file_count; f++) {
        uint32_t best = 0;

        for (uint32_t g = 1; g < in->groups; g++)
            if (sizes[g] < sizes[best])
                best = g;
        sizes[best] += files[f].number;
        group_of[files[f].index] = best;
        place[files[f].index] = at;
        at += files[f].number;
    }
    for (uint32_t i = 0; i < in->count; i++) {
        out[i] = group_of[file[i]];
        out_order[place[file[i]]++] = i;
    }
    free(place);
    free(sorted);
    free(files);
    free(file);
    free(group_of);
    free(sizes);
}

static void shuffled(const struct compat_input *in, uint32_t *out)
{
    struct twister *t = mem_new(1, sizeof(*t));
    uint32_t *order = mem_new(in->count, sizeof(*order));

    for (uint32_t i = 0; i < in->count; i++)
        order[i] = i;
    twister_seed(t, in->seed);
    twister_shuffle(t, order, in->count);
    for (uint32_t i = 0; i < in->count; i++)
        out[order[i]] = i % in->groups;
    free(order);
    free(t);
}

void compat_split(enum compat_algorithm algorithm, const struct compat_input *in,
                  uint32_t *out_group, uint32_t *out_order)
{
    INVARIANT(in->groups > 0);
    for (uint32_t i = 0; i < in->count; i++)
        out_order[i] = i;
    switch (algorithm) {
    case COMPAT_CHUNKS:
        chunks(in, out_group);
        return;
    case COMPAT_LEAST:
        least(in, out_group);
        return;
    case COMPAT_HASH:
        hash(in, out_group);
        return;
    case COMPAT_STRIDE:
        for (uint32_t i = 0; i < in->count; i++)
            out_group[i] = i % in->groups;
        return;
    case COMPAT_FILENAME:
        filename(in, out_group, out_order);
        return;
    case COMPAT_RANDOM:
        shuffled(in, out_group);
        return;
    }
    UNREACHABLE("algorithm");
}
