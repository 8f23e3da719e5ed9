/* Reporting what ran: results, their details, scopes. */
#include <stdlib.h>

#include "mem.h"
#include "proto_util.h"

/* Words by the numbers of enum outcome; 0 is no outcome and never travels. */
static const char *const outcome_words[OUTCOME_COUNT + 1] = {
    [OUTCOME_NONE] = "none",       [OUTCOME_PASSED] = "passed",   [OUTCOME_FAILED] = "failed",
    [OUTCOME_ERROR] = "error",     [OUTCOME_SKIPPED] = "skipped", [OUTCOME_XFAILED] = "xfailed",
    [OUTCOME_XPASSED] = "xpassed", [OUTCOME_CRASHED] = "crashed", [OUTCOME_TIMEOUT] = "timeout",
    [OUTCOME_COUNT] = NULL,
};

const char *outcome_name(enum outcome outcome)
{
    return outcome_words[outcome];
}

enum err_code outcome_parse(const char *name, enum outcome *out, struct err *err)
{
    for (uint32_t i = OUTCOME_PASSED; i < OUTCOME_COUNT; i++) {
        if (view_eq(view_of(name), outcome_words[i])) {
            *out = (enum outcome)i;
            return ERR_NONE;
        }
    }
    return err_set(err, ERR_INVALID, "'%.40s' is not an outcome", name);
}

bool outcome_is_good(enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_PASSED:
    case OUTCOME_SKIPPED:
    case OUTCOME_XFAILED:
    case OUTCOME_XPASSED:
        return true;
    case OUTCOME_NONE:
    case OUTCOME_FAILED:
    case OUTCOME_ERROR:
    case OUTCOME_CRASHED:
    case OUTCOME_TIMEOUT:
        return false;
    }
    UNREACHABLE("outcome");
}

void test_ref_fini(struct test_ref *ref)
{
    free(ref->id);
    *ref = (struct test_ref){ 0 };
}

void run_error_fini(struct run_error *error)
{
    free(error->kind);
    free(error->text);
    *error = (struct run_error){ 0 };
}

void unit_skip_fini(struct unit_skip *skip)
{
    free(skip->id);
    free(skip->text);
    *skip = (struct unit_skip){ 0 };
}

void scope_cost_fini(struct scope_cost *scope)
{
    free(scope->kind);
    free(scope->id);
    *scope = (struct scope_cost){ 0 };
}

void result_fini(struct result *result)
{
    test_ref_fini(&result->test);
    detail_free(result->detail);
    *result = (struct result){ 0 };
}

static struct json *detail_json(const struct detail *d)
{
    struct json *obj = json_new_object();

    put_text(obj, "when", d->when);
    put_text(obj, "message", d->message);
    put_text(obj, "text", d->text);
    put_text(obj, "stdout", d->out);
    put_text(obj, "stderr", d->err);
    put_text(obj, "log", d->log);
    put_text(obj, "classname", d->classname);
    put_text(obj, "name", d->name);
    if (d->property_count) {
        struct json *properties = json_new_array();

        for (uint32_t i = 0; i < d->property_count; i++) {
            struct json *pair = json_new_array();

            json_append_text(pair, d->properties[i].key);
            json_append_text(pair, d->properties[i].value);
            json_append(properties, pair);
        }
        json_set(obj, "properties", properties);
    }
    if (d->reruns)
        json_set_u64(obj, "reruns", d->reruns);
    return obj;
}

static void read_properties(struct fields *f, struct detail *out)
{
    uint32_t count = 0;
    const struct json *array = field_array(f, "properties", PROTO_PROPERTIES_MAX, &count);

    if (count == 0)
        return;
    out->properties = mem_new(count, sizeof(*out->properties));
    for (uint32_t i = 0; i < count; i++) {
        const struct json *pair = json_at(array, i);
        bool good = json_is_array(pair) && json_size(pair) == 2;
        char *key = good ? people_text(json_at(pair, 0)) : NULL;
        char *value = good ? people_text(json_at(pair, 1)) : NULL;

        out->properties[out->property_count++] = (struct label){ .key = key, .value = value };
        if (!key || !value) {
            f->rc = err_set(f->err, ERR_INVALID, "properties[%u]: is not [name, value]", i);
            return;
        }
    }
}

static void detail_read(struct fields *f, struct detail *out)
{
    field_people(f, "when", &out->when);
    field_people(f, "message", &out->message);
    field_people(f, "text", &out->text);
    field_people(f, "stdout", &out->out);
    field_people(f, "stderr", &out->err);
    field_people(f, "log", &out->log);
    field_people(f, "classname", &out->classname);
    field_people(f, "name", &out->name);
    field_u32_opt(f, "reruns", 0, UINT32_MAX, &out->reruns);
    read_properties(f, out);
}

