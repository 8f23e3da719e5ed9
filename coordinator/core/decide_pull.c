/* What a session that asks gets: what it was sent and has not seen, else new work, else a recall of
 * somebody else's, else the end. */
#include <stdlib.h>
#include <string.h>

#include "core/copies.h"
#include "core/decide.h"
#include "core/decide_inner.h"
#include "core/ledger.h"
#include "mem.h"

#define RECALL_TESTS_MAX 1024u

static bool work_unseen(const struct session *s, uint64_t seen)
{
    for (uint32_t i = 0; i < s->order_count; i++)
        if (s->orders[i].number > seen &&
            (s->orders[i].kind == ORDER_SHARD || s->orders[i].kind == ORDER_RECALL))
            return true;
    return false;
}

void decide_started(const struct run *run, uint32_t session, const struct test_ref *running,
                    uint32_t count, struct index_list *out)
{
    for (uint32_t i = 0; i < count && run->manifest; i++) {
        uint32_t test = manifest_find(run->manifest, running[i].id, running[i].k);
        const struct copy *copy = copies_find(run, test, session);
        bool twice = false;

        if (test == UINT32_MAX ||
            (copy ? copy->started
                  : run->tests[test].place != TEST_HELD || run->tests[test].session != session))
            continue;
        for (uint32_t k = 0; k < out->count; k++)
            twice = twice || out->at[k] == test;
        if (!twice)
            index_list_add(out, test);
    }
}

/* What is left of a unit stays with whom it was begun, if that can run it. */
static bool may_have(const struct run *run, uint32_t session, uint32_t test)
{
    uint32_t owner = pool_unit_owner(run->pool, test);

    return session_may_run(run, session, test) && pool_may_take(run->pool, session, test) &&
           (owner == POOL_NONE || owner == session || !session_may_run(run, owner, test));
}

/* A session that collected another set gets only what it has, and nobody what another has found;
 * the planner does not know of that, so when its choice is of no use the first free test that the
 * session may have is taken, or the whole unit that it is of. */
static uint32_t keep_known(const struct run *run, uint32_t session, uint32_t *tests, uint32_t count)
{
    uint32_t kept = 0, unit = POOL_NONE;

    for (uint32_t i = 0; i < count; i++)
        if (session_may_run(run, session, tests[i]))
            tests[kept++] = tests[i];
    if (kept || pool_free_count(run->pool) == 0)
        return kept;
    for (uint32_t i = 0; i < run->test_count && kept < DECIDE_SHARD_TESTS_MAX; i++) {
        if (kept && (unit == POOL_NONE || pool_unit_of(run->pool, i) != unit))
            continue;
        if (!may_have(run, session, i))
            continue;
        unit = pool_unit_of(run->pool, i);
        tests[kept++] = i;
    }
    return kept;
}

static void choose(const struct run *run, uint32_t session, const struct pull_request *req,
                   uint64_t mono_ms, struct change_pull *p)
{
    const struct session *s = run->sessions[session];
    uint64_t idle_ms = mono_ms > s->progress_ms ? mono_ms - s->progress_ms : 0;
    const struct pool_ask ask = { .taker = session,
                                  .free_workers = req->free_workers < s->workers ? req->free_workers
                                                                                 : s->workers,
                                  .backlog_us = req->backlog_us,
                                  .dry_us = req->dry_us,
                                  .waited_us = idle_ms * 1000,
                                  .lead_us = req->lead_us,
                                  .now_us = mono_ms * 1000 };
    uint32_t tests[DECIDE_SHARD_TESTS_MAX];
    uint32_t count = pool_choose(run->pool, &ask, tests, ARRAY_LEN(tests));

    if (s->lack_count || run->test_count > run->sealed_count)
        count = keep_known(run, session, tests, count);
    for (uint32_t i = 0; i < count; i++)
        index_list_add(&p->shard, tests[i]);
    if (count)
        p->fence = run->fence_count + 1;
}

/* A session that was given nothing yet and runs tests has them from its life before, which was
 * given up. What nobody else was given since is its own again. */
static void claim(const struct run *run, uint32_t session, const struct pull_request *req,
                  struct change_pull *p)
{
    const struct session *s = run->sessions[session];

    if (s->order_last > 0 || run->lanes.count > 1)
        return;
    for (uint32_t i = 0; i < req->running_count; i++) {
        uint32_t test = manifest_find(run->manifest, req->running[i].id, req->running[i].k);
        bool twice = false;

        for (uint32_t k = 0; k < p->shard.count; k++)
            twice = twice || p->shard.at[k] == test;
        if (test != UINT32_MAX && !twice && session_may_run(run, session, test) &&
            pool_may_take(run->pool, session, test))
            index_list_add(&p->shard, test);
    }
    if (p->shard.count)
        p->fence = run->fence_count + 1;
}

static void choose_lane(const struct run *run, uint32_t session, struct change_pull *p)
{
    decide_lane(run, session, &p->shard);
    if (p->shard.count)
        p->fence = run->fence_count + 1;
}

static void choose_recall(const struct run *run, uint32_t session, const struct pull_request *req,
                          struct change_pull *p)
{
    uint32_t tests[RECALL_TESTS_MAX];
    uint32_t holder = SESSION_NONE;
    const struct pool_ask ask = { .taker = session, .lead_us = req->lead_us };
    uint32_t count = pool_choose_recall(run->pool, &ask, &holder, tests, ARRAY_LEN(tests));

