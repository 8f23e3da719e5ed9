#include "core/attempt.h"

#include <string.h>

#include "mem.h"

/* The slot's last life left with 0: its job is green, so if it comes again all is being re-run. */
static bool slot_good(const struct run *run, const struct slot *slot)
{
    const struct session *s;

    if (slot->session == SESSION_NONE)
        return slot->good;
    s = run->sessions[slot->session];
    return s->state == SESSION_LEFT && session_exit(s) == EXIT_OK;
}

static bool instance_came(const struct run *run, const char *instance)
{
    for (uint32_t i = 0; i < run->session_count; i++)
        if (!run->sessions[i]->late && strcmp(run->sessions[i]->instance, instance) == 0)
            return true;
    return false;
}

enum attempt_way attempt_way(const struct run *run, const struct join_request *req)
{
    const struct slot *slot = req->index == PROTO_SLOT_NONE ? NULL : run_slot(run, req->index);
    bool again = req->attempt > run->attempt && run->attempt > 0;

    if (run->state != RUN_FINAL)
        return ATTEMPT_HERE;
    if (slot && slot_good(run, slot))
        return ATTEMPT_NEXT;
    if (req->index == PROTO_SLOT_NONE) {
        /* Without a slot only the attempt tells a late agent from a new pass. */
        if (again || (req->attempt == 0 && instance_came(run, req->instance)))
            return ATTEMPT_NEXT;
    }
    if (run->verdict == VERDICT_GREEN)
        return ATTEMPT_LATE;
    if (again || run->done_count < run->test_count || !run->manifest)
        return ATTEMPT_NEXT;
    if (slot && slot->session != SESSION_NONE)
        return strcmp(run->sessions[slot->session]->instance, req->instance) == 0 ? ATTEMPT_LATE
                                                                                  : ATTEMPT_NEXT;
    if (req->index == PROTO_SLOT_NONE && req->attempt == 0)
        return ATTEMPT_NEXT;
    return ATTEMPT_LATE;
}

bool attempt_may_follow(const struct run *run, uint32_t index)
{
    const struct slot *slot = index == PROTO_SLOT_NONE ? NULL : run_slot(run, index);
    const struct session *s;

    if (!slot || slot->session == SESSION_NONE)
        return true;
    s = run->sessions[slot->session];
    return s->state == SESSION_LOST || (s->state == SESSION_LEFT && s->exit == EXIT_DRAINED);
}

bool attempt_widens(const struct run *run, const struct join_request *req)
{
    const struct slot *slot = req->index == PROTO_SLOT_NONE ? NULL : run_slot(run, req->index);

    return run->state != RUN_FINAL && !run->wide && run->epoch > 1 && slot &&
           slot->session == SESSION_NONE && slot->good;
}

/* What stands in the way of running less than everything. */
static bool must_be_wide(const struct run *previous, const struct join_request *req)
{
    const struct slot *slot = req->index == PROTO_SLOT_NONE ? NULL : run_slot(previous, req->index);

    /* Tests that were found late are not in the manifest that a next epoch may begin with. */
    if (!previous->manifest || previous->test_count > previous->sealed_count ||
        previous->verdict == VERDICT_GREEN || previous->verdict == VERDICT_MISMATCH ||
        (slot && slot_good(previous, slot)))
        return true;
    /* An error of the run itself can be anybody's, but a runner that died is known by its tests. */
    for (uint32_t i = 0; i < previous->faults.count; i++)
        if (strcmp(previous->faults.at[i].kind, "runner-died") != 0)
            return true;
    return false;
}

static void carry_tests(const struct run *previous, struct change_open *o)
{
    o->carried = mem_new(previous->test_count, sizeof(*o->carried));
    o->carried_count = previous->test_count;
    for (uint32_t i = 0; i < previous->test_count; i++) {
        const struct run_test *t = &previous->tests[i];

        if (t->place == TEST_DONE && outcome_is_good(t->outcome))
            o->carried[i] = (struct carried){ .outcome = t->outcome,
                                              .setup_us = t->setup_us,
                                              .call_us = t->call_us,
                                              .teardown_us = t->teardown_us };
    }
}

static void carry_slots(const struct run *previous, struct change_open *o)
{
    o->slots = mem_new(previous->slot_count, sizeof(*o->slots));
    o->slot_count = previous->slot_count;
    for (uint32_t i = 0; i < previous->slot_count; i++) {
        o->slots[i] = previous->slots[i];
        o->slots[i].good = slot_good(previous, &previous->slots[i]);
        o->slots[i].session = SESSION_NONE;
    }
}

void attempt_open(const struct run *previous, const struct join_request *req,
                  const struct attempt_new *with, struct change *out)
{
    struct change change = { .kind = CHANGE_OPEN };
    struct change_open *o = &change.as.open;

    (void)memcpy(o->id, with->id, strlen(with->id) + 1);
    o->project = mem_strdup(req->project);
    o->suite = mem_strdup(req->suite);
    o->run_key = mem_strdup(req->run_key);
    o->fingerprint = mem_strdup(req->fingerprint);
    o->command = mem_strdup(req->command);
    o->attempt = req->attempt;
    o->created_ms = with->now_ms;
    o->epoch = previous ? previous->epoch + 1 : 1;
    o->seed = previous ? previous->seed : with->seed;
    o->wide = !previous || must_be_wide(previous, req);
    if (previous)
        carry_slots(previous, o);
    if (!o->wide) {
        INVARIANT(previous && previous->manifest);
        memcpy(o->previous_digest, previous->manifest->digest, sizeof(o->previous_digest));
        carry_tests(previous, o);
    }
    *out = change;
}

bool attempt_seals_wide(const struct run *run, const char *digest)
{
    if (run->wide || strcmp(run->previous_digest, digest) != 0)
        return true;
    for (uint32_t i = 0; i < run->carried_count; i++)
        if (run->carried[i].outcome == OUTCOME_NONE)
            return false;
    return true; /* nothing left: no epoch turns green on an empty share */
}
