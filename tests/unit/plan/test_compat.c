/* Against the groups that the peers' own code gave (tests/data/peer-groups.json says of whom and
 * which versions): 86 suites, six algorithms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../bench/plan_sim/trace.h"
#include "chance.h"
#include "fs.h"
#include "json.h"
#include "mem.h"
#include "plan/compat.h"
#include "plan/twister.h"

#define GOLDEN           "tests/data/peer-groups.json"
#define GOLDEN_BYTES_MAX (4u << 20)
#define CASES            20000u

static const char *const names[] = {
    "duration_based_chunks", "least_duration", "hash", "stride", "filename", "random"
};

struct suite_case {
    const char **ids;
    double *seconds;
    uint32_t count;
    struct trace *trace; /* where the ids come from, when they are a trace's */
};

static struct json *load(const char *path)
{
    struct str text = STR_MAX(GOLDEN_BYTES_MAX);
    struct json *doc = NULL;
    struct err err = ERR_INIT;

    assert_int_equal(fs_read(path, &text, &err), ERR_NONE);
    assert_int_equal(json_parse(str_text(&text), text.len, &doc, &err), ERR_NONE);
    str_fini(&text);
    return doc;
}

static void case_of_trace(const char *name, struct suite_case *out)
{
    char path[200];

    (void)snprintf(path, sizeof(path), "tests/data/traces/%.*s.txt",
                   (int)strcspn(name + strlen("trace-"), "-"), name + strlen("trace-"));
    out->trace = trace_load(path);
    out->count = out->trace->test_count;
    out->ids = mem_new(out->count, sizeof(*out->ids));
    out->seconds = mem_new(out->count, sizeof(*out->seconds));
    for (uint32_t i = 0; i < out->count; i++) {
        out->ids[i] = out->trace->ids[i];
        out->seconds[i] = (double)out->trace->us[0][i] / 1e6;
    }
}

static void case_init(const struct json *c, struct suite_case *out)
{
    const struct json *items = json_find(c, "items"), *durations = json_find(c, "durations");

    *out = (struct suite_case){ .count = 0 };
    if (!json_is_array(items)) {
        case_of_trace(json_text(json_find(c, "name")), out);
        return;
    }
    out->count = (uint32_t)json_size(items);
    out->ids = mem_new(out->count, sizeof(*out->ids));
    out->seconds = mem_new(out->count, sizeof(*out->seconds));
    for (uint32_t i = 0; i < out->count; i++) {
        const struct json *seconds;

        out->ids[i] = json_text(json_at(items, i));
        seconds = json_find(durations, out->ids[i]);
        out->seconds[i] = -1;
        if (seconds)
            assert_true(json_number(seconds, &out->seconds[i]));
    }
}

static void case_fini(struct suite_case *c)
{
    free(c->ids);
    free(c->seconds);
    if (c->trace)
        trace_free(c->trace);
}

static void check_groups(const struct json *want, const struct compat_input *in,
                         enum compat_algorithm algorithm)
{
    uint32_t *group = mem_new(in->count, sizeof(*group)),
             *order = mem_new(in->count, sizeof(*order));

    compat_split(algorithm, in, group, order);
    assert_int_equal(json_size(want), in->groups);
    for (uint32_t g = 0; g < in->groups; g++) {
        const struct json *tests = json_at(want, g);
        uint32_t n = 0;

        for (uint32_t i = 0; i < in->count; i++) {
            int64_t index = -1;

            if (group[order[i]] != g)
                continue;
            assert_true(n < json_size(tests) && json_whole(json_at(tests, n), &index));
            assert_int_equal(order[i], index);
            n++;
        }
        assert_int_equal(n, json_size(tests));
    }
    free(group);
    free(order);
}