    if (count == 0 || run->sessions[holder]->state != SESSION_LIVE ||
        run->sessions[holder]->recall_count)
        return;
    for (uint32_t i = 0; i < count; i++)
        if (!session_lacks(run->sessions[session], tests[i]) && !test_is_found(run, tests[i]))
            index_list_add(&p->recall, tests[i]);
    p->holder = holder;
}

/* Nobody has anything to give: a worker that would idle runs what others wait for. One at a time;
 * the session asks again at once. */
static void choose_copy(const struct run *run, uint32_t session, uint64_t lead_us, uint64_t mono_ms,
                        struct change_pull *p)
{
    uint32_t test = POOL_NONE;

    if (run->sessions[session]->speculate)
        test = decide_copy(
            run, &(struct copy_wish){ .session = session, .mono_ms = mono_ms, .lead_us = lead_us });
    if (test == POOL_NONE)
        return;
    index_list_add(&p->copies, test);
    p->fence = run->fence_count + 1;
}

/* Until the last of the others would be done, as predicted. */
static uint64_t tail_ms(const struct run *run, uint32_t session, uint64_t mono_ms)
{
    uint64_t longest = 0;

    for (uint32_t i = 0; i < run->session_count; i++) {
        const struct session *s = run->sessions[i];
        uint64_t left_ms;
        uint64_t gone_ms = mono_ms > s->progress_ms ? mono_ms - s->progress_ms : 0;

        if (i == session || s->held_count == 0)
            continue;
        left_ms = pool_held_us(run->pool, i) / s->workers / 1000;
        left_ms = left_ms > gone_ms ? left_ms - gone_ms : 0;
        if (left_ms > longest)
            longest = left_ms;
    }
    return longest;
}

/* Nothing could be given to this idle session. May it go home before the run is complete? When what
 * others run will take long, or when nothing that is left is for it and nobody holds anything that
 * could still come to it. */
static const char *why_release(const struct run *run, uint32_t session, uint64_t mono_ms)
{
    const struct session *s = run->sessions[session];

    if (run->lanes.count > 1)
        return decide_lane_over(run, session) ? "every test has run on this machine" : NULL;
    if (run->held_count > 0 && pool_is_owner(run->pool, session))
        return NULL; /* it waits for tests that exclude others */
    if (run->held_count > 0)
        return tail_ms(run, session, mono_ms) > DECIDE_TAIL_MS
                   ? "nothing is left for this agent; others still run"
                   : NULL;
    if (s->lack_count || run->live_count == 1)
        return "what is left cannot run on this agent";
    return NULL;
}

static void end(const struct run *run, const char *text, struct change_pull *p)
{
    p->end = true;
    p->complete = ledger_complete(run);
    p->exit = p->complete || run->state == RUN_FINAL ? ledger_exit(run, ledger_verdict(run)) : 0;
    p->text = mem_strdup(text);
}

static void give(const struct run *run, uint32_t session, const struct pull_request *req,
                 uint64_t mono_ms, struct change_pull *p)
{
    const struct session *s = run->sessions[session];
    bool idle = session_busy(s) == 0 && req->free_workers >= s->workers;
    const char *why;

    if (run->stop && !s->cancelled && run->state != RUN_FINAL)
        p->cancel = true;
    if (s->ended)
        return;
    if (run->state == RUN_FINAL || run->stop || ledger_complete(run)) {
        end(run, run->stop ? "the run was stopped" : "every test has a result", p);
        return;
    }
    if (!run->pool || !s->collected || s->late || s->state != SESSION_LIVE ||
        work_unseen(s, req->order_seen))
        return;
    claim(run, session, req, p);
    if (run->lanes.count > 1)
        choose_lane(run, session, p);
    else if (p->shard.count == 0)
        choose(run, session, req, mono_ms, p);
    if (p->shard.count || req->free_workers == 0)
        return;
    if (run->lanes.count == 1)
        choose_recall(run, session, req, p);
    if (p->recall.count)
        return;
    if (run->lanes.count == 1)
        choose_copy(run, session, req->lead_us, mono_ms, p);
    if (p->copies.count || !idle || p->started.count)
        return;
    why = why_release(run, session, mono_ms);
    if (why)
        end(run, why, p);
}

enum err_code decide_pull(const struct run *run, uint32_t session, const struct pull_request *req,
                          uint64_t mono_ms, struct change *out, struct err *err)
{
    const struct session *s = run->sessions[session];
    struct change change = { .kind = CHANGE_PULL };
    struct change_pull *p = &change.as.pull;

    if (!session_lives(s))
        return err_set(err, ERR_SESSION_GONE, "session %s is %s", s->id,
                       session_state_name(s->state));
    if (req->order_seen > s->order_last)
        return err_set(err, ERR_INVALID, "order %llu was never sent, the last is %llu",
                       (unsigned long long)req->order_seen, (unsigned long long)s->order_last);
    p->session = session;
    p->order_seen = req->order_seen;
    decide_started(run, session, req->running, req->running_count, &p->started);
    give(run, session, req, mono_ms, p);
    if (p->started.count || p->shard.count || p->copies.count || p->recall.count || p->cancel ||
        p->end || (s->order_count && s->orders[0].number <= req->order_seen))
        *out = change;
    else
        change_fini(&change);
    return ERR_NONE;
}
