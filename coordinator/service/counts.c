/* What happened since the start, counted change by change, and what is under way now. */
#include "service/auth.h"
#include "service/live.h"

static void note_results(struct service_counts *c, const struct change_results *r)
{
    c->tests_given += r->fence ? r->found_count : 0; /* to who found them */
    for (uint32_t i = 0; i < r->item_count; i++) {
        if (r->items[i].way == RESULT_ACCEPT)
            c->results[r->items[i].outcome]++;
        else
            c->observations += r->items[i].way == RESULT_OBSERVE;
    }
}

void counts_note(struct service_counts *c, const struct change *change)
{
    c->changes++;
    switch (change->kind) {
    case CHANGE_OPEN:
        c->runs_opened++;
        return;
    case CHANGE_JOIN:
        c->sessions_joined++;
        return;
    case CHANGE_PULL:
        c->tests_given += change->as.pull.shard.count;
        c->tests_recalled += change->as.pull.recall.count;
        c->copies_given += change->as.pull.copies.count;
        return;
    case CHANGE_RESULTS:
        note_results(c, &change->as.results);
        return;
    case CHANGE_LEAVE:
        c->sessions_left++;
        return;
    case CHANGE_EXPIRE:
        c->sessions_lost += change->as.expire.sessions.count;
        return;
    case CHANGE_FINAL:
        c->runs_ended[change->as.final.verdict]++;
        return;
    case CHANGE_NONE:
    case CHANGE_COLLECTED:
    case CHANGE_SEAL:
    case CHANGE_DRAIN:
        return;
    }
    UNREACHABLE("change kind");
}

static void count_live(struct live *live, void *ctx)
{
    struct service_counts *c = ctx;
    const struct run *run = live->run;

    c->requests_held += live->held_count;
    if (!run || run->state == RUN_FINAL)
        return;
    c->runs_collecting += run->state == RUN_COLLECTING;
    c->runs_running += run->state == RUN_RUNNING;
    c->sessions_live += run->live_count - run->draining_count;
    c->sessions_draining += run->draining_count;
    for (uint32_t i = 0; i < run->session_count; i++)
        if (session_lives(run->sessions[i]))
            c->workers += run->sessions[i]->workers;
    c->tests_done += run->done_count;
    c->tests_leased += run->held_count;
    c->tests_free += run->test_count - run->done_count - run->held_count;
}

enum err_code service_counts(struct service *svc, const char *bearer, struct service_counts *out,
                             struct err *err)
{
    struct auth_grant grant;
    enum err_code rc = auth_check(svc->store, bearer, service_wall_ms(svc), &grant, err);

    if (rc)
        return rc;
    if (grant.project[0])
        return err_set(err, ERR_FORBIDDEN,
                       "the token is for project '%s', and this counts all projects together",
                       grant.project);
    *out = svc->counts;
    out->commit_bytes = commit_queued_bytes(svc->commit);
    live_each(svc, count_live, out);
    return ERR_NONE;
}
