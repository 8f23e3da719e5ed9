/* What follows for the run from what became of its tests: verdict, message, the answer to agents.
 */
#include <string.h>

#include "core/ledger.h"
#include "mem.h"
#include "plan/peak.h"

bool ledger_complete(const struct run *run)
{
    return run->manifest && run->done_count == run->test_count;
}

uint32_t ledger_slots_missing(const struct run *run)
{
    uint32_t came = 0;

    /* A slot that passed in an earlier epoch need not come again. */
    for (uint32_t i = 0; i < run->slot_count; i++)
        if (run->slots[i].index < run->slots_expected)
            came++;
    for (uint32_t i = 0; i < run->session_count; i++)
        if (run->sessions[i]->index == PROTO_SLOT_NONE)
            came++;
    return run->slots_expected > came ? run->slots_expected - came : 0;
}

uint32_t ledger_bad_count(const struct run *run)
{
    uint32_t bad = 0;

    for (uint32_t i = 1; i < OUTCOME_COUNT; i++)
        if (!outcome_is_good((enum outcome)i))
            bad += run->counts[i];
    return bad;
}

enum verdict ledger_verdict_so_far(const struct run *run)
{
    if (run->mismatch.sessions)
        return VERDICT_MISMATCH;
    if (run->faults.count || run->stop || ledger_bad_count(run))
        return VERDICT_RED;
    return VERDICT_NONE;
}

enum verdict ledger_verdict(const struct run *run)
{
    enum verdict known = ledger_verdict_so_far(run);

    if (run->state == RUN_FINAL)
        return run->verdict;
    if (known != VERDICT_NONE)
        return known;
    if (ledger_complete(run) && run->test_count > 0)
        return VERDICT_GREEN;
    if (run->session_count == 0 || (!ledger_complete(run) && ledger_slots_missing(run)))
        return VERDICT_MACHINES;
    return VERDICT_INCOMPLETE;
}

uint32_t ledger_exit(const struct run *run, enum verdict verdict)
{
    if (verdict == VERDICT_INCOMPLETE && run->manifest && run->test_count == 0)
        return EXIT_NO_TESTS;
    return verdict_exit(verdict);
}

/* What there is of the three, with commas. */
static enum err_code red_message_add(const struct run *run, struct str *s, struct err *err)
{
    uint32_t faults = run->faults.count + run->faults.dropped;
    uint32_t unrun = run->test_count - run->done_count;
    uint32_t bad = ledger_bad_count(run);
    enum err_code rc = ERR_NONE;

    if (bad || !faults)
        rc = str_addf(s, err, "%u of %u tests failed", bad, run->test_count);
    if (!rc && faults)
        rc = str_addf(s, err, "%s%u error%s of the run itself", bad ? ", " : "", faults,
                      faults == 1 ? "" : "s");
    if (!rc && unrun)
        rc = str_addf(s, err, ", %u test%s never ran", unrun, unrun == 1 ? "" : "s");
    return rc;
}

static enum err_code message_add(const struct run *run, enum verdict verdict, struct str *s,
                                 struct err *err)
{
    uint32_t total = run->test_count;
    uint32_t unrun = total - run->done_count;

    switch (verdict) {
    case VERDICT_NONE:
        return str_addf(s, err, "%u of %u tests done", run->done_count, total);
    case VERDICT_GREEN:
        return str_addf(s, err, "every one of %u tests has a good result", total);
    case VERDICT_RED:
        if (run->stop)
            return str_addf(s, err, "stopped (%s): %u of %u tests failed, %u never ran", run->stop,
                            ledger_bad_count(run), total, unrun);
        return red_message_add(run, s, err);
    case VERDICT_MISMATCH:
        return str_addf(s, err,
                        "%u of %u agents collected other tests than the first: "
                        "%u missing, %u more",
                        run->mismatch.sessions, run->session_count, run->mismatch.only_first_total,
                        run->mismatch.only_other_total);
    case VERDICT_INCOMPLETE:
        if (!run->manifest)
            return str_addz(s, "no agent finished collecting", err);
        if (total == 0)
            return str_addz(s, "no tests were collected", err);
        return str_addf(s, err, "%u of %u tests never ran or were lost with their agent", unrun,
                        total);
    case VERDICT_MACHINES:
        return str_addf(s, err, "%u of %u announced agents never came, %u of %u tests never ran",
                        ledger_slots_missing(run), run->slots_expected, unrun, total);
    }
    UNREACHABLE("verdict");
}

static char *message_of(const struct run *run, enum verdict verdict)
{
    struct str s = STR_MAX(PROTO_TEXT_BYTES_MAX);
    struct err err = ERR_INIT;

    if (message_add(run, verdict, &s, &err))
        str_clear(&s); /* only a stop reason at its limit is too long: the counts stand beside it */
    return str_take(&s);
}

static void copy_refs(const struct test_ref *from, uint32_t count, struct test_ref **out,
                      uint32_t *out_count)
{
    *out = mem_new(count, sizeof(**out));
    *out_count = count;
    for (uint32_t i = 0; i < count; i++)
        (*out)[i] = (struct test_ref){ .id = mem_strdup(from[i].id), .k = from[i].k };
}

