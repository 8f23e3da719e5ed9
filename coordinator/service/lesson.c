#include "service/lesson.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "service/history.h"

#define MARK_BYTES (ID_TEXT_BYTES + 16)

struct sample {
    char *id; /* as history_key shows it */
    uint64_t us;
    bool censored;
};

/* What all workers of the run together paid for one scope. */
struct paid {
    char *kind, *id;
    uint64_t setup_us, teardown_us; /* sums */
    uint32_t setups, teardowns;
};

struct lesson {
    char *project, *suite;
    char mark[MARK_BYTES];
    uint64_t now_ms;
    struct sample *samples;
    size_t sample_count;
    struct paid *paid;
    size_t paid_count;
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

static void add_tests(struct lesson *lesson, const struct run *run)
{
    struct str scratch = STR_MAX(STORE_ID_BYTES_MAX + 16);

    lesson->samples = mem_new(run->test_count, sizeof(*lesson->samples));
    for (uint32_t i = 0; i < run->test_count; i++) {
        const struct run_test *test = &run->tests[i];
        const struct manifest_test *named = &run->manifest->tests[i];
        enum worth worth = worth_of(test->outcome);

        if (test->place != TEST_DONE || (test->flags & TEST_CARRIED) || worth == WORTH_NOTHING)
            continue;
        lesson->samples[lesson->sample_count++] = (struct sample){
            .id = mem_strdup(history_key(named->id, named->k, &scratch)),
            .us = test->setup_us + test->call_us + test->teardown_us,
            .censored = worth == WORTH_AT_LEAST,
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
           cost->kind[0] != '\0' && strcmp(cost->kind, HISTORY_TEST) != 0;
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

struct lesson *lesson_of_run(const struct run *run, uint64_t now_ms)
{
    struct lesson *lesson;

    if (!run->manifest || run->mismatch.sessions > 0)
        return NULL;
    lesson = mem_new(1, sizeof(*lesson));
    lesson->project = mem_strdup(run->project);
    lesson->suite = mem_strdup(run->suite);
    lesson->now_ms = now_ms;
    (void)snprintf(lesson->mark, sizeof(lesson->mark), "%s/%u", run->id, run->epoch);
    add_tests(lesson, run);
    add_scopes(lesson, run);
    if (lesson->sample_count == 0 && lesson->paid_count == 0) {
        lesson_free(lesson);
        return NULL;
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

static struct store_estimate row_after(const struct history *history, const char *kind,
                                       const char *id, uint64_t now_ms)
{
    const struct estimate *before = history_find(history, kind, id);
    struct store_estimate row = { .kind = kind, .id = id, .seen_ms = now_ms };

    if (before)
        row.est = *before;
    return row;
}

/* Fills rows, as many as there are samples and scopes; returns how many have something to say. */
static size_t rows_after(const struct lesson *lesson, const struct history *history,
                         struct store_estimate *rows)
{
    size_t count = 0;

    for (size_t i = 0; i < lesson->sample_count; i++) {
        const struct sample *sample = &lesson->samples[i];

        rows[count] = row_after(history, HISTORY_TEST, sample->id, lesson->now_ms);
        estimate_add(&rows[count++].est, sample->us, sample->censored);
    }
    for (size_t i = 0; i < lesson->paid_count; i++) {
        const struct paid *paid = &lesson->paid[i];
        uint64_t us = (paid->setups ? paid->setup_us / paid->setups : 0) +
                      (paid->teardowns ? paid->teardown_us / paid->teardowns : 0);

        rows[count] = row_after(history, paid->kind, paid->id, lesson->now_ms);
        estimate_add(&rows[count++].est, us, false);
    }
    return count;
}

static enum err_code prune(const struct lesson *lesson, const struct history *history,
                           struct store *store, struct err *err)
{
    uint64_t before_ms =
        lesson->now_ms > HISTORY_UNSEEN_MS ? lesson->now_ms - HISTORY_UNSEEN_MS : 0;

    if (history_oldest_ms(history) >= before_ms &&
        history_count(history) + lesson->sample_count + lesson->paid_count <= HISTORY_ROWS_MAX)
        return ERR_NONE;
    return store_history_prune(store, lesson->project, lesson->suite, before_ms, HISTORY_ROWS_MAX,
                               err);
}

enum err_code lesson_store(const struct lesson *lesson, struct store *store, struct err *err)
{
    struct store_estimate *rows = NULL;
    struct history *history = NULL;
    struct store_fold fold = { .project = lesson->project,
                               .suite = lesson->suite,
                               .mark = lesson->mark,
                               .now_ms = lesson->now_ms };
    enum err_code rc = history_load(store, lesson->project, lesson->suite, &history, err);

    if (rc)
        goto out;
    rows = mem_new(lesson->sample_count + lesson->paid_count, sizeof(*rows));
    fold.rows = rows;
    fold.row_count = rows_after(lesson, history, rows);
    rc = store_history_fold(store, &fold, err);
    if (!rc)
        rc = prune(lesson, history, store, err);
    else if (rc == ERR_CONFLICT)
        rc = ERR_NONE; /* folded before a restart */
out:
    free(rows);
    history_free(history);
    return rc;
}
