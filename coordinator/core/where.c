#include "core/where.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* Numbers of a session's workers: from first[session] on. */
static uint32_t number_workers(const struct run *run, uint32_t *first)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < run->session_count; i++) {
        first[i] = count;
        if (run->sessions[i]->collected && !run->sessions[i]->late)
            count += run->sessions[i]->workers;
    }
    return count;
}

/* Slots are numbered on when a worker is replaced: which of its machine's workers it stands for. */
static uint32_t worker_of(const struct run *run, const uint32_t *first, uint32_t session,
                          uint32_t slot)
{
    return first[session] + slot % run->sessions[session]->workers;
}

static bool is_in(const struct run *run, uint32_t session)
{
    return session != SESSION_NONE && run->sessions[session]->collected &&
           !run->sessions[session]->late;
}

static uint64_t start_us_of(const struct run *run, uint32_t session, uint64_t started_ms)
{
    return (run->sessions[session]->began_ms + started_ms) * 1000;
}

static struct drift_try *collect_tries(const struct run *run, const uint32_t *first,
                                       uint32_t *out_count)
{
    struct drift_try *tries =
        mem_new((size_t)run->test_count + run->observation_count, sizeof(*tries));
    uint32_t n = 0;

    for (uint32_t i = 0; i < run->test_count; i++) {
        const struct run_test *t = &run->tests[i];
        uint64_t start_us;

        if (t->place != TEST_DONE || (t->flags & TEST_CARRIED) || !is_in(run, t->session))
            continue;
        start_us = start_us_of(run, t->session, t->started_ms);
        tries[n++] =
            (struct drift_try){ .test = i,
                                .worker = worker_of(run, first, t->session, t->worker),
                                .start_us = start_us,
                                .end_us = start_us + t->setup_us + t->call_us + t->teardown_us,
                                .predicted_us = run->costs_us[i],
                                .worth = TRY_COUNTED };
    }
    for (uint32_t i = 0; i < run->observation_count; i++) {
        const struct observation *o = &run->observations[i];
        uint64_t start_us;

        if (!is_in(run, o->session))
            continue;
        start_us = start_us_of(run, o->session, o->started_ms);
        tries[n++] =
            (struct drift_try){ .test = o->test,
                                .worker = worker_of(run, first, o->session, o->worker),
                                .start_us = start_us,
                                .end_us = start_us + o->setup_us + o->call_us + o->teardown_us,
                                .predicted_us = run->costs_us[o->test],
                                .worth = !o->voided && run->tests[o->test].copies > 0 ? TRY_COPY
                                                                                      : TRY_LOST };
    }
    *out_count = n;
    return tries;
}

/* The run begins with its first test, as its makespan is counted; what passed until then is in
 * nobody's part. A lost machine was gone when its last try had ended, as far as anybody knows. */
static struct drift_worker *collect_workers(const struct run *run, const uint32_t *first,
                                            const struct drift_try *tries, uint32_t try_count,
                                            uint32_t count)
{
    struct drift_worker *workers = mem_new(count, sizeof(*workers));

    for (uint32_t i = 0; i < run->session_count; i++) {
        const struct session *s = run->sessions[i];
        uint64_t ready_ms =
            s->collected_ms > run->first_start_ms ? s->collected_ms : run->first_start_ms;

        for (uint32_t w = 0; is_in(run, i) && w < s->workers; w++)
            workers[first[i] + w] =
                (struct drift_worker){ .start_us = ready_ms * 1000,
                                       .end_us =
                                           s->state == SESSION_LOST ? ready_ms * 1000 : UINT64_MAX,
                                       .speed_ppm = 1000000 };
    }
    for (uint32_t i = 0; i < try_count; i++) {
        struct drift_worker *w = &workers[tries[i].worker];

        if (w->end_us < tries[i].end_us)
            w->end_us = tries[i].end_us;
    }
    return workers;
}

static int by_scope(const void *left, const void *right)
{
    const struct scope_cost *a = *(const struct scope_cost *const *)left;
    const struct scope_cost *b = *(const struct scope_cost *const *)right;
    int order = strcmp(a->id, b->id);

    return order ? order : strcmp(a->kind, b->kind);
}

/* All set-ups that were measured, and each scope's largest once. */
static void sum_setups(const struct run *run, struct drift_input *in)
{
    const struct scope_cost **sorted = mem_new(run->scope_count, sizeof(*sorted));
    uint64_t largest_us = 0;

    for (uint32_t i = 0; i < run->scope_count; i++)
        sorted[i] = &run->scopes[i];
    qsort(sorted, run->scope_count, sizeof(*sorted), by_scope);
    for (uint32_t i = 0; i < run->scope_count; i++) {
        uint64_t us = sorted[i]->setup_us + sorted[i]->teardown_us;

        if (i && by_scope(&sorted[i - 1], &sorted[i]) != 0) {
            in->setups_once_us += largest_us;
            largest_us = 0;
        }
        in->setups_apart_us += us;
        largest_us = us > largest_us ? us : largest_us;
    }
    in->setups_once_us += largest_us;
    free(sorted);
}

void where_time_went(const struct run *run, struct drift *out)
{
    uint32_t *first = mem_new(run->session_count, sizeof(*first));
    struct drift_input in = { .worker_count = number_workers(run, first) };
    struct drift_try *tries = collect_tries(run, first, &in.try_count);
    struct drift_worker *workers =
        collect_workers(run, first, tries, in.try_count, in.worker_count);

    in.tries = tries;
    in.workers = workers;
    sum_setups(run, &in);
    drift_of(&in, out);
    free(workers);
    free(tries);
    free(first);
}
