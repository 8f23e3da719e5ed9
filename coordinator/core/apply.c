/* run_apply: what each change does. Decides nothing; every choice stands in the change. */
#include <stdlib.h>
#include <string.h>

#include "core/change.h"
#include "core/copies.h"
#include "core/ledger.h"
#include "core/places.h"
#include "mem.h"

static char *move_text(char **from)
{
    char *text = *from;

    *from = NULL;
    return text;
}

static void apply_open(struct run *run, struct change_open *o)
{
    INVARIANT(run->change_count == 0);
    memcpy(run->id, o->id, sizeof(run->id));
    run->project = move_text(&o->project);
    run->suite = move_text(&o->suite);
    run->run_key = move_text(&o->run_key);
    run->fingerprint = move_text(&o->fingerprint);
    run->command = move_text(&o->command);
    run->epoch = o->epoch;
    run->attempt = o->attempt;
    run->seed = o->seed;
    run->created_ms = o->created_ms;
    run->wide = o->wide;
    memcpy(run->previous_digest, o->previous_digest, sizeof(run->previous_digest));
    run->carried = o->carried;
    run->carried_count = o->carried_count;
    o->carried = NULL;
    o->carried_count = 0;
    run->slots = o->slots;
    run->slot_count = o->slot_count;
    run->slot_cap = o->slot_count;
    o->slots = NULL;
    o->slot_count = 0;
}

/* The slot's row, made where it belongs when nobody of it came before. */
static struct slot *slot_make(struct run *run, uint32_t index)
{
    uint32_t at = 0;

    while (at < run->slot_count && run->slots[at].index < index)
        at++;
    if (at < run->slot_count && run->slots[at].index == index)
        return &run->slots[at];
    run->slots =
        mem_grow(run->slots, &run->slot_cap, (size_t)run->slot_count + 1, sizeof(*run->slots));
    memmove(&run->slots[at + 1], &run->slots[at], (run->slot_count - at) * sizeof(*run->slots));
    run->slot_count++;
    run->slots[at] = (struct slot){ .index = index, .session = SESSION_NONE };
    return &run->slots[at];
}

static void apply_join(struct run *run, struct change_join *j)
{
    struct session *s = mem_new(1, sizeof(*s));
    uint32_t at = run->session_count;

    memcpy(s->id, j->id, sizeof(s->id));
    memcpy(s->token_hash, j->token_hash, sizeof(s->token_hash));
    memcpy(s->nonce_hash, j->nonce_hash, sizeof(s->nonce_hash));
    s->instance = move_text(&j->instance);
    s->agent_version = move_text(&j->agent_version);
    s->labels = j->labels;
    s->label_count = j->label_count;
    j->labels = NULL;
    j->label_count = 0;
    s->index = j->index;
    s->attempt = j->attempt;
    s->workers = j->workers;
    s->joined_ms = j->now_ms;
    s->began_ms = j->began_ms;
    s->late = j->late;
    s->speculate = j->speculate;
    s->first_ppm = j->first_ppm;
    s->held_first = POOL_NONE;
    run->sessions = mem_grow(run->sessions, &run->session_cap, (size_t)run->session_count + 1,
                             sizeof(*run->sessions));
    run->sessions[run->session_count++] = s;
    run->live_count++;
    if (s->late)
        return;
    if (j->total > run->slots_expected)
        run->slots_expected = j->total;
    if (j->attempt > run->attempt)
        run->attempt = j->attempt;
    if (j->index != PROTO_SLOT_NONE) {
        struct slot *slot = slot_make(run, j->index);

        slot->epoch = run->epoch;
        slot->session = at;
    }
    places_join(run, at);
    if (j->widen)
        places_widen(run);
}

