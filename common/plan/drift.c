#include "plan/drift.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define AVERAGE_PPM 1000000u

const char *drift_name(enum drift_part part)
{
    switch (part) {
    case DRIFT_STARTUP:
        return "start-up";
    case DRIFT_SPEED:
        return "speed";
    case DRIFT_SETUP:
        return "set-up repeated";
    case DRIFT_RECOVERY:
        return "recovery";
    case DRIFT_COPIES:
        return "copies";
    case DRIFT_IDLE:
        return "idle";
    case DRIFT_PREDICTION:
        return "prediction";
    case DRIFT_TAIL:
        return "tail";
    }
    UNREACHABLE("drift part");
}

/* Worker time, summed over workers; divided at the end. */
struct sums {
    uint64_t parts_us[DRIFT_PARTS];
    uint64_t work_us, setup_us, longest_us;
    uint64_t first_us, last_us; /* of the run */
    uint64_t last_begun_us;     /* when the last try that ran began: nothing was free after it */
    uint32_t longest;
};

static int by_worker_and_start(const void *left, const void *right)
{
    const struct drift_try *a = left, *b = right;

    if (a->worker != b->worker)
        return a->worker < b->worker ? -1 : 1;
    return (a->start_us > b->start_us) - (a->start_us < b->start_us);
}

