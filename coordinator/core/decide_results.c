/* Which of the reported results become accepted, and which are only kept beside. */
#include <stdlib.h>
#include <string.h>

#include "core/copies.h"
#include "core/decide.h"
#include "core/decide_inner.h"
#include "core/index_map.h"
#include "core/ledger.h"
#include "mem.h"

/* A test of weeks is a broken clock; sums of two million of these still fit. */
#define RESULT_US_MAX  (7ull * 86400 * 1000000)
#define STARTED_MS_MAX (366ull * 86400 * 1000)

static uint64_t at_most(uint64_t value, uint64_t max)
{
    return value < max ? value : max;
}

static bool request_seen(const struct session *s, uint64_t request)
{
    return request <= s->results_last && s->results_last - request < 64 &&
           (s->results_window >> (s->results_last - request) & 1);
}

/* Only what a fence was given out for can have been run by its session. */
static bool fence_is_of(const struct run *run, uint64_t fence, uint32_t session)
{
    return fence >= 1 && fence <= run->fence_count && run->fence_session[fence - 1] == session;
}

/* Of a session that the agent had before, which is over. */
static bool fence_is_former(const struct run *run, uint64_t fence, uint32_t session)
{
    return fence >= 1 && fence <= run->fence_count &&
           session_follows(run, session, run->fence_session[fence - 1]);
}

/* Nobody else is known to have begun it. */
static bool waits_elsewhere(const struct run *run, uint32_t test, uint32_t session)
{
    const struct run_test *t = &run->tests[test];

    return t->place == TEST_FREE || (t->place == TEST_HELD && t->session != session);
}

static bool may_count(const struct run *run, uint32_t session, const struct result_item *item)
{
    if (!session_lives(run->sessions[session]))
        return run->tests[item->test].place == TEST_FREE && item->settled;
    return fence_is_of(run, item->fence, session) || waits_elsewhere(run, item->test, session);
}

/* Does a later result of the same worker follow in this request? Then everything around this test
 * was torn down with success, or the worker went on with it. */
static bool worker_goes_on(const struct results_request *req, uint32_t at)
{
    for (uint32_t i = at + 1; i < req->result_count && i < at + 64; i++)
        if (req->results[i].worker == req->results[at].worker && !req->results[i].amends)
            return true;
    return false;
}

/* How a result counts; 0 for one that says nothing new. before: what the same request has accepted
 * for this test already, or NULL. */
static uint32_t way_of(const struct run *run, uint32_t session, const struct result_item *item,
                       bool amends, const struct result_item *before)
{
    const struct run_test *t = &run->tests[item->test];
    bool done = t->place == TEST_DONE || before;
    bool mine = before ? before->fence == item->fence
                       : t->place == TEST_DONE && t->session == session && t->fence == item->fence;
    enum outcome stands = before ? before->outcome : t->outcome;

    if (amends)
        return mine ? RESULT_AMEND : RESULT_OBSERVE;
    if (done)
        return mine && stands == item->outcome ? 0 : RESULT_OBSERVE;
    return may_count(run, session, item) ? RESULT_ACCEPT : RESULT_OBSERVE;
}

static enum err_code judge(const struct run *run, uint32_t session,
                           const struct results_request *req, struct change_results *r,
                           struct err *err)
{
    struct index_map accepted; /* test -> its item + 1 */
    enum err_code rc = ERR_NONE;

    r->items = mem_new(req->result_count + req->abandoned_count, sizeof(*r->items));
    index_map_init(&accepted, req->result_count);
    for (uint32_t i = 0; i < req->result_count; i++) {
        const struct result *from = &req->results[i];
        uint32_t test = manifest_find(run->manifest, from->test.id, from->test.k);
        struct result_item *item = &r->items[r->item_count];
        uint32_t way;
        uint32_t before;

        if (from->worker >= SESSION_WORKERS_MAX || from->outcome == OUTCOME_NONE) {
            rc = err_set(err, ERR_INVALID, "result %u: worker %u, outcome %u", i, from->worker,
                         (unsigned)from->outcome);
            break;
        }
        if (test == UINT32_MAX || (!fence_is_of(run, from->fence, session) &&
                                   !fence_is_former(run, from->fence, session)))
            continue;
        *item = (struct result_item){ .test = test,
                                      .worker = from->worker,
                                      .fence = from->fence,
                                      .outcome = from->outcome,
                                      .settled = worker_goes_on(req, i),
                                      .setup_us = at_most(from->setup_us, RESULT_US_MAX),
                                      .call_us = at_most(from->call_us, RESULT_US_MAX),
                                      .teardown_us = at_most(from->teardown_us, RESULT_US_MAX),
                                      .started_ms = at_most(from->started_ms, STARTED_MS_MAX),
                                      .mem_mib = from->mem_mib };
        before = index_map_get(&accepted, test);
        way = way_of(run, session, item, from->amends, before ? &r->items[before - 1] : NULL);
        if (way == 0)
            continue;
        item->way = (enum result_way)way;
        if (way != RESULT_OBSERVE && from->detail)
            item->detail = detail_copy(from->detail);
        r->item_count++;
        if (way == RESULT_ACCEPT)
            index_map_set(&accepted, test, r->item_count);
    }
    index_map_fini(&accepted);
    return rc;
}

