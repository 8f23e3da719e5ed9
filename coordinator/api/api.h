/* api.h - the coordinator's paths: decode a request, call the service, encode its answer.
 *
 * docs/openapi.yaml describes the same paths; a test holds both against each other. Errors are
 * application/problem+json with the stable names of common/err.h. Not for: sockets (http/), rules
 * (service/, core/). */
#pragma once

#include "http/http_server.h"
#include "service/service.h"

struct api;

struct api_opts {
    struct service *service; /* lent, like the loop */
    struct loop *loop;
    const char *agent_path; /* the program GET /agent/linux-x86_64 hands out; may be missing */
};

struct api *api_new(const struct api_opts *opts);
void api_free(struct api *api); /* after the server, with every call answered */

/* The server's handler; ctx is the api. */
void api_handle(void *ctx, struct http_call *call);

/* The server's looker-on: counts for GET /metrics. ctx is the api. */
void api_seen(void *ctx, const struct http_seen *seen);

/* Until now answers to /readyz are 503. */
void api_set_ready(struct api *api, bool ready);
