#include "proto_util.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define CUT_MARK_BYTES 64u

struct fields fields_open(const char *bytes, size_t len, struct err *err)
{
    struct fields f = { .err = err };

    if (len > PROTO_DECODED_BYTES_MAX)
        f.rc = err_set(err, ERR_TOO_LARGE, "body of %zu bytes is over %u", len,
                       PROTO_DECODED_BYTES_MAX);
    else
        f.rc = json_parse(bytes, len, &f.doc, err);
    if (!f.rc && !json_is_object(f.doc))
        f.rc = err_set(err, ERR_MALFORMED, "body is not a JSON object");
    f.obj = f.doc;
    return f;
}

enum err_code fields_close(struct fields *f)
{
    if (f->doc)
        json_free(f->doc);
    f->doc = NULL;
    f->obj = NULL;
    return f->rc;
}

enum err_code field_fail(struct fields *f, const char *key, const char *why)
{
    if (!f->rc)
        f->rc = err_set(f->err, ERR_INVALID, "%s: %s", key, why);
    return f->rc;
}

void field_text(struct fields *f, const char *key, size_t max_bytes, char **out)
{
    const char *text = NULL;

    if (f->rc)
        return;
    f->rc = json_get_text(f->obj, key, max_bytes, &text, f->err);
    if (!f->rc)
        *out = mem_strdup(text);
}

void field_text_opt(struct fields *f, const char *key, size_t max_bytes, char **out)
{
    const char *text = NULL;

    if (f->rc)
        return;
    f->rc = json_opt_text(f->obj, key, max_bytes, &text, f->err);
    if (!f->rc && text)
        *out = mem_strdup(text);
}

/* Keeps the beginning and the end, which tell most, and characters whole. */
static char *cut_middle(const char *text, size_t len)
{
    size_t half = (PROTO_TEXT_BYTES_MAX - CUT_MARK_BYTES) / 2;
    size_t head = utf8_valid_len(text, half);
    size_t tail = half;
    struct str out = STR_MAX(PROTO_TEXT_BYTES_MAX);
    struct err err = ERR_INIT;

    while (tail > 0 && ((unsigned char)text[len - tail] & 0xc0) == 0x80)
        tail--;
    INVARIANT(!str_add(&out, text, head, &err));
    INVARIANT(!str_addf(&out, &err, "\n[... %zu bytes cut ...]\n", len - head - tail));
    INVARIANT(!str_add(&out, text + len - tail, tail, &err));
    return str_take(&out);
}

char *people_text(const struct json *v)
{
    char *text = json_text_lossy(v);
    size_t len = text ? strlen(text) : 0;
    char *cut;

    if (len <= PROTO_TEXT_BYTES_MAX)
        return text;
    cut = cut_middle(text, len);
    free(text);
    return cut;
}

void field_people(struct fields *f, const char *key, char **out)
{
    const struct json *v = f->rc ? NULL : json_find(f->obj, key);
    char *text;

    if (!v || json_is_null(v))
        return;
    text = people_text(v);
    if (text)
        *out = text;
    else
        field_fail(f, key, "is not text");
}

void field_u64(struct fields *f, const char *key, uint64_t max, uint64_t *out)
{
    if (!f->rc)
        f->rc = json_get_u64(f->obj, key, 0, max, out, f->err);
}

void field_u64_opt(struct fields *f, const char *key, uint64_t max, uint64_t *out)
{
    if (!f->rc)
        f->rc = json_opt_u64(f->obj, key, 0, max, out, f->err);
}

void field_u32(struct fields *f, const char *key, uint32_t min, uint32_t max, uint32_t *out)
{
    uint64_t v = 0;

    if (f->rc)
        return;
    f->rc = json_get_u64(f->obj, key, min, max, &v, f->err);
    if (!f->rc)
        *out = (uint32_t)v;
}

void field_u32_opt(struct fields *f, const char *key, uint32_t min, uint32_t max, uint32_t *out)
{
    uint64_t v = *out;

    if (f->rc)
        return;
    f->rc = json_opt_u64(f->obj, key, min, max, &v, f->err);
    if (!f->rc)
        *out = (uint32_t)v;
}

void field_bool_opt(struct fields *f, const char *key, bool *out)
{
    if (!f->rc)
        f->rc = json_opt_bool(f->obj, key, out, f->err);
}

const struct json *field_array(struct fields *f, const char *key, size_t max, uint32_t *out_count)
{
    const struct json *array = NULL;

    if (!f->rc)
        f->rc = json_opt_array(f->obj, key, max, &array, f->err);
    *out_count = array ? (uint32_t)json_size(array) : 0;
    return array;
}

/* A failure inside is told with "key[i]." before its path. */
static void read_object(struct fields *f, const char *key, size_t i, const struct json *obj,
                        field_read_fn read, void *out)
{
    struct fields inner = { .obj = obj, .err = f->err };

    if (!json_is_object(obj)) {
        f->rc = err_set(f->err, ERR_INVALID, "%s[%zu]: is not an object", key, i);
        return;
    }
    read(&inner, out);
    f->rc = inner.rc;
    if (f->rc)
        json_err_at(f->err, key, i);
}

void *field_list(struct fields *f, const char *key, size_t max, size_t size, field_read_fn read,
                 uint32_t *out_count)
{
    uint32_t count = 0;
    const struct json *array = field_array(f, key, max, &count);
    unsigned char *list;

    if (count == 0)
        return NULL;
    list = mem_new(count, size);
    for (*out_count = 0; *out_count < count && !f->rc; ++*out_count)
        read_object(f, key, *out_count, json_at(array, *out_count), read, list + *out_count * size);
    return list;
}

