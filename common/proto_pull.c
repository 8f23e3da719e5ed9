/* Getting work and going away: pull, orders, drain, leave. */
#include <stdlib.h>

#include "mem.h"
#include "proto_util.h"

#define ORDERS_MAX 1000u

char *pull_request_encode(const struct pull_request *m)
{
    struct json *obj = json_new_object();

    json_set_text(obj, "session", m->session);
    json_set_u64(obj, "request", m->request);
    json_set_u64(obj, "order_seen", m->order_seen);
    json_set_u64(obj, "free", m->free_workers);
    json_set_u64(obj, "backlog_us", m->backlog_us);
    if (m->dry_us)
        json_set_u64(obj, "dry_us", m->dry_us);
    if (m->lead_us)
        json_set_u64(obj, "lead_us", m->lead_us);
    put_refs(obj, "running", m->running, m->running_count);
    json_set_u64(obj, "wait_ms", m->wait_ms);
    return json_finish(obj);
}

enum err_code pull_request_decode(const char *bytes, size_t len, struct pull_request *out,
                                  struct err *err)
{
    struct fields f = fields_open(bytes, len, err);
    enum err_code rc;

    *out = (struct pull_request){ 0 };
    field_text(&f, "session", PROTO_NAME_BYTES_MAX, &out->session);
    field_u64(&f, "request", INT64_MAX, &out->request);
    field_u64_opt(&f, "order_seen", INT64_MAX, &out->order_seen);
    field_u32(&f, "free", 0, PROTO_WORKERS_MAX, &out->free_workers);
    field_u64_opt(&f, "backlog_us", PROTO_US_MAX, &out->backlog_us);
    field_u64_opt(&f, "dry_us", PROTO_US_MAX, &out->dry_us);
    field_u64_opt(&f, "lead_us", PROTO_US_MAX, &out->lead_us);
    field_u32_opt(&f, "wait_ms", 0, PROTO_WAIT_MS_MAX, &out->wait_ms);
    field_refs(&f, "running", PROTO_WORKERS_MAX, &out->running, &out->running_count);
    rc = fields_close(&f);
    if (rc)
        pull_request_fini(out);
    return rc;
}

void pull_request_fini(struct pull_request *m)
{
    free(m->session);
    refs_free(m->running, m->running_count);
    *m = (struct pull_request){ 0 };
}

static const char *const order_words[] = { "shard", "recall", "cancel", "end", "abandon", NULL };

static void put_order_tests(struct json *obj, const struct order *order)
{
    struct json *array = json_new_array();

    for (uint32_t i = 0; i < order->test_count; i++) {
        struct json *test = ref_json(&order->tests[i].ref);

        if (order->kind == ORDER_SHARD)
            json_append_u64(test, order->tests[i].cost_us);
        json_append(array, test);
    }
    json_set(obj, "tests", array);
}

/* Those that go first lead: their number says which. */
static void put_first(struct json *obj, const struct order *order)
{
    uint32_t first = 0;

    while (first < order->test_count && order->tests[first].first)
        first++;
    if (first)
        json_set_u64(obj, "first", first);
}

static void read_first(struct fields *f, struct order *out)
{
    uint32_t first = 0;

    field_u32_opt(f, "first", 0, PROTO_TESTS_MAX, &first);
    for (uint32_t i = 0; i < first && i < out->test_count; i++)
        out->tests[i].first = true;
}

static struct json *order_json(const struct order *order)
{
    struct json *obj = json_new_object();

    json_set_u64(obj, "number", order->number);
    json_set_text(obj, "kind", order_words[order->kind]);
    switch (order->kind) {
    case ORDER_SHARD:
        json_set_u64(obj, "fence", order->fence);
        put_order_tests(obj, order);
        put_first(obj, order);
        put_found(obj, order->found, order->found_count);
        put_scopes(obj, order->scopes, order->scope_count);
        break;
    case ORDER_RECALL:
    case ORDER_ABANDON:
        put_order_tests(obj, order);
        break;
    case ORDER_CANCEL:
        put_text(obj, "reason", order->text);
        break;
    case ORDER_END:
        json_set_bool(obj, "complete", order->complete);
        json_set_u64(obj, "exit", order->exit);
        put_text(obj, "message", order->text);
        break;
    }
    return obj;
}

static void read_order(struct fields *f, void *into)
{
    struct order *out = into;

    out->kind = (enum order_kind)field_word(f, "kind", order_words);
    field_u64(f, "number", INT64_MAX, &out->number);
    switch (out->kind) {
    case ORDER_SHARD:
        field_u64(f, "fence", INT64_MAX, &out->fence);
        field_order_tests(f, "tests", &out->tests, &out->test_count);
        read_first(f, out);
        field_found(f, &out->found, &out->found_count);
        field_scopes(f, &out->scopes, &out->scope_count);
        break;
    case ORDER_RECALL:
    case ORDER_ABANDON:
        field_order_tests(f, "tests", &out->tests, &out->test_count);
        break;
    case ORDER_CANCEL:
        field_people(f, "reason", &out->text);
        break;
    case ORDER_END:
        field_bool_opt(f, "complete", &out->complete);
        field_u32_opt(f, "exit", 0, UINT8_MAX, &out->exit);
        field_people(f, "message", &out->text);
        break;
    }
}

