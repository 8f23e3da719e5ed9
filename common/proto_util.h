/* proto_util.h - private to proto*.c: reading members one after another with one check at the end.
 *
 * A struct fields remembers the first failure; every field_ function after that does nothing. */
#pragma once

#include "json.h"
#include "proto.h"

struct fields {
    const struct json *obj;
    struct json *doc; /* NULL for an object inside another */
    struct err *err;
    enum err_code rc;
};

/* Parses a body that must be one object. */
struct fields fields_open(const char *bytes, size_t len, struct err *err);

/* Frees the document and gives the first failure. */
enum err_code fields_close(struct fields *f);

/* Required and optional members; texts are copies. */
void field_text(struct fields *f, const char *key, size_t max_bytes, char **out);
void field_text_opt(struct fields *f, const char *key, size_t max_bytes, char **out);
void field_people(struct fields *f, const char *key, char **out); /* optional, cut when too long */
char *people_text(const struct json *v); /* the same of any value; NULL when it is no text */
void field_u64(struct fields *f, const char *key, uint64_t max, uint64_t *out);
void field_u64_opt(struct fields *f, const char *key, uint64_t max, uint64_t *out);
void field_u32(struct fields *f, const char *key, uint32_t min, uint32_t max, uint32_t *out);
void field_u32_opt(struct fields *f, const char *key, uint32_t min, uint32_t max, uint32_t *out);
void field_bool_opt(struct fields *f, const char *key, bool *out);

/* An optional array; NULL and 0 when absent. */
const struct json *field_array(struct fields *f, const char *key, size_t max, uint32_t *out_count);

/* An optional array of objects, each read into zeroed memory of this size; the caller's, NULL when
 * absent or empty. After a failure the count says how many were begun. */
typedef void (*field_read_fn)(struct fields *f, void *out);
void *field_list(struct fields *f, const char *key, size_t max, size_t size, field_read_fn read,
                 uint32_t *out_count);

/* [id, k]; [[id, k], ...]; [[id, k, cost_us], ...]. */
void field_ref(struct fields *f, const char *key, struct test_ref *out);
void field_refs(struct fields *f, const char *key, size_t max, struct test_ref **out,
                uint32_t *out_count);
void field_order_tests(struct fields *f, const char *key, struct order_test **out,
                       uint32_t *out_count);

/* A word of a table that ends with NULL; out is its position. */
uint32_t field_word(struct fields *f, const char *key, const char *const *words);

enum err_code field_fail(struct fields *f, const char *key, const char *why);

/* Building. Absent texts are left out. */
void put_text(struct json *obj, const char *key, const char *text);
struct json *ref_json(const struct test_ref *ref);
/* An array of what these become, each by item; left out when there are none. */
void put_list(struct json *obj, const char *key, const void *items, uint32_t count, size_t size,
              struct json *(*item)(const void *));
void put_refs(struct json *obj, const char *key, const struct test_ref *refs, uint32_t count);
void put_errors(struct json *obj, const char *key, const struct run_error *errors, uint32_t count);
void put_scopes(struct json *obj, const struct scope_cost *scopes, uint32_t count);
void field_scopes(struct fields *f, struct scope_cost **out, uint32_t *out_count);
void put_found(struct json *obj, const struct found_test *found, uint32_t count);
void field_found(struct fields *f, struct found_test **out, uint32_t *out_count);
void field_errors(struct fields *f, const char *key, struct run_error **out, uint32_t *out_count);

void refs_free(struct test_ref *refs, uint32_t count);
void labels_free(struct label *labels, uint32_t count);
void run_errors_free(struct run_error *errors, uint32_t count);
