/* Joining and agreeing on the manifest: join, collected, parts. */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "proto_util.h"

#define COMMAND_BYTES_MAX 128u

char *join_request_encode(const struct join_request *m)
{
    struct json *obj = json_new_object();

    json_set_text(obj, "project", m->project);
    json_set_text(obj, "suite", m->suite);
    json_set_text(obj, "run_key", m->run_key);
    json_set_text(obj, "instance", m->instance);
    json_set_text(obj, "nonce", m->nonce);
    json_set_text(obj, "fingerprint", m->fingerprint);
    json_set_text(obj, "command", m->command);
    json_set_text(obj, "version", m->agent_version);
    put_text(obj, "run", m->run);
    if (m->attempt)
        json_set_u64(obj, "attempt", m->attempt);
    if (m->index != PROTO_SLOT_NONE)
        json_set_u64(obj, "index", m->index);
    if (m->total)
        json_set_u64(obj, "total", m->total);
    json_set_u64(obj, "workers", m->workers);
    if (m->speculate)
        json_set_bool(obj, "speculate", true);
    if (m->first_ppm)
        json_set_u64(obj, "first_ppm", m->first_ppm);
    if (m->label_count) {
        struct json *labels = json_new_object();

        for (uint32_t i = 0; i < m->label_count; i++)
            json_set_text(labels, m->labels[i].key, m->labels[i].value);
        json_set(obj, "labels", labels);
    }
    return json_finish(obj);
}

static void read_labels(struct fields *f, struct join_request *out)
{
    const struct json *labels = NULL;
    struct json_member m;

    if (!f->rc)
        f->rc = json_opt_object(f->obj, "labels", &labels, f->err);
    if (f->rc || !labels)
        return;
    if (json_size(labels) > PROTO_LABELS_MAX) {
        f->rc = err_set(f->err, ERR_INVALID, "labels: %zu are over %u", json_size(labels),
                        PROTO_LABELS_MAX);
        return;
    }
    out->labels = mem_new(json_size(labels), sizeof(*out->labels));
    for (bool more = json_first(labels, &m); more; more = json_next(labels, &m)) {
        const char *value = NULL;

        if (strlen(m.key) > PROTO_KEY_BYTES_MAX)
            field_fail(f, "labels", "a name is too long");
        else
            f->rc = json_get_text(labels, m.key, PROTO_KEY_BYTES_MAX, &value, f->err);
        if (f->rc)
            return;
        out->labels[out->label_count++] =
            (struct label){ .key = mem_strdup(m.key), .value = mem_strdup(value) };
    }
}

enum err_code join_request_decode(const char *bytes, size_t len, struct join_request *out,
                                  struct err *err)
{
    struct fields f = fields_open(bytes, len, err);
    enum err_code rc;

    *out = (struct join_request){ .index = PROTO_SLOT_NONE };
    field_text(&f, "project", PROTO_NAME_BYTES_MAX, &out->project);
    field_text(&f, "suite", PROTO_NAME_BYTES_MAX, &out->suite);
    field_text(&f, "run_key", PROTO_KEY_BYTES_MAX, &out->run_key);
    field_text(&f, "instance", PROTO_KEY_BYTES_MAX, &out->instance);
    field_text(&f, "nonce", PROTO_NAME_BYTES_MAX, &out->nonce);
    field_text(&f, "fingerprint", PROTO_NAME_BYTES_MAX, &out->fingerprint);
    field_text(&f, "command", COMMAND_BYTES_MAX, &out->command);
    field_text(&f, "version", PROTO_NAME_BYTES_MAX, &out->agent_version);
    field_text_opt(&f, "run", PROTO_NAME_BYTES_MAX, &out->run);
    field_u32_opt(&f, "attempt", 0, UINT32_MAX, &out->attempt);
    field_u32_opt(&f, "index", 0, PROTO_SLOTS_MAX - 1, &out->index);
    field_u32_opt(&f, "total", 1, PROTO_SLOTS_MAX, &out->total);
    field_u32(&f, "workers", 1, PROTO_WORKERS_MAX, &out->workers);
    field_bool_opt(&f, "speculate", &out->speculate);
    field_u32_opt(&f, "first_ppm", 0, PROTO_PPM_MAX, &out->first_ppm);
    if (!f.rc && out->index != PROTO_SLOT_NONE && out->total && out->index >= out->total)
        field_fail(&f, "index", "is not under total");
    read_labels(&f, out);
    rc = fields_close(&f);
    if (rc)
        join_request_fini(out);
    return rc;
}

void join_request_fini(struct join_request *m)
{
    free(m->project);
    free(m->suite);
    free(m->run_key);
    free(m->instance);
    free(m->nonce);
    free(m->fingerprint);
    free(m->command);
    free(m->agent_version);
    free(m->run);
    labels_free(m->labels, m->label_count);
    *m = (struct join_request){ .index = PROTO_SLOT_NONE };
}

char *join_answer_encode(const struct join_answer *m)
{
    struct json *obj = json_new_object();

    json_set_text(obj, "run", m->run);
    json_set_text(obj, "session", m->session);
    json_set_text(obj, "session_token", m->session_token);
    json_set_u64(obj, "epoch", m->epoch);
    json_set_u64(obj, "seed", m->seed);
    json_set_u64(obj, "session_ms", m->session_ms);
    json_set_u64(obj, "beat_ms", m->beat_ms);
    json_set_text(obj, "manifest", m->manifest);
    if (m->worker_mib)
        json_set_u64(obj, "worker_mib", m->worker_mib);
    return json_finish(obj);
}

