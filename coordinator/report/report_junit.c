#include <libxml/xmlwriter.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "core/ledger.h"
#include "mem.h"
#include "report/junit_text.h"
#include "report/report.h"

#define FLUSH_BYTES    (64 << 10)
#define TEXT_BYTES_MAX (8u << 20) /* one text; a detail's are far smaller */

/* The writer of libxml2 escapes; what it has written moves to out now and then, so that only one
 * copy of a large report exists. A failed write is remembered and ends the report at its end. */
struct junit {
    xmlBuffer *buffer;
    xmlTextWriter *writer;
    struct str *out;
    struct err *err;
    enum err_code rc;
    struct str text;  /* scratch */
    struct str name;  /* scratch */
    char machine[24]; /* behind a test's name where every machine runs everything, else "" */
};

static void check(struct junit *j, int written)
{
    if (written < 0 && !j->rc)
        j->rc = err_set(j->err, ERR_INTERNAL, "junit: libxml2 refused a write");
}

static void begin(struct junit *j, const char *element)
{
    check(j, xmlTextWriterStartElement(j->writer, (const xmlChar *)element));
}

static void end(struct junit *j)
{
    check(j, xmlTextWriterEndElement(j->writer));
}

/* text in scratch, as pytest shows it. */
static const char *shown(struct junit *j, const char *text)
{
    str_clear(&j->text);
    if (!j->rc)
        j->rc = junit_add_text(&j->text, text, j->err);
    return str_text(&j->text);
}

static void attribute(struct junit *j, const char *name, const char *value)
{
    check(j, xmlTextWriterWriteAttribute(j->writer, (const xmlChar *)name,
                                         (const xmlChar *)shown(j, value)));
}

static void attribute_u32(struct junit *j, const char *name, uint32_t value)
{
    char text[16];

    (void)snprintf(text, sizeof(text), "%u", value);
    attribute(j, name, text);
}

/* Seconds with three decimals. */
static void attribute_us(struct junit *j, const char *name, uint64_t us)
{
    uint64_t ms = (us + 500) / 1000;
    char text[32];

    (void)snprintf(text, sizeof(text), "%llu.%03u", (unsigned long long)(ms / 1000),
                   (unsigned)(ms % 1000));
    attribute(j, name, text);
}

static void body(struct junit *j, const char *text)
{
    check(j, xmlTextWriterWriteString(j->writer, (const xmlChar *)shown(j, text)));
}

static void flush(struct junit *j, int least_bytes)
{
    int len = 0;

    check(j, xmlTextWriterFlush(j->writer));
    len = xmlBufferLength(j->buffer);
    if (j->rc || len < least_bytes)
        return;
    j->rc = str_add(j->out, xmlBufferContent(j->buffer), (size_t)len, j->err);
    xmlBufferEmpty(j->buffer);
}

/* ---- test cases ---- */

static void property(struct junit *j, const char *name, const char *value)
{
    begin(j, "property");
    attribute(j, "name", name);
    attribute(j, "value", value);
    end(j);
}

static void begin_case(struct junit *j, const char *classname, const char *name, uint64_t us)
{
    begin(j, "testcase");
    attribute(j, "classname", classname);
    attribute(j, "name", name);
    attribute_us(j, "time", us);
}

/* The case of a test; what detail says of names and properties goes before what is derived. */
static void begin_test(struct junit *j, const char *id, const struct detail *detail, uint64_t us)
{
    struct str classname = STR_MAX(TEXT_BYTES_MAX);

    str_clear(&j->name);
    if (!j->rc)
        j->rc = junit_add_names(id, &classname, &j->name, j->err);
    if (!j->rc && detail && detail->name) {
        str_clear(&j->name);
        j->rc = str_addz(&j->name, detail->name, j->err);
    }
    if (!j->rc && j->machine[0])
        j->rc = str_addz(&j->name, j->machine, j->err);
    begin_case(j, detail && detail->classname ? detail->classname : str_text(&classname),
               str_text(&j->name), us);
    str_fini(&classname);
    if (!detail || detail->property_count == 0)
        return;
    begin(j, "properties");
    for (uint32_t i = 0; i < detail->property_count; i++)
        property(j, detail->properties[i].key, detail->properties[i].value);
    end(j);
}

static const char *or_else(const char *text, const char *instead)
{
    return text && text[0] ? text : instead;
}

static void trouble(struct junit *j, const char *element, const struct detail *detail,
                    const char *instead)
{
    begin(j, element);
    attribute(j, "message", or_else(detail ? detail->message : NULL, instead));
    body(j, or_else(detail ? detail->text : NULL, ""));
    end(j);
}