/* The session holds the test, or a copy of it. */
static bool is_at(const struct run *run, uint32_t test, uint32_t session)
{
    const struct run_test *t = &run->tests[test];

    return ((t->place == TEST_HELD || t->place == TEST_STARTED) && t->session == session) ||
           copies_find(run, test, session);
}

static void note_released(const struct run *run, uint32_t session,
                          const struct results_request *req, struct change_results *r)
{
    struct index_map named; /* in this request, as a result or as released */

    index_map_init(&named, r->item_count + req->released_count);
    for (uint32_t i = 0; i < r->item_count; i++)
        index_map_set(&named, r->items[i].test, 1);
    for (uint32_t i = 0; i < req->released_count; i++) {
        uint32_t test = manifest_find(run->manifest, req->released[i].id, req->released[i].k);

        if (test == UINT32_MAX || !is_at(run, test, session) || index_map_get(&named, test))
            continue;
        index_map_set(&named, test, 1);
        index_list_add(&r->released, test);
    }
    index_map_fini(&named);
}

/* What it was told to end, it did. If the run sees it at the test all the same, under that very
 * fence, the test is given back: whoever was first has died since. */
static void note_abandoned(const struct run *run, uint32_t session,
                           const struct results_request *req, struct change_results *r)
{
    for (uint32_t i = 0; i < req->abandoned_count; i++) {
        const struct try_cut *from = &req->abandoned[i];
        uint32_t test = manifest_find(run->manifest, from->test.id, from->test.k);
        const struct copy *copy = copies_find(run, test, session);
        bool named = false;

        if (test == UINT32_MAX || from->worker >= SESSION_WORKERS_MAX ||
            !fence_is_of(run, from->fence, session))
            continue;
        for (uint32_t k = 0; k < r->item_count; k++)
            named = named || r->items[k].test == test;
        for (uint32_t k = 0; k < r->released.count; k++)
            named = named || r->released.at[k] == test;
        if (!named && session_lives(run->sessions[session]) && is_at(run, test, session) &&
            (copy ? copy->fence : run->tests[test].fence) == from->fence)
            index_list_add(&r->released, test);
        r->items[r->item_count++] =
            (struct result_item){ .way = RESULT_ABANDON,
                                  .test = test,
                                  .worker = from->worker,
                                  .fence = from->fence,
                                  .call_us = at_most(from->took_us, RESULT_US_MAX),
                                  .started_ms = at_most(from->started_ms, STARTED_MS_MAX) };
    }
}

/* What this request brings the end of is no news. */
static void note_started(const struct run *run, uint32_t session, const struct results_request *req,
                         struct change_results *r)
{
    struct index_list begun = { 0 };
    struct index_map named;

    decide_started(run, session, req->running, req->running_count, &begun);
    index_map_init(&named, r->item_count + r->released.count);
    for (uint32_t i = 0; i < r->item_count; i++)
        index_map_set(&named, r->items[i].test, 1);
    for (uint32_t i = 0; i < r->released.count; i++)
        index_map_set(&named, r->released.at[i], 1);
    for (uint32_t i = 0; i < begun.count; i++)
        if (!index_map_get(&named, begun.at[i]))
            index_list_add(&r->started, begun.at[i]);
    index_map_fini(&named);
    free(begun.at);
}

static bool fault_known(const struct run *run, uint32_t session, const struct run_error *e)
{
    const struct fault_list *list = run->state == RUN_FINAL ? &run->remarks : &run->faults;

    for (uint32_t i = 0; i < list->count; i++)
        if (list->at[i].session == session && strcmp(list->at[i].kind, e->kind) == 0 &&
            strcmp(list->at[i].text, e->text) == 0)
            return true;
    return false;
}

/* A set of ids for the length of one decision. */
struct id_set {
    const char **slots; /* NULL is free */
    size_t mask;
};

/* False when it was there already. */
static bool id_set_add(struct id_set *set, const char *id)
{
    size_t at = (size_t)hash_fast(id, strlen(id));

    for (; set->slots[at & set->mask]; at++)
        if (strcmp(set->slots[at & set->mask], id) == 0)
            return false;
    set->slots[at & set->mask] = id;
    return true;
}

/* Every agent collects the same files, so only the first to speak of one is heard. */
static void copy_skips(const struct run *run, const struct results_request *req,
                       struct change_results *r)
{
    struct id_set known = { .mask = 15 };