enum err_code join_answer_decode(const char *bytes, size_t len, struct join_answer *out,
                                 struct err *err)
{
    struct fields f = fields_open(bytes, len, err);
    enum err_code rc;

    *out = (struct join_answer){ 0 };
    field_text(&f, "run", PROTO_NAME_BYTES_MAX, &out->run);
    field_text(&f, "session", PROTO_NAME_BYTES_MAX, &out->session);
    field_text(&f, "session_token", PROTO_TOKEN_BYTES_MAX, &out->session_token);
    field_u32(&f, "epoch", 1, UINT32_MAX, &out->epoch);
    field_u64(&f, "seed", PROTO_SEED_MAX, &out->seed);
    field_u32(&f, "session_ms", 1, UINT32_MAX, &out->session_ms);
    field_u32(&f, "beat_ms", 1, UINT32_MAX, &out->beat_ms);
    field_text_opt(&f, "manifest", PROTO_NAME_BYTES_MAX, &out->manifest);
    field_u32_opt(&f, "worker_mib", 0, PROTO_MEM_MIB_MAX, &out->worker_mib);
    rc = fields_close(&f);
    if (rc)
        join_answer_fini(out);
    return rc;
}

void join_answer_fini(struct join_answer *m)
{
    free(m->run);
    free(m->session);
    free(m->session_token);
    free(m->manifest);
    *m = (struct join_answer){ 0 };
}

char *collected_request_encode(const struct collected_request *m)
{
    struct json *obj = json_new_object();

    json_set_text(obj, "session", m->session);
    json_set_u64(obj, "request", m->request);
    json_set_text(obj, "digest", m->digest);
    json_set_u64(obj, "count", m->count);
    put_text(obj, "runtime", m->runtime);
    return json_finish(obj);
}

enum err_code collected_request_decode(const char *bytes, size_t len, struct collected_request *out,
                                       struct err *err)
{
    struct fields f = fields_open(bytes, len, err);
    enum err_code rc;

    *out = (struct collected_request){ 0 };
    field_text(&f, "session", PROTO_NAME_BYTES_MAX, &out->session);
    field_u64(&f, "request", INT64_MAX, &out->request);
    field_text(&f, "digest", PROTO_NAME_BYTES_MAX, &out->digest);
    field_u32(&f, "count", 0, UINT32_MAX, &out->count);
    field_text_opt(&f, "runtime", PROTO_KEY_BYTES_MAX, &out->runtime);
    if (!out->runtime)
        out->runtime = mem_strdup("");
    rc = fields_close(&f);
    if (rc)
        collected_request_fini(out);
    return rc;
}

void collected_request_fini(struct collected_request *m)
{
    free(m->session);
    free(m->digest);
    free(m->runtime);
    *m = (struct collected_request){ 0 };
}

static const char *const action_words[] = { "go", "upload", "wait", NULL };

static struct json *heavy_of(const void *item)
{
    const struct test_mem *heavy = item;
    struct json *obj = json_new_object();

    json_set(obj, "test", ref_json(&heavy->test));
    json_set_u64(obj, "mem_mib", heavy->mem_mib);
    return obj;
}

static void read_heavy(struct fields *f, void *into)
{
    struct test_mem *out = into;

    field_ref(f, "test", &out->test);
    field_u32(f, "mem_mib", 1, PROTO_MEM_MIB_MAX, &out->mem_mib);
}

static void test_mem_fini(struct test_mem *mem)
{
    test_ref_fini(&mem->test);
    *mem = (struct test_mem){ .mem_mib = 0 };
}

char *collected_answer_encode(const struct collected_answer *m)
{
    struct json *obj = json_new_object();

    json_set_text(obj, "action", action_words[m->action]);
    put_list(obj, "heavy", m->heavy, m->heavy_count, sizeof(*m->heavy), heavy_of);
    return json_finish(obj);
}

enum err_code collected_answer_decode(const char *bytes, size_t len, struct collected_answer *out,
                                      struct err *err)
{
    struct fields f = fields_open(bytes, len, err);
    enum err_code rc;

    *out = (struct collected_answer){ .action = COLLECTED_GO };
    out->action = (enum collected_action)field_word(&f, "action", action_words);
    out->heavy = field_list(&f, "heavy", PROTO_HEAVY_MAX, sizeof(*out->heavy), read_heavy,
                            &out->heavy_count);
    rc = fields_close(&f);
    if (rc)
        collected_answer_fini(out);
    return rc;
}

void collected_answer_fini(struct collected_answer *m)
{
    for (uint32_t i = 0; i < m->heavy_count; i++)
        test_mem_fini(&m->heavy[i]);
    free(m->heavy);
    *m = (struct collected_answer){ 0 };
}

char *part_answer_encode(const struct part_answer *m)
{
    struct json *obj = json_new_object();

    json_set_u64(obj, "have", m->have);
    if (m->sealed)
        json_set_text(obj, "action", action_words[COLLECTED_GO]);
    return json_finish(obj);
}

enum err_code part_answer_decode(const char *bytes, size_t len, struct part_answer *out,
                                 struct err *err)
{
    struct fields f = fields_open(bytes, len, err);
    char *action = NULL;
    enum err_code rc;

    *out = (struct part_answer){ 0 };
    field_u32(&f, "have", 0, UINT32_MAX, &out->have);
    field_text_opt(&f, "action", PROTO_NAME_BYTES_MAX, &action);
    out->sealed = action && view_eq(view_of(action), action_words[COLLECTED_GO]);
    free(action);
    rc = fields_close(&f);
    if (rc)
        part_answer_fini(out);
    return rc;
}

void part_answer_fini(struct part_answer *m)
{
    *m = (struct part_answer){ 0 };
}
