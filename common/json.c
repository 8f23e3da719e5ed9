#include "json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* The library has macros of these names; ours are functions. */
#undef json_is_object
#undef json_is_array
#undef json_is_null

/* struct json is never defined: a pointer to it is a json_t in disguise. */
static const json_t *in(const struct json *v)
{
    return (const json_t *)(const void *)v;
}

static json_t *inout(struct json *v)
{
    return (json_t *)(void *)v;
}

static struct json *made(json_t *v)
{
    INVARIANT(v); /* only memory can run out */
    return (struct json *)(void *)v;
}

/* Counts what the document would cost before anything is allocated for it. Text that is not JSON
 * may be counted wrongly; the parser refuses it afterwards. */
static enum err_code check_size(const char *bytes, size_t len, struct err *err)
{
    size_t depth = 0;
    size_t containers = 0;
    size_t values = 1;
    bool quoted = false;

    for (size_t i = 0; i < len; i++) {
        char c = bytes[i];

        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
            continue;
        }
        if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            containers++;
            depth++;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
        values += c == ',' || c == ':';
        if (depth > JSON_DEPTH_MAX)
            return err_set(err, ERR_MALFORMED, "JSON nested over %u deep", JSON_DEPTH_MAX);
        if (containers > JSON_CONTAINERS_MAX || values > JSON_VALUES_MAX)
            return err_set(err, ERR_TOO_LARGE, "JSON of more than %u values or %u objects",
                           JSON_VALUES_MAX, JSON_CONTAINERS_MAX);
    }
    return ERR_NONE;
}

enum err_code json_parse(const char *bytes, size_t len, struct json **out, struct err *err)
{
    json_error_t why;
    json_t *doc;
    enum err_code rc = check_size(bytes, len, err);

    if (rc)
        return rc;
    doc = json_loadb(bytes, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    if (!doc) {
        INVARIANT(json_error_code(&why) != json_error_out_of_memory);
        return err_set(err, ERR_MALFORMED, "not JSON at byte %d: %s", why.position, why.text);
    }
    *out = made(doc);
    return ERR_NONE;
}

void json_free(struct json *doc)
{
    json_decref(inout(doc));
}

enum err_code json_err_at(struct err *err, const char *key, size_t i)
{
    struct err inner = *err;

    return err_set(err, inner.code, "%s[%zu].%s", key, i, inner.text);
}

static const char *kind_name(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "text";
    case JSON_INTEGER:
        return "a whole number";
    case JSON_REAL:
        return "a real number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        return "null";
    }
    UNREACHABLE("json type");
}

static enum err_code wrong_kind(struct err *err, const char *key, const json_t *v, const char *want)
{
    return err_set(err, ERR_INVALID, "%s: is %s, not %s", key, kind_name(v), want);
}

static enum err_code missing(struct err *err, const char *key)
{
    return err_set(err, ERR_INVALID, "%s: missing", key);
}

/* The member, NULL when absent, null, or when obj is no object. */
static const json_t *member(const struct json *obj, const char *key)
{
    const json_t *v = json_object_get(in(obj), key);

    return v && json_typeof(v) != JSON_NULL ? v : NULL;
}

static enum err_code read_text(const json_t *v, const char *key, size_t max_bytes, const char **out,
                               struct err *err)
{
    if (!json_is_string(v))
        return wrong_kind(err, key, v, "text");
    if (json_string_length(v) > max_bytes)
        return err_set(err, ERR_INVALID, "%s: text of %zu bytes is over %zu", key,
                       json_string_length(v), max_bytes);
    if (strlen(json_string_value(v)) != json_string_length(v))
        return err_set(err, ERR_INVALID, "%s: text holds a NUL", key);
    *out = json_string_value(v);
    return ERR_NONE;
}

enum err_code json_opt_text(const struct json *obj, const char *key, size_t max_bytes,
                            const char **out, struct err *err)
{
    const json_t *v = member(obj, key);

    return v ? read_text(v, key, max_bytes, out, err) : ERR_NONE;
}

enum err_code json_get_text(const struct json *obj, const char *key, size_t max_bytes,
                            const char **out, struct err *err)
{
    const json_t *v = member(obj, key);

    return v ? read_text(v, key, max_bytes, out, err) : missing(err, key);
}

