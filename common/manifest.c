#include "manifest.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "manifest_index.h"
#include "mem.h"

#define MANIFEST_MAGIC     "makespan-manifest 1"
#define DIGEST_BATCH_BYTES 65536u
#define DECIMAL_BYTES_MAX  20u
#define EXCERPT_BYTES      60u /* of a text that is too long */

/* The allocation behind the public struct. */
struct whole {
    struct manifest public;
    size_t cap;
    size_t text_bytes; /* of all ids, groups and flags */
};

struct manifest *manifest_new(void)
{
    struct whole *w = mem_new(1, sizeof(*w));

    w->public.arena = arena_new();
    w->public.index = index_new();
    return &w->public;
}

void manifest_free(struct manifest *m)
{
    if (!m)
        return;
    index_free(m->index);
    arena_free(m->arena);
    free(m->tests);
    free(m); /* public is the first member */
}

static enum err_code check_text(const char *what, struct view v, size_t max, struct err *err)
{
    if (v.len > max)
        return err_set(err, ERR_TOO_LARGE, "%s '%.*s...' is %zu bytes long, over %zu", what,
                       (int)utf8_valid_len(v.at, EXCERPT_BYTES), v.at, v.len, max);
    if (v.len == 0)
        return ERR_NONE;
    if (memchr(v.at, '\0', v.len) || utf8_valid_len(v.at, v.len) != v.len)
        return err_set(err, ERR_INVALID, "%s '%.*s' is not UTF-8", what, (int)v.len, v.at);
    return ERR_NONE;
}

static enum err_code check_test(const struct whole *w, struct view id, struct view group,
                                struct view flags, struct err *err)
{
    if (w->public.count >= MANIFEST_TESTS_MAX)
        return err_set(err, ERR_TOO_LARGE, "more than %u tests", MANIFEST_TESTS_MAX);
    if (id.len == 0)
        return err_set(err, ERR_INVALID, "test %u has an empty id", w->public.count);
    if (check_text("test id", id, MANIFEST_ID_BYTES_MAX, err) ||
        check_text("group", group, MANIFEST_GROUP_BYTES_MAX, err) ||
        check_text("flags", flags, MANIFEST_FLAGS_BYTES_MAX, err))
        return err->code;
    if (id.len + group.len + flags.len > MANIFEST_TEXT_BYTES_MAX - w->text_bytes)
        return err_set(err, ERR_TOO_LARGE, "test ids of more than %u bytes",
                       MANIFEST_TEXT_BYTES_MAX);
    return ERR_NONE;
}

/* Groups and flags mostly repeat those of the test before. */
static const char *keep(struct manifest *m, struct view text, const char *before)
{
    if (text.len == 0)
        return "";
    return before && view_eq(text, before) ? before : arena_text(m->arena, text);
}

static enum err_code append(struct manifest *m, struct view id, struct view group,
                            struct view flags, struct err *err)
{
    struct whole *w = (struct whole *)m;
    const struct manifest_test *last = m->count ? &m->tests[m->count - 1] : NULL;
    struct manifest_test test;
    enum err_code rc = check_test(w, id, group, flags, err);

    if (rc)
        return rc;
    test = (struct manifest_test){ .id = arena_text(m->arena, id),
                                   .k = index_occurrences(m->index, m->tests, id),
                                   .group = keep(m, group, last ? last->group : NULL),
                                   .flags = keep(m, flags, last ? last->flags : NULL) };
    m->tests = mem_grow(m->tests, &w->cap, (size_t)m->count + 1, sizeof(*m->tests));
    m->tests[m->count] = test;
    index_add(m->index, m->tests, m->count);
    m->count++;
    w->text_bytes += id.len + group.len + flags.len;
    return ERR_NONE;
}

enum err_code manifest_add(struct manifest *m, struct view id, struct view group, struct view flags,
                           struct err *err)
{
    INVARIANT(m->digest[0] == '\0');
    return append(m, id, group, flags, err);
}

enum err_code manifest_extend(struct manifest *m, const struct manifest_test *test, struct err *err)
{
    struct view id = view_of(test->id);
    uint32_t k = index_occurrences(m->index, m->tests, id);

