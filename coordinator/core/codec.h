/* codec.h - one description of a stored struct that both writes and reads it.
 *
 * Each call names a member; writing appends it, reading fills it. The first failure sticks: later
 * calls do nothing, so a description has no branches for errors. Numbers are LEB128, texts have
 * their length in front (0 for absent, else length + 1). Counts are checked against the bytes that
 * are left before anything is allocated. */
#pragma once

#include "str.h"

struct codec {
    struct str *out; /* writing; NULL when reading */
    const unsigned char *at, *end;
    enum err_code rc;
    struct err *err;
    uint32_t version; /* of the description, the caller's: members come with one */
};

void codec_writer(struct codec *c, struct str *out, struct err *err);
void codec_reader(struct codec *c, const void *bytes, size_t len, struct err *err);
bool codec_reads(const struct codec *c);
void codec_fail(struct codec *c, const char *what); /* ERR_MALFORMED, when reading */

void codec_u64(struct codec *c, uint64_t *v);
void codec_u32(struct codec *c, uint32_t *v);
void codec_bool(struct codec *c, bool *v);
void codec_max(struct codec *c, uint32_t *v, uint32_t max); /* a number of at most max */

/* An owned text, NULL allowed; one that must be there; one in an array of the caller's. */
void codec_text(struct codec *c, char **text, size_t max_bytes);
void codec_name(struct codec *c, char **text, size_t max_bytes); /* must be there */
void codec_fixed(struct codec *c, char *text, size_t size);

/* How many items follow, each a byte at least; 0 after a failure. When reading, a zeroed array of
 * so many items of size bytes; when writing, items. */
void *codec_array(struct codec *c, void *items, uint32_t *count, uint32_t max, size_t size);

/* Everything was used; returns what went wrong. */
MUST_USE enum err_code codec_end(struct codec *c);