static enum err_code read_u64(const json_t *v, const char *key, uint64_t min, uint64_t max,
                              uint64_t *out, struct err *err)
{
    json_int_t n;

    if (!json_is_integer(v))
        return wrong_kind(err, key, v, "a whole number");
    n = json_integer_value(v);
    if (n < 0 || (uint64_t)n < min || (uint64_t)n > max)
        return err_set(err, ERR_INVALID, "%s: %lld is not between %llu and %llu", key, (long long)n,
                       (unsigned long long)min, (unsigned long long)max);
    *out = (uint64_t)n;
    return ERR_NONE;
}

enum err_code json_opt_u64(const struct json *obj, const char *key, uint64_t min, uint64_t max,
                           uint64_t *out, struct err *err)
{
    const json_t *v = member(obj, key);

    return v ? read_u64(v, key, min, max, out, err) : ERR_NONE;
}

enum err_code json_get_u64(const struct json *obj, const char *key, uint64_t min, uint64_t max,
                           uint64_t *out, struct err *err)
{
    const json_t *v = member(obj, key);

    return v ? read_u64(v, key, min, max, out, err) : missing(err, key);
}

enum err_code json_opt_bool(const struct json *obj, const char *key, bool *out, struct err *err)
{
    const json_t *v = member(obj, key);

    if (!v)
        return ERR_NONE;
    if (!json_is_boolean(v))
        return wrong_kind(err, key, v, "a boolean");
    *out = json_is_true(v);
    return ERR_NONE;
}

enum err_code json_opt_array(const struct json *obj, const char *key, size_t max_items,
                             const struct json **out, struct err *err)
{
    const json_t *v = member(obj, key);

    if (!v)
        return ERR_NONE;
    if (json_typeof(v) != JSON_ARRAY)
        return wrong_kind(err, key, v, "an array");
    if (json_array_size(v) > max_items)
        return err_set(err, ERR_INVALID, "%s: %zu items are over %zu", key, json_array_size(v),
                       max_items);
    *out = (const struct json *)(const void *)v;
    return ERR_NONE;
}

enum err_code json_get_array(const struct json *obj, const char *key, size_t max_items,
                             const struct json **out, struct err *err)
{
    return member(obj, key) ? json_opt_array(obj, key, max_items, out, err) : missing(err, key);
}

enum err_code json_opt_object(const struct json *obj, const char *key, const struct json **out,
                              struct err *err)
{
    const json_t *v = member(obj, key);

    if (!v)
        return ERR_NONE;
    if (json_typeof(v) != JSON_OBJECT)
        return wrong_kind(err, key, v, "an object");
    *out = (const struct json *)(const void *)v;
    return ERR_NONE;
}

const struct json *json_find(const struct json *obj, const char *key)
{
    return (const struct json *)(const void *)json_object_get(in(obj), key);
}

bool json_is_object(const struct json *v)
{
    return json_typeof(in(v)) == JSON_OBJECT;
}

bool json_is_array(const struct json *v)
{
    return json_typeof(in(v)) == JSON_ARRAY;
}

bool json_is_null(const struct json *v)
{
    return json_typeof(in(v)) == JSON_NULL;
}

const char *json_text(const struct json *v)
{
    const char *text = json_string_value(in(v));

    return text && strlen(text) == json_string_length(in(v)) ? text : NULL;
}

char *json_text_lossy(const struct json *v)
{
    const char *text = json_string_value(in(v));
    size_t len = json_string_length(in(v));
    struct str out = STR_MAX(SIZE_MAX / 2);
    struct err err = ERR_INIT;
    size_t at = 0;

    if (!text)
        return NULL;
    while (at < len) {
        size_t piece = strlen(text + at);

        INVARIANT(!str_add(&out, text + at, piece, &err));
        at += piece;
        if (at++ < len)
            INVARIANT(!str_addz(&out, "\xef\xbf\xbd", &err));
    }
    return str_take(&out);
}

bool json_whole(const struct json *v, int64_t *out)
{
    if (json_typeof(in(v)) != JSON_INTEGER)
        return false;
    *out = json_integer_value(in(v));
    return true;
}

