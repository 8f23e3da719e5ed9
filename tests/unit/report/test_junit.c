/* The JUnit report says of each test what pytest's own would. */
#include <libxml/parser.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mem.h"
#include "report/junit_text.h"
#include "report/report.h"
#include "run.h"

#define REPORT_BYTES_MAX (256u << 20)

#define OK(call)                                                                                   \
    do {                                                                                           \
        if (call)                                                                                  \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

/* ---- names and texts ---- */

static void assert_names(const char *id, const char *classname, const char *name)
{
    struct str got_class = STR_MAX(1000);
    struct str got_name = STR_MAX(1000);
    struct err err = ERR_INIT;

    OK(junit_add_names(id, &got_class, &got_name, &err));
    assert_string_equal(str_text(&got_class), classname);
    assert_string_equal(str_text(&got_name), name);
    str_fini(&got_class);
    str_fini(&got_name);
}

/* Each pair is what pytest's mangle_test_address gives, joined as it joins. */
static void test_junit_names_are_those_of_pytest(void **state)
{
    (void)state;
    assert_names("tests/a/test_b.py::test_c", "tests.a.test_b", "test_c");
    assert_names("tests/test_b.py::TestC::test_d", "tests.test_b.TestC", "test_d");
    assert_names("tests/test_b.py::TestC::TestD::test_e[x]", "tests.test_b.TestC.TestD",
                 "test_e[x]");
    assert_names("test_b.py::test_c[a::b/c.py]", "test_b", "test_c[a::b/c.py]");
    assert_names("test_b.py::test_c[[1]]", "test_b", "test_c[[1]]");
    assert_names("test_b.py", "", "test_b");
    assert_names("docs/guide.rst::guide.rst", "docs.guide.rst", "guide.rst");
    assert_names("src/mod.py::mod.fn", "src.mod", "mod.fn");
    assert_names("a.py::T.py::x", "a.T.py", "x");
    assert_names("dir[1]/test_b.py::test_c", "", "dir[1]/test_b.py::test_c");
    assert_names("a.py::", "a", "");
    assert_names("a:b.py::c", "a:b", "c");
}

static void assert_shown(const char *text, const char *want)
{
    struct str got = STR_MAX(1000);
    struct err err = ERR_INIT;

    OK(junit_add_text(&got, text, &err));
    assert_string_equal(str_text(&got), want);
    str_fini(&got);
}

/* Each pair is what pytest's bin_xml_escape gives; a broken byte cannot come from Python. */
static void test_junit_text_shows_what_xml_forbids(void **state)
{
    (void)state;
    assert_shown("", "");
    assert_shown("plain <&>\" \t\n\r", "plain <&>\" \t\n\r");
    assert_shown("\x1b[31mred\x01", "#x1B[31mred#x01");
    assert_shown("\x7f\xc2\x80\xc3\xa9", "\x7f\xc2\x80\xc3\xa9");
    assert_shown("\xef\xbf\xbe\xef\xbf\xbd", "#xFFFE\xef\xbf\xbd");
    assert_shown("a\xf0\x9f\x98\x80", "a#x1F600");
    assert_shown("cut \xf0\x9f", "cut #xF0#x9F");
    assert_shown("\xffz", "#xFFz");
}

/* ---- whole reports ---- */

struct doc {
    struct str text;
    xmlDoc *xml;
    xmlNode *suite;
};

static struct doc read_report(const struct run *run)
{
    struct doc doc = { .text.max = REPORT_BYTES_MAX };
    struct err err = ERR_INIT;

    OK(report_junit(run, &doc.text, &err));
    doc.xml = xmlReadMemory(doc.text.at, (int)doc.text.len, "report", NULL,
                            XML_PARSE_NOBLANKS | XML_PARSE_HUGE);
    assert_non_null(doc.xml);
    assert_string_equal((const char *)xmlDocGetRootElement(doc.xml)->name, "testsuites");
    doc.suite = xmlFirstElementChild(xmlDocGetRootElement(doc.xml));
    assert_string_equal((const char *)doc.suite->name, "testsuite");
    return doc;
}

static void doc_fini(struct doc *doc)
{
    xmlFreeDoc(doc->xml);
    str_fini(&doc->text);
}

static void assert_attribute(xmlNode *node, const char *name, const char *want)
{
    xmlChar *got = xmlGetProp(node, (const xmlChar *)name);

    assert_non_null(got);
    assert_string_equal((const char *)got, want);
    xmlFree(got);
}

/* The n-th case, from 0. */
static xmlNode *case_at(const struct doc *doc, uint32_t n)
{
    for (xmlNode *node = xmlFirstElementChild(doc->suite); node; node = xmlNextElementSibling(node))
        if (strcmp((const char *)node->name, "testcase") == 0 && n-- == 0)
            return node;
    fail_msg("the report has no such case");
    return NULL;
}

/* What is inside the n-th case: "" for nothing, else "name(message)text", one after another. */
static void assert_inside(const struct doc *doc, uint32_t n, const char *want)
{
    struct str got = STR_MAX(10000);
    struct err err = ERR_INIT;
    xmlNode *node = xmlFirstElementChild(case_at(doc, n));

    for (; node; node = xmlNextElementSibling(node)) {
        xmlChar *message = xmlGetProp(node, (const xmlChar *)"message");
        xmlChar *text = xmlNodeGetContent(node);

        OK(str_addf(&got, &err, "%s(%s)%s", (const char *)node->name,
                    message ? (const char *)message : "", (const char *)text));
        xmlFree(message);
        xmlFree(text);
    }
    assert_string_equal(str_text(&got), want);
    str_fini(&got);
}

static void assert_totals(const struct doc *doc, const char *tests, const char *failures,
                          const char *errors, const char *skipped)
{
    assert_attribute(doc->suite, "tests", tests);
    assert_attribute(doc->suite, "failures", failures);
    assert_attribute(doc->suite, "errors", errors);
    assert_attribute(doc->suite, "skipped", skipped);
}

static void test_junit_writes_every_outcome_as_pytest_does(void **state)
{
    const char *ids[] = { "a.py::passed", "a.py::failed",  "a.py::error",   "a.py::skipped",
                          "a.py::xfail",  "a.py::xpassed", "a.py::crashed", "a.py::timeout" };
    struct run *run = made_run("r1", ids, 8);
    struct doc doc;

    (void)state;
    for (uint32_t i = 0; i < 8; i++)
        made_finish(run, i, (enum outcome)(OUTCOME_PASSED + i), 1234567);
    run->tests[1].detail = made_detail("call", "assert 1 == 2\n\x1b[0m", "long <text>");
    run->tests[2].detail = made_detail("setup", "failed on setup with \"no\"", "trace");
    run->tests[3].detail = made_detail("setup", "not here", "a.py:3: not here");
    run->tests[4].detail = made_detail("call", "bug 7", NULL);
    run->tests[6].detail = made_detail("call", "killed by SIGSEGV", "stack");
    run->tests[6].detail->out = mem_strdup("last words");
    doc = read_report(run);
    assert_totals(&doc, "8", "1", "3", "2");
    assert_attribute(doc.suite, "name", "pytest");
    assert_attribute(case_at(&doc, 0), "classname", "a");
    assert_attribute(case_at(&doc, 0), "name", "passed");
    assert_attribute(case_at(&doc, 0), "time", "1.235");
    assert_inside(&doc, 0, "");
    assert_inside(&doc, 1, "failure(assert 1 == 2\n#x1B[0m)long <text>");
    assert_inside(&doc, 2, "error(failed on setup with \"no\")trace");
    assert_inside(&doc, 3, "skipped(not here)a.py:3: not here");
    assert_attribute(xmlFirstElementChild(case_at(&doc, 3)), "type", "pytest.skip");
    assert_inside(&doc, 4, "skipped(bug 7)");
    assert_attribute(xmlFirstElementChild(case_at(&doc, 4)), "type", "pytest.xfail");
    assert_inside(&doc, 5, "");
    assert_inside(&doc, 6, "error(killed by SIGSEGV)stack\n-- last standard output --\nlast words");
    assert_inside(&doc, 7, "error(killed at its time limit)");
    doc_fini(&doc);
    run_free(run);
}

static void amend(struct run *run, uint32_t test, enum outcome reported, const char *message)
{
    made_finish(run, test, OUTCOME_ERROR, 1000);
    run->tests[test].reported = reported;
    run->tests[test].amended = made_detail("teardown", message, "other");
}

/* A failure in the call and one in a teardown are two cases; anything else keeps its one. */
static void test_junit_writes_a_teardown_that_failed_later(void **state)
{
    const char *ids[] = { "a.py::failed", "a.py::passed", "a.py::skipped", "a.py::error" };
    struct run *run = made_run("r1", ids, 4);
    struct doc doc;

    (void)state;
    amend(run, 0, OUTCOME_FAILED, "failed on teardown with \"x\"");
    run->tests[0].detail = made_detail("call", "assert 0", "trace");
    amend(run, 1, OUTCOME_PASSED, "y");
    amend(run, 2, OUTCOME_SKIPPED, "z");
    run->tests[2].detail = made_detail("call", "why", "a.py:1: why");
    amend(run, 3, OUTCOME_ERROR, "t");
    run->tests[3].detail = made_detail("setup", "s", "trace");
    doc = read_report(run);
    assert_totals(&doc, "5", "1", "5", "1");
    assert_inside(&doc, 0, "failure(assert 0)trace");
    assert_inside(&doc, 1, "error(failed on teardown with \"x\")other");
    assert_attribute(case_at(&doc, 1), "name", "failed");
    assert_inside(&doc, 2, "error(y)other");
    assert_inside(&doc, 3, "skipped(why)a.py:1: whyerror(z)other");
    assert_inside(&doc, 4, "error(s)traceerror(t)other");
    doc_fini(&doc);
    run_free(run);
}

static void test_junit_takes_names_and_properties_from_the_detail(void **state)
{
    const char *ids[] = { "a.py::t" };
    struct run *run = made_run("r1", ids, 1);
    struct detail *detail = made_detail("call", NULL, NULL);
    struct doc doc;

    (void)state;
    made_finish(run, 0, OUTCOME_PASSED, 1000);
    detail->classname = mem_strdup("own.class");
    detail->name = mem_strdup("own name");
    detail->properties = mem_new(1, sizeof(*detail->properties));
    detail->properties[0] = (struct label){ .key = mem_strdup("k"), .value = mem_strdup("v<") };
    detail->property_count = 1;
    run->tests[0].detail = detail;
    doc = read_report(run);
    assert_attribute(case_at(&doc, 0), "classname", "own.class");
    assert_attribute(case_at(&doc, 0), "name", "own name");
    assert_inside(&doc, 0, "properties()");
    assert_attribute(xmlFirstElementChild(xmlFirstElementChild(case_at(&doc, 0))), "value", "v<");
    doc_fini(&doc);
    run_free(run);
}

/* A test that nobody ran is an error once the run is over, unless the run was told to stop. */
static void test_junit_shows_tests_that_did_not_run(void **state)
{
    const char *ids[] = { "a.py::done", "a.py::lost" };
    struct run *run = made_run("r1", ids, 2);
    struct doc doc;

    (void)state;
    made_finish(run, 0, OUTCOME_PASSED, 1000);
    doc = read_report(run);
    assert_totals(&doc, "1", "0", "0", "0");
    doc_fini(&doc);
    run->state = RUN_FINAL;
    run->verdict = VERDICT_INCOMPLETE;
    doc = read_report(run);
    assert_totals(&doc, "2", "0", "1", "0");
    assert_inside(&doc, 1, "error(did not run: no agent finished it)");
    doc_fini(&doc);
    run->stop = mem_strdup("maxfail");
    doc = read_report(run);
    assert_totals(&doc, "1", "0", "0", "0");
    doc_fini(&doc);
    run_free(run);
}

static void test_junit_shows_what_is_wrong_with_the_run(void **state)
{
    const char *ids[] = { "a.py::t" };
    struct run *run = made_run("r1", ids, 1);
    struct doc doc;

    (void)state;
    made_finish(run, 0, OUTCOME_PASSED, 1000);
    made_fault(run, "coverage", "total of 41 is below 80");
    run->state = RUN_FINAL;
    run->verdict = VERDICT_MISMATCH;
    doc = read_report(run);
    assert_totals(&doc, "3", "0", "2", "0");
    assert_attribute(case_at(&doc, 1), "classname", "makespan");
    assert_attribute(case_at(&doc, 1), "name", "coverage");
    assert_inside(&doc, 1, "error(coverage)total of 41 is below 80");
    assert_attribute(case_at(&doc, 2), "name", "mismatch");
    doc_fini(&doc);
    run_free(run);
}

static void test_junit_of_a_run_without_tests_is_sound(void **state)
{
    struct run *run = made_run("r1", NULL, 0);
    struct doc doc = read_report(run);

    (void)state;
    assert_totals(&doc, "0", "0", "0", "0");
    doc_fini(&doc);
    run_free(run);
}

static void test_junit_ends_at_the_cap(void **state)
{
    const char *ids[] = { "a.py::t" };
    struct run *run = made_run("r1", ids, 1);
    struct str out = STR_MAX(100);
    struct err err = ERR_INIT;

    (void)state;
    made_finish(run, 0, OUTCOME_PASSED, 1000);
    assert_int_equal(report_junit(run, &out, &err), ERR_TOO_LARGE);
    str_fini(&out);
    run_free(run);
}

/* Large enough to be flushed many times. */
static void test_junit_writes_many_tests(void **state)
{
    enum { COUNT = 20000 };
    char **ids = mem_new(COUNT, sizeof(char *));
    struct run *run;
    struct doc doc;

    (void)state;
    for (uint32_t i = 0; i < COUNT; i++) {
        ids[i] = mem_new(64, 1);
        (void)snprintf(ids[i], 64, "tests/pkg/test_%u.py::TestX::test_y[%u]", i / 100, i);
    }
    run = made_run("r1", (const char *const *)ids, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        made_finish(run, i, i % 10 ? OUTCOME_PASSED : OUTCOME_FAILED, 1000 + i);
        if (i % 10 == 0)
            run->tests[i].detail = made_detail("call", "assert 1 == 2", "trace\ntrace");
    }
    doc = read_report(run);
    assert_totals(&doc, "20000", "2000", "0", "0");
    assert_attribute(case_at(&doc, COUNT - 1), "name", "test_y[19999]");
    doc_fini(&doc);
    run_free(run);
    for (uint32_t i = 0; i < COUNT; i++)
        free(ids[i]);
    free(ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_junit_names_are_those_of_pytest),
        cmocka_unit_test(test_junit_text_shows_what_xml_forbids),
        cmocka_unit_test(test_junit_writes_every_outcome_as_pytest_does),
        cmocka_unit_test(test_junit_writes_a_teardown_that_failed_later),
        cmocka_unit_test(test_junit_takes_names_and_properties_from_the_detail),
        cmocka_unit_test(test_junit_shows_tests_that_did_not_run),
        cmocka_unit_test(test_junit_shows_what_is_wrong_with_the_run),
        cmocka_unit_test(test_junit_of_a_run_without_tests_is_sound),
        cmocka_unit_test(test_junit_ends_at_the_cap),
        cmocka_unit_test(test_junit_writes_many_tests),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    xmlCleanupParser();
    return failed;
}
