#include "verdict_text.h"

#include "manifest.h"

#define ERRORS_SHOWN 20u

static enum err_code add_counts(const struct verdict_answer *v, struct str *out, struct err *err)
{
    enum err_code rc = str_addf(out, err, "  %u tests:", v->total);

    for (uint32_t i = OUTCOME_PASSED; i < OUTCOME_COUNT && !rc; i++)
        if (v->counts[i])
            rc = str_addf(out, err, " %u %s,", v->counts[i], outcome_name((enum outcome)i));
    if (!rc && v->unrun)
        rc = str_addf(out, err, " %u unrun,", v->unrun);
    if (!rc && out->at[out->len - 1] == ',')
        out->at[--out->len] = '\0';
    if (!rc && v->flaky)
        rc = str_addf(out, err, "; %u flaky", v->flaky);
    return rc ? rc : str_addz(out, "\n", err);
}

/* What failed or never ran, as far as it is named. What never ran is not, where that is no fault.
 */
static enum err_code add_bad(const struct verdict_answer *v, struct str *out, struct err *err)
{
    bool names_unrun = v->bad_count && v->bad[v->bad_count - 1].outcome == OUTCOME_NONE;
    uint32_t all = names_unrun ? v->unrun : 0;
    enum err_code rc = ERR_NONE;

    for (uint32_t i = OUTCOME_PASSED; i < OUTCOME_COUNT; i++)
        all += outcome_is_good((enum outcome)i) ? 0 : v->counts[i];
    for (uint32_t i = 0; i < v->bad_count && !rc; i++) {
        const struct bad_test *bad = &v->bad[i];

        rc = str_addf(out, err, "  %s: ",
                      bad->outcome == OUTCOME_NONE ? "never ran" : outcome_name(bad->outcome));
        if (!rc)
            rc = manifest_show(bad->test.id, bad->test.k, out, err);
        if (!rc && bad->index != PROTO_SLOT_NONE)
            rc = str_addf(out, err, " (machine %u)", bad->index);
        if (!rc)
            rc = str_addz(out, "\n", err);
    }
    if (!rc && v->bad_count >= PROTO_BAD_NAMED && all > v->bad_count)
        rc = str_addf(out, err, "  and %u more: 'makespan report -f json' has all\n",
                      all - v->bad_count);
    return rc;
}

static enum err_code add_copies(const struct verdict_answer *v, struct str *out, struct err *err)
{
    if (v->copies == 0)
        return ERR_NONE;
    return str_addf(out, err,
                    "  %u %s run a second time beside the first, which %u ended before it\n",
                    v->copies, v->copies == 1 ? "test was" : "tests were", v->copies_won);
}

static enum err_code add_times(const struct verdict_answer *v, struct str *out, struct err *err)
{
    if (v->makespan_us == 0)
        return ERR_NONE;
    return str_addf(
        out, err,
        "  took %llu.%llu s on %u machine%s (at best %llu.%llu s; %llu.%llu s of tests)\n",
        (unsigned long long)(v->makespan_us / 1000000),
        (unsigned long long)(v->makespan_us % 1000000 / 100000), v->sessions_seen,
        v->sessions_seen == 1 ? "" : "s", (unsigned long long)(v->bound_us / 1000000),
        (unsigned long long)(v->bound_us % 1000000 / 100000),
        (unsigned long long)(v->work_us / 1000000),
        (unsigned long long)(v->work_us % 1000000 / 100000));
}

/* Where the time above the bound went: what is a hundredth of the whole or more, largest first. */
static enum err_code add_drift(const struct verdict_answer *v, struct str *out, struct err *err)
{
    uint64_t below_us = UINT64_MAX;
    const char *lead = "  above that:";
    enum err_code rc = ERR_NONE;

    for (uint32_t shown = 0; !rc && shown < v->drift_count; shown++) {
        const struct time_part *next = NULL;

        for (uint32_t i = 0; i < v->drift_count; i++)
            if (v->drift[i].us < below_us && (!next || v->drift[i].us > next->us))
                next = &v->drift[i];
        if (!next || next->us == 0 || next->us < v->makespan_us / 100)
            break;
        rc = str_addf(out, err, "%s %llu.%02llu s %s", lead,
                      (unsigned long long)(next->us / 1000000),
                      (unsigned long long)(next->us % 1000000 / 10000), next->name);
        lead = ",";
        below_us = next->us;
    }
    if (!rc && lead[0] == ',')
        rc = str_addz(out, "\n", err);
    if (!rc && v->floor)
        rc = str_addf(out, err, "  no shorter with more machines, because of %s\n", v->floor);
    return rc;
}

static enum err_code add_memory(const struct verdict_answer *v, struct str *out, struct err *err)
{
    if (!v->heaviest)
        return ERR_NONE;
    return str_addf(out, err, "  most memory needed %s: %u MiB\n", v->heaviest, v->heaviest_mib);
}

static enum err_code add_difference(const char *title, const struct test_ref *refs, uint32_t count,
                                    uint32_t total, struct str *out, struct err *err)
{
    enum err_code rc = ERR_NONE;

    if (total == 0)
        return ERR_NONE;
    rc = str_addf(out, err, "  %s: %u\n", title, total);
    for (uint32_t i = 0; i < count && !rc; i++) {
        rc = str_addz(out, "    ", err);
        if (!rc)
            rc = manifest_show(refs[i].id, refs[i].k, out, err);
        if (!rc)
            rc = str_addz(out, "\n", err);
    }
    if (!rc && total > count)
        rc = str_addz(out, "    ...\n", err);
    return rc;
}

static enum err_code add_errors(const char *lead, const struct run_error *errors, uint32_t count,
                                struct str *out, struct err *err)
{
    enum err_code rc = ERR_NONE;

    for (uint32_t i = 0; i < count && i < ERRORS_SHOWN && !rc; i++)
        rc = str_addf(out, err, "  %s%s: %s\n", lead, errors[i].kind,
                      errors[i].text ? errors[i].text : "");
    return rc;
}

enum err_code verdict_text(const struct verdict_answer *v, struct str *out, struct err *err)
{
    enum err_code rc;

    if (v->message && *v->message)
        rc = str_addf(out, err, "%s: %s\n", v->final ? verdict_name(v->verdict) : "not final yet",
                      v->message);
    else
        rc = str_addf(out, err, "%s\n", v->final ? verdict_name(v->verdict) : "not final yet");
    if (!rc && v->total)
        rc = add_counts(v, out, err);
    if (!rc)
        rc = add_bad(v, out, err);
    if (!rc)
        rc = add_copies(v, out, err);
    if (!rc)
        rc = add_times(v, out, err);
    if (!rc)
        rc = add_drift(v, out, err);
    if (!rc)
        rc = add_memory(v, out, err);
    if (!rc)
        rc = add_errors("", v->errors, v->error_count, out, err);
    if (!rc)
        rc = add_errors("after the end, ", v->remarks, v->remark_count, out, err);
    if (!rc)
        rc = add_difference("only the first machine collected", v->only_first, v->only_first_count,
                            v->only_first_total, out, err);
    if (!rc)
        rc = add_difference("only another machine collected", v->only_other, v->only_other_count,
                            v->only_other_total, out, err);
    return rc;
}