/* What a dead worker left behind is all that there is to see. */
static void last_words(struct junit *j, const struct detail *detail)
{
    const struct {
        const char *title;
        const char *text;
    } parts[] = {
        { "\n-- last standard output --\n", detail ? detail->out : NULL },
        { "\n-- last standard error --\n", detail ? detail->err : NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (parts[i].text && parts[i].text[0]) {
            body(j, parts[i].title);
            body(j, parts[i].text);
        }
    }
}

static void killed(struct junit *j, const struct detail *detail, const char *instead)
{
    begin(j, "error");
    attribute(j, "message", or_else(detail ? detail->message : NULL, instead));
    body(j, or_else(detail ? detail->text : NULL, ""));
    last_words(j, detail);
    end(j);
}

static void skipped(struct junit *j, const char *type, const struct detail *detail,
                    const char *text)
{
    begin(j, "skipped");
    attribute(j, "type", type);
    attribute(j, "message", or_else(detail ? detail->message : NULL, ""));
    if (text)
        body(j, text);
    end(j);
}

static void outcome_of(struct junit *j, enum outcome outcome, const struct detail *detail)
{
    switch (outcome) {
    case OUTCOME_NONE:
    case OUTCOME_PASSED:
    case OUTCOME_XPASSED: /* not strict: pytest writes it as passed */
        return;
    case OUTCOME_FAILED:
        trouble(j, "failure", detail, "failed");
        return;
    case OUTCOME_ERROR:
        trouble(j, "error", detail, "error");
        return;
    case OUTCOME_SKIPPED:
        skipped(j, "pytest.skip", detail, detail ? or_else(detail->text, "") : "");
        return;
    case OUTCOME_XFAILED:
        skipped(j, "pytest.xfail", detail, NULL);
        return;
    case OUTCOME_CRASHED:
        killed(j, detail, "the worker died in this test");
        return;
    case OUTCOME_TIMEOUT:
        killed(j, detail, "killed at its time limit");
        return;
    }
    UNREACHABLE("enum outcome");
}

/* How many cases of which kind a run has: the numbers stand before the cases. */
struct tally {
    uint32_t cases, errors, failures, skipped;
};

enum shape {
    SHAPE_NONE,    /* has no case: not run, and the run is not over or was told to stop */
    SHAPE_UNRUN,   /* an error: it should have run */
    SHAPE_ONE,     /* its outcome */
    SHAPE_AMENDED, /* its outcome, and an error: a teardown failed after it */
    SHAPE_TWICE,   /* a failure, and a second case for the teardown that failed after it */
};

static enum shape shape_of(const struct run *run, uint32_t test)
{
    const struct run_test *t = &run->tests[test];

    if (t->place != TEST_DONE)
        return run->state == RUN_FINAL && !run->stop ? SHAPE_UNRUN : SHAPE_NONE;
    if (!t->amended)
        return SHAPE_ONE;
    return t->reported == OUTCOME_FAILED ? SHAPE_TWICE : SHAPE_AMENDED;
}

static void tally_outcome(struct tally *tally, enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_NONE:
    case OUTCOME_PASSED:
    case OUTCOME_XPASSED:
        return;
    case OUTCOME_FAILED:
        tally->failures++;
        return;
    case OUTCOME_SKIPPED:
    case OUTCOME_XFAILED:
        tally->skipped++;
        return;
    case OUTCOME_ERROR:
    case OUTCOME_CRASHED:
    case OUTCOME_TIMEOUT:
        tally->errors++;
        return;
    }
    UNREACHABLE("enum outcome");
}

static void tally_test(struct tally *tally, const struct run *run, uint32_t test)
{
    switch (shape_of(run, test)) {
    case SHAPE_NONE:
        return;
    case SHAPE_UNRUN:
        tally->cases++;
        tally->errors++;
        return;
    case SHAPE_AMENDED:
        tally->cases++;
        tally->errors++;
        tally_outcome(tally, run->tests[test].reported);
        return;
    case SHAPE_ONE:
        tally->cases++;
        tally_outcome(tally, run->tests[test].outcome);
        return;
    case SHAPE_TWICE:
        tally->cases += 2;
        tally->failures++;
        tally->errors++;
        return;
    }
    UNREACHABLE("enum shape");
}

/* Which machine it ran on belongs to a test's name where it runs on all. */
static void name_machine(struct junit *j, const struct run *run, uint32_t test)
{
    j->machine[0] = '\0';
    if (run->lanes.count > 1)
        (void)snprintf(j->machine, sizeof(j->machine), " @%u", lanes_lane(run->lanes, test));
}

static void write_test(struct junit *j, const struct run *run, uint32_t test)
{
    const char *id = run->manifest->tests[test].id;
    const struct run_test *t = &run->tests[test];
    uint64_t us = t->setup_us + t->call_us + t->teardown_us;

    switch (shape_of(run, test)) {
    case SHAPE_NONE:
        return;
    case SHAPE_UNRUN:
        begin_test(j, id, NULL, 0);
        trouble(j, "error", NULL, "did not run: no agent finished it");
        end(j);
        return;
    case SHAPE_ONE:
        begin_test(j, id, t->detail, us);
        outcome_of(j, t->outcome, t->detail);
        end(j);
        return;
    case SHAPE_TWICE:
        begin_test(j, id, t->detail, us);
        outcome_of(j, OUTCOME_FAILED, t->detail);
        end(j);
        begin_test(j, id, t->amended, 0);
        trouble(j, "error", t->amended, "failed on teardown");
        end(j);
        return;
    case SHAPE_AMENDED:
        begin_test(j, id, t->detail, us);
        outcome_of(j, t->reported, t->detail);
        trouble(j, "error", t->amended, "failed on teardown");
        end(j);
        return;
    }
    UNREACHABLE("enum shape");
}

