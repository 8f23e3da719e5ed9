/* What a run came to, and what went wrong with a request. */
#include <stdlib.h>

#include "mem.h"
#include "proto_util.h"

#define DRIFT_PARTS_READ 32u

static const char *const verdict_words[VERDICT_COUNT + 1] = {
    [VERDICT_NONE] = "none",
    [VERDICT_GREEN] = "green",
    [VERDICT_RED] = "red",
    [VERDICT_MISMATCH] = "mismatch",
    [VERDICT_INCOMPLETE] = "incomplete",
    [VERDICT_MACHINES] = "machines-missing",
    [VERDICT_COUNT] = NULL,
};

const char *verdict_name(enum verdict v)
{
    return verdict_words[v];
}

enum err_code verdict_parse(const char *name, enum verdict *out, struct err *err)
{
    for (uint32_t i = 0; i < VERDICT_COUNT; i++) {
        if (view_eq(view_of(name), verdict_words[i])) {
            *out = (enum verdict)i;
            return ERR_NONE;
        }
    }
    return err_set(err, ERR_INVALID, "'%.40s' is not a verdict", name);
}

uint32_t verdict_exit(enum verdict v)
{
    switch (v) {
    case VERDICT_GREEN:
        return EXIT_OK;
    case VERDICT_RED:
        return EXIT_TESTS;
    case VERDICT_MISMATCH:
        return EXIT_MISMATCH;
    case VERDICT_NONE: /* an open run is not a good one */
    case VERDICT_INCOMPLETE:
        return EXIT_INCOMPLETE;
    case VERDICT_MACHINES:
        return EXIT_MACHINES;
    }
    UNREACHABLE("verdict");
}

static struct json *counts_json(const uint32_t counts[OUTCOME_COUNT])
{
    struct json *obj = json_new_object();

    for (uint32_t i = OUTCOME_PASSED; i < OUTCOME_COUNT; i++)
        json_set_u64(obj, outcome_name((enum outcome)i), counts[i]);
    return obj;
}

static void read_counts(struct fields *f, uint32_t counts[OUTCOME_COUNT])
{
    const struct json *obj = NULL;

    if (!f->rc)
        f->rc = json_opt_object(f->obj, "counts", &obj, f->err);
    if (f->rc || !obj)
        return;
    for (uint32_t i = OUTCOME_PASSED; i < OUTCOME_COUNT; i++) {
        struct fields inner = { .obj = obj, .err = f->err, .rc = f->rc };

        field_u32_opt(&inner, outcome_name((enum outcome)i), 0, UINT32_MAX, &counts[i]);
        f->rc = inner.rc;
    }
}

static void put_drift(struct json *obj, const struct verdict_answer *m)
{
    struct json *parts;

    put_text(obj, "floor", m->floor);
    if (!m->drift_count)
        return;
    parts = json_new_object();
    for (uint32_t i = 0; i < m->drift_count; i++)
        json_set_u64(parts, m->drift[i].name, m->drift[i].us);
    json_set(obj, "drift_us", parts);
}

static void read_drift(struct fields *f, struct verdict_answer *out)
{
    const struct json *obj = NULL;
    struct json_member member;

    field_text_opt(f, "floor", PROTO_TEXT_BYTES_MAX, &out->floor);
    if (!f->rc)
        f->rc = json_opt_object(f->obj, "drift_us", &obj, f->err);
    if (f->rc || !obj || json_size(obj) > DRIFT_PARTS_READ)
        return;
    out->drift = mem_new(json_size(obj), sizeof(*out->drift));
    for (bool more = json_first(obj, &member); more; more = json_next(obj, &member)) {
        int64_t us = 0;

        if (json_whole(member.value, &us) && us >= 0)
            out->drift[out->drift_count++] =
                (struct time_part){ .name = mem_strdup(member.key), .us = (uint64_t)us };
    }
}

static struct json *bad_of(const void *item)
{
    const struct bad_test *bad = item;
    struct json *obj = json_new_object();

