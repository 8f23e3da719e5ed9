#include "split.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "mem.h"
#include "plan/compat.h"
#include "plan/estimate.h"
#include "plan/pack.h"
#include "plan/suite.h"

#define COVERAGE_PERCENT_MIN 80u

static const struct {
    const char *name;
    enum split_algorithm algorithm;
} algorithms[] = {
    { "makespan", SPLIT_MAKESPAN },    { "duration_based_chunks", SPLIT_CHUNKS },
    { "least_duration", SPLIT_LEAST }, { "hash", SPLIT_HASH },
    { "stride", SPLIT_STRIDE },        { "filename", SPLIT_FILENAME },
    { "random", SPLIT_RANDOM },
};

enum err_code split_algorithm_parse(const char *name, enum split_algorithm *out, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
        if (!strcmp(algorithms[i].name, name)) {
            *out = algorithms[i].algorithm;
            return ERR_NONE;
        }
    return err_set(err, ERR_USAGE,
                   "algorithm '%.100s' is not one of makespan, duration_based_chunks, "
                   "least_duration, hash, stride, filename, random",
                   name);
}

static int by_id(const void *key, const void *item)
{
    return strcmp(key, ((const struct duration *)item)->id);
}

/* The recorded duration of each test, NULL for none. */
static const struct duration **find_all(const struct manifest *m, const struct durations *durations)
{
    const struct duration **found = mem_new(m->count, sizeof(*found));

    for (uint32_t i = 0; durations && durations->count && i < m->count; i++)
        found[i] = bsearch(m->tests[i].id, durations->items, durations->count,
                           sizeof(*durations->items), by_id);
    return found;
}

static uint32_t fill_costs(const char *const *ids, const struct duration *const *found,
                           uint32_t count, uint64_t *costs_us)
{
    struct estimate *known = mem_new(count, sizeof(*known));
    uint32_t known_count;

    for (uint32_t i = 0; i < count; i++)
        if (found[i])
            estimate_add(&known[i], found[i]->us, false);
    known_count = estimate_fill(ids, known, count, costs_us);
    free(known);
    return known_count;
}

struct sorted {
    struct manifest_test test;
    uint32_t index;
};

static int by_name(const void *left, const void *right)
{
    const struct manifest_test *a = &((const struct sorted *)left)->test;
    const struct manifest_test *b = &((const struct sorted *)right)->test;
    int order = strcmp(a->id, b->id);

    return order ? order : (a->k > b->k) - (a->k < b->k);
}

/* Our own plan is over the sorted ids, the numbers of files and classes included, so that machines
 * that collect in another order agree. */
static void plan(const struct manifest *m, const uint64_t *costs_us, uint32_t total,
                 uint32_t *out_machine)
{
    struct sorted *sorted = mem_new(m->count, sizeof(*sorted));
    struct manifest in_order = { .tests = mem_new(m->count, sizeof(*in_order.tests)),
                                 .count = m->count };
    uint32_t *machine = mem_new(m->count, sizeof(*machine));
    struct suite *suite;
    struct pack_result res;

    for (uint32_t i = 0; i < m->count; i++)
        sorted[i] = (struct sorted){ .test = m->tests[i], .index = i };
    qsort(sorted, m->count, sizeof(*sorted), by_name);
    for (uint32_t i = 0; i < m->count; i++)
        in_order.tests[i] = sorted[i].test;
    suite = suite_new(&in_order);
    for (uint32_t i = 0; i < m->count; i++)
        suite->tests[i].cost_us = costs_us[sorted[i].index];
    pack(&(struct pack_input){ .tests = suite->tests,
                               .test_count = m->count,
                               .scopes = suite->scopes,
                               .scope_count = suite->scope_count,
                               .policy = POOL_AUTO,
                               .machines = total },
         machine, &res);
    for (uint32_t i = 0; i < m->count; i++)
        out_machine[sorted[i].index] = machine[i];
    suite_free(suite);
    free(machine);
    free(in_order.tests);
    free(sorted);
}