static void copy_faults(const struct fault_list *from, struct run_error **out, uint32_t *out_count)
{
    *out = mem_new(from->count, sizeof(**out));
    *out_count = from->count;
    for (uint32_t i = 0; i < from->count; i++)
        (*out)[i] = (struct run_error){ .kind = mem_strdup(from->at[i].kind),
                                        .text = mem_strdup(from->at[i].text) };
}

static void name_test(const struct run *run, uint32_t test, struct verdict_answer *out)
{
    const struct run_test *t = &run->tests[test];
    uint32_t index = PROTO_SLOT_NONE;

    if (run->lanes.count > 1)
        index = lanes_lane(run->lanes, test);
    else if (t->session != SESSION_NONE)
        index = run->sessions[t->session]->index;
    out->bad[out->bad_count++] =
        (struct bad_test){ .test = { .id = mem_strdup(run->manifest->tests[test].id),
                                     .k = lanes_k(run->manifest, run->lanes, test) },
                           .outcome = t->outcome,
                           .index = index };
}

/* What failed, so far; and when all is over what never ran, unless that was asked for (-x) or is
 * of no matter beside collections that differ. */
static void name_bad(const struct run *run, struct verdict_answer *out)
{
    bool is_unrun_told = run->state == RUN_FINAL && !run->stop && !run->mismatch.sessions;
    uint32_t bad = (uint32_t)min_size(ledger_bad_count(run), PROTO_BAD_NAMED);
    uint32_t unrun = is_unrun_told ? run->test_count - run->done_count : 0;

    if (bad == 0 && unrun == 0)
        return;
    out->bad = mem_new(PROTO_BAD_NAMED, sizeof(*out->bad));
    for (uint32_t i = 0; out->bad_count < bad; i++) {
        INVARIANT(i < run->test_count);
        if (run->tests[i].outcome != OUTCOME_NONE && !outcome_is_good(run->tests[i].outcome))
            name_test(run, i, out);
    }
    for (uint32_t i = 0; i < run->test_count && unrun && out->bad_count < PROTO_BAD_NAMED; i++) {
        if (run->tests[i].outcome == OUTCOME_NONE)
            name_test(run, i, out);
    }
}

static void copy_drift(const struct run *run, struct verdict_answer *out)
{
    if (run->done_count < run->test_count || run->drift.makespan_us == 0)
        return;
    out->drift = mem_new(DRIFT_PARTS, sizeof(*out->drift));
    out->drift_count = DRIFT_PARTS;
    for (uint32_t p = 0; p < DRIFT_PARTS; p++)
        out->drift[p] = (struct time_part){ .name = mem_strdup(drift_name((enum drift_part)p)),
                                            .us = run->drift.parts_us[p] };
    if (run->drift.floor)
        out->floor = mem_strdup(run->manifest->tests[run->drift.floor_test].id);
}

void ledger_answer(const struct run *run, struct verdict_answer *out)
{
    enum verdict v = run->state == RUN_FINAL ? run->verdict : ledger_verdict_so_far(run);

    out->run = mem_strdup(run->id);
    out->final = run->state == RUN_FINAL;
    out->complete = ledger_complete(run);
    out->verdict = v;
    out->exit = ledger_exit(run, out->final ? v : ledger_verdict(run));
    out->epoch = run->epoch;
    out->total = run->test_count;
    memcpy(out->counts, run->counts, sizeof(out->counts));
    out->unrun = run->test_count - run->done_count;
    out->flaky = run->flaky_count;
    out->found = run->test_count - run->sealed_count;
    out->copies = run->copies_given;
    out->copies_won = run->copies_won;
    out->slots_expected = run->slots_expected;
    for (uint32_t i = 0; i < run->session_count; i++) {
        out->sessions_seen += !run->sessions[i]->late;
        out->sessions_live += !run->sessions[i]->late && session_lives(run->sessions[i]);
    }
    if (run->last_end_us > run->first_start_ms * 1000)
        out->makespan_us = run->last_end_us - run->first_start_ms * 1000;
    out->bound_us = run->bound_us;
    out->work_us = run->work_us;
    copy_drift(run, out);
    if (run->heaviest_mib >= PEAK_HEAVY_MIB) {
        out->heaviest = mem_strdup(run->manifest->tests[run->heaviest].id);
        out->heaviest_mib = run->heaviest_mib;
    }
    name_bad(run, out);
    copy_faults(&run->faults, &out->errors, &out->error_count);
    copy_faults(&run->remarks, &out->remarks, &out->remark_count);
    copy_refs(run->mismatch.only_first, run->mismatch.only_first_count, &out->only_first,
              &out->only_first_count);
    copy_refs(run->mismatch.only_other, run->mismatch.only_other_count, &out->only_other,
              &out->only_other_count);
    out->only_first_total = run->mismatch.only_first_total;
    out->only_other_total = run->mismatch.only_other_total;
    out->message = message_of(run, v);
}
