/* Decisions about the life of a session and of the epoch: join, collected, drain, leave, end. */
#include <stdlib.h>
#include <string.h>

#include "core/attempt.h"
#include "core/decide.h"
#include "core/lease.h"
#include "core/ledger.h"
#include "mem.h"
#include "plan/first.h"
#include "plan/peak.h"

static struct label *labels_copy(const struct label *from, uint32_t count)
{
    struct label *to = mem_new(count, sizeof(*to));

    for (uint32_t i = 0; i < count; i++)
        to[i] =
            (struct label){ .key = mem_strdup(from[i].key), .value = mem_strdup(from[i].value) };
    return to;
}

static enum err_code check_identity(const struct run *run, const struct join_request *req,
                                    struct err *err)
{
    if (strcmp(run->fingerprint, req->fingerprint) != 0)
        return err_set(err, ERR_FINGERPRINT,
                       "run key '%s' belongs to agents on '%s', this one is on '%s'; "
                       "set MAKESPAN_SUITE to tell them apart",
                       run->run_key, run->fingerprint, req->fingerprint);
    if (strcmp(run->command, req->command) != 0)
        return err_set(err, ERR_FINGERPRINT,
                       "run key '%s' belongs to another command; set MAKESPAN_SUITE to tell them "
                       "apart",
                       run->run_key);
    return ERR_NONE;
}

static enum err_code check_slot(const struct run *run, const struct join_request *req,
                                struct err *err)
{
    const struct slot *slot;

    if (req->index == PROTO_SLOT_NONE)
        return ERR_NONE;
    if (req->index >= PROTO_SLOTS_MAX || (req->total && req->index >= req->total))
        return err_set(err, ERR_INVALID, "index %u of %u agents", req->index, req->total);
    slot = run_slot(run, req->index);
    if (slot && slot->session != SESSION_NONE && session_lives(run->sessions[slot->session]))
        return err_set(err, ERR_SLOT_TAKEN,
                       "slot %u of run key '%s' has a live agent; set MAKESPAN_SUITE if this is "
                       "another suite",
                       req->index, run->run_key);
    return ERR_NONE;
}

/* An agent that joins again tells times as it did in its first life. */
static uint64_t first_began_ms(const struct run *run, const char *instance, uint64_t now_ms)
{
    for (uint32_t i = 0; i < run->session_count; i++)
        if (!run->sessions[i]->late && strcmp(run->sessions[i]->instance, instance) == 0)
            return run->sessions[i]->began_ms < now_ms ? run->sessions[i]->began_ms : now_ms;
    return now_ms;
}

enum err_code decide_join(const struct run *run, const struct join_facts *facts, struct change *out,
                          uint32_t *out_session, struct err *err)
{
    const struct join_request *req = facts->req;
    uint32_t known = run_session_of_nonce(run, facts->nonce_hash);
    struct change_join *j;
    enum err_code rc;

    rc = check_identity(run, req, err);
    if (rc)
        return rc;
    if (known != SESSION_NONE && strcmp(run->sessions[known]->instance, req->instance) == 0) {
        if (!session_lives(run->sessions[known]))
            return err_set(err, ERR_SESSION_GONE, "session %s has ended", run->sessions[known]->id);
        *out_session = known;
        return ERR_NONE;
    }
    rc = check_slot(run, req, err);
    if (rc)
        return rc;
    if (req->workers == 0 || req->workers > PROTO_WORKERS_MAX || req->total > PROTO_SLOTS_MAX)
        return err_set(err, ERR_INVALID, "%u workers, %u agents", req->workers, req->total);
    if (run->session_count == SESSIONS_MAX)
        return err_set(err, ERR_TOO_LARGE, "a run has at most %u sessions", SESSIONS_MAX);
    *out = (struct change){ .kind = CHANGE_JOIN };
    j = &out->as.join;
    memcpy(j->id, facts->session_id, strlen(facts->session_id) + 1);
    memcpy(j->token_hash, facts->token_hash, sizeof(j->token_hash));
    memcpy(j->nonce_hash, facts->nonce_hash, sizeof(j->nonce_hash));
    j->instance = mem_strdup(req->instance);
    j->agent_version = mem_strdup(req->agent_version ? req->agent_version : "");
    j->labels = labels_copy(req->labels, req->label_count);
    j->label_count = req->label_count;
    j->index = req->index;
    j->total = req->total;
    j->attempt = req->attempt;
    j->workers = req->workers;
    j->now_ms = facts->now_ms;
    j->began_ms = req->run ? first_began_ms(run, req->instance, facts->now_ms) : facts->now_ms;
    j->late = run->state == RUN_FINAL;
    j->widen = attempt_widens(run, req);
    j->speculate = req->speculate;
    j->first_ppm = req->first_ppm < FIRST_PPM_MAX ? req->first_ppm : FIRST_PPM_MAX;
    *out_session = run->session_count;
    return ERR_NONE;
}

