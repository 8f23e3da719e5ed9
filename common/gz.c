#include "gz.h"

#include <stdlib.h>
#include <zlib.h>

#include "mem.h"

#define GZ_STEP_BYTES 16384u
#define GZ_WINDOW     (15 + 16) /* the largest window, in gzip's frame */
#define GZ_LEVEL      6

static void *zlib_alloc(void *ctx, unsigned items, unsigned size)
{
    (void)ctx;
    return mem_new(items, size);
}

static void zlib_free(void *ctx, void *p)
{
    (void)ctx;
    free(p);
}

/* zlib counts in 32 bits; long input is fed in slices. */
static void feed(z_stream *z, const unsigned char **at, size_t *left)
{
    size_t slice = *left > UINT32_MAX / 2 ? UINT32_MAX / 2 : *left;

    if (z->avail_in > 0)
        return;
    z->next_in = (unsigned char *)(uintptr_t)*at; /* read only, whatever the type says */
    z->avail_in = (unsigned)slice;
    *at += slice;
    *left -= slice;
}

static void cut(struct str *out, size_t len)
{
    out->len = len;
    if (out->at)
        out->at[len] = '\0';
}

enum err_code gz_pack(const void *bytes, size_t len, struct str *out, struct err *err)
{
    z_stream z = { .zalloc = zlib_alloc, .zfree = zlib_free };
    unsigned char step[GZ_STEP_BYTES];
    const unsigned char *at = bytes;
    size_t before = out->len;
    enum err_code rc = ERR_NONE;
    int state;

    INVARIANT(deflateInit2(&z, GZ_LEVEL, Z_DEFLATED, GZ_WINDOW, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    do {
        feed(&z, &at, &len);
        z.next_out = step;
        z.avail_out = sizeof(step);
        state = deflate(&z, len > 0 ? Z_NO_FLUSH : Z_FINISH);
        INVARIANT(state != Z_STREAM_ERROR);
        rc = str_add(out, step, sizeof(step) - z.avail_out, err);
    } while (!rc && state != Z_STREAM_END);
    (void)deflateEnd(&z);
    if (rc)
        cut(out, before);
    return rc;
}

enum err_code gz_unpack(const void *bytes, size_t len, struct str *out, struct err *err)
{
    z_stream z = { .zalloc = zlib_alloc, .zfree = zlib_free };
    unsigned char step[GZ_STEP_BYTES];
    const unsigned char *at = bytes;
    size_t before = out->len;
    enum err_code rc = ERR_NONE;
    int state;

    INVARIANT(inflateInit2(&z, GZ_WINDOW) == Z_OK);
    do {
        feed(&z, &at, &len);
        z.next_out = step;
        z.avail_out = sizeof(step);
        state = inflate(&z, Z_NO_FLUSH);
        if (state != Z_OK && state != Z_STREAM_END)
            rc = err_set(err, ERR_MALFORMED, "not gzip: %s", z.msg ? z.msg : "the data ends early");
        else
            rc = str_add(out, step, sizeof(step) - z.avail_out, err);
    } while (!rc && state != Z_STREAM_END);
    if (!rc && (z.avail_in > 0 || len > 0))
        rc = err_set(err, ERR_MALFORMED, "bytes follow the gzip data");
    (void)inflateEnd(&z);
    if (rc)
        cut(out, before);
    return rc;
}