static void apply_collected(struct run *run, struct change_collected *k)
{
    struct session *s = run->sessions[k->session];

    s->collected = true;
    s->collected_ms = k->now_ms;
    places_started(run, k->session);
    if (!run->runtime)
        run->runtime = move_text(&k->runtime);
    if (!k->differs)
        return;
    s->lacks = k->lacks.at;
    s->lack_count = k->lacks.count;
    k->lacks = (struct index_list){ .at = NULL };
    if (run->mismatch.sessions++ > 0)
        return;
    run->mismatch.only_first = k->only_first;
    run->mismatch.only_first_count = k->only_first_count;
    run->mismatch.only_first_total = s->lack_count;
    run->mismatch.only_other = k->only_other;
    run->mismatch.only_other_count = k->only_other_count;
    run->mismatch.only_other_total = k->only_other_total;
    k->only_first = NULL;
    k->only_other = NULL;
    k->only_first_count = 0;
    k->only_other_count = 0;
}

/* A number under which the session may report what it is given next. */
static void apply_fence(struct run *run, uint32_t session)
{
    run->fence_session = mem_grow(run->fence_session, &run->fence_cap, (size_t)run->fence_count + 1,
                                  sizeof(*run->fence_session));
    run->fence_session[run->fence_count++] = session;
}

/* Under the newest fence. */
static void apply_order(struct run *run, uint32_t session, struct index_list *take_tests)
{
    struct session_order *order = order_make(run->sessions[session], ORDER_SHARD);

    order->fence = run->fence_count;
    order->tests = take_tests->at;
    order->test_count = take_tests->count;
    *take_tests = (struct index_list){ .at = NULL };
}

/* A shard, or copies: for the session the same. */
static void apply_shard(struct run *run, struct change_pull *p, struct index_list *tests)
{
    INVARIANT(p->fence == run->fence_count + 1);
    apply_fence(run, p->session);
    for (uint32_t i = 0; i < tests->count; i++) {
        if (tests == &p->shard)
            places_give(run, tests->at[i], p->session, p->fence);
        else
            copies_give(run, tests->at[i], p->session, p->fence);
    }
    apply_order(run, p->session, tests);
}

/* The session runs these: as their holder, or copies. */
static void apply_started(struct run *run, uint32_t session, const struct index_list *tests)
{
    for (uint32_t i = 0; i < tests->count; i++) {
        struct copy *copy = copies_find(run, tests->at[i], session);

        if (copy)
            copy->started = true;
        else
            places_start(run, tests->at[i]);
    }
}

static void apply_released(struct run *run, uint32_t session, const struct index_list *tests)
{
    for (uint32_t i = 0; i < tests->count; i++) {
        struct copy *copy = copies_find(run, tests->at[i], session);

        if (copy)
            copies_drop(run, copy);
        else
            places_free(run, tests->at[i]);
    }
}

static void apply_recall(struct run *run, struct change_pull *p)
{
    struct session_order *order = order_make(run->sessions[p->holder], ORDER_RECALL);

    for (uint32_t i = 0; i < p->recall.count; i++)
        places_recall(run, p->recall.at[i], p->session);
    order->tests = p->recall.at;
    order->test_count = p->recall.count;
    p->recall = (struct index_list){ .at = NULL };
}

static void apply_pull(struct run *run, struct change_pull *p)
{
    struct session *s = run->sessions[p->session];

    orders_seen(s, p->order_seen);
    apply_started(run, p->session, &p->started);
    if (p->shard.count)
        apply_shard(run, p, &p->shard);
    if (p->copies.count)
        apply_shard(run, p, &p->copies);
    if (p->recall.count)
        apply_recall(run, p);
    if (p->cancel) {
        order_make(s, ORDER_CANCEL)->text = mem_strdup(run->stop ? run->stop : "");
        s->cancelled = true;
    }
    if (p->end) {
        struct session_order *order = order_make(s, ORDER_END);

        order->complete = p->complete;
        order->exit = p->exit;
        order->text = move_text(&p->text);
        s->ended = true;
    }
}

static void apply_request(struct session *s, uint64_t request)
{
    if (request > s->results_last) {
        uint64_t step = request - s->results_last;

        s->results_window = step < 64 ? s->results_window << step : 0;
        s->results_window |= 1;
        s->results_last = request;
    } else if (s->results_last - request < 64) {
        s->results_window |= 1ull << (s->results_last - request);
    }
}

