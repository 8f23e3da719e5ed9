/* Readers: runs, status, verdict; and close, which ends what they read. */
#include <stdlib.h>
#include <string.h>

#include "core/decide.h"
#include "core/ledger.h"
#include "log.h"
#include "mem.h"
#include "service/auth.h"
#include "service/live.h"

#define RUNS_SHOWN_MAX 100u

/* A session's token reads its own run; a project's reads the project. */
enum err_code reader_enter(struct service *svc, const char *bearer, const char *run_id,
                           enum role least, struct live **out, struct err *err)
{
    struct auth_grant grant;
    struct err later = ERR_INIT;
    struct live *live = NULL;
    enum err_code known = auth_check(svc->store, bearer, service_wall_ms(svc), &grant, err);
    enum err_code rc;

    if (known && known != ERR_TOKEN)
        return known;
    if (!bearer)
        return known;
    rc = live_find(svc, run_id, &live, known ? &later : err);
    if (rc)
        return known ? known : rc; /* a stranger does not learn which runs there are */
    if (known && (least != ROLE_READ || live_bearer(live, bearer) == SESSION_NONE))
        return known;
    rc = known ? ERR_NONE : auth_allows(&grant, live->run->project, least, err);
    if (rc)
        return rc;
    live_expire(live);
    *out = live;
    return ERR_NONE;
}

/* ---- runs ---- */

struct listing {
    struct run_row *rows;
    uint32_t count;
    const struct auth_grant *grant;
};

static enum err_code add_row(void *ctx, const struct store_run *run, struct err *err)
{
    struct listing *l = ctx;

    (void)err; /* nothing can go wrong */
    if (l->count == RUNS_SHOWN_MAX ||
        (l->grant->project[0] && strcmp(l->grant->project, run->project) != 0))
        return ERR_NONE;
    l->rows[l->count++] = (struct run_row){
        .run = mem_strdup(run->id),
        .project = mem_strdup(run->project),
        .suite = mem_strdup(run->suite),
        .run_key = mem_strdup(run->run_key),
        .epoch = run->epoch,
        .state = run_state_name(run->closed_ms     ? RUN_FINAL
                                : run->manifest[0] ? RUN_RUNNING
                                                   : RUN_COLLECTING),
        .verdict = run->verdict < VERDICT_COUNT ? (enum verdict)run->verdict : VERDICT_NONE,
        .created_ms = run->created_ms,
    };
    return ERR_NONE;
}

static void rows_free(struct listing *l)
{
    for (uint32_t i = 0; i < l->count; i++) {
        free((void *)l->rows[i].run);
        free((void *)l->rows[i].project);
        free((void *)l->rows[i].suite);
        free((void *)l->rows[i].run_key);
    }
    free(l->rows);
}

void service_runs(struct service *svc, const char *bearer, const struct run_query *query,
                  struct reply reply)
{
    struct err err = ERR_INIT;
    struct auth_grant grant;
    struct listing l = { .rows = mem_new(RUNS_SHOWN_MAX, sizeof(*l.rows)), .grant = &grant };
    struct store_query q = { .project = query->project,
                             .suite = query->suite,
                             .run_key = query->run_key,
                             .run_key_prefix = query->run_key_prefix,
                             .limit = RUNS_SHOWN_MAX };
    struct run_rows rows;
    union answer answer = { .runs = &rows };

    if (!auth_check(svc->store, bearer, service_wall_ms(svc), &grant, &err)) {
        if (!q.project && grant.project[0])
            q.project = grant.project;
        (void)!store_list(svc->store, &q, add_row, &l, &err); /* err tells */
    }
    rows = (struct run_rows){ .rows = l.rows, .count = l.count };
    if (reply.fn)
        reply.fn(reply.ctx, &answer, &err);
    rows_free(&l);
}

/* ---- status ---- */

void status_fini(struct run_status *status)
{
    if (status->verdict) {
        verdict_answer_fini((struct verdict_answer *)status->verdict);
        free((void *)status->verdict);
    }
    free((void *)status->sessions);
    *status = (struct run_status){ .verdict = NULL };
}