char *detail_encode(const struct detail *m)
{
    return json_finish(detail_json(m));
}

enum err_code detail_decode(const char *bytes, size_t len, struct detail *out, struct err *err)
{
    struct fields f = fields_open(bytes, len, err);
    enum err_code rc;

    *out = (struct detail){ 0 };
    detail_read(&f, out);
    rc = fields_close(&f);
    if (rc)
        detail_fini(out);
    return rc;
}

void detail_fini(struct detail *m)
{
    free(m->when);
    free(m->message);
    free(m->text);
    free(m->out);
    free(m->err);
    free(m->log);
    free(m->classname);
    free(m->name);
    labels_free(m->properties, m->property_count);
    *m = (struct detail){ 0 };
}

void detail_free(struct detail *detail)
{
    if (!detail)
        return;
    detail_fini(detail);
    free(detail);
}

static char *copy_text(const char *text)
{
    return text ? mem_strdup(text) : NULL;
}

struct detail *detail_copy(const struct detail *d)
{
    struct detail *copy;

    if (!d)
        return NULL;
    copy = mem_new(1, sizeof(*copy));
    *copy = (struct detail){
        .when = copy_text(d->when),
        .message = copy_text(d->message),
        .text = copy_text(d->text),
        .out = copy_text(d->out),
        .err = copy_text(d->err),
        .log = copy_text(d->log),
        .classname = copy_text(d->classname),
        .name = copy_text(d->name),
        .reruns = d->reruns,
    };
    copy->properties = mem_new(d->property_count, sizeof(*copy->properties));
    for (; copy->property_count < d->property_count; copy->property_count++)
        copy->properties[copy->property_count] =
            (struct label){ .key = copy_text(d->properties[copy->property_count].key),
                            .value = copy_text(d->properties[copy->property_count].value) };
    return copy;
}

static struct json *result_of(const void *item)
{
    const struct result *r = item;
    struct json *obj = json_new_object();

    json_set(obj, "test", ref_json(&r->test));
    json_set_u64(obj, "fence", r->fence);
    json_set_u64(obj, "worker", r->worker);
    json_set_text(obj, "outcome", outcome_name(r->outcome));
    json_set_u64(obj, "setup_us", r->setup_us);
    json_set_u64(obj, "call_us", r->call_us);
    json_set_u64(obj, "teardown_us", r->teardown_us);
    json_set_u64(obj, "started_ms", r->started_ms);
    if (r->mem_mib)
        json_set_u64(obj, "mem_mib", r->mem_mib);
    if (r->amends)
        json_set_bool(obj, "amends", true);
    if (r->detail)
        json_set(obj, "detail", detail_json(r->detail));
    return obj;
}

static void read_result(struct fields *f, void *into)
{
    struct result *out = into;
    const struct json *detail = NULL;

    field_ref(f, "test", &out->test);
    field_u64(f, "fence", INT64_MAX, &out->fence);
    field_u32_opt(f, "worker", 0, PROTO_WORKERS_MAX, &out->worker);
    out->outcome = (enum outcome)field_word(f, "outcome", outcome_words);
    if (!f->rc && out->outcome == OUTCOME_NONE)
        field_fail(f, "outcome", "'none' is not an outcome");
    field_u64_opt(f, "setup_us", PROTO_US_MAX, &out->setup_us);
    field_u64_opt(f, "call_us", PROTO_US_MAX, &out->call_us);
    field_u64_opt(f, "teardown_us", PROTO_US_MAX, &out->teardown_us);
    field_u64_opt(f, "started_ms", PROTO_US_MAX, &out->started_ms);
    field_u32_opt(f, "mem_mib", 0, PROTO_MEM_MIB_MAX, &out->mem_mib);
    field_bool_opt(f, "amends", &out->amends);
    if (!f->rc)
        f->rc = json_opt_object(f->obj, "detail", &detail, f->err);
    if (!f->rc && detail) {
        struct fields inner = { .obj = detail, .err = f->err };

        out->detail = mem_new(1, sizeof(*out->detail));
        detail_read(&inner, out->detail);
        f->rc = inner.rc;
    }
}

static struct json *skip_of(const void *item)
{
    const struct unit_skip *skip = item;
    struct json *obj = json_new_object();

    json_set_text(obj, "id", skip->id);
    json_set_text(obj, "text", skip->text);
    return obj;
}

static struct json *cut_of(const void *item)
{
    const struct try_cut *cut = item;
    struct json *obj = json_new_object();

    json_set(obj, "test", ref_json(&cut->test));
    json_set_u64(obj, "fence", cut->fence);
    json_set_u64(obj, "worker", cut->worker);
    json_set_u64(obj, "started_ms", cut->started_ms);
    json_set_u64(obj, "took_us", cut->took_us);
    return obj;
}

