#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mem.h"
#include "source/solo.h"

#define TESTS           20u
#define PYTEST_NO_TESTS 5u

/* What a supervisor would have been told. */
struct told {
    uint32_t joined, sealed, ended, left, exit;
    uint32_t granted[TESTS];
    bool first[TESTS], fails[TESTS]; /* fails: what the test wants */
    const struct manifest *manifest;
};

static void on_joined(void *ctx, uint64_t seed, uint64_t worker_bytes)
{
    (void)seed;
    (void)worker_bytes;
    ((struct told *)ctx)->joined++;
}

static void on_sealed(void *ctx, const struct source_costs *costs)
{
    (void)costs;
    ((struct told *)ctx)->sealed++;
}

static void on_granted(void *ctx, uint64_t fence, const struct order_test *tests, uint32_t count)
{
    struct told *told = ctx;

    (void)fence;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t test = manifest_find(told->manifest, tests[i].ref.id, tests[i].ref.k);

        told->granted[test]++;
        told->first[test] = tests[i].first;
    }
}

static void on_ended(void *ctx, const char *message)
{
    (void)message;
    ((struct told *)ctx)->ended++;
}

static void on_left(void *ctx, uint32_t exit_code, const struct verdict_answer *verdict)
{
    struct told *told = ctx;

    assert_null(verdict);
    told->left++;
    told->exit = exit_code;
}

static const struct source_events events = {
    .joined = on_joined,
    .sealed = on_sealed,
    .granted = on_granted,
    .ended = on_ended,
    .left = on_left,
};

static struct manifest *manifest_of(uint32_t count)
{
    struct manifest *m = manifest_new();
    const struct view none = { .at = "", .len = 0 };
    struct err err = ERR_INIT;
    char id[40];

    for (uint32_t i = 0; i < count; i++) {
        (void)snprintf(id, sizeof(id), "test_%u.py::test_%u", i / 5, i);
        assert_int_equal(manifest_add(m, view_of(id), none, none, &err), ERR_NONE);
    }
    manifest_seal(m);
    return m;
}

/* Runs all that is granted; told->ended must come with the last result and not before. */
static void run_all(struct source *source, struct told *told)
{
    uint32_t left = 0;

    for (uint32_t i = 0; i < told->manifest->count; i++)
        left += told->granted[i];
    assert_int_equal(told->ended, left == 0);
    for (uint32_t i = 0; i < told->manifest->count; i++) {
        const struct manifest_test *test = &told->manifest->tests[i];
        struct result result = { .test = { .id = mem_strdup(test->id), .k = test->k },
                                 .outcome = told->fails[i] ? OUTCOME_FAILED : OUTCOME_PASSED,
                                 .call_us = 1000 };

        if (told->granted[i] == 0) {
            result_fini(&result);
            continue;
        }
        source->ops->result(source, &result);
        assert_int_equal(told->ended, --left == 0);
    }
}

/* From join to leave. */
static void go_with(const struct solo_opts *opts, struct told *told)
{
    struct manifest *m = (struct manifest *)(uintptr_t)told->manifest;
    struct source *source = solo_new(opts, &events, told);

    source->ops->start(source);
    assert_int_equal(told->joined, 1);
    source->ops->collected(source, &(struct source_collected){ .manifest = m });
    assert_int_equal(told->sealed, 1);
    run_all(source, told);
    source->ops->settled(source);
    if (opts->history)
        assert_int_equal(access(opts->history, F_OK), 0); /* kept before all is over */
    source->ops->leave(source, &(struct source_leave){ .runner_exit = 0 });
    assert_int_equal(told->left, 1);
    source->ops->free(source);
}

static void go_through(struct manifest *m, const struct split_opts *split, struct told *told)
{
    *told = (struct told){ .manifest = m };
    go_with(&(struct solo_opts){ .split = split }, told);
}

/* The next run lets those that failed go first, as far as the share reaches; without the option
 * nobody does; and what passed since is as all others. */
