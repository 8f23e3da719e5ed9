#include "service/lesson.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "plan/peak.h"
#include "service/history.h"

struct sample {
    char *id; /* as history_key shows it */
    uint64_t us;
    uint32_t mem_mib; /* 0: not measured */
    bool censored, failed;
};

/* What all workers of the run together paid for one scope; or one worker's memory. */
struct paid {
    char *kind, *id;
    uint64_t setup_us, teardown_us; /* sums */
    uint32_t setups, teardowns;
    uint32_t mem_mib;
};

struct lesson {
    char *project, *suite;
    char run[ID_TEXT_BYTES];
    uint64_t now_ms;
    struct sample *samples;
    size_t sample_count;
    struct paid *paid;
    size_t paid_count, paid_cap;
    size_t stored; /* rows, the samples first */
};

/* Whether an outcome says how long the test takes, only "at least", or nothing. */
enum worth { WORTH_FULL, WORTH_AT_LEAST, WORTH_NOTHING };

static enum worth worth_of(enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_PASSED:
    case OUTCOME_XFAILED:
    case OUTCOME_XPASSED:
        return WORTH_FULL;
    case OUTCOME_FAILED:
    case OUTCOME_ERROR:
    case OUTCOME_CRASHED:
    case OUTCOME_TIMEOUT:
        return WORTH_AT_LEAST;
    case OUTCOME_NONE:
    case OUTCOME_SKIPPED:
        return WORTH_NOTHING;
    }
    UNREACHABLE("enum outcome");
}

/* The test as it ran on the first machine, which is all there is unless every machine runs
 * everything; NULL when it did not run. */
static const struct run_test *first_of_lanes(const struct run *run, uint32_t test)
{
    for (uint32_t i = test; i < run->test_count; i += run->lanes.tests)
        if (run->tests[i].place == TEST_DONE && !(run->tests[i].flags & TEST_CARRIED))
            return &run->tests[i];
    return NULL;
}

static void add_tests(struct lesson *lesson, const struct run *run)
{
    struct str scratch = STR_MAX(STORE_ID_BYTES_MAX + 16);

    lesson->samples = mem_new(run->test_count, sizeof(*lesson->samples));
    for (uint32_t i = 0; i < run->lanes.tests; i++) {
        const struct manifest_test *named = &run->manifest->tests[i];
        const struct run_test *test = first_of_lanes(run, i);
        enum worth worth = test ? worth_of(test->outcome) : WORTH_NOTHING;

        if (worth == WORTH_NOTHING)
            continue;
        lesson->samples[lesson->sample_count++] = (struct sample){
            .id = mem_strdup(history_key(named->id, named->k, &scratch)),
            .us = test->setup_us + test->call_us + test->teardown_us,
            .mem_mib = test->mem_mib,
            .censored = worth == WORTH_AT_LEAST,
            .failed = !outcome_is_good(test->outcome),
        };
    }
    str_fini(&scratch);
}

static int by_scope(const void *left, const void *right)
{
    const struct paid *a = left;
    const struct paid *b = right;
    int order = strcmp(a->kind, b->kind);

    return order ? order : strcmp(a->id, b->id);
}

static void paid_fini(struct paid *paid)
{
    free(paid->kind);
    free(paid->id);
}

/* What agents say of scopes is theirs: a kind or id that cannot be kept says nothing. */
static bool scope_fits(const struct scope_cost *cost)
{
    return strlen(cost->kind) <= STORE_NAME_BYTES_MAX && strlen(cost->id) <= STORE_ID_BYTES_MAX &&
           cost->kind[0] != '\0' && strcmp(cost->kind, HISTORY_TEST) != 0 &&
           strcmp(cost->kind, HISTORY_STARTUP) != 0 && strcmp(cost->kind, HISTORY_WORKER) != 0;
}

