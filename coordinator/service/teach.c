/* What runs teach goes into the history: each run once, from what the store holds of it, so it
 * makes no difference whether it has just ended or the process ended before it was its turn.
 *
 * The run is read on the thread for errands; its rows are folded in parts on the commit thread,
 * which alone reads and writes estimates; changes of other runs are committed between the parts.
 * One run is taught after the other. */
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "service/history.h"
#include "service/lesson.h"
#include "service/live.h"

#define TEACH_RUNS_MAX 1000u /* found at once; the rest is found the next day */

struct teaching { /* of one run; the first of the list is being taught */
    struct teaching *next;
    struct service *svc;
    char run[ID_TEXT_BYTES];
    struct lesson *lesson;
    uint64_t now_ms;
    bool more;
};

static void begin(struct teaching *t);

static void end(struct teaching *t, enum err_code rc, const struct err *err)
{
    struct service *svc = t->svc;

    if (rc && rc != ERR_NOT_FOUND) /* the run was removed meanwhile */
        log_error("history_not_folded run=%s code=%s why=\"%s\"", t->run, err_name(rc), err->text);
    else if (!rc)
        log_info("history_folded run=%s", t->run);
    svc->teachings = t->next;
    lesson_free(t->lesson);
    free(t);
    if (svc->teachings && !svc->ending)
        begin(svc->teachings);
}

static enum err_code forget_old(void *ctx, struct store *store, struct err *err)
{
    struct teaching *t = ctx;

    return lesson_prune(t->lesson, store, err);
}

static void forgotten(void *ctx, enum err_code rc, const struct err *err)
{
    end(ctx, rc, err);
}

static enum err_code fold(void *ctx, struct store *store, struct err *err)
{
    struct teaching *t = ctx;

    return lesson_store_part(t->lesson, store, &t->more, err);
}

static void folded(void *ctx, enum err_code rc, const struct err *err)
{
    struct teaching *t = ctx;
    struct service *svc = t->svc;

    if (rc || svc->ending)
        end(t, rc, err);
    else if (t->more)
        commit_do(svc->commit, &(struct commit_job){ .work = fold, .done = folded, .ctx = t });
    else
        commit_do(svc->aside,
                  &(struct commit_job){ .work = forget_old, .done = forgotten, .ctx = t });
}

static enum err_code study(void *ctx, struct store *store, struct err *err)
{
    struct teaching *t = ctx;
    struct run *run = NULL;
    enum err_code rc = load_run(store, t->run, &run, err);

    if (!rc)
        t->lesson = lesson_of_run(run, t->now_ms);
    run_free(run);
    return rc;
}

static void studied(void *ctx, enum err_code rc, const struct err *err)
{
    struct teaching *t = ctx;
    struct service *svc = t->svc;

    if (rc || svc->ending)
        end(t, rc, err);
    else
        commit_do(svc->commit, &(struct commit_job){ .work = fold, .done = folded, .ctx = t });
}

static void begin(struct teaching *t)
{
    t->now_ms = service_wall_ms(t->svc);
    commit_do(t->svc->aside, &(struct commit_job){ .work = study, .done = studied, .ctx = t });
}

void teach_run(struct service *svc, const char *run_id)
{
    struct teaching **at = &svc->teachings;
    struct teaching *t;

    if (svc->ending)
        return; /* the next start finds it */
    for (; *at; at = &(*at)->next)
        if (strcmp((*at)->run, run_id) == 0)
            return;
    t = mem_new(1, sizeof(*t));
    t->svc = svc;
    memcpy(t->run, run_id, strlen(run_id) + 1);
    *at = t;
    if (t == svc->teachings)
        begin(t);
}

void teach_free(struct service *svc)
{
    while (svc->teachings) {
        struct teaching *t = svc->teachings;

        svc->teachings = t->next;
        lesson_free(t->lesson);
        free(t);
    }
}

/* ---- those that were forgotten ---- */

struct found { /* a store's callback must not start work, so the ids are noted first */
    char (*ids)[ID_TEXT_BYTES];
    size_t count, cap;
};

static enum err_code note_run(void *ctx, const struct store_run *run, struct err *err)
{
    struct found *found = ctx;

    if (strlen(run->id) >= ID_TEXT_BYTES)
        return err_set(err, ERR_IO, "stored run id '%s'", run->id);
    found->ids = mem_grow(found->ids, &found->cap, found->count + 1, sizeof(*found->ids));
    memcpy(found->ids[found->count++], run->id, strlen(run->id) + 1);
    return ERR_NONE;
}

void teach_rest(struct service *svc)
{
    struct store_query query = { .state = STORE_RUNS_UNFOLDED, .limit = TEACH_RUNS_MAX };
    struct found found = { .ids = NULL };
    struct err err = ERR_INIT;

    if (store_list(svc->store, &query, note_run, &found, &err))
        log_error("runs_not_listed why=\"%s\"", err.text);
    for (size_t i = 0; i < found.count; i++)
        teach_run(svc, found.ids[i]);
    free(found.ids);
}