static enum err_code check_lives(const struct run *run, uint32_t session, struct err *err)
{
    if (session_lives(run->sessions[session]))
        return ERR_NONE;
    return err_set(err, ERR_SESSION_GONE, "session %s is %s", run->sessions[session]->id,
                   session_state_name(run->sessions[session]->state));
}

enum err_code decide_runtime(const struct run *run, const char *runtime, struct err *err)
{
    if (run->runtime && strcmp(run->runtime, runtime) != 0)
        return err_set(err, ERR_FINGERPRINT,
                       "this run has agents with '%s', this one has '%s'; install the same, or set "
                       "MAKESPAN_SUITE to tell them apart",
                       run->runtime, runtime);
    return ERR_NONE;
}

static void sample(const struct manifest *from, const uint32_t *at, uint32_t count,
                   struct test_ref **out, uint32_t *out_count)
{
    uint32_t shown = count < RUN_SAMPLE_TESTS ? count : RUN_SAMPLE_TESTS;

    *out = mem_new(shown, sizeof(**out));
    *out_count = shown;
    for (uint32_t i = 0; i < shown; i++)
        (*out)[i] =
            (struct test_ref){ .id = mem_strdup(from->tests[at[i]].id), .k = from->tests[at[i]].k };
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

enum err_code decide_collected_after(const struct run *run, uint32_t session, const char *digest,
                                     struct err *err)
{
    if (run->sessions[session]->collected || !run->manifest ||
        strcmp(run->manifest->digest, digest) == 0)
        return ERR_NONE;
    return err_set(
        err, ERR_MISMATCH,
        "the run was over before this machine had collected, and was of other tests than "
        "it collected; set MAKESPAN_SUITE if that is meant to be another suite");
}

enum err_code decide_collected(const struct run *run, const struct collected_facts *facts,
                               struct change *out, struct err *err)
{
    const struct session *s = run->sessions[facts->session];
    struct change_collected *k;
    struct manifest_diff diff;
    enum err_code rc;

    rc = check_lives(run, facts->session, err);
    if (rc)
        return rc;
    if (run->state == RUN_FINAL && facts->manifest)
        return decide_collected_after(run, facts->session, facts->manifest->digest, err);
    if (s->collected || run->state == RUN_FINAL)
        return ERR_NONE;
    rc = decide_runtime(run, facts->runtime, err);
    if (rc)
        return rc;
    *out = (struct change){ .kind = CHANGE_COLLECTED };
    k = &out->as.collected;
    k->session = facts->session;
    k->runtime = mem_strdup(facts->runtime);
    k->now_ms = facts->now_ms;
    if (!facts->manifest || strcmp(facts->manifest->digest, run->manifest->digest) == 0)
        return ERR_NONE;
    k->differs = true;
    manifest_diff(run->manifest, facts->manifest, &diff);
    sample(run->manifest, diff.only_a, diff.only_a_count, &k->only_first, &k->only_first_count);
    sample(facts->manifest, diff.only_b, diff.only_b_count, &k->only_other, &k->only_other_count);
    k->only_other_total = diff.only_b_count;
    for (uint32_t i = 0; i < diff.only_a_count; i++)
        index_list_add(&k->lacks, diff.only_a[i]);
    if (k->lacks.count)
        qsort(k->lacks.at, k->lacks.count, sizeof(*k->lacks.at), compare_u32);
    manifest_diff_fini(&diff);
    return ERR_NONE;
}

/* The largest share that an agent which is here asks for. */
static uint32_t first_share_ppm(const struct run *run)
{
    uint32_t share_ppm = 0;

    for (uint32_t i = 0; i < run->session_count; i++)
        if (session_lives(run->sessions[i]) && run->sessions[i]->first_ppm > share_ppm)
            share_ppm = run->sessions[i]->first_ppm;
    return share_ppm;
}

/* What failed before, as far as it is asked for, and what nobody knows: a test is never both. */
static void decide_first(const struct run *run, const struct seal_facts *facts,
                         struct change_seal *s)
{
    uint32_t count = facts->manifest->count, share_ppm = first_share_ppm(run);
    bool *known;