    json_set(obj, "test", ref_json(&bad->test));
    if (bad->outcome != OUTCOME_NONE)
        json_set_text(obj, "outcome", outcome_name(bad->outcome));
    if (bad->index != PROTO_SLOT_NONE)
        json_set_u64(obj, "index", bad->index);
    return obj;
}

static void read_bad(struct fields *f, void *into)
{
    struct bad_test *out = into;
    char *word = NULL;

    out->index = PROTO_SLOT_NONE;
    field_ref(f, "test", &out->test);
    field_text_opt(f, "outcome", PROTO_NAME_BYTES_MAX, &word);
    if (!f->rc && word)
        f->rc = outcome_parse(word, &out->outcome, f->err);
    free(word);
    field_u32_opt(f, "index", 0, PROTO_SLOT_NONE, &out->index);
}

char *verdict_answer_encode(const struct verdict_answer *m)
{
    struct json *obj = json_new_object();

    put_text(obj, "run", m->run);
    json_set_u64(obj, "epoch", m->epoch);
    json_set_bool(obj, "final", m->final);
    json_set_bool(obj, "complete", m->complete);
    json_set_text(obj, "verdict", verdict_name(m->verdict));
    json_set_u64(obj, "exit", m->exit);
    put_text(obj, "message", m->message);
    json_set_u64(obj, "total", m->total);
    json_set(obj, "counts", counts_json(m->counts));
    json_set_u64(obj, "unrun", m->unrun);
    json_set_u64(obj, "flaky", m->flaky);
    if (m->found)
        json_set_u64(obj, "found", m->found);
    if (m->copies) {
        json_set_u64(obj, "copies", m->copies);
        json_set_u64(obj, "copies_won", m->copies_won);
    }
    json_set_u64(obj, "sessions_live", m->sessions_live);
    json_set_u64(obj, "sessions_seen", m->sessions_seen);
    json_set_u64(obj, "slots_expected", m->slots_expected);
    json_set_u64(obj, "makespan_us", m->makespan_us);
    json_set_u64(obj, "bound_us", m->bound_us);
    json_set_u64(obj, "work_us", m->work_us);
    put_drift(obj, m);
    put_text(obj, "heaviest", m->heaviest);
    if (m->heaviest_mib)
        json_set_u64(obj, "heaviest_mib", m->heaviest_mib);
    put_list(obj, "bad", m->bad, m->bad_count, sizeof(*m->bad), bad_of);
    put_errors(obj, "errors", m->errors, m->error_count);
    put_errors(obj, "remarks", m->remarks, m->remark_count);
    put_refs(obj, "only_first", m->only_first, m->only_first_count);
    put_refs(obj, "only_other", m->only_other, m->only_other_count);
    if (m->only_first_total || m->only_other_total) {
        json_set_u64(obj, "only_first_total", m->only_first_total);
        json_set_u64(obj, "only_other_total", m->only_other_total);
    }
    return json_finish(obj);
}

static void read_sizes(struct fields *f, struct verdict_answer *out)
{
    field_u32_opt(f, "epoch", 0, UINT32_MAX, &out->epoch);
    field_u32_opt(f, "total", 0, UINT32_MAX, &out->total);
    field_u32_opt(f, "unrun", 0, UINT32_MAX, &out->unrun);
    field_u32_opt(f, "flaky", 0, UINT32_MAX, &out->flaky);
    field_u32_opt(f, "found", 0, UINT32_MAX, &out->found);
    field_u32_opt(f, "copies", 0, UINT32_MAX, &out->copies);
    field_u32_opt(f, "copies_won", 0, UINT32_MAX, &out->copies_won);
    field_u32_opt(f, "sessions_live", 0, UINT32_MAX, &out->sessions_live);
    field_u32_opt(f, "sessions_seen", 0, UINT32_MAX, &out->sessions_seen);
    field_u32_opt(f, "slots_expected", 0, UINT32_MAX, &out->slots_expected);
    field_u32_opt(f, "only_first_total", 0, UINT32_MAX, &out->only_first_total);
    field_u32_opt(f, "only_other_total", 0, UINT32_MAX, &out->only_other_total);
    field_u64_opt(f, "makespan_us", INT64_MAX, &out->makespan_us);
    field_u64_opt(f, "bound_us", INT64_MAX, &out->bound_us);
    field_u64_opt(f, "work_us", INT64_MAX, &out->work_us);
}

