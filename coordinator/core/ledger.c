#include "core/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "core/copies.h"
#include "core/places.h"
#include "core/where.h"
#include "mem.h"
#include "plan/bound.h"

static uint64_t text_bytes(const char *text)
{
    return text ? strlen(text) : 0;
}

/* A detail is kept whole while the run's share of memory lasts, then only its short texts. */
static struct detail *detail_keep(struct run *run, struct detail **take)
{
    struct detail *d = *take;
    uint64_t size;

    *take = NULL;
    if (!d)
        return NULL;
    size = sizeof(*d) + text_bytes(d->message) + text_bytes(d->text) + text_bytes(d->out) +
           text_bytes(d->err) + text_bytes(d->log);
    if (size > RUN_DETAIL_BYTES_MAX - run->detail_bytes) {
        free(d->text);
        free(d->out);
        free(d->err);
        free(d->log);
        d->text = NULL;
        d->out = NULL;
        d->err = NULL;
        d->log = NULL;
        return d;
    }
    run->detail_bytes += size;
    return d;
}

static void unsettled_add(struct run *run, uint32_t session, uint32_t worker, uint32_t test)
{
    struct session *s = run->sessions[session];

    for (uint32_t i = 0; i < s->last_count; i++) {
        if (s->last[i].worker == worker) {
            s->last[i].test = test;
            return;
        }
    }
    s->last = mem_grow(s->last, &s->last_cap, (size_t)s->last_count + 1, sizeof(*s->last));
    s->last[s->last_count++] = (struct session_last){ .worker = worker, .test = test };
    if (s->last_count == 1)
        run->unsettled_count++;
}

/* The lower bound with what is known now: measured durations, and when each session could begin. */
static uint64_t bound_of(const struct run *run)
{
    uint64_t *costs_us = mem_new(run->test_count, sizeof(*costs_us));
    struct bound_taker *takers = mem_new(run->session_count, sizeof(*takers));
    uint64_t first_ms = UINT64_MAX;
    uint32_t taker_count = 0;
    uint64_t bound = 0;

    for (uint32_t i = 0; i < run->test_count; i++)
        if (!(run->tests[i].flags & TEST_CARRIED))
            costs_us[i] =
                run->tests[i].setup_us + run->tests[i].call_us + run->tests[i].teardown_us;
    for (uint32_t i = 0; i < run->session_count; i++)
        if (run->sessions[i]->collected && run->sessions[i]->collected_ms < first_ms)
            first_ms = run->sessions[i]->collected_ms;
    for (uint32_t i = 0; i < run->session_count; i++) {
        const struct session *s = run->sessions[i];

        if (s->collected && !s->late)
            takers[taker_count++] =
                (struct bound_taker){ .start_us = (s->collected_ms - first_ms) * 1000,
                                      .workers = s->workers,
                                      .speed_ppm = 1000000 };
    }
    if (taker_count)
        bound = bound_us(costs_us, run->test_count, takers, taker_count);
    free(costs_us);
    free(takers);
    return bound;
}

/* Puts a result into an unfinished test. */
static void finish(struct run *run, uint32_t test, const struct observation *o,
                   struct detail *take_detail)
{
    struct run_test *t = &run->tests[test];

    places_done(run, test);
    t->session = o->session;
    t->worker = o->worker;
    t->fence = o->fence;
    t->outcome = o->outcome;
    t->reported = o->outcome;
    t->setup_us = o->setup_us;
    t->call_us = o->call_us;
    t->teardown_us = o->teardown_us;
    t->started_ms = o->started_ms;
    t->mem_mib = o->mem_mib;
    if (o->mem_mib > run->heaviest_mib) {
        run->heaviest = test;
        run->heaviest_mib = o->mem_mib;
    }
    t->detail = take_detail;
    t->tries++;
    run->done_count++;
    run->counts[t->outcome]++;
    run->work_us += t->setup_us + t->call_us + t->teardown_us;
    if (test_is_flaky(t))
        run->flaky_count++;
    if (o->session != SESSION_NONE) {
        struct session *s = run->sessions[o->session];
        uint64_t start_ms = s->began_ms + t->started_ms;
        uint64_t end_us = start_ms * 1000 + t->setup_us + t->call_us + t->teardown_us;

        s->done_count++;
        if (!outcome_is_good(t->outcome))
            s->bad_count++;
        if (run->first_start_ms == 0 || start_ms < run->first_start_ms)
            run->first_start_ms = start_ms;
        if (end_us > run->last_end_us)
            run->last_end_us = end_us;
    }
    if (run->done_count == run->test_count) {
        run->bound_us = bound_of(run);
        where_time_went(run, &run->drift);
    }
}

