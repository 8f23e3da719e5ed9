#include <stdlib.h>
#include <string.h>

#include "core/ledger.h"
#include "json_text.h"
#include "report/report.h"

/* Written as text and not built as values: a report has a million of them. A failed append is
 * remembered and the rest does nothing. */
struct writer {
    struct str *out;
    struct err *err;
    enum err_code rc;
};

static void raw(struct writer *w, const char *text)
{
    if (!w->rc)
        w->rc = str_addz(w->out, text, w->err);
}

static void text(struct writer *w, const char *value)
{
    if (!value)
        raw(w, "null");
    else if (!w->rc)
        w->rc = json_add_text(w->out, value, w->err);
}

static void key(struct writer *w, const char *name)
{
    raw(w, w->out->len > 0 && w->out->at[w->out->len - 1] == '{' ? "\"" : ",\"");
    raw(w, name);
    raw(w, "\":");
}

static void key_text(struct writer *w, const char *name, const char *value)
{
    key(w, name);
    text(w, value);
}

static void key_u64(struct writer *w, const char *name, uint64_t value)
{
    key(w, name);
    if (!w->rc)
        w->rc = str_addf(w->out, w->err, "%llu", (unsigned long long)value);
}

static void key_bool(struct writer *w, const char *name, bool value)
{
    key(w, name);
    raw(w, value ? "true" : "false");
}

/* Between items of an array: nothing before the first. */
static void item(struct writer *w)
{
    if (!w->rc && w->out->at[w->out->len - 1] != '[')
        raw(w, ",\n");
}

static void write_counts(struct writer *w, const struct verdict_answer *answer)
{
    key(w, "counts");
    raw(w, "{");
    for (uint32_t i = OUTCOME_PASSED; i < OUTCOME_COUNT; i++)
        key_u64(w, outcome_name((enum outcome)i), answer->counts[i]);
    raw(w, "}");
}

static void write_refs(struct writer *w, const char *name, const struct test_ref *refs,
                       uint32_t count)
{
    key(w, name);
    raw(w, "[");
    for (uint32_t i = 0; i < count; i++) {
        item(w);
        raw(w, "[");
        text(w, refs[i].id);
        if (!w->rc)
            w->rc = str_addf(w->out, w->err, ",%u]", refs[i].k);
    }
    raw(w, "]");
}

static void write_mismatch(struct writer *w, const struct verdict_answer *answer)
{
    key(w, "mismatch");
    raw(w, "{");
    key_u64(w, "only_first_total", answer->only_first_total);
    key_u64(w, "only_other_total", answer->only_other_total);
    write_refs(w, "only_first", answer->only_first, answer->only_first_count);
    write_refs(w, "only_other", answer->only_other, answer->only_other_count);
    raw(w, "}");
}

static void write_head(struct writer *w, const struct run *run, const struct verdict_answer *answer)
{
    key_u64(w, "version", 1);
    key_text(w, "run", run->id);
    key_text(w, "project", run->project);
    key_text(w, "suite", run->suite);
    key_text(w, "run_key", run->run_key);
    key_u64(w, "epoch", run->epoch);
    key_text(w, "state", run_state_name(run->state));
    key_text(w, "verdict", verdict_name(answer->verdict));
    key_bool(w, "final", answer->final);
    key_bool(w, "complete", answer->complete);
    key_u64(w, "exit", answer->exit);
    key_text(w, "message", answer->message);
    key_text(w, "stop", run->stop);
    key_text(w, "manifest", run->manifest ? run->manifest->digest : NULL);
    key_u64(w, "total", answer->total);
    key_u64(w, "unrun", answer->unrun);
    key_u64(w, "flaky", answer->flaky);
    key_u64(w, "copies", answer->copies);
    key_u64(w, "copies_won", answer->copies_won);
    write_counts(w, answer);
    key_u64(w, "created_ms", run->created_ms);
    key_u64(w, "first_start_ms", run->first_start_ms);
    key_u64(w, "makespan_us", answer->makespan_us);
    key_u64(w, "bound_us", answer->bound_us);
    key_u64(w, "work_us", answer->work_us);
    if (run->mismatch.sessions > 0)
        write_mismatch(w, answer);
}

static void write_errors(struct writer *w, const struct run *run, const char *name,
                         const struct fault_list *list)
{
    key(w, name);
    raw(w, "[");
    for (uint32_t i = 0; i < list->count; i++) {
        item(w);
        raw(w, "{");
        key_text(w, "kind", list->at[i].kind);
        key_text(w, "text", list->at[i].text);
        if (list->at[i].session < run->session_count)
            key_u64(w, "agent", list->at[i].session);
        raw(w, "}");
    }
    raw(w, "]");
}