static enum compat_algorithm compat_of(enum split_algorithm algorithm)
{
    switch (algorithm) {
    case SPLIT_CHUNKS:
        return COMPAT_CHUNKS;
    case SPLIT_LEAST:
        return COMPAT_LEAST;
    case SPLIT_HASH:
        return COMPAT_HASH;
    case SPLIT_STRIDE:
        return COMPAT_STRIDE;
    case SPLIT_FILENAME:
        return COMPAT_FILENAME;
    case SPLIT_RANDOM:
        return COMPAT_RANDOM;
    case SPLIT_MAKESPAN:
        break;
    }
    UNREACHABLE("algorithm of others");
}

static void split_as_others(const char *const *ids, const struct duration *const *found,
                            uint32_t count, const struct split_opts *opts, uint32_t *group,
                            uint32_t *order)
{
    double *seconds = mem_new(count, sizeof(*seconds));
    const struct compat_input in = {
        .ids = ids, .seconds = seconds, .count = count, .groups = opts->total, .seed = opts->seed
    };

    for (uint32_t i = 0; i < count; i++)
        seconds[i] = found[i] ? found[i]->seconds : -1;
    compat_split(compat_of(opts->algorithm), &in, group, order);
    free(seconds);
}

static void sum_up(const uint64_t *costs_us, const uint32_t *group, uint32_t count,
                   const struct split_opts *opts, struct split_about *out)
{
    uint64_t *sums_us = mem_new(opts->total, sizeof(*sums_us));

    for (uint32_t i = 0; i < count; i++)
        sums_us[group[i]] += costs_us[i];
    out->mine_us = sums_us[opts->index];
    out->longest_us = out->shortest_us = sums_us[0];
    for (uint32_t g = 1; g < opts->total; g++) {
        out->longest_us = sums_us[g] > out->longest_us ? sums_us[g] : out->longest_us;
        out->shortest_us = sums_us[g] < out->shortest_us ? sums_us[g] : out->shortest_us;
    }
    free(sums_us);
}

/* How many of the sets that tests are in (POOL_NONE: in none) are in several parts. */
static uint32_t count_parted(const uint32_t *set, const uint32_t *group, uint32_t count,
                             uint32_t set_count)
{
    uint32_t *part = mem_new(set_count, sizeof(*part)); /* of its first test, from 1 */
    bool *is_parted = mem_new(set_count, sizeof(*is_parted));
    uint32_t parted = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (set[i] == POOL_NONE)
            continue;
        if (part[set[i]] && part[set[i]] != group[i] + 1)
            is_parted[set[i]] = true;
        part[set[i]] = group[i] + 1;
    }
    for (uint32_t s = 0; s < set_count; s++)
        parted += is_parted[s];
    free(is_parted);
    free(part);
    return parted;
}

static bool has_marks(const struct manifest *m)
{
    uint32_t i = 0;

    while (i < m->count && !*m->tests[i].group && !*m->tests[i].flags)
        i++;
    return i < m->count;
}

/* Nobody tells this machine what the others are at, if there are any. */
static void count_unkept(const struct manifest *m, const uint32_t *group, uint32_t total,
                         struct split_about *out)
{
    struct suite *suite;
    uint32_t *sets;

    if (total == 1 || !has_marks(m))
        return; /* the shape of a large suite is not worked out for nothing */
    suite = suite_new(m);
    sets = mem_new(m->count, sizeof(*sets));
    for (uint32_t i = 0; i < m->count; i++) {
        out->alone += (suite->tests[i].flags & POOL_ALONE) != 0;
        sets[i] = suite->tests[i].group;
    }
    out->parted = count_parted(sets, group, m->count, suite->group_count);
    for (uint32_t i = 0; i < m->count; i++)
        sets[i] = suite->tests[i].mutex;
    out->parted += count_parted(sets, group, m->count, suite->mutex_count);
    free(sets);
    suite_free(suite);
}

