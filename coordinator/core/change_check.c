/* Is a stored change about things that exist? Guards replay against a damaged store. */
#include <string.h>

#include "core/change.h"
#include "core/copies.h"
#include "core/index_map.h"

static enum err_code bad(struct err *err, const char *what)
{
    return err_set(err, ERR_MALFORMED, "stored change: %s does not fit the run", what);
}

static bool session_ok(const struct run *run, uint32_t session)
{
    return session < run->session_count && session_lives(run->sessions[session]);
}

/* Each test is one of the run, in one of these places, and was not named before. */
static bool tests_ok(const struct run *run, const struct index_list *list, enum test_place low,
                     enum test_place high, struct index_map *named)
{
    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t test = list->at[i];

        if (test >= run->test_count || run->tests[test].place < low ||
            run->tests[test].place > high || index_map_get(named, test))
            return false;
        index_map_set(named, test, 1);
    }
    return true;
}

static bool held_by(const struct run *run, const struct index_list *list, uint32_t session)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (run->tests[list->at[i]].session != session)
            return false;
    return true;
}

/* As above, and the session's, or copies in its hands. */
static bool at_ok(const struct run *run, const struct index_list *list, uint32_t session,
                  enum test_place high, struct index_map *named)
{
    for (uint32_t i = 0; i < list->count; i++) {
        struct index_list one = { .at = &list->at[i], .count = 1 };
        const struct copy *copy = copies_find(run, list->at[i], session);

        if (copy ? !tests_ok(run, &one, TEST_STARTED, TEST_STARTED, named)
                 : !tests_ok(run, &one, TEST_HELD, high, named) || !held_by(run, &one, session))
            return false;
    }
    return true;
}

static bool copies_ok(const struct run *run, const struct change_pull *p)
{
    for (uint32_t i = 0; i < p->copies.count; i++)
        if (p->copies.at[i] >= run->test_count || i > 0 ||
            !copies_may_give(run, p->copies.at[i], p->session))
            return false;
    return true;
}

static enum err_code check_pull(const struct run *run, const struct change_pull *p, struct err *err)
{
    struct index_map named;
    bool ok;

    if (!session_ok(run, p->session) || (p->recall.count && !session_ok(run, p->holder)))
        return bad(err, "a session");
    if ((p->shard.count || p->copies.count) &&
        (!run->pool || p->fence != run->fence_count + 1 || run->sessions[p->session]->late ||
         run->state == RUN_FINAL || (p->shard.count && p->copies.count)))
        return bad(err, "a shard");
    index_map_init(&named, p->started.count + p->shard.count + p->recall.count);
    ok = at_ok(run, &p->started, p->session, TEST_HELD, &named) && copies_ok(run, p) &&
         tests_ok(run, &p->shard, TEST_FREE, TEST_FREE, &named) &&
         tests_ok(run, &p->recall, TEST_HELD, TEST_HELD, &named) &&
         held_by(run, &p->recall, p->holder);
    index_map_fini(&named);
    return ok ? ERR_NONE : bad(err, "a test");
}

static bool item_ok(const struct run *run, const struct change_results *r, uint32_t at,
                    struct index_map *accepted)
{
    const struct result_item *item = &r->items[at];
    const struct run_test *t;
    bool before;

    if (item->test >= run->test_count ||
        (item->outcome == OUTCOME_NONE) != (item->way == RESULT_ABANDON))
        return false;
    t = &run->tests[item->test];
    before = index_map_get(accepted, item->test) != 0;
    switch (item->way) {
    case RESULT_ACCEPT:
        index_map_set(accepted, item->test, 1);
        return t->place != TEST_DONE && !before;
    case RESULT_AMEND:
        return before || (t->place == TEST_DONE && t->session == r->session);
    case RESULT_OBSERVE:
    case RESULT_ABANDON:
        return true;
    }
    return false;
}

/* Tests that the run does not have; given away only to who may be given something. */
static bool found_ok(const struct run *run, const struct change_results *r)
{
    if (r->found_count && (!run->manifest || !run->pool))
        return false;
    if (r->fence && (r->fence != run->fence_count + 1 || !session_ok(run, r->session) ||
                     run->sessions[r->session]->late))
        return false;
    for (uint32_t i = 0; i < r->found_count; i++)
        if (manifest_find(run->manifest, r->found[i].test.id, r->found[i].test.k) != UINT32_MAX)
            return false;
    return true;
}

/* All that still may be said when the run is over. */
static bool only_errors(const struct change_results *r)
{
    return r->item_count + r->released.count + r->started.count + r->scope_count + r->skip_count +
                   r->found_count ==
               0 &&
           !r->stop;
}