static void test_compat_split_is_theirs_bit_for_bit(void **state)
{
    struct json *doc = load(GOLDEN);
    const struct json *cases = json_find(doc, "cases");

    (void)state;
    assert_int_equal(json_size(cases), 86);
    for (size_t i = 0; i < json_size(cases); i++) {
        const struct json *c = json_at(cases, i), *groups = json_find(c, "groups");
        struct suite_case suite;
        struct compat_input in;
        int64_t splits = 0;

        case_init(c, &suite);
        assert_true(json_whole(json_find(c, "splits"), &splits));
        in = (struct compat_input){ .ids = suite.ids,
                                    .seconds = suite.seconds,
                                    .count = suite.count,
                                    .groups = (uint32_t)splits };
        for (uint32_t a = COMPAT_CHUNKS; a <= COMPAT_RANDOM; a++) {
            const struct json *want = json_find(groups, names[a]);
            int64_t seed = 0;

            if (a == COMPAT_RANDOM) {
                assert_true(json_whole(json_find(want, "seed"), &seed));
                want = json_find(want, "groups");
            }
            in.seed = (uint64_t)seed;
            check_groups(want, &in, (enum compat_algorithm)a);
        }
        case_fini(&suite);
    }
    json_free(doc);
}

/* pytest-split ends in an IndexError when tests without a duration follow a full last group. */
static void test_compat_chunks_survives_zero_durations(void **state)
{
    const char *const ids[] = { "a::1", "a::2", "a::3" };
    const double zeros[] = { 0, 0, 0 }, tail[] = { 1, 1, 0 };
    struct compat_input in = { .ids = ids, .seconds = zeros, .count = 3, .groups = 2 };
    uint32_t group[3], order[3];

    (void)state;
    compat_split(COMPAT_CHUNKS, &in, group, order);
    assert_int_equal(group[2], 1);
    in.seconds = tail;
    compat_split(COMPAT_CHUNKS, &in, group, order);
    assert_int_equal(group[0], 0);
    assert_int_equal(group[1], 1);
    assert_int_equal(group[2], 1);
}

/* No input loses a test, or finds one twice, whatever the algorithm. */
static void test_compat_split_keeps_every_test(void **state)
{
    static const char *const pool[] = { "a.py::x", "a.py::y[::1]", "b.py::C::z", "b",
                                        "",        "c.py::t[a-b]", "c.py::t[a",  "a.py::x" };
    uint64_t chance = 11;

    (void)state;
    for (uint32_t n = 0; n < CASES; n++) {
        const char *ids[30];
        double seconds[30];
        uint32_t group[30], order[30];
        struct compat_input in = { .ids = ids,
                                   .seconds = seconds,
                                   .count = chance_below(&chance, 30),
                                   .groups = 1 + chance_below(&chance, 40),
                                   .seed = chance_next(&chance) };
        bool seen[30] = { false };

        for (uint32_t i = 0; i < in.count; i++) {
            ids[i] = pool[chance_below(&chance, 8)];
            seconds[i] = (double)chance_below(&chance, 5) - 1;
        }
        compat_split((enum compat_algorithm)(n % 6), &in, group, order);
        for (uint32_t i = 0; i < in.count; i++) {
            assert_true(group[i] < in.groups && order[i] < in.count && !seen[order[i]]);
            seen[order[i]] = true;
        }
    }
}

/* The first numbers of random.Random(seed).getrandbits(32). */
static void test_twister_is_pythons(void **state)
{
    static const uint64_t seeds[] = { 0, 42, 4294967296u, 1234567890123456789u };
    static const uint32_t firsts[][2] = { { 3626764237u, 1654615998u },
                                          { 2746317213u, 478163327u },
                                          { 485306839u, 1508871100u },
                                          { 3668327649u, 783902336u } };
    struct twister t;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(seeds); i++) {
        twister_seed(&t, seeds[i]);
        assert_int_equal(twister_next(&t), firsts[i][0]);
        assert_int_equal(twister_next(&t), firsts[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compat_split_is_theirs_bit_for_bit),
        cmocka_unit_test(test_compat_chunks_survives_zero_durations),
        cmocka_unit_test(test_compat_split_keeps_every_test),
        cmocka_unit_test(test_twister_is_pythons),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