    if (req->skip_count == 0)
        return;
    while (known.mask < 2 * ((size_t)run->skip_count + req->skip_count))
        known.mask = 2 * known.mask + 1;
    known.slots = mem_new(known.mask + 1, sizeof(*known.slots));
    for (uint32_t i = 0; i < run->skip_count; i++)
        (void)id_set_add(&known, run->skips[i].id); /* they differ */
    r->skips = mem_new(req->skip_count, sizeof(*r->skips));
    for (uint32_t i = 0; i < req->skip_count; i++) {
        const struct unit_skip *skip = &req->skips[i];

        if (id_set_add(&known, skip->id))
            r->skips[r->skip_count++] =
                (struct unit_skip){ .id = mem_strdup(skip->id), .text = mem_strdup(skip->text) };
    }
    free(known.slots);
}

static void copy_errors(const struct run *run, uint32_t session, const struct results_request *req,
                        struct change_results *r)
{
    r->errors = mem_new(req->error_count, sizeof(*r->errors));
    for (uint32_t i = 0; i < req->error_count; i++)
        if (!fault_known(run, session, &req->errors[i]))
            r->errors[r->error_count++] =
                (struct run_error){ .kind = mem_strdup(req->errors[i].kind),
                                    .text = mem_strdup(req->errors[i].text) };
}

static void copy_rest(const struct run *run, const struct results_request *req,
                      struct change_results *r)
{
    r->scopes = mem_new(req->scope_count, sizeof(*r->scopes));
    for (uint32_t i = 0; i < req->scope_count; i++)
        r->scopes[r->scope_count++] =
            (struct scope_cost){ .kind = mem_strdup(req->scopes[i].kind),
                                 .id = mem_strdup(req->scopes[i].id),
                                 .setup_us = req->scopes[i].setup_us,
                                 .teardown_us = req->scopes[i].teardown_us };
    copy_skips(run, req, r);
}

/* Of all machines, with this request. An amendment of a bad result adds nothing. */
static uint32_t bad_by_now(const struct run *run, const struct change_results *r)
{
    uint32_t bad = ledger_bad_count(run);

    for (uint32_t i = 0; i < r->item_count; i++)
        bad += r->items[i].way == RESULT_ACCEPT && !outcome_is_good(r->items[i].outcome);
    return bad;
}

/* -x where it was met, and --maxfail, which counts on all machines. */
static void decide_stop(const struct run *run, const struct results_request *req,
                        struct change_results *r)
{
    uint32_t bad = req->maxfail ? bad_by_now(run, r) : 0;
    struct str text = STR_MAX(PROTO_TEXT_BYTES_MAX);
    struct err ignored = ERR_INIT;

    if (run->stop)
        return;
    if (req->stop) {
        r->stop = mem_strdup(req->stop);
    } else if (bad && bad >= req->maxfail) {
        (void)!str_addf(&text, &ignored, "stopping after %u failures", bad);
        r->stop = str_take(&text);
    }
}

static enum err_code fill(const struct run *run, uint32_t session,
                          const struct results_request *req, struct change_results *r,
                          struct err *err)
{
    bool lives = session_lives(run->sessions[session]);
    enum err_code rc = ERR_NONE;

    decide_found(run, session, req, r);
    if (run->manifest && (req->result_count || req->abandoned_count))
        rc = judge(run, session, req, r, err);
    if (rc)
        return rc;
    if (lives && run->manifest && req->released_count)
        note_released(run, session, req, r);
    if (run->manifest && req->abandoned_count)
        note_abandoned(run, session, req, r);
    if (lives && req->running_count)
        note_started(run, session, req, r);
    if (lives) {
        copy_errors(run, session, req, r);
        copy_rest(run, req, r);
        decide_stop(run, req, r);
    }
    return ERR_NONE;
}

enum err_code decide_results(const struct run *run, uint32_t session,
                             const struct results_request *req, struct change *out, struct err *err)
{
    const struct session *s = run->sessions[session];
    bool lives = session_lives(s);
    struct change change = { .kind = CHANGE_RESULTS };
    struct change_results *r = &change.as.results;
    enum err_code rc = ERR_NONE;

    r->session = session;
    r->request = req->request;
    if (s->late || request_seen(s, req->request))
        goto out;
    if (run->state != RUN_FINAL)
        rc = fill(run, session, req, r, err);
    else if (lives)
        copy_errors(run, session, req, r); /* remarks; the rest counts no more */
    if (rc)
        goto out;
    if (r->item_count || r->released.count || r->started.count || r->error_count ||
        r->scope_count || r->skip_count || r->found_count || r->stop) {
        *out = change;
        change = (struct change){ .kind = CHANGE_NONE };
    }
out:
    change_fini(&change);
    if (!rc && !lives)
        rc =
            err_set(err, ERR_SESSION_GONE, "session %s is %s", s->id, session_state_name(s->state));
    return rc;
}