/* [id, k], or with a cost [id, k, cost_us], of at most max_items. */
static bool read_test(const struct json *v, size_t max_items, struct order_test *out)
{
    const char *id;
    int64_t k = 0;
    int64_t cost = 0;
    size_t size = json_is_array(v) ? json_size(v) : 0;

    if (size < 2 || size > max_items)
        return false;
    id = json_text(json_at(v, 0));
    if (!id || *id == '\0' || strlen(id) > PROTO_ID_BYTES_MAX)
        return false;
    if (!json_whole(json_at(v, 1), &k) || k < 0 || k >= UINT32_MAX)
        return false;
    if (size == 3 &&
        (!json_whole(json_at(v, 2), &cost) || cost < 0 || (uint64_t)cost > PROTO_US_MAX))
        return false;
    *out = (struct order_test){ .ref = { .id = mem_strdup(id), .k = (uint32_t)k },
                                .cost_us = (uint64_t)cost };
    return true;
}

void field_ref(struct fields *f, const char *key, struct test_ref *out)
{
    const struct json *v = f->rc ? NULL : json_find(f->obj, key);
    struct order_test test = { 0 };

    if (f->rc)
        return;
    if (v && read_test(v, 2, &test))
        *out = test.ref;
    else
        field_fail(f, key, "is not [id, k]");
}

static void bad_ref(struct fields *f, const char *key, uint32_t i)
{
    f->rc = err_set(f->err, ERR_INVALID, "%s[%u]: is not [id, k]", key, i);
}

void field_refs(struct fields *f, const char *key, size_t max, struct test_ref **out,
                uint32_t *out_count)
{
    uint32_t count = 0;
    const struct json *array = field_array(f, key, max, &count);
    struct order_test test = { 0 };

    if (!array || count == 0)
        return;
    *out = mem_new(count, sizeof(**out));
    for (*out_count = 0; *out_count < count; ++*out_count) {
        if (!read_test(json_at(array, *out_count), 2, &test)) {
            bad_ref(f, key, *out_count);
            return;
        }
        (*out)[*out_count] = test.ref;
    }
}

void field_order_tests(struct fields *f, const char *key, struct order_test **out,
                       uint32_t *out_count)
{
    uint32_t count = 0;
    const struct json *array = field_array(f, key, PROTO_TESTS_MAX, &count);

    if (!array || count == 0)
        return;
    *out = mem_new(count, sizeof(**out));
    for (*out_count = 0; *out_count < count; ++*out_count) {
        if (!read_test(json_at(array, *out_count), 3, *out + *out_count)) {
            bad_ref(f, key, *out_count);
            return;
        }
    }
}

uint32_t field_word(struct fields *f, const char *key, const char *const *words)
{
    const char *text = NULL;

    if (f->rc)
        return 0;
    f->rc = json_get_text(f->obj, key, PROTO_NAME_BYTES_MAX, &text, f->err);
    for (uint32_t i = 0; !f->rc && words[i]; i++)
        if (strcmp(words[i], text) == 0)
            return i;
    if (!f->rc)
        f->rc = err_set(f->err, ERR_INVALID, "%s: '%s' is not known", key, text);
    return 0;
}

static void read_error(struct fields *f, void *into)
{
    struct run_error *out = into;

    field_text(f, "kind", PROTO_NAME_BYTES_MAX, &out->kind);
    field_people(f, "text", &out->text);
    if (!out->text)
        out->text = mem_strdup("");
}

void field_errors(struct fields *f, const char *key, struct run_error **out, uint32_t *out_count)
{
    *out = field_list(f, key, PROTO_ERRORS_MAX, sizeof(**out), read_error, out_count);
}

void put_text(struct json *obj, const char *key, const char *text)
{
    if (text)
        json_set_text(obj, key, text);
}

struct json *ref_json(const struct test_ref *ref)
{
    struct json *pair = json_new_array();

    json_append_text(pair, ref->id);
    json_append_u64(pair, ref->k);
    return pair;
}

void put_list(struct json *obj, const char *key, const void *items, uint32_t count, size_t size,
              struct json *(*item)(const void *))
{
    const unsigned char *at = items;
    struct json *array;

    if (count == 0)
        return;
    array = json_new_array();
    for (uint32_t i = 0; i < count; i++)
        json_append(array, item(at + i * size));
    json_set(obj, key, array);
}

static struct json *ref_of(const void *item)
{
    return ref_json(item);
}

void put_refs(struct json *obj, const char *key, const struct test_ref *refs, uint32_t count)
{
    put_list(obj, key, refs, count, sizeof(*refs), ref_of);
}

static struct json *error_of(const void *item)
{
    const struct run_error *error = item;
    struct json *obj = json_new_object();

    json_set_text(obj, "kind", error->kind);
    put_text(obj, "text", error->text);
    return obj;
}

void put_errors(struct json *obj, const char *key, const struct run_error *errors, uint32_t count)
{
    put_list(obj, key, errors, count, sizeof(*errors), error_of);
}

void refs_free(struct test_ref *refs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        test_ref_fini(&refs[i]);
    free(refs);
}

void labels_free(struct label *labels, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        free(labels[i].key);
        free(labels[i].value);
    }
    free(labels);
}

void run_errors_free(struct run_error *errors, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        run_error_fini(&errors[i]);
    free(errors);
}