/* One entry a scope, however many workers entered it. */
static void merge_paid(struct lesson *lesson)
{
    size_t kept = 0;

    if (lesson->paid_count > 1)
        qsort(lesson->paid, lesson->paid_count, sizeof(*lesson->paid), by_scope);
    for (size_t i = 0; i < lesson->paid_count; i++) {
        struct paid *next = &lesson->paid[i];
        struct paid *last = kept > 0 ? &lesson->paid[kept - 1] : NULL;

        if (!last || by_scope(last, next) != 0) {
            lesson->paid[kept++] = *next;
            continue;
        }
        last->setup_us += next->setup_us;
        last->teardown_us += next->teardown_us;
        last->setups += next->setups;
        last->teardowns += next->teardowns;
        paid_fini(next);
    }
    lesson->paid_count = kept;
}

static void add_scopes(struct lesson *lesson, const struct run *run)
{
    lesson->paid = mem_new(run->scope_count, sizeof(*lesson->paid));
    lesson->paid_cap = run->scope_count;
    for (uint32_t i = 0; i < run->scope_count; i++) {
        const struct scope_cost *cost = &run->scopes[i];

        if (!scope_fits(cost))
            continue;
        lesson->paid[lesson->paid_count++] = (struct paid){ .kind = mem_strdup(cost->kind),
                                                            .id = mem_strdup(cost->id),
                                                            .setup_us = cost->setup_us,
                                                            .teardown_us = cost->teardown_us,
                                                            .setups = cost->setup_us > 0,
                                                            .teardowns = cost->teardown_us > 0 };
    }
    merge_paid(lesson);
}

static void add_paid(struct lesson *lesson, struct paid paid)
{
    lesson->paid =
        mem_grow(lesson->paid, &lesson->paid_cap, lesson->paid_count + 1, sizeof(*lesson->paid));
    lesson->paid[lesson->paid_count++] = paid;
}

static int by_us(const void *left, const void *right)
{
    const uint64_t *a = left;
    const uint64_t *b = right;

    return (*a > *b) - (*a < *b);
}

/* What a machine of this run needed from its join to the end of its collection: the median. */
static void add_startup(struct lesson *lesson, const struct run *run)
{
    uint64_t *us = mem_new(run->session_count, sizeof(*us));
    size_t n = 0;

    for (uint32_t i = 0; i < run->session_count; i++) {
        const struct session *s = run->sessions[i];

        if (s->collected && !session_is_again(s) && s->collected_ms >= s->joined_ms)
            us[n++] = (s->collected_ms - s->joined_ms) * 1000;
    }
    if (n > 0) {
        qsort(us, n, sizeof(*us), by_us);
        add_paid(lesson, (struct paid){ .kind = mem_strdup(HISTORY_STARTUP),
                                        .id = mem_strdup(""),
                                        .setup_us = us[n / 2],
                                        .setups = 1 });
    }
    free(us);
}

/* What the largest worker of this run had for itself. */
static void add_worker(struct lesson *lesson, const struct run *run)
{
    uint32_t most_mib = 0;

    for (uint32_t i = 0; i < run->session_count; i++)
        if (run->sessions[i]->worker_mib > most_mib)
            most_mib = run->sessions[i]->worker_mib;
    if (most_mib > 0)
        add_paid(lesson, (struct paid){ .kind = mem_strdup(HISTORY_WORKER),
                                        .id = mem_strdup(""),
                                        .mem_mib = most_mib });
}

struct lesson *lesson_of_run(const struct run *run, uint64_t now_ms)
{
    struct lesson *lesson = mem_new(1, sizeof(*lesson));

    lesson->project = mem_strdup(run->project);
    lesson->suite = mem_strdup(run->suite);
    lesson->now_ms = now_ms;
    memcpy(lesson->run, run->id, sizeof(lesson->run));
    if (run->manifest && run->mismatch.sessions == 0) {
        add_tests(lesson, run);
        add_scopes(lesson, run);
        add_startup(lesson, run);
        add_worker(lesson, run);
    }
    return lesson;
}

