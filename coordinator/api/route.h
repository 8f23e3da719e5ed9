/* route.h - which row of the table a request belongs to. Pure. */
#pragma once

#include "http/http_server.h"
#include "query.h"

#define ROUTE_PARAMS_MAX  3u
#define ROUTE_ALLOW_BYTES 64

struct api_request;
struct api_message;
union answer;

enum route_need { /* which credential the service will ask for; without any it is 401 at once */
                  NEED_NOTHING,
                  NEED_READER,  /* a project token of any role, or a session's for its own run */
                  NEED_AGENT,   /* a project token that may join */
                  NEED_SESSION, /* the session's own token */
};
enum route_body { BODY_NONE, BODY_JSON, BODY_BYTES };

struct route {
    enum http_method method;
    const char *pattern; /* "/v1/runs/{run}/pull" */
    enum route_need need;
    enum route_body body;
    const struct api_message *message;   /* of a JSON body */
    void (*call)(struct api_request *r); /* ends in api_reply_to, api_answer or api_fail */
    char *(*encode)(
        const union answer *answer); /* answer as JSON, the caller's; NULL: call sees to it */
};

struct route_match {
    const struct route *route;
    char *params[ROUTE_PARAMS_MAX]; /* decoded, in the pattern's order */
    char allow[ROUTE_ALLOW_BYTES];  /* methods of the path, for 405 */
};

/* ERR_NOT_FOUND: no such path. ERR_METHOD: the path has other methods, they are in out->allow.
 * ERR_INVALID: a parameter is not decodable. HEAD finds what GET does. */
MUST_USE enum err_code route_find(const struct route *table, size_t count, enum http_method method,
                                  const char *path, struct route_match *out, struct err *err);
void route_match_fini(struct route_match *match);

/* The one table (routes.c). */
const struct route *routes(size_t *out_count);