/* Takes the result out of a finished test again. */
static void unfinish(struct run *run, uint32_t test)
{
    struct run_test *t = &run->tests[test];

    if (test_is_flaky(t))
        run->flaky_count--;
    run->done_count--;
    run->counts[t->outcome]--;
    run->work_us -= t->setup_us + t->call_us + t->teardown_us;
    if (t->session != SESSION_NONE) {
        run->sessions[t->session]->done_count--;
        if (!outcome_is_good(t->outcome))
            run->sessions[t->session]->bad_count--;
    }
    detail_free(t->detail);
    detail_free(t->amended);
    t->detail = NULL;
    t->amended = NULL;
    t->outcome = OUTCOME_NONE;
    t->reported = OUTCOME_NONE;
    places_free(run, test);
}

static void observation_add(struct run *run, const struct observation *o)
{
    struct run_test *t = &run->tests[o->test];
    bool was_flaky = test_is_flaky(t);

    if (o->outcome != OUTCOME_NONE)
        t->flags |= outcome_is_good(o->outcome) ? TEST_SEEN_GOOD : TEST_SEEN_BAD;
    if (!was_flaky && test_is_flaky(t))
        run->flaky_count++;
    if (run->observation_count == RUN_OBSERVATIONS_MAX) {
        run->observations_dropped++;
        return;
    }
    run->observations = mem_grow(run->observations, &run->observation_cap,
                                 (size_t)run->observation_count + 1, sizeof(*run->observations));
    run->observations[run->observation_count++] = *o;
}

static struct observation observation_of(uint32_t session, const struct result_item *item)
{
    return (struct observation){
        .test = item->test,
        .session = session,
        .worker = item->worker,
        .fence = item->fence,
        .outcome = item->outcome,
        .settled = item->settled,
        .setup_us = item->setup_us,
        .call_us = item->call_us,
        .teardown_us = item->teardown_us,
        .started_ms = item->started_ms,
        .mem_mib = item->mem_mib,
    };
}

/* What a pass says about the machine it ran on. */
static void learn_pace(struct run *run, uint32_t session, const struct result_item *item)
{
    struct session *s = run->sessions[session];
    uint64_t took_us = item->setup_us + item->call_us + item->teardown_us;

    if (item->outcome != OUTCOME_PASSED || !session_lives(s))
        return;
    pace_learn(&run->pace, &s->pace, run->costs_us[item->test], took_us);
    pool_pace(run->pool, pace_fleet_ppm(&run->pace));
    pool_respeed(run->pool, session, pace_machine_ppm(&run->pace, &s->pace));
}

void ledger_accept(struct run *run, uint32_t session, struct result_item *item)
{
    struct observation o = observation_of(session, item);

    copies_settle(run, item->test, session);
    places_spare(run, item->test, session);
    finish(run, item->test, &o, detail_keep(run, &item->detail));
    learn_pace(run, session, item);
    if (session_lives(run->sessions[session]))
        unsettled_add(run, session, item->worker, item->test);
}

void ledger_amend(struct run *run, uint32_t session, struct result_item *item)
{
    struct run_test *t = &run->tests[item->test];
    bool was_flaky = test_is_flaky(t);

    INVARIANT(t->place == TEST_DONE && t->session == session);
    if (outcome_is_good(t->outcome))
        run->sessions[session]->bad_count++;
    run->counts[t->outcome]--;
    t->outcome = OUTCOME_ERROR;
    run->counts[t->outcome]++;
    detail_free(t->amended);
    t->amended = detail_keep(run, &item->detail);
    if (was_flaky && !test_is_flaky(t))
        run->flaky_count--;
    if (!was_flaky && test_is_flaky(t))
        run->flaky_count++;
}

void ledger_observe(struct run *run, uint32_t session, const struct result_item *item)
{
    struct observation o = observation_of(session, item);

    observation_add(run, &o);
    /* What a copy has cost is known when its slower half has ended, after the last result. */
    if (item->way == RESULT_ABANDON && run->done_count == run->test_count)
        where_time_went(run, &run->drift);
}

void ledger_void(struct run *run, uint32_t test)
{
    struct run_test *t = &run->tests[test];
    struct observation o = {
        .test = test,
        .session = t->session,
        .worker = t->worker,
        .fence = t->fence,
        .outcome = t->outcome,
        .voided = true,
        .setup_us = t->setup_us,
        .call_us = t->call_us,
        .teardown_us = t->teardown_us,
        .started_ms = t->started_ms,
        .mem_mib = t->mem_mib,
    };

    if (t->place != TEST_DONE || !outcome_is_good(t->outcome))
        return;
    unfinish(run, test);
    observation_add(run, &o);
}

void ledger_adopt(struct run *run, const struct observation *seen)
{
    if (run->tests[seen->test].place != TEST_DONE)
        finish(run, seen->test, seen, NULL);
}

void ledger_carry(struct run *run, uint32_t test, const struct carried *from)
{
    struct observation o = {
        .test = test,
        .session = SESSION_NONE,
        .outcome = from->outcome,
        .setup_us = from->setup_us,
        .call_us = from->call_us,
        .teardown_us = from->teardown_us,
    };

    run->tests[test].flags |= TEST_CARRIED;
    finish(run, test, &o, NULL);
}

void ledger_uncarry(struct run *run, uint32_t test)
{
    run->tests[test].flags &= ~(uint32_t)TEST_CARRIED;
    unfinish(run, test);
}