static uint64_t sub(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* What a try would have taken on an average machine. */
static uint64_t on_average_us(const struct drift_input *in, const struct drift_try *t, uint64_t us)
{
    return (uint64_t)((wide_uint)us * in->workers[t->worker].speed_ppm / AVERAGE_PPM);
}

static void count_try(const struct drift_input *in, const struct drift_try *t, struct sums *s)
{
    uint64_t took_us = t->end_us - t->start_us, own_us = sub(took_us, t->setup_us);
    uint64_t average_us = on_average_us(in, t, own_us);

    if (t->worth != TRY_COUNTED) {
        s->parts_us[t->worth == TRY_COPY ? DRIFT_COPIES : DRIFT_RECOVERY] += took_us;
        return;
    }
    /* A fast machine's gain stands against a slow one's loss: speeds average 1. */
    s->parts_us[DRIFT_SPEED] += own_us - average_us; /* may wrap below 0, and back */
    s->setup_us += t->setup_us;
    s->work_us += average_us;
    if (average_us > s->longest_us) {
        s->longest_us = average_us;
        s->longest = t->test;
    }
}

static void find_ends(const struct drift_try *tries, uint32_t count, const struct drift_input *in,
                      struct sums *s)
{
    s->first_us = UINT64_MAX;
    for (uint32_t w = 0; w < in->worker_count; w++)
        s->first_us = in->workers[w].start_us < s->first_us ? in->workers[w].start_us : s->first_us;
    for (uint32_t i = 0; i < count; i++) {
        INVARIANT(tries[i].worker < in->worker_count && tries[i].end_us >= tries[i].start_us);
        s->first_us = tries[i].start_us < s->first_us ? tries[i].start_us : s->first_us;
        s->last_us = tries[i].end_us > s->last_us ? tries[i].end_us : s->last_us;
        s->last_begun_us =
            tries[i].start_us > s->last_begun_us ? tries[i].start_us : s->last_begun_us;
    }
}

/* Splits a stretch without a test into idling, while something had still to begin, and the end. */
static void count_gap(uint64_t from_us, uint64_t to_us, struct sums *s)
{
    uint64_t cut_us = from_us > s->last_begun_us ? from_us
                      : to_us < s->last_begun_us ? to_us
                                                 : s->last_begun_us;

    s->parts_us[DRIFT_IDLE] += cut_us - from_us;
    s->parts_us[DRIFT_TAIL] += to_us - cut_us;
}

/* All of one worker's time; tries is sorted, its first one at io_next. */
static void count_worker(const struct drift_input *in, const struct drift_try *tries, uint32_t w,
                         uint32_t *io_next, struct sums *s)
{
    uint64_t at_us = in->workers[w].start_us;
    uint64_t end_us = in->workers[w].end_us < s->last_us ? in->workers[w].end_us : s->last_us;

    if (at_us > s->last_us)
        at_us = s->last_us;
    s->parts_us[DRIFT_STARTUP] += at_us - s->first_us;
    for (; *io_next < in->try_count && tries[*io_next].worker == w; ++*io_next) {
        const struct drift_try *t = &tries[*io_next];

        if (t->start_us > at_us)
            count_gap(at_us, t->start_us, s);
        count_try(in, t, s);
        at_us = t->end_us > at_us ? t->end_us : at_us;
    }
    if (end_us > at_us)
        count_gap(at_us, end_us, s);
    s->parts_us[DRIFT_RECOVERY] += s->last_us - (end_us > at_us ? end_us : at_us);
}

/* By how much the tests that ended the run, those in hand when the first worker ran out of work for
 * good, went over their predictions. */
static uint64_t late_us(const struct drift_input *in, const struct drift_try *tries,
                        const struct sums *s)
{
    uint64_t late = 0;

    for (uint32_t i = 0; i < in->try_count; i++) {
        const struct drift_try *t = &tries[i];
        uint64_t took_us = t->end_us - t->start_us;

        if (t->end_us == s->last_us && t->end_us > s->last_begun_us && took_us > t->predicted_us)
            late = took_us - t->predicted_us > late ? took_us - t->predicted_us : late;
    }
    return late;
}

static void divide(const struct drift_input *in, const struct sums *s, uint64_t late,
                   struct drift *out)
{
    uint64_t workers = in->worker_count, floor_us, even_us;
    int64_t speed_us = (int64_t)s->parts_us[DRIFT_SPEED] / (int64_t)workers;

    out->makespan_us = s->last_us - s->first_us;
    out->work_us = s->work_us + in->setups_once_us;
    even_us = out->work_us / workers;
    floor_us = s->longest_us;
    out->floor = floor_us > even_us;
    out->floor_test = s->longest;
    out->bound_us = out->floor ? floor_us : even_us;
    for (uint32_t p = 0; p < DRIFT_PARTS; p++)
        out->parts_us[p] = s->parts_us[p] / workers;
    out->parts_us[DRIFT_SPEED] = speed_us > 0 ? (uint64_t)speed_us : 0;
    out->parts_us[DRIFT_IDLE] = sub(s->parts_us[DRIFT_IDLE], in->setups_apart_us) / workers;
    out->parts_us[DRIFT_SETUP] =
        sub(s->setup_us + in->setups_apart_us, in->setups_once_us) / workers;
    /* What the longest test forces on the others is in the bound already. */
    out->parts_us[DRIFT_TAIL] = sub(out->parts_us[DRIFT_TAIL], out->bound_us - even_us);
    /* The others wait for the late test: its lateness costs all but its own worker. */
    late = late * (workers - 1) / workers;
    out->parts_us[DRIFT_PREDICTION] =
        late < out->parts_us[DRIFT_TAIL] ? late : out->parts_us[DRIFT_TAIL];
    out->parts_us[DRIFT_TAIL] -= out->parts_us[DRIFT_PREDICTION];
}

void drift_of(const struct drift_input *in, struct drift *out)
{
    struct drift_try *tries;
    struct sums s = { .work_us = 0 };
    uint32_t next = 0;

    *out = (struct drift){ .makespan_us = 0 };
    if (!in->try_count || !in->worker_count)
        return;
    tries = mem_dup(in->tries, in->try_count * sizeof(*tries));
    qsort(tries, in->try_count, sizeof(*tries), by_worker_and_start);
    find_ends(tries, in->try_count, in, &s);
    for (uint32_t w = 0; w < in->worker_count; w++)
        count_worker(in, tries, w, &next, &s);
    divide(in, &s, late_us(in, tries, &s), out);
    free(tries);
}
