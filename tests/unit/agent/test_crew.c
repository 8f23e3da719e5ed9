#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/crew.h"
#include "proto.h"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

static void test_crew_plan_takes_the_least_of_cpus_quota_and_memory(void **state)
{
    static const struct {
        struct resources r;
        uint64_t worker_bytes;
        bool logical;
        uint32_t at_most, workers, cpus;
        enum crew_bound bound;
    } cases[] = {
        { { 8, 0, 0, 0, false }, 0, false, 0, 8, 8, CREW_BY_CPUS },
        { { 8, 2500, 0, 0, false }, 0, false, 0, 3, 3, CREW_BY_QUOTA },
        { { 8, 100, 0, 0, false }, 0, false, 0, 1, 1, CREW_BY_QUOTA },
        { { 8, 2500, 0, 0, false }, 0, true, 0, 8, 3, CREW_BY_CPUS },
        { { 2, 8000, 0, 0, false }, 0, false, 0, 2, 2, CREW_BY_CPUS },
        { { 8, 0, 0, 0, false }, 0, false, 5, 5, 8, CREW_BY_REQUEST },
        { { 64, 0, 64 * GIB, CREW_RESERVE_BYTES + 10 * CREW_WORKER_BYTES, false },
          0,
          false,
          0,
          10,
          64,
          CREW_BY_MEMORY },
        { { 64, 0, 64 * GIB, CREW_RESERVE_BYTES + 10 * CREW_WORKER_BYTES, false },
          CREW_WORKER_BYTES / 4,
          false,
          0,
          40,
          64,
          CREW_BY_MEMORY },
        { { 64, 0, 64 * GIB, 0, true }, 0, false, 0, 1, 64, CREW_BY_MEMORY },
        { { 0, 0, 0, 0, false }, 0, false, 0, 1, 1, CREW_BY_CPUS },
        { { 100000, 0, 0, 0, false }, 0, false, 0, PROTO_WORKERS_MAX, 100000, CREW_BY_MEMORY },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct crew crew;

        crew_plan(&(struct crew_input){ .machine = &cases[i].r,
                                        .worker_bytes = cases[i].worker_bytes,
                                        .logical = cases[i].logical,
                                        .at_most = cases[i].at_most },
                  &crew);
        assert_int_equal(crew.workers, cases[i].workers);
        assert_int_equal(crew.cpus, cases[i].cpus);
        assert_int_equal(crew.bound, cases[i].bound);
    }
}

/* Where tests sleep half of their time, twice the workers keep the CPUs busy; to a limit. */
static void test_crew_plan_adds_workers_when_tests_wait(void **state)
{
    static const struct {
        uint32_t busy_ppm, at_most, workers;
        enum crew_bound bound;
    } cases[] = {
        { 0, 0, 2, CREW_BY_CPUS },         { 1000000, 0, 2, CREW_BY_CPUS },
        { 810000, 0, 2, CREW_BY_CPUS },    { 700000, 0, 3, CREW_BY_WAITING },
        { 500000, 0, 4, CREW_BY_WAITING }, { 1, 0, 2 * CREW_PER_CPU_MAX, CREW_BY_WAITING },
        { 500000, 3, 3, CREW_BY_REQUEST },
    };
    const struct resources two = { .cpus_allowed = 2 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct crew_input in = { .machine = &two,
                                 .busy_ppm = cases[i].busy_ppm,
                                 .at_most = cases[i].at_most };
        struct crew crew;

        crew_plan(&in, &crew);
        assert_int_equal(crew.workers, cases[i].workers);
        assert_int_equal(crew.bound, cases[i].bound);
        assert_int_equal(crew.cpus, 2);
        in.logical = true;
        crew_plan(&in, &crew);
        assert_int_equal(crew.workers, 2);
    }
}