static void test_solo_grants_first_what_failed_last_time(void **state)
{
    char folder[] = "/tmp/makespan-solo-XXXXXX", path[64];
    struct manifest *m = manifest_of(TESTS);
    struct told told = { .manifest = m };
    struct solo_opts opts = { .history = path, .first_ppm = 100000 };

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/history.json", folder);
    told.fails[3] = told.fails[4] = told.fails[9] = true;
    go_with(&opts, &told);
    for (uint32_t i = 0; i < TESTS; i++)
        assert_false(told.first[i]);
    told = (struct told){ .manifest = m };
    go_with(&opts, &told);
    for (uint32_t i = 0; i < TESTS; i++)
        assert_int_equal(told.first[i], i == 3 || i == 4); /* a tenth of twenty */
    told = (struct told){ .manifest = m };
    go_with(&opts, &told);
    for (uint32_t i = 0; i < TESTS; i++)
        assert_false(told.first[i]);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    manifest_free(m);
}

static void count_line(void *ctx, const char *line)
{
    assert_non_null(strstr(line, "durations are not kept for the next run"));
    (*(uint32_t *)ctx)++;
}

/* While pytest winds up, its last lines are being written. */
static void test_solo_says_what_it_could_not_keep_when_pytest_has_ended(void **state)
{
    struct manifest *m = manifest_of(TESTS);
    struct told told = { .manifest = m };
    uint32_t lines = 0;
    const struct solo_opts opts = { .history = "/proc/none/history.json",
                                    .say = count_line,
                                    .say_ctx = &lines };
    struct source *source = solo_new(&opts, &events, &told);

    (void)state;
    source->ops->start(source);
    source->ops->collected(source, &(struct source_collected){ .manifest = m });
    run_all(source, &told);
    source->ops->settled(source);
    assert_int_equal(lines, 0);
    source->ops->leave(source, &(struct source_leave){ .runner_exit = 0 });
    assert_int_equal(lines, 1);
    source->ops->free(source);
    manifest_free(m);
}

static void test_solo_grants_everything_alone(void **state)
{
    struct manifest *m = manifest_of(TESTS);
    struct told told;

    (void)state;
    go_through(m, NULL, &told);
    for (uint32_t i = 0; i < TESTS; i++)
        assert_int_equal(told.granted[i], 1);
    manifest_free(m);
}

static void test_solo_grants_each_test_in_one_share(void **state)
{
    struct manifest *m = manifest_of(TESTS);

    (void)state;
    for (int a = SPLIT_MAKESPAN; a <= SPLIT_RANDOM; a++)
        for (uint32_t total = 1; total <= TESTS + 5; total += 6) {
            uint32_t seen[TESTS] = { 0 };

            for (uint32_t index = 0; index < total; index++) {
                const struct split_opts split = { .algorithm = (enum split_algorithm)a,
                                                  .index = index,
                                                  .total = total };
                struct told told;

                go_through(m, &split, &told);
                assert_int_equal(told.exit, 0); /* an empty share too */
                for (uint32_t i = 0; i < TESTS; i++)
                    seen[i] += told.granted[i];
            }
            for (uint32_t i = 0; i < TESTS; i++)
                assert_int_equal(seen[i], 1);
        }
    manifest_free(m);
}

/* A share without tests is green, a suite without tests is what it is with plain pytest. */
static void test_solo_tells_an_empty_suite_from_an_empty_share(void **state)
{
    const struct split_opts split = { .index = 1, .total = 2 };
    struct manifest *none = manifest_of(0), *one = manifest_of(1);
    struct told told, other;

    (void)state;
    go_through(none, &split, &told);
    assert_int_equal(told.exit, PYTEST_NO_TESTS);
    go_through(one, &split, &told);
    go_through(one, &(struct split_opts){ .index = 0, .total = 2 }, &other);
    assert_int_equal(told.granted[0] + other.granted[0], 1);
    assert_int_equal(told.exit + other.exit, 0);
    manifest_free(none);
    manifest_free(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_solo_grants_first_what_failed_last_time),
        cmocka_unit_test(test_solo_says_what_it_could_not_keep_when_pytest_has_ended),
        cmocka_unit_test(test_solo_grants_everything_alone),
        cmocka_unit_test(test_solo_grants_each_test_in_one_share),
        cmocka_unit_test(test_solo_tells_an_empty_suite_from_an_empty_share),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
