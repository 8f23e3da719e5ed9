#include <stdio.h>

#include "clock.h"
#include "core/ledger.h"
#include "report/junit_case.h"
#include "report/report.h"

/* Verdicts that no test shows: the machines that did not come, the collections that differ. */
static bool verdict_needs_case(const struct verdict_answer *answer)
{
    return answer->final &&
           (answer->verdict == VERDICT_MISMATCH || answer->verdict == VERDICT_MACHINES);
}

static void write_properties(struct junit *j, const struct run *run,
                             const struct verdict_answer *answer)
{
    char epoch[16];

    (void)snprintf(epoch, sizeof(epoch), "%u", run->epoch);
    junit_begin(j, "properties");
    junit_property(j, "makespan.run", run->id);
    junit_property(j, "makespan.project", run->project);
    junit_property(j, "makespan.suite", run->suite);
    junit_property(j, "makespan.run_key", run->run_key);
    junit_property(j, "makespan.epoch", epoch);
    junit_property(j, "makespan.state", run_state_name(run->state));
    junit_property(j, "makespan.verdict", verdict_name(answer->verdict));
    for (uint32_t i = 0; i < answer->remark_count; i++)
        junit_property(j, "makespan.remark", answer->remarks[i].text);
    junit_end(j);
}

/* One case a run-level error: what belongs to no test makes a run red all the same. */
static void write_cases(struct junit *j, const struct run *run, const struct verdict_answer *answer)
{
    for (uint32_t i = 0; i < run->skip_count && !junit_failed(j); i++)
        junit_add_skip(j, run->skips[i].id, run->skips[i].text);
    for (uint32_t i = 0; i < run->test_count && !junit_failed(j); i++) {
        junit_add_test(j, run, i);
        junit_flush(j);
    }
    for (uint32_t i = 0; i < answer->error_count; i++)
        junit_add_error(j, answer->errors[i].kind, NULL, answer->errors[i].text);
    if (verdict_needs_case(answer))
        junit_add_error(j, verdict_name(answer->verdict), answer->message, NULL);
}

static void write_suite(struct junit *j, const struct run *run, const struct verdict_answer *answer)
{
    uint64_t start_ms = run->first_start_ms ? run->first_start_ms : run->created_ms;
    struct junit_tally tally = { .cases = answer->error_count, .errors = answer->error_count };
    char when[CLOCK_TEXT_BYTES];

    for (uint32_t i = 0; i < run->test_count; i++)
        junit_count_test(&tally, run, i);
    tally.cases += run->skip_count;
    tally.skipped += run->skip_count;
    if (verdict_needs_case(answer)) {
        tally.cases++;
        tally.errors++;
    }
    clock_format(start_ms, when);
    junit_begin(j, "testsuites");
    junit_begin(j, "testsuite");
    junit_attribute(j, "name", "pytest");
    junit_attribute_u32(j, "errors", tally.errors);
    junit_attribute_u32(j, "failures", tally.failures);
    junit_attribute_u32(j, "skipped", tally.skipped);
    junit_attribute_u32(j, "tests", tally.cases);
    junit_attribute_us(j, "time", answer->makespan_us);
    junit_attribute(j, "timestamp", when);
    junit_attribute(j, "hostname", "makespan");
    write_properties(j, run, answer);
    write_cases(j, run, answer);
    junit_end(j);
    junit_end(j);
}

enum err_code report_junit(const struct run *run, struct str *out, struct err *err)
{
    struct verdict_answer answer = { 0 };
    struct junit *j = junit_open(out, err);

    ledger_answer(run, &answer);
    write_suite(j, run, &answer);
    verdict_answer_fini(&answer);
    return junit_close(j);
}
