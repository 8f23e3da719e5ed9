#include "report/junit_case.h"

#include <stdio.h>

#include "core/ledger.h"
#include "mem.h"
#include "report/junit_text.h"

#define NAME_BYTES_MAX (8u << 20) /* of a test; a manifest's are far shorter */

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

/* ---- counting ---- */

static void tally_outcome(struct junit_tally *tally, enum outcome outcome)
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

void junit_count_test(struct junit_tally *tally, const struct run *run, uint32_t test)
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

/* ---- writing ---- */

static void begin_case(struct junit *j, const char *classname, const char *name, uint64_t us)
{
    junit_begin(j, "testcase");
    junit_attribute(j, "classname", classname);
    junit_attribute(j, "name", name);
    junit_attribute_us(j, "time", us);
}

/* detail may be NULL. What it says of names goes before what is derived from the id; tail tells
 * the machine, where a test runs on all of them. */
static void begin_test(struct junit *j, const char *id, const char *tail,
                       const struct detail *detail, uint64_t us)
{
    struct str classname = STR_MAX(NAME_BYTES_MAX), name = STR_MAX(NAME_BYTES_MAX);
    enum err_code rc = ERR_NONE;

    if (!junit_failed(j))
        rc = junit_add_names(id, &classname, &name, junit_err(j));
    if (!rc && detail && detail->name) {
        str_clear(&name);
        rc = str_addz(&name, detail->name, junit_err(j));
    }
    if (!rc)
        rc = str_addz(&name, tail, junit_err(j));
    junit_fail(j, rc);
    begin_case(j, detail && detail->classname ? detail->classname : str_text(&classname),
               str_text(&name), us);
    str_fini(&classname);
    str_fini(&name);
    if (!detail || detail->property_count == 0)
        return;
    junit_begin(j, "properties");
    for (uint32_t i = 0; i < detail->property_count; i++)
        junit_property(j, detail->properties[i].key, detail->properties[i].value);
    junit_end(j);
}

static const char *or_else(const char *text, const char *instead)
{
    return text && text[0] ? text : instead;
}

static void trouble(struct junit *j, const char *element, const struct detail *detail,
                    const char *instead)
{
    junit_begin(j, element);
    junit_attribute(j, "message", or_else(detail ? detail->message : NULL, instead));
    junit_body(j, or_else(detail ? detail->text : NULL, ""));
    junit_end(j);
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
            junit_body(j, parts[i].title);
            junit_body(j, parts[i].text);
        }
    }
}

static void killed(struct junit *j, const struct detail *detail, const char *instead)
{
    junit_begin(j, "error");
    junit_attribute(j, "message", or_else(detail ? detail->message : NULL, instead));
    junit_body(j, or_else(detail ? detail->text : NULL, ""));
    last_words(j, detail);
    junit_end(j);
}

static void skipped(struct junit *j, const char *type, const struct detail *detail,
                    const char *text)
{
    junit_begin(j, "skipped");
    junit_attribute(j, "type", type);
    junit_attribute(j, "message", or_else(detail ? detail->message : NULL, ""));
    if (text)
        junit_body(j, text);
    junit_end(j);
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

void junit_add_test(struct junit *j, const struct run *run, uint32_t test)
{
    const char *id = run->manifest->tests[test].id;
    const struct run_test *t = &run->tests[test];
    uint64_t us = t->setup_us + t->call_us + t->teardown_us;
    char tail[24] = "";

    if (run->lanes.count > 1)
        (void)snprintf(tail, sizeof(tail), " @%u", lanes_lane(run->lanes, test));
    switch (shape_of(run, test)) {
    case SHAPE_NONE:
        return;
    case SHAPE_UNRUN:
        begin_test(j, id, tail, NULL, 0);
        trouble(j, "error", NULL, "did not run: no agent finished it");
        junit_end(j);
        return;
    case SHAPE_ONE:
        begin_test(j, id, tail, t->detail, us);
        outcome_of(j, t->outcome, t->detail);
        junit_end(j);
        return;
    case SHAPE_TWICE:
        begin_test(j, id, tail, t->detail, us);
        outcome_of(j, OUTCOME_FAILED, t->detail);
        junit_end(j);
        begin_test(j, id, tail, t->amended, 0);
        trouble(j, "error", t->amended, "failed on teardown");
        junit_end(j);
        return;
    case SHAPE_AMENDED:
        begin_test(j, id, tail, t->detail, us);
        outcome_of(j, t->reported, t->detail);
        trouble(j, "error", t->amended, "failed on teardown");
        junit_end(j);
        return;
    }
    UNREACHABLE("enum shape");
}

void junit_add_skip(struct junit *j, const char *id, const char *text)
{
    begin_test(j, id, "", NULL, 0);
    junit_begin(j, "skipped");
    junit_attribute(j, "type", "pytest.skip");
    junit_attribute(j, "message", "collection skipped");
    junit_body(j, text);
    junit_end(j);
    junit_end(j);
}

void junit_add_error(struct junit *j, const char *name, const char *message, const char *text)
{
    begin_case(j, "makespan", name, 0);
    junit_begin(j, "error");
    junit_attribute(j, "message", or_else(message, name));
    if (text)
        junit_body(j, text);
    junit_end(j);
    junit_end(j);
}