/* A sum, so that the order of collection does not matter. */
static uint64_t digest_of(const struct manifest *m, const uint32_t *group)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < m->count; i++) {
        const char *id = m->tests[i].id;
        const uint64_t place[] = { hash_fast(id, strlen(id)), m->tests[i].k, group[i] };

        sum += hash_fast(place, sizeof(place));
    }
    return sum;
}

static bool is_by_time(enum split_algorithm algorithm)
{
    return algorithm == SPLIT_MAKESPAN || algorithm == SPLIT_CHUNKS || algorithm == SPLIT_LEAST;
}

uint32_t split_tests(const struct manifest *m, const struct split_opts *opts, uint32_t *out_tests,
                     uint64_t *out_costs_us, struct split_about *out_about)
{
    const struct duration **found = find_all(m, opts->durations);
    const char **ids = mem_new(m->count, sizeof(*ids));
    uint32_t *group = mem_new(m->count, sizeof(*group)), *order = mem_new(m->count, sizeof(*order));
    uint32_t mine = 0;

    INVARIANT(opts->index < opts->total);
    *out_about = (struct split_about){ .tests = m->count, .by_time = is_by_time(opts->algorithm) };
    for (uint32_t i = 0; i < m->count; i++) {
        ids[i] = m->tests[i].id;
        order[i] = i;
    }
    out_about->known = fill_costs(ids, found, m->count, out_costs_us);
    if (opts->algorithm == SPLIT_MAKESPAN)
        plan(m, out_costs_us, opts->total, group);
    else
        split_as_others(ids, found, m->count, opts, group, order);
    sum_up(out_costs_us, group, m->count, opts, out_about);
    count_unkept(m, group, opts->total, out_about);
    out_about->digest = digest_of(m, group);
    for (uint32_t i = 0; i < m->count; i++)
        if (group[order[i]] == opts->index)
            out_tests[mine++] = order[i];
    out_about->mine = mine;
    free(found);
    free(ids);
    free(group);
    free(order);
    return mine;
}

void split_text(const struct split_about *about, const struct split_opts *opts, struct str *out)
{
    struct err ignored = ERR_INIT;

    (void)!str_addf(out, &ignored, "part %u of %u: %u of %u tests", opts->index + 1, opts->total,
                    about->mine, about->tests);
    if (about->known)
        (void)!str_addf(out, &ignored, ", predicted %.2f s (all parts: %.2f to %.2f s)",
                        (double)about->mine_us / 1e6, (double)about->shortest_us / 1e6,
                        (double)about->longest_us / 1e6);
    (void)!str_addf(out, &ignored, ", plan %016llx", (unsigned long long)about->digest);
}

bool split_warning(const struct split_about *about, struct str *out)
{
    struct err ignored = ERR_INIT;

    if (!about->by_time ||
        (uint64_t)about->known * 100 >= (uint64_t)about->tests * COVERAGE_PERCENT_MIN)
        return false;
    if (about->known == 0)
        (void)!str_addz(out,
                        "warning: no test has a recorded duration: the plan counts tests, "
                        "not their time",
                        &ignored);
    else
        (void)!str_addf(out, &ignored,
                        "warning: only %u of %u tests have a recorded duration: the others are "
                        "taken for the mean of their neighbours",
                        about->known, about->tests);
    return true;
}

bool split_unkept(const struct split_about *about, struct str *out)
{
    struct err ignored = ERR_INIT;

    if (about->alone == 0 && about->parted == 0)
        return false;
    (void)!str_addz(out, "warning: without a coordinator no machine waits for another: ", &ignored);
    if (about->alone)
        (void)!str_addf(out, &ignored,
                        "%u test%s marked serial=\"run\" run%s beside tests of others",
                        about->alone, about->alone == 1 ? "" : "s", about->alone == 1 ? "s" : "");
    if (about->parted)
        (void)!str_addf(out, &ignored, "%s%u group%s or mutex%s tests in several parts",
                        about->alone ? ", " : "", about->parted, about->parted == 1 ? "" : "s",
                        about->parted == 1 ? " has" : "es have");
    return true;
}
