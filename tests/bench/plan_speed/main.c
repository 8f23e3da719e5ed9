/* plan_speed: what a decision and a static plan cost as suites and fleets grow.
 *
 *   plan_speed pull [TESTS TAKERS]    microseconds of pool_choose, median / p99 / max
 *   plan_speed pack [TESTS MACHINES]  seconds and memory of a static plan
 *   plan_speed curve                  seconds for a whole run by pull, and for a static plan, at
 *                                     1,000 to 1,000,000 tests; plot.gp draws what it prints
 *
 * Without numbers: a table over growing sizes, the last row being the one that has a bar. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "../../unit/plan/chance.h"
#include "clock.h"
#include "mem.h"
#include "plan/pack.h"

#define ASKS        20000u
#define FILE_TESTS  20u
#define PLACES      1000u /* agents, or machines of a static plan */
#define PULL_P99_US 50.0
#define PACK_S      1.0
#define PACK_MIB    300.0

static struct pool_scope *scopes_of(uint32_t tests, uint32_t *out_count)
{
    struct pool_scope *scopes;

    *out_count = tests / FILE_TESTS + 1;
    scopes = mem_new(*out_count, sizeof(*scopes));
    for (uint32_t s = 0; s < *out_count; s++)
        scopes[s] = (struct pool_scope){ POOL_NONE, s % 10 ? 0 : 50000 };
    return scopes;
}

/* A long tail, as suites have it: most take a millisecond, a few take seconds. */
static struct pool_test *tests_of(uint32_t count, uint64_t *chance)
{
    struct pool_test *tests = mem_new(count, sizeof(*tests));

    for (uint32_t i = 0; i < count; i++)
        tests[i] = (struct pool_test){ .cost_us = ((uint64_t)200 << chance_below(chance, 4)
                                                                 << chance_below(chance, 5)
                                                                 << chance_below(chance, 5)) +
                                                  chance_below(chance, 1000),
                                       .scope = i / FILE_TESTS,
                                       .group = POOL_NONE,
                                       .mutex = POOL_NONE,
                                       .threads = 1 };
    return tests;
}