/* What is heard after the end is a remark: the verdict stands. */
static void apply_fault(struct run *run, uint32_t session, char **take_kind, char **take_text)
{
    struct fault_list *list = run->state == RUN_FINAL ? &run->remarks : &run->faults;

    run->sessions[session]->error_count++;
    if (list->count == RUN_ERRORS_MAX) {
        list->dropped++;
        return;
    }
    list->at = mem_grow(list->at, &list->cap, (size_t)list->count + 1, sizeof(*list->at));
    list->at[list->count++] = (struct run_fault){ .session = session,
                                                  .kind = move_text(take_kind),
                                                  .text = move_text(take_text) };
}

/* What cannot join the run must not be lost silently: it is an error of the run. */
static void refuse_found(struct run *run, uint32_t session, const char *id, const struct err *why)
{
    char *kind = mem_strdup("collection");
    struct str text = STR_MAX(PROTO_TEXT_BYTES_MAX);
    struct err ignored = ERR_INIT;
    char *taken;

    (void)!str_addf(&text, &ignored, "%s was found late and cannot join the run: %s", id,
                    why->text);
    taken = str_take(&text);
    apply_fault(run, session, &kind, &taken);
    free(kind);
    free(taken);
}

static void apply_found(struct run *run, const struct change_results *r)
{
    uint32_t before = run->test_count;
    struct index_list given = { 0 };

    for (uint32_t i = 0; i < r->found_count; i++) {
        const struct manifest_test test = found_test_lent(&r->found[i]);
        struct err err = ERR_INIT;

        if (run->manifest->count - run->sealed_count >= RUN_FOUND_MAX)
            err_set(&err, ERR_TOO_LARGE, "%u others were", RUN_FOUND_MAX);
        if (err.code || manifest_extend(run->manifest, &test, &err))
            refuse_found(run, r->session, test.id, &err);
    }
    if (run->manifest->count == before)
        return;
    run->finders =
        mem_resize(run->finders, run->manifest->count - run->sealed_count, sizeof(*run->finders));
    for (uint32_t i = before; i < run->manifest->count; i++)
        run->finders[i - run->sealed_count] = r->session;
    places_grow(run, r->found_us);
    if (r->fence)
        apply_fence(run, r->session);
    /* What must not meet what others have in hand waits until it may be given. */
    for (uint32_t i = before; r->fence && i < run->test_count; i++) {
        if (!pool_may_take(run->pool, r->session, i))
            continue;
        places_give(run, i, r->session, r->fence);
        index_list_add(&given, i);
    }
    if (given.count)
        apply_order(run, r->session, &given);
}

static void apply_results(struct run *run, struct change_results *r)
{
    if (r->found_count)
        apply_found(run, r);
    for (uint32_t i = 0; i < r->item_count; i++) {
        switch (r->items[i].way) {
        case RESULT_ACCEPT:
            ledger_accept(run, r->session, &r->items[i]);
            break;
        case RESULT_AMEND:
            ledger_amend(run, r->session, &r->items[i]);
            break;
        case RESULT_OBSERVE:
        case RESULT_ABANDON:
            ledger_observe(run, r->session, &r->items[i]);
            break;
        }
    }
    apply_released(run, r->session, &r->released);
    apply_started(run, r->session, &r->started);
    for (uint32_t i = 0; i < r->error_count; i++)
        apply_fault(run, r->session, &r->errors[i].kind, &r->errors[i].text);
    for (uint32_t i = 0; i < r->scope_count && run->scope_count < RUN_SCOPES_MAX; i++) {
        run->scopes = mem_grow(run->scopes, &run->scope_cap, (size_t)run->scope_count + 1,
                               sizeof(*run->scopes));
        run->scopes[run->scope_count++] = r->scopes[i];
        r->scopes[i] = (struct scope_cost){ .kind = NULL };
    }
    for (uint32_t i = 0; i < r->skip_count && run->skip_count < RUN_SKIPS_MAX; i++) {
        run->skips =
            mem_grow(run->skips, &run->skip_cap, (size_t)run->skip_count + 1, sizeof(*run->skips));
        run->skips[run->skip_count++] = r->skips[i];
        r->skips[i] = (struct unit_skip){ .id = NULL };
    }
    if (r->stop && !run->stop)
        run->stop = move_text(&r->stop);
    apply_request(run->sessions[r->session], r->request);
}

