/* http_server.h - HTTPS requests in, answers out.
 *
 * A handler gets every well-formed request as a call and answers each call exactly once, at once or
 * later, whether the client still waits or not. What makes libevent's HTTP server safe on an open
 * port (strict framing, limits, cutting off slow clients, freeing what vanished clients leave) is
 * behind this interface. All functions are for the loop's thread.
 *
 * Not for: routes, tokens, JSON messages (api/). */
#pragma once

#include <stdbool.h>

#include "clock.h"
#include "str.h"

struct http_server;
struct http_call;
struct loop;
struct tls;

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_OTHER };
const char *http_method_name(enum http_method method);

/* ---- a request, as long as its call is unanswered ---- */

enum http_method http_call_method(const struct http_call *call);
const char *http_call_path(const struct http_call *call);  /* as it came, from the "/" on */
const char *http_call_query(const struct http_call *call); /* behind the "?", "" for none */
struct view http_call_body(const struct http_call *call);  /* as it came */

/* A request's header, NULL when it is absent or the client has gone. */
const char *http_call_header(const struct http_call *call, const char *name);

/* ---- its answer ---- */

/* Another header of the answer; before http_answer. */
void http_call_set_header(struct http_call *call, const char *name, const char *value);

/* Answers and ends the call, which is not touched any more. Takes *take_body (NULL for none). type:
 * the Content-Type. */
void http_answer(struct http_call *call, unsigned status, const char *type, char **take_body,
                 size_t body_bytes);

/* The same with bytes that several answers share: made once, freed when the last one is sent. */
struct http_blob;
struct http_blob *http_blob_new(char **take_bytes, size_t len);
void http_blob_drop(struct http_blob *blob); /* the maker's own hold; NULL is fine */
void http_answer_blob(struct http_call *call, const char *type, struct http_blob *blob);

/* fn runs once if the client leaves before the answer; the call is still to be answered, inside fn
 * or later, and nothing is sent. NULL: nobody wants to know any more. */
typedef void (*http_gone_fn)(void *ctx);
void http_call_on_gone(struct http_call *call, http_gone_fn fn, void *ctx);
bool http_call_is_gone(const struct http_call *call);

/* ---- who looks on ---- */

/* A call that was answered, or whose client left before; lent. */
struct http_seen {
    enum http_method method;
    const char *path, *client;  /* without its query; the client's address */
    const void *tag;            /* as the handler set it, else NULL */
    unsigned status;            /* 0: the client left */
    size_t in_bytes, out_bytes; /* of the bodies */
    uint64_t took_us;           /* since the request was whole: what is held on purpose counts */
};
typedef void (*http_seen_fn)(void *ctx, const struct http_seen *seen);

/* Something to know the call by when it is seen. */
void http_call_set_tag(struct http_call *call, const void *tag);

/* ---- the server ---- */

#define HTTP_HEADER_BYTES_MAX   16384u
#define HTTP_CONNECTIONS_MAX    10000u         /* the default cap */
#define HTTP_BUFFERED_BYTES_MAX (256ull << 20) /* of all requests that are arriving, together */
#define HTTP_GRACE_MS           10000u /* a request has this long to arrive, an answer to be taken, */
#define HTTP_SLOWEST_BYTES      16384u /* and a second more for this many bytes */
#define HTTP_STALL_GRACES       3u     /* an answer may stand still for so many times the grace */
#define HTTP_IDLE_MS            60000u
#define HTTP_IDLE_CROWDED_MS    5000u /* when new clients wait for a place */
#define HTTP_ADDRESS_BYTES      128

typedef void (*http_handler_fn)(void *ctx, struct http_call *call);

struct http_opts {
    struct loop *loop; /* lent, like the next two */
    const struct clock *clock;
    const char *chain_path, *key_path; /* certificate and key, PEM */
    uint32_t connections_max;          /* 0: the default */
    size_t body_bytes_max;
    uint64_t buffered_bytes_max; /* of all requests together; 0: the default */
    uint64_t grace_ms, idle_ms;  /* 0: the defaults; tests use shorter ones */
    http_handler_fn handler;
    void *ctx;
    http_seen_fn seen; /* NULL: nobody looks on */
    void *seen_ctx;
};

MUST_USE enum err_code http_server_new(const struct http_opts *opts, struct http_server **out,
                                       struct err *err);

/* Cuts every connection and listens no more: whoever holds an unanswered call is told that its
 * client has gone. */
void http_server_cut(struct http_server *server);

/* Cuts, then frees; every call has been answered. NULL is fine. */
void http_server_free(struct http_server *server);

/* Starts to listen on "HOST:PORT", "[V6]:PORT" or ":PORT" (every address). "[::]" takes IPv4 too,
 * and is 0.0.0.0 on a machine without IPv6. May be called again for further addresses. out is what
 * was bound, with the real port. ERR_CONFLICT: the port is in use. */
MUST_USE enum err_code http_server_listen(struct http_server *server, const char *address,
                                          char out[HTTP_ADDRESS_BYTES], struct err *err);

/* Reads the certificate again, for new connections. */
MUST_USE enum err_code http_server_reload(struct http_server *server, struct err *err);

/* Accepts nothing more and answers each further request of open connections with "Connection:
 * close". */
void http_server_stop(struct http_server *server);

struct http_stats {
    uint64_t requests, refused_framing, cut_slow, cut_memory, accepted;
    uint32_t connections;
    uint32_t calls;   /* with the handler, unanswered */
    uint32_t sending; /* answered, not yet taken by the client */
    uint64_t buffered_bytes;
};
void http_server_stats(const struct http_server *server, struct http_stats *out);
void http_call_server_stats(const struct http_call *call, struct http_stats *out);