static int by_us(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double now_us(void)
{
    return (double)clock_mono_us(clock_system());
}

/* Takers ask in turn, as if each had just run dry; now and then one hands a test back. */
static double pull(uint32_t count, uint32_t takers)
{
    uint64_t chance = 1;
    uint32_t scope_count, n = 0, *out = mem_new(count, sizeof(*out));
    struct pool_scope *scopes = scopes_of(count, &scope_count);
    struct pool_test *tests = tests_of(count, &chance);
    struct pool_input in = {
        .tests = tests, .test_count = count, .scopes = scopes, .scope_count = scope_count
    };
    struct pool *pool = pool_new(&in);
    double *us = mem_new(ASKS, sizeof(*us)), p99;

    for (uint32_t k = 0; k < takers; k++)
        pool_join(pool, k, 2, 1000000);
    while (n < ASKS && pool_free_count(pool)) {
        const struct pool_ask ask = { .taker = chance_below(&chance, takers), .free_workers = 2 };
        double start = now_us();
        uint32_t got = pool_choose(pool, &ask, out, count);

        us[n++] = now_us() - start;
        for (uint32_t i = 0; i < got; i++)
            pool_take(pool, ask.taker, out[i]);
        for (uint32_t i = 0; i < got; i++)
            if (i % 16)
                pool_finish(pool, out[i]);
            else
                pool_put_back(pool, out[i]);
    }
    qsort(us, n, sizeof(*us), by_us);
    p99 = us[n - 1 - n / 100];
    printf("| %7u | %4u | %6u | %6.0f | %6.0f | %6.0f |\n", count, takers, n, us[n / 2], p99,
           us[n - 1]);
    pool_free(pool);
    free(us);
    free(out);
    free(tests);
    free(scopes);
    return p99;
}

/* All decisions of a run, from nothing to the last test. */
static double whole_run(uint32_t count, uint32_t takers)
{
    uint64_t chance = 1;
    uint32_t scope_count, *out = mem_new(count, sizeof(*out));
    struct pool_scope *scopes = scopes_of(count, &scope_count);
    struct pool_test *tests = tests_of(count, &chance);
    double start = now_us(), seconds;
    struct pool *pool = pool_new(&(struct pool_input){
        .tests = tests, .test_count = count, .scopes = scopes, .scope_count = scope_count });

    for (uint32_t k = 0; k < takers; k++)
        pool_join(pool, k, 2, 1000000);
    for (uint32_t k = 0; pool_free_count(pool); k = (k + 1) % takers) {
        const struct pool_ask ask = { .taker = k, .free_workers = 2 };
        uint32_t got = pool_choose(pool, &ask, out, count);

        for (uint32_t i = 0; i < got; i++)
            pool_take(pool, k, out[i]);
        for (uint32_t i = 0; i < got; i++)
            pool_finish(pool, out[i]);
    }
    seconds = (now_us() - start) / 1e6;
    pool_free(pool);
    free(out);
    free(tests);
    free(scopes);
    return seconds;
}

static double peak_mib(void)
{
    struct rusage use;

    (void)getrusage(RUSAGE_SELF, &use);
    return (double)use.ru_maxrss / 1024;
}

static double static_plan(uint32_t count, uint32_t machines, double *out_ratio)
{
    uint64_t chance = 1;
    uint32_t scope_count, *machine = mem_new(count, sizeof(*machine));
    struct pool_scope *scopes = scopes_of(count, &scope_count);
    struct pool_test *tests = tests_of(count, &chance);
    const struct pack_input in = { .tests = tests,
                                   .test_count = count,
                                   .scopes = scopes,
                                   .scope_count = scope_count,
                                   .machines = machines };
    struct pack_result res;
    double start = now_us(), seconds;

    pack(&in, machine, &res);
    seconds = (now_us() - start) / 1e6;
    *out_ratio = (double)res.longest_us / (double)res.bound_us;
    free(machine);
    free(tests);
    free(scopes);
    return seconds;
}

static double pack_row(uint32_t count, uint32_t machines)
{
    double ratio, seconds = static_plan(count, machines, &ratio);

    printf("| %8u | %4u | %7.3f | %6.1f | %.4f |\n", count, machines, seconds, peak_mib(), ratio);
    return seconds;
}

static int packs(uint32_t count, uint32_t machines)
{
    double seconds = 0;

    printf("| tests | machines | s | peak MiB | longest / bound |\n");
    if (count)
        seconds = pack_row(count, machines);
    for (uint32_t n = 1000; !count && n <= 1000000; n *= 10)
        seconds = pack_row(n, 1000);
    return seconds > PACK_S || peak_mib() > PACK_MIB;
}

static int pulls(uint32_t count, uint32_t takers)
{
    printf("| tests | takers | asks | median us | p99 us | max us |\n");
    if (count)
        return pull(count, takers) > PULL_P99_US;
    (void)pull(1000, 10);
    (void)pull(10000, 100);
    return pull(100000, 1000) > PULL_P99_US;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

/* The best of five: what the work costs, without what else the machine did. */
static int curve(void)
{
    static const uint32_t counts[] = { 1000,  2000,   5000,   10000,  20000,
                                       50000, 100000, 200000, 500000, 1000000 };

    printf("# tests  s of a run by 1000 agents  s of a static plan for 1000 machines\n");
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        double run = 1e9, plan = 1e9, ratio;

        for (uint32_t k = 0; k < 5; k++) {
            run = least(run, whole_run(counts[i], PLACES));
            plan = least(plan, static_plan(counts[i], PLACES, &ratio));
        }
        printf("%u %.6f %.6f\n", counts[i], run, plan);
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "pull";
    uint32_t count = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
    uint32_t places = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 1000;

    if (!strcmp(what, "curve"))
        return curve();
    return !strcmp(what, "pack") ? packs(count, places) : pulls(count, places);
}
