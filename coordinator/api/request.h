/* request.h - one request on its way through api/: what the resource files get and how they end.
 *
 * A resource's call function ends in exactly one of api_reply_to (the service answers), api_answer
 * or api_fail. After the last two the request is not touched any more. */
#pragma once

#include "api/api.h"
#include "api/route.h"

struct meter;
struct offload;

struct api {
    struct service *service;
    struct offload *offload;
    struct agent_file *agent;
    struct meter *meter; /* a row a route, and one for what has none */
    bool ready;
};

/* How a JSON body becomes a message, and its memory back. */
struct api_message {
    size_t size;
    enum err_code (*decode)(const char *bytes, size_t len, void *out, struct err *err);
    void (*fini)(void *message);
};

/* For a message of common/proto.h: API_MESSAGE(join_request) defines join_request_message. */
#define API_MESSAGE(name)                                                                          \
    static enum err_code name##_read(const char *bytes, size_t len, void *out, struct err *err)    \
    {                                                                                              \
        return name##_decode(bytes, len, out, err);                                                \
    }                                                                                              \
    static void name##_drop(void *message)                                                         \
    {                                                                                              \
        name##_fini(message);                                                                      \
    }                                                                                              \
    const struct api_message name##_message = { sizeof(struct name), name##_read, name##_drop }

struct api_request {
    struct api *api;
    struct http_call *call;
    struct route_match match;
    char *bearer;      /* NULL: none */
    const char *type;  /* of a good answer, JSON unless the resource says otherwise */
    bool gzip;         /* the body's encoding */
    struct view body;  /* as the resource reads it, of BODY_BYTES */
    void *message;     /* decoded, of BODY_JSON */
    bool decoded;      /* message holds something */
    bool away;         /* with the offload's thread */
    bool with_service; /* the service owes a reply */
    struct err err;    /* of decoding, until it is told */
};

/* The reply to hand to the service: its answer goes through the route's encode. */
struct reply api_reply_to(struct api_request *r);

/* Ends the request with 200 and a text, which is taken. */
void api_answer(struct api_request *r, const char *type, char **take_text);

/* Ends the request with an error. */
void api_fail(struct api_request *r, const struct err *err);

/* The same with a status that no error code has (405's Allow and 415 are set here). */
void api_fail_as(struct api_request *r, unsigned status, const struct err *err);

/* Hands the request's work to the offload's thread; done runs on the loop and calls api_back first.
 * False when there is too much such work: then the request was ended with 503. */
bool api_away(struct api_request *r, void (*work)(void *), void (*done)(void *), void *ctx);

/* The thread is through with r. False when the client has left meanwhile, and r is gone as well. */
MUST_USE bool api_back(struct api_request *r);

/* body.c: checks the body's type and encoding, decodes it (large ones off the loop), then calls the
 * route's function. */
void body_read(struct api_request *r);

/* api.c: the body is decoded, or r->err tells why not. */
void api_proceed(struct api_request *r);
void api_request_free(struct api_request *r);