static void apply_drain(struct run *run, const struct change_drain *d)
{
    struct session *s = run->sessions[d->session];

    s->state = SESSION_DRAINING;
    run->draining_count++;
    orders_drop_work(s);
    copies_drop_of(run, d->session, COPIES_UNSTARTED);
    places_free_held(run, d->session, PLACES_UNSTARTED);
}

/* What leaving and dying have in common. */
static void session_over(struct run *run, uint32_t at, enum session_state state)
{
    struct session *s = run->sessions[at];

    INVARIANT(session_lives(s));
    if (s->state == SESSION_DRAINING)
        run->draining_count--;
    run->live_count--;
    if (s->last_count)
        run->unsettled_count--;
    s->state = state;
    orders_drop_work(s);
    copies_drop_of(run, at, COPIES_ALL);
    places_free_held(run, at, PLACES_ALL);
    if (run->pool && !s->late) {
        pool_leave(run->pool, at);
        places_expect(run);
    }
}

static void apply_leave(struct run *run, struct change_leave *l)
{
    struct session *s = run->sessions[l->session];

    if (l->fault) {
        char *kind = mem_strdup("exit-status");

        apply_fault(run, l->session, &kind, &l->fault);
        free(kind);
    }
    session_over(run, l->session, SESSION_LEFT);
    s->last_count = 0; /* its fixtures are torn down and what that gave was delivered */
    s->runner_exit = l->runner_exit;
    s->exit = l->exit;
    s->worker_mib = l->worker_mib;
    s->worker_peak_mib = l->worker_peak_mib;
}

/* The provisional results of a session: what was around them will never be seen to hold. */
static void void_last(struct run *run, struct session *s)
{
    for (uint32_t i = 0; i < s->last_count; i++)
        ledger_void(run, s->last[i].test);
    s->last_count = 0;
}

static void apply_expire(struct run *run, const struct change_expire *x)
{
    for (uint32_t i = 0; i < x->sessions.count; i++) {
        session_over(run, x->sessions.at[i], SESSION_LOST);
        void_last(run, run->sessions[x->sessions.at[i]]);
    }
}

static void apply_final(struct run *run, const struct change_final *f)
{
    for (uint32_t i = 0; i < run->session_count; i++)
        copies_drop_of(run, i, COPIES_ALL);
    for (uint32_t i = 0; i < run->session_count; i++) {
        places_free_held(run, i, PLACES_ALL);
        orders_drop_work(run->sessions[i]);
        void_last(run, run->sessions[i]); /* closed before it was settled */
    }
    run->unsettled_count = 0;
    for (uint32_t i = 0; i < f->adopt.count; i++)
        ledger_adopt(run, &run->observations[f->adopt.at[i]]);
    run->state = RUN_FINAL;
    run->verdict = f->verdict;
    run->closed_ms = f->now_ms;
}

void run_apply(struct run *run, struct change *change)
{
    switch (change->kind) {
    case CHANGE_NONE:
        return;
    case CHANGE_OPEN:
        apply_open(run, &change->as.open);
        break;
    case CHANGE_JOIN:
        apply_join(run, &change->as.join);
        break;
    case CHANGE_COLLECTED:
        apply_collected(run, &change->as.collected);
        break;
    case CHANGE_SEAL:
        places_seal(run, &change->as.seal);
        break;
    case CHANGE_PULL:
        apply_pull(run, &change->as.pull);
        break;
    case CHANGE_RESULTS:
        apply_results(run, &change->as.results);
        break;
    case CHANGE_DRAIN:
        apply_drain(run, &change->as.drain);
        break;
    case CHANGE_LEAVE:
        apply_leave(run, &change->as.leave);
        break;
    case CHANGE_EXPIRE:
        apply_expire(run, &change->as.expire);
        break;
    case CHANGE_FINAL:
        apply_final(run, &change->as.final);
        break;
    }
    run->change_count++;
}
