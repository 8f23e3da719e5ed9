/* A request's body: its type, its encoding, and from bytes to a message. Small bodies are decoded
 * at once; whatever is large, or becomes large when unpacked, goes to the offload's thread. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/request.h"
#include "gz.h"
#include "mem.h"

#define INLINE_BYTES_MAX (256u << 10)

static bool is_type(const char *header, const char *type)
{
    size_t len = strlen(type);

    return strncasecmp(header, type, len) == 0 && strspn(header + len, "; \t") > 0;
}

/* 0 when the headers say a body that is understood here, else the status. */
static unsigned check_headers(struct api_request *r, struct err *err)
{
    const char *type = http_call_header(r->call, "Content-Type");
    const char *encoding = http_call_header(r->call, "Content-Encoding");

    if (r->match.route->body != BODY_JSON || http_call_body(r->call).len == 0)
        return 0;
    if (type && strcasecmp(type, "application/json") != 0 && !is_type(type, "application/json")) {
        (void)err_set(err, ERR_INVALID, "a body of type '%.100s', not application/json", type);
        return 415;
    }
    r->gzip = encoding && strcasecmp(encoding, "gzip") == 0;
    if (encoding && !r->gzip && strcasecmp(encoding, "identity") != 0) {
        (void)err_set(err, ERR_INVALID, "a body encoded as '%.100s', not gzip", encoding);
        return 415;
    }
    return 0;
}

/* Unpacks up to max bytes and decodes; ERR_TOO_LARGE: more than max. */
static enum err_code decode(struct api_request *r, size_t max, struct err *err)
{
    const struct api_message *message = r->match.route->message;
    struct view body = http_call_body(r->call);
    struct str plain = STR_MAX(max);
    enum err_code rc = ERR_NONE;

    if (r->gzip) {
        rc = gz_unpack(body.at, body.len, &plain, err);
        body = (struct view){ .at = str_text(&plain), .len = plain.len };
    }
    if (!rc) {
        r->message = mem_new(1, message->size);
        rc = message->decode(body.at, body.len, r->message, err);
        r->decoded = !rc;
    }
    str_fini(&plain);
    return rc;
}

static void work(void *ctx)
{
    struct api_request *r = ctx;

    (void)decode(r, PROTO_DECODED_BYTES_MAX, &r->err); /* kept in r->err */
}

static void done(void *ctx)
{
    if (api_back(ctx))
        api_proceed(ctx);
}

static bool fits_here(struct api_request *r)
{
    size_t bytes = http_call_body(r->call).len;

    if (bytes > INLINE_BYTES_MAX)
        return false;
    if (!decode(r, INLINE_BYTES_MAX, &r->err))
        return true;
    if (!r->gzip || r->err.code != ERR_TOO_LARGE || r->message)
        return true; /* refused, and it would be there too */
    r->err = (struct err)ERR_INIT;
    return false;
}

void body_read(struct api_request *r)
{
    struct err err = ERR_INIT;
    unsigned status = check_headers(r, &err);

    if (status) {
        api_fail_as(r, status, &err);
        return;
    }
    r->body = http_call_body(r->call);
    if (r->match.route->body != BODY_JSON || fits_here(r)) {
        api_proceed(r);
        return;
    }
    (void)api_away(r, work, done, r); /* else it has been answered */
}