static void test_crew_text_names_the_bound_that_decided(void **state)
{
    static const struct {
        struct resources r;
        uint64_t worker_bytes;
        enum crew_source source;
        const char *text;
    } cases[] = {
        { { 4, 0, 8 * GIB, CREW_RESERVE_BYTES + 61 * 128 * MIB, false },
          0,
          CREW_ASSUMED,
          "4 workers: 4 CPUs; memory would allow 61 at 128 MiB each (assumed)" },
        { { 1, 0, 0, 0, false }, 0, CREW_ASSUMED, "1 worker: 1 CPU" },
        { { 8, 1500, 8 * GIB, 8 * GIB, false },
          40 * MIB,
          CREW_RECORDED,
          "2 workers: a quota of 1.50 of 8 CPUs; memory would allow 203 at 40 MiB each "
          "(recorded)" },
        { { 8, 0, 2 * GIB, GIB, true },
          300 * MIB,
          CREW_MEASURED,
          "3 workers: memory, on 8 CPUs; 1024 MiB are free in our control group, a worker needs "
          "300 MiB (measured)" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct crew_input in = { .machine = &cases[i].r,
                                       .worker_bytes = cases[i].worker_bytes,
                                       .source = cases[i].source };
        struct str text = STR_MAX(400);
        struct crew crew;

        crew_plan(&in, &crew);
        crew_text(&in, &crew, &text);
        assert_string_equal(text.at, cases[i].text);
        str_fini(&text);
    }
}

static void test_crew_served_is_as_many_as_the_cpus_serve(void **state)
{
    static const struct {
        uint32_t cpus, asked, share_pct, served;
    } rows[] = {
        { 2, 4, 100, 2 }, { 2, 4, 90, 2 },  { 2, 4, 75, 3 },   { 2, 4, 50, 4 },  { 2, 4, 0, 4 },
        { 4, 2, 100, 2 }, { 1, 3, 100, 1 }, { 1, 64, 10, 10 }, { 0, 4, 100, 1 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct crew_demand d;

        crew_demand_init(&d, 0);
        assert_int_equal(crew_served(&d, rows[i].cpus, rows[i].asked),
                         rows[i].cpus < rows[i].asked ? (rows[i].cpus ? rows[i].cpus : 1)
                                                      : rows[i].asked);
        for (uint32_t look = 0; look < 1000; look++)
            crew_saw(&d, 1000 * rows[i].share_pct, 100000);
        assert_int_equal(crew_served(&d, rows[i].cpus, rows[i].asked), rows[i].served);
    }
}

static void test_crew_demand_begins_with_what_is_recorded_and_forgets(void **state)
{
    struct crew_demand d;

    (void)state;
    crew_demand_init(&d, 250000);
    assert_int_equal(crew_served(&d, 2, 16), 8);
    crew_saw(&d, 200000, 100000); /* more than there was: two clocks */
    assert_true(d.wanted_us <= d.seen_us);
    crew_demand_init(&d, 0);
    crew_saw(&d, 0, 200000); /* two looks at a worker that sleeps */
    assert_int_equal(crew_served(&d, 2, 16), 4);
    for (uint32_t look = 0; look < 1000; look++)
        crew_saw(&d, 100000, 100000);
    for (uint32_t look = 0; look < 40; look++) /* four seconds */
        crew_saw(&d, 0, 100000);
    assert_true(crew_served(&d, 2, 16) > 3);
}

static void test_crew_threads_shares_the_cpus(void **state)
{
    (void)state;
    assert_int_equal(crew_threads(8, 2), 4);
    assert_int_equal(crew_threads(8, 3), 2);
    assert_int_equal(crew_threads(2, 4), 1);
    assert_int_equal(crew_threads(2, 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crew_plan_takes_the_least_of_cpus_quota_and_memory),
        cmocka_unit_test(test_crew_served_is_as_many_as_the_cpus_serve),
        cmocka_unit_test(test_crew_demand_begins_with_what_is_recorded_and_forgets),
        cmocka_unit_test(test_crew_plan_adds_workers_when_tests_wait),
        cmocka_unit_test(test_crew_text_names_the_bound_that_decided),
        cmocka_unit_test(test_crew_threads_shares_the_cpus),
    };

    return cmocka_run_group_tests_name("agent/crew", tests, NULL, NULL);
}
