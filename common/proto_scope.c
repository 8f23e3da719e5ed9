/* What scopes cost, in results and in shards. */
#include "mem.h"
#include "proto_util.h"

void put_scopes(struct json *obj, const struct scope_cost *scopes, uint32_t count)
{
    struct json *array;

    if (count == 0)
        return;
    array = json_new_array();
    for (uint32_t i = 0; i < count; i++) {
        struct json *item = json_new_object();

        json_set_text(item, "kind", scopes[i].kind);
        json_set_text(item, "id", scopes[i].id);
        json_set_u64(item, "setup_us", scopes[i].setup_us);
        json_set_u64(item, "teardown_us", scopes[i].teardown_us);
        json_append(array, item);
    }
    json_set(obj, "scopes", array);
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