    s->first.at = mem_new(count, sizeof(*s->first.at));
    if (facts->failed && share_ppm > 0)
        s->first.count =
            first_choose(facts->costs_us, facts->failed, count, share_ppm, s->first.at);
    if (!facts->highs_us)
        return;
    known = mem_new(count, sizeof(*known));
    for (uint32_t i = 0; i < count; i++)
        known[i] = facts->highs_us[i] > 0;
    s->first.count += first_unknown(facts->costs_us, known, count, s->first.at + s->first.count);
    free(known);
}

static int first_collected_first(const void *left, const void *right)
{
    const struct heavy_test *a = left, *b = right;

    return (a->test > b->test) - (a->test < b->test);
}

static int heaviest_first(const void *left, const void *right)
{
    const struct heavy_test *a = left, *b = right;

    if (a->mem_mib != b->mem_mib)
        return a->mem_mib > b->mem_mib ? -1 : 1;
    return first_collected_first(left, right);
}

/* What is worth a plan of the agents: the heaviest, in the order of the manifest. */
static void decide_heavy(const struct seal_facts *facts, struct change_seal *s)
{
    uint32_t count = facts->mem_mib ? facts->manifest->count : 0, heavy = 0;

    for (uint32_t i = 0; i < count; i++)
        heavy += facts->mem_mib[i] >= PEAK_HEAVY_MIB;
    s->heavy = mem_new(heavy, sizeof(*s->heavy));
    for (uint32_t i = 0; i < count; i++)
        if (facts->mem_mib[i] >= PEAK_HEAVY_MIB)
            s->heavy[s->heavy_count++] =
                (struct heavy_test){ .test = i, .mem_mib = facts->mem_mib[i] };
    if (heavy > PROTO_HEAVY_MAX) {
        qsort(s->heavy, heavy, sizeof(*s->heavy), heaviest_first);
        qsort(s->heavy, PROTO_HEAVY_MAX, sizeof(*s->heavy), first_collected_first);
        s->heavy_count = PROTO_HEAVY_MAX;
    }
}

void decide_seal(const struct run *run, struct seal_facts *take, struct change *out)
{
    struct change_seal *s;

    *out = (struct change){ .kind = CHANGE_SEAL };
    s = &out->as.seal;
    memcpy(s->digest, take->manifest->digest, sizeof(s->digest));
    s->wide = attempt_seals_wide(run, s->digest);
    s->test_count = take->manifest->count;
    decide_first(run, take, s);
    decide_heavy(take, s);
    free(take->failed);
    free(take->mem_mib);
    s->costs_us = take->costs_us;
    s->scope_us = take->scope_us;
    s->highs_us = take->highs_us;
    s->startup_us = take->startup_us;
    s->scope_count = take->scope_count;
    s->manifest = take->manifest;
    s->pool = take->pool;
    *take = (struct seal_facts){ .manifest = NULL };
}

enum err_code decide_drain(const struct run *run, uint32_t session, struct change *out,
                           struct err *err)
{
    enum err_code rc = check_lives(run, session, err);