static enum err_code check_results(const struct run *run, const struct change_results *r,
                                   struct err *err)
{
    struct index_map named;
    bool ok = true;

    if (r->session >= run->session_count || (run->state == RUN_FINAL && !only_errors(r)))
        return bad(err, "a session");
    if (!found_ok(run, r))
        return bad(err, "a found test");
    index_map_init(&named, r->item_count + r->released.count + r->started.count);
    for (uint32_t i = 0; i < r->item_count && ok; i++)
        ok = item_ok(run, r, i, &named);
    ok = ok && at_ok(run, &r->released, r->session, TEST_STARTED, &named) &&
         at_ok(run, &r->started, r->session, TEST_HELD, &named);
    index_map_fini(&named);
    return ok ? ERR_NONE : bad(err, "a result");
}

static enum err_code check_collected(const struct run *run, const struct change_collected *k,
                                     struct err *err)
{
    if (!session_ok(run, k->session) || run->sessions[k->session]->collected)
        return bad(err, "a session");
    for (uint32_t i = 0; i < k->lacks.count; i++)
        if (k->lacks.at[i] >= run->test_count || (i > 0 && k->lacks.at[i] <= k->lacks.at[i - 1]))
            return bad(err, "a test");
    return ERR_NONE;
}

static enum err_code check_seal(const struct run *run, const struct change_seal *s, struct err *err)
{
    if (run->manifest || !s->manifest || run->state == RUN_FINAL ||
        s->manifest->count != s->test_count)
        return bad(err, "a manifest");
    for (uint32_t i = 0; i < s->first.count; i++)
        if (s->first.at[i] >= s->test_count)
            return bad(err, "a test");
    for (uint32_t i = 0; i < s->heavy_count; i++)
        if (s->heavy[i].test >= s->test_count)
            return bad(err, "a test");
    return ERR_NONE;
}

static enum err_code check_sessions(const struct run *run, const struct index_list *list,
                                    struct err *err)
{
    struct index_map named;
    bool ok = true;

    index_map_init(&named, list->count);
    for (uint32_t i = 0; i < list->count && ok; i++) {
        ok = session_ok(run, list->at[i]) && !index_map_get(&named, list->at[i]);
        index_map_set(&named, list->at[i], 1);
    }
    index_map_fini(&named);
    return ok ? ERR_NONE : bad(err, "a session");
}

static enum err_code check_final(const struct run *run, const struct change_final *f,
                                 struct err *err)
{
    if (run->state == RUN_FINAL)
        return bad(err, "a second end");
    for (uint32_t i = 0; i < f->adopt.count; i++)
        if (f->adopt.at[i] >= run->observation_count)
            return bad(err, "an observation");
    return ERR_NONE;
}

static bool join_ok(const struct run *run, const struct change_join *j)
{
    return run->session_count < SESSIONS_MAX && j->workers > 0 &&
           (j->index == PROTO_SLOT_NONE || j->index < PROTO_SLOTS_MAX) &&
           j->late == (run->state == RUN_FINAL);
}

enum err_code change_check(const struct run *run, const struct change *change, struct err *err)
{
    if ((change->kind == CHANGE_OPEN) != (run->change_count == 0))
        return bad(err, "its opening");
    switch (change->kind) {
    case CHANGE_NONE:
        return bad(err, "no kind");
    case CHANGE_OPEN:
        return ERR_NONE;
    case CHANGE_JOIN:
        return join_ok(run, &change->as.join) ? ERR_NONE : bad(err, "a join");
    case CHANGE_COLLECTED:
        return check_collected(run, &change->as.collected, err);
    case CHANGE_SEAL:
        return check_seal(run, &change->as.seal, err);
    case CHANGE_PULL:
        return check_pull(run, &change->as.pull, err);
    case CHANGE_RESULTS:
        return check_results(run, &change->as.results, err);
    case CHANGE_DRAIN:
        if (!session_ok(run, change->as.drain.session) ||
            run->sessions[change->as.drain.session]->state != SESSION_LIVE)
            return bad(err, "a session");
        return ERR_NONE;
    case CHANGE_LEAVE:
        return session_ok(run, change->as.leave.session) ? ERR_NONE : bad(err, "a session");
    case CHANGE_EXPIRE:
        return check_sessions(run, &change->as.expire.sessions, err);
    case CHANGE_FINAL:
        return check_final(run, &change->as.final, err);
    }
    UNREACHABLE("change kind");
}