/* ---- the run ---- */

/* What was skipped whole while it was collected, as pytest shows it: a case that is no test. */
static void write_skips(struct junit *j, const struct run *run)
{
    for (uint32_t i = 0; i < run->skip_count && !j->rc; i++) {
        begin_test(j, run->skips[i].id, NULL, 0);
        begin(j, "skipped");
        attribute(j, "type", "pytest.skip");
        attribute(j, "message", "collection skipped");
        body(j, run->skips[i].text);
        end(j);
        end(j);
    }
}

/* One case a run-level error: what belongs to no test makes a run red all the same. */
static void write_faults(struct junit *j, const struct verdict_answer *answer)
{
    for (uint32_t i = 0; i < answer->error_count; i++) {
        begin_case(j, "makespan", answer->errors[i].kind, 0);
        begin(j, "error");
        attribute(j, "message", answer->errors[i].kind);
        body(j, answer->errors[i].text);
        end(j);
        end(j);
    }
}

/* Verdicts that no test shows: the machines that did not come, the collections that differ. */
static bool verdict_needs_case(const struct verdict_answer *answer)
{
    return answer->final &&
           (answer->verdict == VERDICT_MISMATCH || answer->verdict == VERDICT_MACHINES);
}

static void write_verdict(struct junit *j, const struct verdict_answer *answer)
{
    begin_case(j, "makespan", verdict_name(answer->verdict), 0);
    begin(j, "error");
    attribute(j, "message", or_else(answer->message, verdict_name(answer->verdict)));
    end(j);
    end(j);
}

static void write_properties(struct junit *j, const struct run *run,
                             const struct verdict_answer *answer)
{
    char epoch[16];

    (void)snprintf(epoch, sizeof(epoch), "%u", run->epoch);
    begin(j, "properties");
    property(j, "makespan.run", run->id);
    property(j, "makespan.project", run->project);
    property(j, "makespan.suite", run->suite);
    property(j, "makespan.run_key", run->run_key);
    property(j, "makespan.epoch", epoch);
    property(j, "makespan.state", run_state_name(run->state));
    property(j, "makespan.verdict", verdict_name(answer->verdict));
    for (uint32_t i = 0; i < answer->remark_count; i++)
        property(j, "makespan.remark", answer->remarks[i].text);
    end(j);
}

static void write_suite(struct junit *j, const struct run *run, const struct verdict_answer *answer)
{
    uint64_t start_ms = run->first_start_ms ? run->first_start_ms : run->created_ms;
    struct tally tally = { .cases = answer->error_count, .errors = answer->error_count };
    char when[CLOCK_TEXT_BYTES];

    for (uint32_t i = 0; i < run->test_count; i++)
        tally_test(&tally, run, i);
    tally.cases += run->skip_count;
    tally.skipped += run->skip_count;
    if (verdict_needs_case(answer)) {
        tally.cases++;
        tally.errors++;
    }
    clock_format(start_ms, when);
    begin(j, "testsuites");
    begin(j, "testsuite");
    attribute(j, "name", "pytest");
    attribute_u32(j, "errors", tally.errors);
    attribute_u32(j, "failures", tally.failures);
    attribute_u32(j, "skipped", tally.skipped);
    attribute_u32(j, "tests", tally.cases);
    attribute_us(j, "time", answer->makespan_us);
    attribute(j, "timestamp", when);
    attribute(j, "hostname", "makespan");
    write_properties(j, run, answer);
    write_skips(j, run);
    for (uint32_t i = 0; i < run->test_count && !j->rc; i++) {
        name_machine(j, run, i);
        write_test(j, run, i);
        flush(j, FLUSH_BYTES);
    }
    j->machine[0] = '\0';
    write_faults(j, answer);
    if (verdict_needs_case(answer))
        write_verdict(j, answer);
    end(j);
    end(j);
}

enum err_code report_junit(const struct run *run, struct str *out, struct err *err)
{
    struct verdict_answer answer = { 0 };
    struct junit j = { .out = out, .err = err };

    j.text.max = j.name.max = 4 * TEXT_BYTES_MAX;
    j.buffer = xmlBufferCreate();
    INVARIANT(j.buffer != NULL); /* out of memory ends the program (mem.h) */
    j.writer = xmlNewTextWriterMemory(j.buffer, 0);
    INVARIANT(j.writer != NULL);
    ledger_answer(run, &answer);
    check(&j, xmlTextWriterStartDocument(j.writer, "1.0", "utf-8", NULL));
    write_suite(&j, run, &answer);
    check(&j, xmlTextWriterEndDocument(j.writer));
    flush(&j, 0);
    verdict_answer_fini(&answer);
    xmlFreeTextWriter(j.writer);
    xmlBufferFree(j.buffer);
    str_fini(&j.text);
    str_fini(&j.name);
    return j.rc;
}