enum err_code verdict_answer_decode(const char *bytes, size_t len, struct verdict_answer *out,
                                    struct err *err)
{
    struct fields f = fields_open(bytes, len, err);
    enum err_code rc;

    *out = (struct verdict_answer){ 0 };
    field_text_opt(&f, "run", PROTO_NAME_BYTES_MAX, &out->run);
    field_bool_opt(&f, "final", &out->final);
    field_bool_opt(&f, "complete", &out->complete);
    out->verdict = (enum verdict)field_word(&f, "verdict", verdict_words);
    field_u32(&f, "exit", 0, UINT8_MAX, &out->exit);
    read_sizes(&f, out);
    read_drift(&f, out);
    field_text_opt(&f, "heaviest", PROTO_TEXT_BYTES_MAX, &out->heaviest);
    field_u32_opt(&f, "heaviest_mib", 0, PROTO_MEM_MIB_MAX, &out->heaviest_mib);
    read_counts(&f, out->counts);
    out->bad = field_list(&f, "bad", PROTO_TESTS_MAX, sizeof(*out->bad), read_bad, &out->bad_count);
    field_errors(&f, "errors", &out->errors, &out->error_count);
    field_errors(&f, "remarks", &out->remarks, &out->remark_count);
    field_refs(&f, "only_first", PROTO_TESTS_MAX, &out->only_first, &out->only_first_count);
    field_refs(&f, "only_other", PROTO_TESTS_MAX, &out->only_other, &out->only_other_count);
    field_people(&f, "message", &out->message);
    rc = fields_close(&f);
    if (rc)
        verdict_answer_fini(out);
    return rc;
}

void verdict_answer_fini(struct verdict_answer *m)
{
    free(m->run);
    free(m->message);
    free(m->floor);
    free(m->heaviest);
    for (uint32_t i = 0; i < m->drift_count; i++)
        free(m->drift[i].name);
    free(m->drift);
    for (uint32_t i = 0; i < m->bad_count; i++)
        free(m->bad[i].test.id);
    free(m->bad);
    run_errors_free(m->errors, m->error_count);
    run_errors_free(m->remarks, m->remark_count);
    refs_free(m->only_first, m->only_first_count);
    refs_free(m->only_other, m->only_other_count);
    *m = (struct verdict_answer){ 0 };
}

char *problem_encode(const struct problem *m)
{
    struct json *obj = json_new_object();

    json_set_text(obj, "type", "about:blank");
    json_set_text(obj, "title", err_name(m->code));
    json_set_u64(obj, "status", m->status);
    json_set_text(obj, "code", err_name(m->code));
    put_text(obj, "detail", m->detail);
    return json_finish(obj);
}

enum err_code problem_decode(const char *bytes, size_t len, struct problem *out, struct err *err)
{
    struct fields f = fields_open(bytes, len, err);
    char *code = NULL;
    enum err_code rc;

    *out = (struct problem){ 0 };
    field_u32(&f, "status", 100, 599, &out->status);
    field_text(&f, "code", PROTO_NAME_BYTES_MAX, &code);
    field_people(&f, "detail", &out->detail);
    if (code)
        out->code = err_code_of(code);
    free(code);
    rc = fields_close(&f);
    if (rc)
        problem_fini(out);
    return rc;
}

void problem_fini(struct problem *m)
{
    free(m->detail);
    *m = (struct problem){ 0 };
}
