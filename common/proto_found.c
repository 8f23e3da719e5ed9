/* Tests that were found after the manifest was sealed, in results and in shards. */
#include <stdlib.h>

#include "manifest.h"
#include "mem.h"
#include "proto_util.h"

struct found_test found_test_of(const struct manifest_test *test)
{
    return (struct found_test){ .test = { .id = mem_strdup(test->id), .k = test->k },
                                .group = mem_strdup(test->group),
                                .flags = mem_strdup(test->flags) };
}

struct manifest_test found_test_lent(const struct found_test *found)
{
    return (struct manifest_test){
        .id = found->test.id, .k = found->test.k, .group = found->group, .flags = found->flags
    };
}

void found_test_fini(struct found_test *found)
{
    test_ref_fini(&found->test);
    free(found->group);
    free(found->flags);
    *found = (struct found_test){ .group = NULL };
}

static struct json *found_of(const void *item)
{
    const struct found_test *found = item;
    struct json *obj = json_new_object();

    json_set(obj, "test", ref_json(&found->test));
    json_set_text(obj, "group", found->group);
    json_set_text(obj, "flags", found->flags);
    return obj;
}

void put_found(struct json *obj, const struct found_test *found, uint32_t count)
{
    put_list(obj, "found", found, count, sizeof(*found), found_of);
}

static void read_found(struct fields *f, void *into)
{
    struct found_test *out = into;

    field_ref(f, "test", &out->test);
    field_text_opt(f, "group", MANIFEST_GROUP_BYTES_MAX, &out->group);
    field_text_opt(f, "flags", MANIFEST_FLAGS_BYTES_MAX, &out->flags);
    if (!out->group)
        out->group = mem_strdup("");
    if (!out->flags)
        out->flags = mem_strdup("");
}

void field_found(struct fields *f, struct found_test **out, uint32_t *out_count)
{
    *out = field_list(f, "found", PROTO_TESTS_MAX, sizeof(**out), read_found, out_count);
}