    if (!rc && run->sessions[session]->state == SESSION_LIVE) {
        *out = (struct change){ .kind = CHANGE_DRAIN };
        out->as.drain.session = session;
    }
    return rc;
}

/* What a leaving agent exits with if its own runner was content (invariant 2 of the design): 0 only
 * while somebody else lives or every test has its result; the last one exits with the verdict. */
static uint32_t leave_exit(const struct run *run, uint32_t session)
{
    const struct session *s = run->sessions[session];
    uint32_t others = run->live_count - run->draining_count - (s->state == SESSION_LIVE);
    uint32_t unsettled = run->unsettled_count - (s->last_count > 0);

    if (run->state == RUN_FINAL)
        return ledger_exit(run, run->verdict);
    if (ledger_complete(run))
        return unsettled ? EXIT_OK : ledger_exit(run, ledger_verdict(run));
    if (s->state == SESSION_DRAINING)
        return EXIT_DRAINED;
    return others ? EXIT_OK : ledger_exit(run, ledger_verdict(run));
}

/* Did it report a bad test, whether it counts or not? Of who joins again: in a life before, too. */
static bool told_bad(const struct run *run, uint32_t session)
{
    bool bad = run->sessions[session]->bad_count > 0;

    for (uint32_t i = 0; i < session && !bad; i++)
        bad = run->sessions[i]->bad_count > 0 && session_follows(run, session, i);
    for (uint32_t i = 0; i < run->observation_count && !bad; i++) {
        const struct observation *o = &run->observations[i];

        bad = o->outcome != OUTCOME_NONE && !outcome_is_good(o->outcome) &&
              o->session != SESSION_NONE &&
              (o->session == session || session_follows(run, session, o->session));
    }
    return bad;
}

/* A runner that failed without a bad test or an error to show for it: coverage, a plugin. Once the
 * run is over that is a remark. */
static bool exit_is_fault(const struct run *run, uint32_t session, uint32_t runner_exit)
{
    const struct session *s = run->sessions[session];

    if (runner_exit == 0 || runner_exit == EXIT_NO_TESTS || s->late)
        return false;
    if (s->state == SESSION_DRAINING || run->stop)
        return false;
    return s->error_count == 0 && (!told_bad(run, session) || runner_exit != EXIT_TESTS);
}

enum err_code decide_leave(const struct run *run, uint32_t session, const struct leave_request *req,
                           struct change *out, struct err *err)
{
    const struct session *s = run->sessions[session];
    struct change_leave *l;
    struct str text = STR_MAX(200);

    if (s->state == SESSION_LEFT)
        return ERR_NONE; /* repeated: the stored exit is the answer */
    if (s->state == SESSION_LOST)
        return check_lives(run, session, err);
    *out = (struct change){ .kind = CHANGE_LEAVE };
    l = &out->as.leave;
    l->session = session;
    l->runner_exit = req->exit;
    l->exit = leave_exit(run, session);
    l->worker_mib = req->worker_mib;
    l->worker_peak_mib = req->worker_peak_mib;
    if (exit_is_fault(run, session, req->exit)) {
        enum err_code rc =
            str_addf(&text, err, "the runner of session %s exited with %u%s", s->id, req->exit,
                     run->state == RUN_FINAL ? " when the run was over" : "");

        INVARIANT(!rc);
        l->fault = str_take(&text);
        if (l->exit == EXIT_OK)
            l->exit = EXIT_TESTS;
    }
    return ERR_NONE;
}

/* Late results that speak for tests nobody else finished. A good one only counts when its worker
 * went on to another test, so that what was around it is known to have held. */
static void adopt(const struct run *run, struct change_final *f)
{
    bool *taken = NULL;
    uint32_t count = 0;
    bool bad = false;

    if (!run->manifest || run->done_count == run->test_count || run->observation_count == 0)
        return;
    taken = mem_new(run->test_count, sizeof(*taken));
    for (uint32_t i = 0; i < run->observation_count; i++) {
        const struct observation *o = &run->observations[i];
        bool good = outcome_is_good(o->outcome);

        if (o->outcome == OUTCOME_NONE || run->tests[o->test].place == TEST_DONE ||
            taken[o->test] || (good && (o->voided || !o->settled)))
            continue;
        taken[o->test] = true;
        index_list_add(&f->adopt, i);
        count++;
        bad = bad || !good;
    }
    free(taken);
    if (bad && (f->verdict == VERDICT_INCOMPLETE || f->verdict == VERDICT_MACHINES))
        f->verdict = VERDICT_RED;
    else if (run->done_count + count == run->test_count && run->unsettled_count == 0 &&
             (f->verdict == VERDICT_INCOMPLETE || f->verdict == VERDICT_MACHINES))
        f->verdict = VERDICT_GREEN;
}

void decide_close(const struct run *run, uint64_t now_ms, struct change *out)
{
    if (run->state == RUN_FINAL)
        return;
    *out = (struct change){ .kind = CHANGE_FINAL };
    out->as.final.now_ms = now_ms;
    out->as.final.verdict = ledger_verdict(run);
    if (out->as.final.verdict == VERDICT_GREEN && run->unsettled_count > 0)
        out->as.final.verdict = VERDICT_INCOMPLETE; /* closed before the fixtures were torn down */
    adopt(run, &out->as.final);
}

void decide_final(const struct run *run, uint64_t mono_ms, uint64_t now_ms, struct change *out)
{
    bool settled = ledger_complete(run) && run->unsettled_count == 0;
    bool stopped = run->stop && run->live_count == 0;

    if (run->state != RUN_FINAL && (settled || stopped || lease_quiet(run, mono_ms)))
        decide_close(run, now_ms, out);
}