    INVARIANT(m->digest[0] != '\0');
    if (test->k != k)
        return err_set(err, ERR_CONFLICT, "occurrence %u of %s, the next is %u", test->k, test->id,
                       k);
    return append(m, id, view_of(test->group), view_of(test->flags), err);
}

/* Hashes in large pieces: a call a text would cost more than the hash. */
struct batch {
    struct hash *hash;
    size_t used;
    char bytes[DIGEST_BATCH_BYTES];
};

static void batch_add(struct batch *b, const void *bytes, size_t len)
{
    if (len > sizeof(b->bytes) - b->used) {
        hash_add(b->hash, b->bytes, b->used);
        b->used = 0;
    }
    memcpy(b->bytes + b->used, bytes, len); /* every text is shorter than the batch */
    b->used += len;
}

void manifest_seal(struct manifest *m)
{
    uint32_t *order = manifest_sorted(m);
    struct batch *b = mem_new(1, sizeof(*b));

    b->hash = hash_new();
    batch_add(b, MANIFEST_MAGIC "\n", sizeof(MANIFEST_MAGIC));
    for (uint32_t i = 0; i < m->count; i++) {
        const struct manifest_test *t = &m->tests[order[i]];
        unsigned char k[4] = { (unsigned char)t->k, (unsigned char)(t->k >> 8),
                               (unsigned char)(t->k >> 16), (unsigned char)(t->k >> 24) };

        batch_add(b, t->id, strlen(t->id) + 1);
        batch_add(b, k, sizeof(k));
        batch_add(b, t->group, strlen(t->group) + 1);
        batch_add(b, t->flags, strlen(t->flags) + 1);
    }
    hash_add(b->hash, b->bytes, b->used);
    hash_end(b->hash, m->digest);
    free(b);
    free(order);
}

uint32_t manifest_find(const struct manifest *m, const char *id, uint32_t k)
{
    return index_find(m->index, m->tests, view_of(id), k);
}