static uint64_t predicted_left_us(const struct run *run)
{
    uint64_t work_us = 0;
    uint64_t workers = 0;

    if (!run->pool || run->state == RUN_FINAL)
        return 0;
    work_us = pool_free_us(run->pool);
    for (uint32_t i = 0; i < run->session_count; i++) {
        if (!session_lives(run->sessions[i]) || run->sessions[i]->late)
            continue;
        workers += run->sessions[i]->workers;
        work_us += pool_held_us(run->pool, i);
    }
    return workers ? work_us / workers : 0;
}

/* What is lent from the run stays while the answer waits: a run that is loaded again drops its
 * waiting answers first. */
static void status_box(const struct run *run, struct box *out)
{
    struct run_status *st = &out->as.status;
    struct verdict_answer *verdict = mem_new(1, sizeof(*verdict));
    struct session_row *rows = mem_new(run->session_count, sizeof(*rows));

    *out = (struct box){ .kind = BOX_STATUS };
    ledger_answer(run, verdict);
    for (uint32_t i = 0; i < run->session_count; i++) {
        const struct session *s = run->sessions[i];

        rows[i] = (struct session_row){ .session = s->id,
                                        .state = session_state_name(s->state),
                                        .index = s->index,
                                        .workers = s->workers,
                                        .done = s->done_count,
                                        .held = s->held_count,
                                        .exit = s->state == SESSION_LEFT ? session_exit(s)
                                                                         : SESSION_EXIT_NONE,
                                        .labels = s->labels,
                                        .label_count = s->label_count };
    }
    st->row = (struct run_row){ .run = run->id,
                                .project = run->project,
                                .suite = run->suite,
                                .run_key = run->run_key,
                                .epoch = run->epoch,
                                .state = run_state_name(run->state),
                                .verdict = run->verdict,
                                .created_ms = run->created_ms };
    st->verdict = verdict;
    st->left = run->test_count - run->done_count;
    st->predicted_left_us = predicted_left_us(run);
    st->sessions = rows;
    st->session_count = run->session_count;
}

void service_status(struct service *svc, const char *bearer, const char *run, struct reply reply)
{
    struct err err = ERR_INIT;
    struct live *live = NULL;
    struct box box;

    if (reader_enter(svc, bearer, run, ROLE_READ, &live, &err)) {
        reply_err(reply, &err);
        return;
    }
    INVARIANT(live);
    status_box(live->run, &box);
    live_answer(live, reply, &box);
    live_settle(live);
}

/* ---- verdict, close ---- */

void service_verdict(struct service *svc, const char *bearer, const char *run, uint32_t wait_ms,
                     struct reply reply)
{
    struct err err = ERR_INIT;
    struct live *live = NULL;
    struct box box = { .kind = BOX_VERDICT };

    if (reader_enter(svc, bearer, run, ROLE_READ, &live, &err)) {
        reply_err(reply, &err);
        return;
    }
    INVARIANT(live);
    if (wait_ms > PROTO_WAIT_MS_MAX)
        wait_ms = PROTO_WAIT_MS_MAX;
    if (live->run->state == RUN_FINAL || wait_ms == 0 || svc->releasing) {
        ledger_answer(live->run, &box.as.verdict);
        live_answer(live, reply, &box);
    } else {
        (void)live_hold(live, HELD_VERDICT, reply, service_now_ms(svc) + wait_ms);
    }
    live_settle(live);
}

void service_close(struct service *svc, const char *bearer, const char *run, struct reply reply)
{
    struct err err = ERR_INIT;
    struct live *live = NULL;
    struct change change = { .kind = CHANGE_NONE };
    struct box box = { .kind = BOX_VERDICT };

    if (reader_enter(svc, bearer, run, ROLE_AGENT, &live, &err)) {
        reply_err(reply, &err);
        return;
    }
    INVARIANT(live);
    decide_close(live->run, service_wall_ms(svc), &change);
    if (change.kind == CHANGE_FINAL) {
        log_info("run_closed run=%s verdict=%s", live->id, verdict_name(change.as.final.verdict));
        live_turn(live, &change);
    }
    ledger_answer(live->run, &box.as.verdict);
    live_answer(live, reply, &box);
    live_settle(live);
}