char *pull_answer_encode(const struct pull_answer *m)
{
    struct json *obj = json_new_object();
    struct json *orders = json_new_array();

    for (uint32_t i = 0; i < m->order_count; i++)
        json_append(orders, order_json(&m->orders[i]));
    json_set(obj, "orders", orders);
    json_set_u64(obj, "beat_ms", m->beat_ms);
    if (m->speed_ppm)
        json_set_u64(obj, "speed_ppm", m->speed_ppm);
    return json_finish(obj);
}

enum err_code pull_answer_decode(const char *bytes, size_t len, struct pull_answer *out,
                                 struct err *err)
{
    struct fields f = fields_open(bytes, len, err);
    enum err_code rc;

    *out = (struct pull_answer){ .beat_ms = PROTO_BEAT_MS };
    field_u32_opt(&f, "beat_ms", 1, UINT32_MAX, &out->beat_ms);
    field_u32_opt(&f, "speed_ppm", 1, UINT32_MAX, &out->speed_ppm);
    out->orders =
        field_list(&f, "orders", ORDERS_MAX, sizeof(*out->orders), read_order, &out->order_count);
    rc = fields_close(&f);
    if (rc)
        pull_answer_fini(out);
    return rc;
}

static void order_fini(struct order *order)
{
    for (uint32_t i = 0; i < order->test_count; i++)
        test_ref_fini(&order->tests[i].ref);
    for (uint32_t i = 0; i < order->scope_count; i++)
        scope_cost_fini(&order->scopes[i]);
    for (uint32_t i = 0; i < order->found_count; i++)
        found_test_fini(&order->found[i]);
    free(order->found);
    free(order->scopes);
    free(order->tests);
    free(order->text);
    *order = (struct order){ 0 };
}

void pull_answer_fini(struct pull_answer *m)
{
    for (uint32_t i = 0; i < m->order_count; i++)
        order_fini(&m->orders[i]);
    free(m->orders);
    *m = (struct pull_answer){ 0 };
}

char *drain_request_encode(const struct drain_request *m)
{
    struct json *obj = json_new_object();

    json_set_text(obj, "session", m->session);
    json_set_u64(obj, "request", m->request);
    put_text(obj, "reason", m->reason);
    return json_finish(obj);
}

enum err_code drain_request_decode(const char *bytes, size_t len, struct drain_request *out,
                                   struct err *err)
{
    struct fields f = fields_open(bytes, len, err);
    enum err_code rc;

    *out = (struct drain_request){ 0 };
    field_text(&f, "session", PROTO_NAME_BYTES_MAX, &out->session);
    field_u64(&f, "request", INT64_MAX, &out->request);
    field_people(&f, "reason", &out->reason);
    rc = fields_close(&f);
    if (rc)
        drain_request_fini(out);
    return rc;
}

void drain_request_fini(struct drain_request *m)
{
    free(m->session);
    free(m->reason);
    *m = (struct drain_request){ 0 };
}

char *leave_request_encode(const struct leave_request *m)
{
    struct json *obj = json_new_object();

    json_set_text(obj, "session", m->session);
    json_set_u64(obj, "request", m->request);
    json_set_u64(obj, "exit", m->exit);
    if (m->worker_mib)
        json_set_u64(obj, "worker_mib", m->worker_mib);
    if (m->worker_peak_mib)
        json_set_u64(obj, "worker_peak_mib", m->worker_peak_mib);
    return json_finish(obj);
}

enum err_code leave_request_decode(const char *bytes, size_t len, struct leave_request *out,
                                   struct err *err)
{
    struct fields f = fields_open(bytes, len, err);
    enum err_code rc;

    *out = (struct leave_request){ 0 };
    field_text(&f, "session", PROTO_NAME_BYTES_MAX, &out->session);
    field_u64(&f, "request", INT64_MAX, &out->request);
    field_u32(&f, "exit", 0, UINT8_MAX, &out->exit);
    field_u32_opt(&f, "worker_mib", 0, PROTO_MEM_MIB_MAX, &out->worker_mib);
    field_u32_opt(&f, "worker_peak_mib", 0, PROTO_MEM_MIB_MAX, &out->worker_peak_mib);
    rc = fields_close(&f);
    if (rc)
        leave_request_fini(out);
    return rc;
}

void leave_request_fini(struct leave_request *m)
{
    free(m->session);
    *m = (struct leave_request){ 0 };
}
