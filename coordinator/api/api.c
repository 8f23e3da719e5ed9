#include "api.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent_file.h"
#include "api/request.h"
#include "http/offload.h"
#include "mem.h"
#include "meter.h"
#include "service/auth.h"
#include "status.h"

#define PROBLEM_TYPE "application/problem+json"
#define JSON_TYPE    "application/json"

struct api *api_new(const struct api_opts *opts)
{
    struct api *api = mem_new(1, sizeof(*api));
    size_t count = 0;

    (void)routes(&count);
    *api = (struct api){ .service = opts->service,
                         .offload = offload_new(opts->loop),
                         .agent = agent_file_new(opts->agent_path),
                         .meter = meter_new((uint32_t)count + 1) };
    return api;
}

void api_free(struct api *api)
{
    if (!api)
        return;
    offload_free(api->offload);
    agent_file_free(api->agent);
    meter_free(api->meter);
    free(api);
}

void api_set_ready(struct api *api, bool ready)
{
    api->ready = ready;
}

void api_seen(void *ctx, const struct http_seen *seen)
{
    struct api *api = ctx;
    size_t count = 0;
    const struct route *table = routes(&count), *route = seen->tag;

    meter_note(api->meter, (uint32_t)(route ? (size_t)(route - table) : count), seen->status,
               seen->took_us);
}

/* ---- the end of a request ---- */

void api_request_free(struct api_request *r)
{
    const struct route *route = r->match.route;

    if (r->bearer)
        secret_wipe(r->bearer, strlen(r->bearer));
    free(r->bearer);
    if (r->decoded)
        route->message->fini(r->message);
    free(r->message);
    route_match_fini(&r->match);
    free(r);
}

static void finish(struct api_request *r, unsigned status, const char *type, char **take_text)
{
    size_t len = strlen(*take_text);
    struct http_call *call = r->call;

    http_call_on_gone(call, NULL, NULL);
    api_request_free(r);
    http_call_set_header(call, "Cache-Control", "no-store");
    http_answer(call, status, type, take_text, len);
}

void api_answer(struct api_request *r, const char *type, char **take_text)
{
    finish(r, 200, type, take_text);
}

void api_fail_as(struct api_request *r, unsigned status, const struct err *err)
{
    struct err copy = *err; /* err may be the request's own */
    struct problem problem = { .status = status, .code = copy.code, .detail = copy.text };
    char *text = problem_encode(&problem);

    if (status == 401)
        http_call_set_header(r->call, "WWW-Authenticate", "Bearer realm=\"makespan\"");
    if (status == 405)
        http_call_set_header(r->call, "Allow", r->match.allow);
    if (status == 415)
        http_call_set_header(r->call, "Accept-Encoding", "gzip");
    if (status == 503)
        http_call_set_header(r->call, "Retry-After", "1");
    finish(r, status, PROBLEM_TYPE, &text);
}

void api_fail(struct api_request *r, const struct err *err)
{
    api_fail_as(r, api_status(err->code), err);
}

/* ---- the service's answer ---- */

static void on_reply(void *ctx, const union answer *answer, const struct err *err)
{
    struct api_request *r = ctx;
    char *text;

    r->with_service = false;
    if (err->code) {
        api_fail(r, err);
        return;
    }
    text = r->match.route->encode(answer);
    api_answer(r, r->type, &text);
}

struct reply api_reply_to(struct api_request *r)
{
    r->with_service = true;
    return (struct reply){ .fn = on_reply, .ctx = r };
}

/* The client left. What the service does for it goes on, only nobody is told. */
static void on_gone(void *ctx)
{
    struct api_request *r = ctx;
    char *nothing = NULL;
    struct http_call *call = r->call;

    if (r->away)
        return; /* api_back ends it when the thread gives it back */
    if (r->with_service)
        service_forget(r->api->service, r);
    api_request_free(r);
    http_answer(call, 0, NULL, &nothing, 0);
}

/* ---- work off the loop ---- */

bool api_away(struct api_request *r, void (*work)(void *), void (*done)(void *), void *ctx)
{
    struct err err = ERR_INIT;

    r->away = offload_run(r->api->offload, work, done, ctx);
    if (r->away)
        return true;
    (void)err_set(&err, ERR_UNAVAILABLE, "too many large requests at once");
    api_fail(r, &err);
    return false;
}

bool api_back(struct api_request *r)
{
    r->away = false;
    if (!http_call_is_gone(r->call))
        return true;
    on_gone(r);
    return false;
}

/* ---- a request has come ---- */

/* ERR_TOKEN when the header is there and is no bearer token. */
static enum err_code read_bearer(struct api_request *r, struct err *err)
{
    const char *header = http_call_header(r->call, "Authorization");
    const char *token;

    if (!header)
        return ERR_NONE;
    token = strncasecmp(header, "Bearer ", 7) == 0 ? header + 7 : "";
    token += strspn(token, " ");
    if (!*token || strlen(token) > AUTH_BEARER_BYTES_MAX)
        return err_set(err, ERR_TOKEN, "the Authorization header holds no bearer token");
    r->bearer = mem_strdup(token);
    return ERR_NONE;
}

void api_handle(void *ctx, struct http_call *call)
{
    struct api_request *r = mem_new(1, sizeof(*r));
    struct err err = ERR_INIT;
    size_t count = 0;
    const struct route *table = routes(&count);

    *r = (struct api_request){ .api = ctx, .call = call, .type = JSON_TYPE };
    http_call_on_gone(call, on_gone, r);
    if (route_find(table, count, http_call_method(call), http_call_path(call), &r->match, &err) ||
        read_bearer(r, &err)) {
        api_fail(r, &err);
        return;
    }
    http_call_set_tag(call, r->match.route);
    if (r->match.route->need != NEED_NOTHING && !r->bearer) {
        (void)err_set(&err, ERR_TOKEN, "no token: send Authorization: Bearer TOKEN");
        api_fail(r, &err);
        return;
    }
    body_read(r);
}

void api_proceed(struct api_request *r)
{
    if (r->err.code)
        api_fail(r, &r->err);
    else
        r->match.route->call(r);
}
