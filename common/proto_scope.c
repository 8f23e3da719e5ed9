/* What scopes cost, in results and in shards. */
#include "mem.h"
#include "proto_util.h"

static struct json *scope_of(const void *item)
{
    const struct scope_cost *scope = item;
    struct json *obj = json_new_object();

    json_set_text(obj, "kind", scope->kind);
    json_set_text(obj, "id", scope->id);
    json_set_u64(obj, "setup_us", scope->setup_us);
    json_set_u64(obj, "teardown_us", scope->teardown_us);
    return obj;
}

void put_scopes(struct json *obj, const struct scope_cost *scopes, uint32_t count)
{
    put_list(obj, "scopes", scopes, count, sizeof(*scopes), scope_of);
}

static void read_scope(struct fields *f, void *into)
{
    struct scope_cost *out = into;

    field_text(f, "kind", PROTO_NAME_BYTES_MAX, &out->kind);
    field_text(f, "id", PROTO_ID_BYTES_MAX, &out->id);
    field_u64_opt(f, "setup_us", PROTO_US_MAX, &out->setup_us);
    field_u64_opt(f, "teardown_us", PROTO_US_MAX, &out->teardown_us);
}

void field_scopes(struct fields *f, struct scope_cost **out, uint32_t *out_count)
{
    *out = field_list(f, "scopes", PROTO_TESTS_MAX, sizeof(**out), read_scope, out_count);
}
