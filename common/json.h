/* json.h - JSON values, read with a path in every error and caps before allocation; built without
 * leaks.
 *
 * The only door to jansson. A member that is missing, of another type or out of range gives
 * ERR_INVALID "outcome: ..."; who reads inside an array puts "results[3]." before it with
 * json_err_at. Duplicate keys, trailing bytes and nesting over the limit are ERR_MALFORMED. */
#pragma once

#include "str.h"

#define JSON_DEPTH_MAX      64u
#define JSON_CONTAINERS_MAX 1000000u /* objects and arrays of a document; more is ERR_TOO_LARGE */
#define JSON_VALUES_MAX     4000000u

struct json; /* one value; a document owns all below it */

MUST_USE enum err_code json_parse(const char *bytes, size_t len, struct json **out,
                                  struct err *err);
void json_free(struct json *doc); /* only what json_parse or json_new_* gave and nobody took */

/* Puts "key[i]." before the path that the text of err begins with; returns the code. */
enum err_code json_err_at(struct err *err, const char *key, size_t i);

/* Reading members of an object. The opt_ forms leave *out as it is when the member is absent or
 * null. Lent pointers live as long as the document. */
MUST_USE enum err_code json_get_text(const struct json *obj, const char *key, size_t max_bytes,
                                     const char **out, struct err *err);
MUST_USE enum err_code json_opt_text(const struct json *obj, const char *key, size_t max_bytes,
                                     const char **out, struct err *err);
MUST_USE enum err_code json_get_u64(const struct json *obj, const char *key, uint64_t min,
                                    uint64_t max, uint64_t *out, struct err *err);
MUST_USE enum err_code json_opt_u64(const struct json *obj, const char *key, uint64_t min,
                                    uint64_t max, uint64_t *out, struct err *err);
MUST_USE enum err_code json_opt_bool(const struct json *obj, const char *key, bool *out,
                                     struct err *err);
MUST_USE enum err_code json_get_array(const struct json *obj, const char *key, size_t max_items,
                                      const struct json **out, struct err *err);
MUST_USE enum err_code json_opt_array(const struct json *obj, const char *key, size_t max_items,
                                      const struct json **out, struct err *err);
MUST_USE enum err_code json_opt_object(const struct json *obj, const char *key,
                                       const struct json **out, struct err *err);

/* The member, null too; NULL when absent. */
const struct json *json_find(const struct json *obj, const char *key);

/* Values themselves: kinds, items of an array, members of an object in file order. */
bool json_is_object(const struct json *v);
bool json_is_array(const struct json *v);
bool json_is_null(const struct json *v);
const char *json_text(const struct json *v); /* NULL when not text, or with a NUL inside */
char *json_text_lossy(const struct json *v); /* a copy, NULs shown as U+FFFD; NULL when not text */
bool json_whole(const struct json *v, int64_t *out); /* false when not a whole number */
bool json_number(const struct json *v, double *out); /* false when not a number */
size_t json_size(const struct json *v);              /* items of an array or members of an object */
const struct json *json_at(const struct json *array, size_t i);
struct json_member {
    const char *key;
    const struct json *value;
    void *iter; /* internal */
};
/* false at the end */
bool json_first(const struct json *obj, struct json_member *m);
bool json_next(const struct json *obj, struct json_member *m);

/* Building. Every set and append takes the value; text that is not UTF-8 has its bad bytes replaced
 * by U+FFFD. Numbers end at 2^63-1, what is above becomes that. */
struct json *json_new_object(void);
struct json *json_new_array(void);
void json_set(struct json *obj, const char *key, struct json *value);
void json_set_text(struct json *obj, const char *key, const char *text); /* NULL gives null */
void json_set_u64(struct json *obj, const char *key, uint64_t v);
void json_set_bool(struct json *obj, const char *key, bool v);
void json_append(struct json *array, struct json *value);
void json_append_text(struct json *array, const char *text);
void json_append_u64(struct json *array, uint64_t v);
void json_append_i64(struct json *array, int64_t v);

enum json_form {
    JSON_TIGHT,
    JSON_PRETTY,
    JSON_PRETTY_SORTED
}; /* pretty: indent 4, as pytest-split */
/* Text of a value, the caller's. Never fails for a value that was built here. */
char *json_dump(const struct json *v, enum json_form form);

/* The tight text of a document that is complete, and with it freed. */
char *json_finish(struct json *take_doc);
