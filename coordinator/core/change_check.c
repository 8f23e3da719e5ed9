/* Is a stored change about things that exist? Guards replay against a damaged store. */
#include <string.h>

#include "core/change.h"

static enum err_code bad(struct err *err, const char *what)
{
    return err_set(err, ERR_MALFORMED, "stored change: %s does not fit the run", what);
}

static bool session_ok(const struct run *run, uint32_t session)
{
    return session < run->session_count;
}

/* Positions below limit, none twice in a row is all that can be told cheaply; the places of tests
 * are checked one by one. */
static bool tests_at(const struct run *run, const struct index_list *list, enum test_place low,
                     enum test_place high)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (list->at[i] >= run->test_count || run->tests[list->at[i]].place < low ||
            run->tests[list->at[i]].place > high)
            return false;
    return true;
}

static enum err_code check_pull(const struct run *run, const struct change_pull *p, struct err *err)
{
    if (!session_ok(run, p->session) || (p->recall.count && !session_ok(run, p->holder)))
        return bad(err, "a session");
    if (!tests_at(run, &p->started, TEST_HELD, TEST_HELD) ||
        !tests_at(run, &p->shard, TEST_FREE, TEST_FREE) ||
        !tests_at(run, &p->recall, TEST_HELD, TEST_HELD))
        return bad(err, "a test");
    if (p->shard.count && (!run->pool || p->fence != run->fence_count + 1))
        return bad(err, "a fence");
    return ERR_NONE;
}

static enum err_code check_results(const struct run *run, const struct change_results *r,
                                   struct err *err)
{
    if (!session_ok(run, r->session))
        return bad(err, "a session");
    for (uint32_t i = 0; i < r->item_count; i++) {
        const struct result_item *item = &r->items[i];

        if (item->test >= run->test_count || item->outcome == OUTCOME_NONE ||
            (item->way == RESULT_ACCEPT && run->tests[item->test].place == TEST_DONE))
            return bad(err, "a result");
    }
    if (!tests_at(run, &r->released, TEST_HELD, TEST_STARTED))
        return bad(err, "a released test");
    return ERR_NONE;
}

static enum err_code check_sessions(const struct run *run, const struct index_list *list,
                                    struct err *err)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (!session_ok(run, list->at[i]) || !session_lives(run->sessions[list->at[i]]))
            return bad(err, "a session");
    return ERR_NONE;
}

static enum err_code check_final(const struct run *run, const struct change_final *f,
                                 struct err *err)
{
    for (uint32_t i = 0; i < f->adopt.count; i++)
        if (f->adopt.at[i] >= run->observation_count)
            return bad(err, "an observation");
    return ERR_NONE;
}

enum err_code change_check(const struct run *run, const struct change *change, struct err *err)
{
    const struct index_list one = { .at = (uint32_t[]){ change->kind == CHANGE_DRAIN
                                                            ? change->as.drain.session
                                                            : change->as.leave.session },
                                    .count = 1 };

    if ((change->kind == CHANGE_OPEN) != (run->change_count == 0))
        return bad(err, "its opening");
    switch (change->kind) {
    case CHANGE_NONE:
        return bad(err, "no kind");
    case CHANGE_OPEN:
        return ERR_NONE;
    case CHANGE_JOIN:
        if (run->session_count == SESSIONS_MAX || change->as.join.workers == 0)
            return bad(err, "a join");
        return ERR_NONE;
    case CHANGE_COLLECTED:
        if (!session_ok(run, change->as.collected.session))
            return bad(err, "a session");
        return ERR_NONE;
    case CHANGE_SEAL:
        if (run->manifest || !change->as.seal.manifest ||
            change->as.seal.manifest->count != change->as.seal.test_count)
            return bad(err, "a manifest");
        return ERR_NONE;
    case CHANGE_PULL:
        return check_pull(run, &change->as.pull, err);
    case CHANGE_RESULTS:
        return check_results(run, &change->as.results, err);
    case CHANGE_DRAIN:
    case CHANGE_LEAVE:
        return check_sessions(run, &one, err);
    case CHANGE_EXPIRE:
        return check_sessions(run, &change->as.expire.sessions, err);
    case CHANGE_FINAL:
        return check_final(run, &change->as.final, err);
    }
    UNREACHABLE("change kind");
}