void lesson_free(struct lesson *lesson)
{
    if (!lesson)
        return;
    for (size_t i = 0; i < lesson->sample_count; i++)
        free(lesson->samples[i].id);
    for (size_t i = 0; i < lesson->paid_count; i++)
        paid_fini(&lesson->paid[i]);
    free(lesson->samples);
    free(lesson->paid);
    free(lesson->project);
    free(lesson->suite);
    free(lesson);
}

/* ---- storing ---- */

/* Row i of all: the tests, then the scopes. */
static struct store_estimate row_of(const struct lesson *lesson, size_t i)
{
    if (i < lesson->sample_count)
        return (struct store_estimate){ .kind = HISTORY_TEST,
                                        .id = lesson->samples[i].id,
                                        .seen_ms = lesson->now_ms,
                                        .failed = lesson->samples[i].failed };
    return (struct store_estimate){ .kind = lesson->paid[i - lesson->sample_count].kind,
                                    .id = lesson->paid[i - lesson->sample_count].id,
                                    .seen_ms = lesson->now_ms };
}

static void add_sample(const struct sample *sample, struct store_estimate *row)
{
    estimate_add(&row->est, sample->us, sample->censored);
    row->mem_mib = (uint32_t)(sample->censored ? peak_learn_least(row->mem_mib, sample->mem_mib)
                                               : peak_learn(row->mem_mib, sample->mem_mib));
}

/* What row i says is added to what was known. */
static void add_row(const struct lesson *lesson, size_t i, struct store_estimate *row)
{
    const struct paid *paid;

    if (i < lesson->sample_count) {
        add_sample(&lesson->samples[i], row);
        return;
    }
    paid = &lesson->paid[i - lesson->sample_count];
    if (paid->mem_mib)
        row->mem_mib = (uint32_t)peak_learn(row->mem_mib, paid->mem_mib);
    else
        estimate_add(&row->est,
                     (paid->setups ? paid->setup_us / paid->setups : 0) +
                         (paid->teardowns ? paid->teardown_us / paid->teardowns : 0),
                     false);
}

enum err_code lesson_store_part(struct lesson *lesson, struct store *store, bool *out_more,
                                struct err *err)
{
    size_t left = lesson->sample_count + lesson->paid_count - lesson->stored;
    size_t count = left < LESSON_PART_ROWS ? left : LESSON_PART_ROWS;
    struct store_estimate *rows = mem_new(count, sizeof(*rows));
    char mark[ID_TEXT_BYTES + 24];
    struct store_fold fold = { .project = lesson->project,
                               .suite = lesson->suite,
                               .mark = count < left ? mark : lesson->run,
                               .rows = rows,
                               .row_count = count,
                               .now_ms = lesson->now_ms };
    enum err_code rc;

    (void)snprintf(mark, sizeof(mark), "%s+%zu", lesson->run, lesson->stored);
    for (size_t i = 0; i < count; i++)
        rows[i] = row_of(lesson, lesson->stored + i);
    rc = store_history_fill(store, lesson->project, lesson->suite, rows, count, err);
    for (size_t i = 0; !rc && i < count; i++)
        add_row(lesson, lesson->stored + i, &rows[i]);
    if (!rc)
        rc = store_history_fold(store, &fold, err);
    if (rc == ERR_CONFLICT)
        rc = ERR_NONE; /* folded before a restart */
    if (!rc) {
        lesson->stored += count;
        *out_more = count < left;
    }
    free(rows);
    return rc;
}

enum err_code lesson_prune(const struct lesson *lesson, struct store *store, struct err *err)
{
    uint64_t before_ms =
        lesson->now_ms > HISTORY_UNSEEN_MS ? lesson->now_ms - HISTORY_UNSEEN_MS : 0;

    return store_history_prune(store, lesson->project, lesson->suite, before_ms, HISTORY_ROWS_MAX,
                               err);
}