static void read_cut(struct fields *f, void *into)
{
    struct try_cut *out = into;

    field_ref(f, "test", &out->test);
    field_u64(f, "fence", INT64_MAX, &out->fence);
    field_u32(f, "worker", 0, UINT32_MAX, &out->worker);
    field_u64_opt(f, "started_ms", PROTO_US_MAX, &out->started_ms);
    field_u64_opt(f, "took_us", PROTO_US_MAX, &out->took_us);
}

char *results_request_encode(const struct results_request *m)
{
    struct json *obj = json_new_object();

    json_set_text(obj, "session", m->session);
    json_set_u64(obj, "request", m->request);
    put_list(obj, "results", m->results, m->result_count, sizeof(*m->results), result_of);
    put_refs(obj, "released", m->released, m->released_count);
    put_refs(obj, "running", m->running, m->running_count);
    put_list(obj, "abandoned", m->abandoned, m->abandoned_count, sizeof(*m->abandoned), cut_of);
    put_errors(obj, "errors", m->errors, m->error_count);
    put_scopes(obj, m->scopes, m->scope_count);
    put_list(obj, "skips", m->skips, m->skip_count, sizeof(*m->skips), skip_of);
    put_found(obj, m->found, m->found_count);
    put_text(obj, "stop", m->stop);
    if (m->maxfail)
        json_set_u64(obj, "maxfail", m->maxfail);
    return json_finish(obj);
}

static void read_skip(struct fields *f, void *into)
{
    struct unit_skip *out = into;

    field_text(f, "id", PROTO_ID_BYTES_MAX, &out->id);
    field_people(f, "text", &out->text);
    if (!out->text)
        out->text = mem_strdup("");
}

enum err_code results_request_decode(const char *bytes, size_t len, struct results_request *out,
                                     struct err *err)
{
    struct fields f = fields_open(bytes, len, err);
    enum err_code rc;

    *out = (struct results_request){ 0 };
    field_text(&f, "session", PROTO_NAME_BYTES_MAX, &out->session);
    field_u64(&f, "request", INT64_MAX, &out->request);
    out->results = field_list(&f, "results", PROTO_RESULTS_MAX, sizeof(*out->results), read_result,
                              &out->result_count);
    field_refs(&f, "released", PROTO_TESTS_MAX, &out->released, &out->released_count);
    field_refs(&f, "running", PROTO_WORKERS_MAX, &out->running, &out->running_count);
    out->abandoned = field_list(&f, "abandoned", PROTO_WORKERS_MAX, sizeof(*out->abandoned),
                                read_cut, &out->abandoned_count);
    field_errors(&f, "errors", &out->errors, &out->error_count);
    field_scopes(&f, &out->scopes, &out->scope_count);
    out->skips =
        field_list(&f, "skips", PROTO_SKIPS_MAX, sizeof(*out->skips), read_skip, &out->skip_count);
    field_found(&f, &out->found, &out->found_count);
    field_people(&f, "stop", &out->stop);
    field_u32_opt(&f, "maxfail", 0, UINT32_MAX, &out->maxfail);
    rc = fields_close(&f);
    if (rc)
        results_request_fini(out);
    return rc;
}

void results_request_fini(struct results_request *m)
{
    free(m->session);
    for (uint32_t i = 0; i < m->result_count; i++)
        result_fini(&m->results[i]);
    free(m->results);
    refs_free(m->released, m->released_count);
    refs_free(m->running, m->running_count);
    for (uint32_t i = 0; i < m->abandoned_count; i++)
        test_ref_fini(&m->abandoned[i].test);
    free(m->abandoned);
    run_errors_free(m->errors, m->error_count);
    for (uint32_t i = 0; i < m->scope_count; i++)
        scope_cost_fini(&m->scopes[i]);
    free(m->scopes);
    for (uint32_t i = 0; i < m->skip_count; i++)
        unit_skip_fini(&m->skips[i]);
    free(m->skips);
    for (uint32_t i = 0; i < m->found_count; i++)
        found_test_fini(&m->found[i]);
    free(m->found);
    free(m->stop);
    *m = (struct results_request){ 0 };
}

char *results_answer_encode(const struct results_answer *m)
{
    struct json *obj = json_new_object();

    json_set_u64(obj, "accepted", m->accepted);
    return json_finish(obj);
}

enum err_code results_answer_decode(const char *bytes, size_t len, struct results_answer *out,
                                    struct err *err)
{
    struct fields f = fields_open(bytes, len, err);

    *out = (struct results_answer){ 0 };
    field_u64(&f, "accepted", INT64_MAX, &out->accepted);
    return fields_close(&f);
}

void results_answer_fini(struct results_answer *m)
{
    *m = (struct results_answer){ 0 };
}