/* Writes "<v> " and returns its length. */
static size_t put_number(char out[DECIMAL_BYTES_MAX + 1], size_t v)
{
    char digits[DECIMAL_BYTES_MAX];
    size_t n = 0;

    do {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    for (size_t i = 0; i < n; i++)
        out[i] = digits[n - 1 - i];
    out[n] = ' ';
    return n + 1;
}

static size_t put_text(char *out, const char *text, size_t len, char after)
{
    size_t at = put_number(out, len);

    memcpy(out + at, text, len);
    out[at + len] = after;
    return at + len + 1;
}

static size_t shared_bytes(const char *a, const char *b)
{
    size_t n = 0;

    while (a[n] && a[n] == b[n])
        n++;
    return n;
}

enum err_code manifest_encode(const struct manifest *m, struct str *out, struct err *err)
{
    char line[MANIFEST_ID_BYTES_MAX + MANIFEST_GROUP_BYTES_MAX + MANIFEST_FLAGS_BYTES_MAX +
              4 * (DECIMAL_BYTES_MAX + 1) + 3];
    const char *before = "";
    size_t start = out->len;
    enum err_code rc = str_addf(out, err, MANIFEST_MAGIC " %u\n", m->count);

    for (uint32_t i = 0; i < m->count && !rc; i++) {
        const struct manifest_test *t = &m->tests[i];
        size_t shared = shared_bytes(before, t->id);
        size_t at = put_number(line, shared);

        at += put_text(line + at, t->id + shared, strlen(t->id + shared), ' ');
        at += put_text(line + at, t->group, strlen(t->group), ' ');
        at += put_text(line + at, t->flags, strlen(t->flags), '\n');
        rc = str_add(out, line, at, err);
        before = t->id;
    }
    if (rc) {
        out->len = start;
        if (out->at)
            out->at[start] = '\0';
    }
    return rc;
}

/* What is left to decode. Every reader moves on only when it succeeds. */
struct reader {
    const char *at;
    size_t left;
};

/* Digits without a leading zero, then the byte after; so that one manifest has one text. */
static bool read_number(struct reader *r, size_t max, char after, size_t *out)
{
    size_t v = 0;
    size_t i = 0;

    for (; i < r->left && r->at[i] >= '0' && r->at[i] <= '9'; i++) {
        v = v * 10 + (size_t)(r->at[i] - '0');
        if (v > max || (i > 0 && r->at[0] == '0'))
            return false;
    }
    if (i == 0 || i == r->left || r->at[i] != after)
        return false;
    r->at += i + 1;
    r->left -= i + 1;
    *out = v;
    return true;
}

static bool read_text(struct reader *r, size_t max, char after, struct view *out)
{
    size_t len = 0;

    if (!read_number(r, max, ' ', &len) || r->left < len + 1 || r->at[len] != after)
        return false;
    *out = (struct view){ .at = r->at, .len = len };
    r->at += len + 1;
    r->left -= len + 1;
    return true;
}

static bool read_header(struct reader *r, size_t *out_count)
{
    size_t len = sizeof(MANIFEST_MAGIC) - 1;

    if (r->left < len + 1 || memcmp(r->at, MANIFEST_MAGIC " ", len + 1) != 0)
        return false;
    r->at += len + 1;
    r->left -= len + 1;
    return read_number(r, MANIFEST_TESTS_MAX, '\n', out_count);
}

static enum err_code read_test(struct reader *r, struct manifest *m, char *id, size_t *id_bytes,
                               struct err *err)
{
    struct view rest;
    struct view group;
    struct view flags;
    size_t shared = 0;

    if (!read_number(r, *id_bytes, ' ', &shared) ||
        !read_text(r, MANIFEST_ID_BYTES_MAX - shared, ' ', &rest) ||
        !read_text(r, MANIFEST_GROUP_BYTES_MAX, ' ', &group) ||
        !read_text(r, MANIFEST_FLAGS_BYTES_MAX, '\n', &flags))
        return err_set(err, ERR_MALFORMED, "manifest: test %u cannot be read", m->count);
    memcpy(id + shared, rest.at, rest.len);
    *id_bytes = shared + rest.len;
    if (manifest_add(m, (struct view){ .at = id, .len = *id_bytes }, group, flags, err))
        return err_wrap(err, "manifest: test %u", m->count);
    return ERR_NONE;
}

enum err_code manifest_decode(const char *bytes, size_t len, struct manifest **out, struct err *err)
{
    struct reader r = { .at = bytes, .left = len };
    struct manifest *m = manifest_new();
    char id[MANIFEST_ID_BYTES_MAX];
    size_t id_bytes = 0;
    size_t count = 0;
    enum err_code rc = ERR_NONE;

    if (!read_header(&r, &count))
        rc = err_set(err, ERR_MALFORMED, "manifest: does not begin with '%s'", MANIFEST_MAGIC);
    while (!rc && m->count < count)
        rc = read_test(&r, m, id, &id_bytes, err);
    if (!rc && r.left > 0)
        rc = err_set(err, ERR_MALFORMED, "manifest: %zu bytes follow its %zu tests", r.left, count);
    if (rc) {
        manifest_free(m);
        return rc;
    }
    manifest_seal(m);
    *out = m;
    return ERR_NONE;
}

/* Positions of the tests of a that b lacks. */
static uint32_t *lacking(const struct manifest *a, const struct manifest *b, uint32_t *out_count)
{
    uint32_t *only = NULL;
    size_t cap = 0;
    uint32_t count = 0;

    for (uint32_t i = 0; i < a->count; i++) {
        if (manifest_find(b, a->tests[i].id, a->tests[i].k) != UINT32_MAX)
            continue;
        only = mem_grow(only, &cap, (size_t)count + 1, sizeof(*only));
        only[count++] = i;
    }
    *out_count = count;
    return only;
}

void manifest_diff(const struct manifest *a, const struct manifest *b, struct manifest_diff *out)
{
    out->only_a = lacking(a, b, &out->only_a_count);
    out->only_b = lacking(b, a, &out->only_b_count);
}

void manifest_diff_fini(struct manifest_diff *d)
{
    free(d->only_a);
    free(d->only_b);
    *d = (struct manifest_diff){ 0 };
}