static void write_skips(struct writer *w, const struct run *run)
{
    key(w, "skips");
    raw(w, "[");
    for (uint32_t i = 0; i < run->skip_count; i++) {
        item(w);
        raw(w, "{");
        key_text(w, "id", run->skips[i].id);
        key_text(w, "text", run->skips[i].text);
        raw(w, "}");
    }
    raw(w, "]");
}

static void write_agent(struct writer *w, const struct session *session)
{
    raw(w, "{");
    key_text(w, "session", session->id);
    key_text(w, "instance", session->instance);
    key_text(w, "state", session_state_name(session->state));
    if (session->index != PROTO_SLOT_NONE)
        key_u64(w, "index", session->index);
    key_u64(w, "workers", session->workers);
    key_u64(w, "joined_ms", session->began_ms); /* what started_ms counts from */
    key_u64(w, "tests", session->done_count);
    if (session->state == SESSION_LEFT)
        key_u64(w, "exit", session_exit(session));
    if (session->worker_mib)
        key_u64(w, "worker_mib", session->worker_mib);
    if (session->worker_peak_mib)
        key_u64(w, "worker_peak_mib", session->worker_peak_mib);
    key(w, "labels");
    raw(w, "{");
    for (uint32_t i = 0; i < session->label_count; i++) {
        raw(w, i > 0 ? "," : "");
        text(w, session->labels[i].key);
        raw(w, ":");
        text(w, session->labels[i].value);
    }
    raw(w, "}}");
}

static void write_detail(struct writer *w, const char *name, const struct detail *detail)
{
    char *encoded;

    if (!detail)
        return;
    encoded = detail_encode(detail);
    key(w, name);
    raw(w, encoded);
    free(encoded);
}

static void write_test(struct writer *w, const struct run *run, uint32_t test)
{
    const struct manifest_test *named = &run->manifest->tests[test];
    const struct run_test *t = &run->tests[test];
    bool done = t->place == TEST_DONE;

    raw(w, "{");
    key_text(w, "id", named->id);
    key_u64(w, "k", lanes_k(run->manifest, run->lanes, test));
    if (run->lanes.count > 1)
        key_u64(w, "machine", lanes_lane(run->lanes, test));
    key_text(w, "outcome", done ? outcome_name(t->outcome) : NULL);
    if (done) {
        key_u64(w, "setup_us", t->setup_us);
        key_u64(w, "call_us", t->call_us);
        key_u64(w, "teardown_us", t->teardown_us);
    }
    if (done && t->mem_mib)
        key_u64(w, "mem_mib", t->mem_mib);
    if (done && (t->flags & TEST_CARRIED)) {
        key_bool(w, "carried", true);
    } else if (done && t->session < run->session_count) {
        key_u64(w, "agent", t->session);
        key_u64(w, "worker", t->worker);
        key_u64(w, "started_ms", t->started_ms);
    }
    key_u64(w, "tries", t->tries);
    if (t->copies)
        key_u64(w, "copies", t->copies);
    if (test_is_flaky(t))
        key_bool(w, "flaky", true);
    if (t->amended)
        key_text(w, "reported", outcome_name(t->reported));
    write_detail(w, "detail", t->detail);
    write_detail(w, "teardown", t->amended);
    raw(w, "}");
}

enum err_code report_json(const struct run *run, struct str *out, struct err *err)
{
    struct writer w = { .out = out, .err = err };
    struct verdict_answer answer = { 0 };

    ledger_answer(run, &answer);
    raw(&w, "{");
    write_head(&w, run, &answer);
    write_errors(&w, run, "errors", &run->faults);
    if (run->remarks.count > 0)
        write_errors(&w, run, "remarks", &run->remarks);
    write_skips(&w, run);
    key(&w, "agents");
    raw(&w, "[");
    for (uint32_t i = 0; i < run->session_count; i++) {
        item(&w);
        write_agent(&w, run->sessions[i]);
    }
    raw(&w, "]");
    key(&w, "tests");
    raw(&w, "[");
    for (uint32_t i = 0; i < run->test_count && !w.rc; i++) {
        item(&w);
        write_test(&w, run, i);
    }
    raw(&w, "]}\n");
    verdict_answer_fini(&answer);
    return w.rc;
}
