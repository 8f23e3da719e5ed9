/* manifest.h - the set of tests of a run: ids with their occurrence, scope and group; digest;
 * difference.
 *
 * Identity is (id, k): the runner's own name of a test and which occurrence of it, as a runner may
 * yield one id twice. The digest is SHA-256 over "makespan-manifest 1\n" and then, sorted by the
 * bytes of the id and by k, per test: id NUL, k in four bytes (little endian), group NUL, flags
 * NUL. So agents that collect in another order agree; the order of collection travels beside it as
 * a hint. Scopes follow from the id and are not sent.
 *
 * Text form (what is uploaded, gzip, in parts): a line "makespan-manifest 1 <count>\n", then per
 * test, in collection order:  <bytes shared with the id before> SP <bytes that follow> SP <the
 * bytes> SP <group bytes> SP <group> SP <flags bytes> SP <flags> LF. Numbers are decimal. All text
 * is UTF-8 without NUL, as it has to travel as JSON; an id is not empty. */
#pragma once

#include "str.h"

#define MANIFEST_TESTS_MAX       2000000u
#define MANIFEST_ID_BYTES_MAX    4096u
#define MANIFEST_GROUP_BYTES_MAX 256u
#define MANIFEST_FLAGS_BYTES_MAX 1024u
#define MANIFEST_TEXT_BYTES_MAX  (512u << 20)
#define MANIFEST_PART_BYTES      (1u << 20)
#define MANIFEST_DIGEST_BYTES    65

struct manifest_test {
    const char *id;    /* owned by the manifest, NUL-terminated */
    uint32_t k;        /* which occurrence, from 0 */
    const char *group; /* "" for none */
    const char *flags; /* comma list as in docs/runner-protocol.md, "" for none */
};

struct manifest {
    struct manifest_test *tests; /* in collection order */
    uint32_t count;
    char digest[MANIFEST_DIGEST_BYTES]; /* hex; valid after manifest_seal */
    struct manifest_index *index;       /* (id, k) -> position; valid after manifest_seal */
    struct manifest_arena *arena;
};

struct manifest *manifest_new(void);
void manifest_free(struct manifest *m);

/* Appends a test; k is counted here. ERR_TOO_LARGE over a limit above, ERR_INVALID for text that is
 * not as said above. */
MUST_USE enum err_code manifest_add(struct manifest *m, struct view id, struct view group,
                                    struct view flags, struct err *err);

/* Computes the digest; nothing is added afterwards but by manifest_extend. */
void manifest_seal(struct manifest *m);

/* A test that was found after the manifest was sealed goes behind all others; the digest stays that
 * of what was sealed. k is the next occurrence of its id; ERR_CONFLICT for another. */
MUST_USE enum err_code manifest_extend(struct manifest *m, const struct manifest_test *test,
                                       struct err *err);

/* Position of a test, UINT32_MAX when it is not there. */
uint32_t manifest_find(const struct manifest *m, const char *id, uint32_t k);

/* Text form and back; decoding seals. */
MUST_USE enum err_code manifest_encode(const struct manifest *m, struct str *out, struct err *err);
MUST_USE enum err_code manifest_decode(const char *bytes, size_t len, struct manifest **out,
                                       struct err *err);

/* What only one of two has: positions in a and in b, the caller's arrays (free them). */
struct manifest_diff {
    uint32_t *only_a;
    uint32_t *only_b;
    uint32_t only_a_count;
    uint32_t only_b_count;
};
void manifest_diff(const struct manifest *a, const struct manifest *b, struct manifest_diff *out);
void manifest_diff_fini(struct manifest_diff *d);

/* Parts of an id (views into it). file: before the first "::"; family: up to the first "[" after
 * that, so without parameters; scope: before the last "::" of the family (module or class). An id
 * without "::" is all three. */
struct view manifest_id_file(const char *id);
struct view manifest_id_scope(const char *id);
struct view manifest_id_family(const char *id);

/* "id", or "id#k" for k > 0, as people see it. */
MUST_USE enum err_code manifest_show(const char *id, uint32_t k, struct str *out, struct err *err);