bool json_number(const struct json *v, double *out)
{
    if (!json_is_number(in(v)))
        return false;
    *out = json_number_value(in(v));
    return true;
}

size_t json_size(const struct json *v)
{
    return json_is_array(v) ? json_array_size(in(v)) : json_object_size(in(v));
}

const struct json *json_at(const struct json *array, size_t i)
{
    return (const struct json *)(const void *)json_array_get(in(array), i);
}

static bool member_at(struct json_member *m, void *iter)
{
    if (!iter)
        return false;
    m->iter = iter;
    m->key = json_object_iter_key(iter);
    m->value = (const struct json *)(const void *)json_object_iter_value(iter);
    return true;
}

/* The library's iterators want a json_t that is not const, and change nothing. */
static json_t *unlocked(const struct json *v)
{
    return (json_t *)(uintptr_t)v;
}

bool json_first(const struct json *obj, struct json_member *m)
{
    return member_at(m, json_object_iter(unlocked(obj)));
}

bool json_next(const struct json *obj, struct json_member *m)
{
    return member_at(m, json_object_iter_next(unlocked(obj), m->iter));
}

/* Text as a value, its bad bytes replaced one by one. */
static struct json *new_text(const char *text)
{
    size_t len = strlen(text);
    size_t good = utf8_valid_len(text, len);
    struct str fixed = STR_MAX(SIZE_MAX / 2);
    struct err err = ERR_INIT;
    json_t *v;

    if (good == len)
        return made(json_stringn_nocheck(text, len));
    while (len > 0) {
        INVARIANT(!str_add(&fixed, text, good, &err));
        text += good;
        len -= good;
        if (len > 0) {
            INVARIANT(!str_addz(&fixed, "\xef\xbf\xbd", &err));
            text++;
            len--;
        }
        good = utf8_valid_len(text, len);
    }
    v = json_stringn_nocheck(fixed.at, fixed.len);
    str_fini(&fixed);
    return made(v);
}

static json_int_t clamped(uint64_t v)
{
    return v > INT64_MAX ? INT64_MAX : (json_int_t)v;
}

struct json *json_new_object(void)
{
    return made(json_object());
}

struct json *json_new_array(void)
{
    return made(json_array());
}

void json_set(struct json *obj, const char *key, struct json *value)
{
    INVARIANT(json_object_set_new_nocheck(inout(obj), key, inout(value)) == 0);
}

void json_set_text(struct json *obj, const char *key, const char *text)
{
    json_set(obj, key, text ? new_text(text) : made(json_null()));
}

void json_set_u64(struct json *obj, const char *key, uint64_t v)
{
    json_set(obj, key, made(json_integer(clamped(v))));
}

void json_set_bool(struct json *obj, const char *key, bool v)
{
    json_set(obj, key, made(json_boolean(v)));
}

void json_append(struct json *array, struct json *value)
{
    INVARIANT(json_array_append_new(inout(array), inout(value)) == 0);
}

void json_append_text(struct json *array, const char *text)
{
    json_append(array, new_text(text));
}

void json_append_u64(struct json *array, uint64_t v)
{
    json_append(array, made(json_integer(clamped(v))));
}

void json_append_i64(struct json *array, int64_t v)
{
    json_append(array, made(json_integer(v)));
}

char *json_dump(const struct json *v, enum json_form form)
{
    /* 15 digits: every decimal a person wrote comes back as it was. */
    size_t flags = JSON_ENCODE_ANY | JSON_REAL_PRECISION(15);
    char *text;

    switch (form) {
    case JSON_TIGHT:
        flags |= JSON_COMPACT;
        break;
    case JSON_PRETTY:
        flags |= JSON_INDENT(4);
        break;
    case JSON_PRETTY_SORTED:
        flags |= JSON_INDENT(4) | JSON_SORT_KEYS;
        break;
    }
    text = json_dumps(in(v), flags);
    INVARIANT(text);
    return text;
}

char *json_finish(struct json *take_doc)
{
    char *text = json_dump(take_doc, JSON_TIGHT);

    json_free(take_doc);
    return text;
}
