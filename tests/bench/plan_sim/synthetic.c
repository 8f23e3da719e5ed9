#include "synthetic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "chance.h"
#include "mem.h"

/* Files, classes in each (0: none), tests in each; mean milliseconds of set-ups and of a test, with
 * the deviation of its logarithm; first: the first file is so many times larger. */
static const struct shape {
    const char *name;
    uint32_t files, classes, tests;
    double file_ms, class_ms, test_ms, spread;
    uint32_t first;
} shapes[SYNTHETIC_COUNT] = {
    { "dear files", 20, 0, 30, 2000, 0, 100, 1.0, 1 },
    { "dear classes", 10, 10, 8, 0, 300, 50, 1.0, 1 },
    { "nested", 12, 6, 8, 1000, 200, 40, 1.2, 1 },
    { "one large file", 20, 0, 25, 3000, 0, 100, 1.0, 12 },
    { "set-ups only", 60, 0, 4, 1500, 0, 10, 0.5, 1 },
    { "long tests", 15, 0, 20, 800, 0, 300, 1.8, 1 },
};

struct making {
    struct trace *t;
    const struct shape *s;
    uint64_t chance;
    uint32_t scope_count;
};

static void draw(struct making *m, double mean_ms, double spread, uint64_t us[TRACE_RUNS])
{
    double base = mean_ms * 1000 * exp(spread * chance_normal(&m->chance) - spread * spread / 2);

    for (uint32_t k = 0; k < TRACE_RUNS; k++)
        us[k] = mean_ms > 0 ? (uint64_t)(base * exp(0.1 * chance_normal(&m->chance))) + 1 : 0;
}

static uint32_t add_scope(struct making *m, uint32_t parent, double setup_ms)
{
    uint32_t s = m->t->scope_count++;
    uint64_t us[TRACE_RUNS];

    draw(m, setup_ms, 0.5, us);
    m->t->scopes[s] = (struct pool_scope){ .parent = parent };
    for (uint32_t k = 0; k < TRACE_RUNS; k++)
        m->t->setup_us[k][s] = us[k];
    return s;
}

static void add_tests(struct making *m, uint32_t scope, uint32_t count)
{
    while (count-- > 0) {
        uint32_t i = m->t->test_count++;
        uint64_t us[TRACE_RUNS];
        char id[40];

        draw(m, m->s->test_ms, m->s->spread, us);
        (void)snprintf(id, sizeof(id), "s%u.py::test_%u", scope, i);
        m->t->ids[i] = mem_strdup(id);
        m->t->tests[i] = (struct pool_test){
            .scope = scope, .group = POOL_NONE, .mutex = POOL_NONE, .threads = 1
        };
        for (uint32_t k = 0; k < TRACE_RUNS; k++)
            m->t->us[k][i] = us[k];
    }
}

/* A recorded time includes the set-ups that its test was the first to pay. */
static void charge_first_tests(struct trace *t)
{
    for (uint32_t i = 0; i < t->test_count; i++)
        for (uint32_t k = 0; k < TRACE_RUNS; k++)
            t->us[k][i] += trace_setups_us(t, k, i);
}

struct trace *synthetic_new(uint32_t shape, uint64_t seed)
{
    const struct shape *s = &shapes[shape];
    struct making m = { .t = mem_new(1, sizeof(struct trace)),
                        .s = s,
                        .chance = seed * 7919 + shape };
    uint32_t scopes = s->files * (1 + s->classes);
    uint32_t tests = (s->files - 1 + s->first) * (s->classes ? s->classes : 1) * s->tests;

    m.t->name = mem_strdup(s->name);
    m.t->ids = mem_new(tests, sizeof(*m.t->ids));
    m.t->tests = mem_new(tests, sizeof(*m.t->tests));
    m.t->highs_us = mem_new(tests, sizeof(*m.t->highs_us));
    m.t->scopes = mem_new(scopes, sizeof(*m.t->scopes));
    for (uint32_t k = 0; k < TRACE_RUNS; k++) {
        m.t->us[k] = mem_new(tests, sizeof(uint64_t));
        m.t->setup_us[k] = mem_new(scopes, sizeof(uint64_t));
    }
    for (uint32_t f = 0; f < s->files; f++) {
        uint32_t file = add_scope(&m, POOL_NONE, s->file_ms), times = f ? 1 : s->first;

        for (uint32_t c = 0; c < s->classes; c++)
            add_tests(&m, add_scope(&m, file, s->class_ms), s->tests * times);
        if (!s->classes)
            add_tests(&m, file, s->tests * times);
    }
    charge_first_tests(m.t);
    return m.t;
}
