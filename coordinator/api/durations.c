/* GET and PUT durations: pytest-split's file. */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "resources.h"

struct durations_body {
    struct durations_file *file;
};

static enum err_code durations_read(const char *bytes, size_t len, void *out, struct err *err)
{
    struct durations_body *body = out;

    return durations_parse(bytes, len, &body->file, err);
}

static void durations_drop(void *message)
{
    struct durations_body *body = message;

    durations_free(body->file);
}

const struct api_message durations_message = { sizeof(struct durations_body), durations_read,
                                               durations_drop };

/* ---- the answer: it may be many megabytes, so it is written off the loop, from a copy ---- */

struct printing {
    struct api_request *r;
    struct duration *items;
    uint32_t count;
    char *ids; /* one after the other, what the items point into */
    struct str text;
    struct err err;
};

static struct printing *printing_new(struct api_request *r, const struct durations *durations)
{
    struct printing *p = mem_new(1, sizeof(*p));
    size_t bytes = 0;
    char *at;

    for (uint32_t i = 0; i < durations->count; i++)
        bytes += strlen(durations->items[i].id) + 1;
    *p = (struct printing){ .r = r,
                            .items = mem_new(durations->count, sizeof(*p->items)),
                            .count = durations->count,
                            .ids = mem_new(bytes, 1),
                            .text = STR_MAX(DURATIONS_BYTES_MAX) };
    at = p->ids;
    for (uint32_t i = 0; i < p->count; i++) {
        size_t len = strlen(durations->items[i].id) + 1;

        memcpy(at, durations->items[i].id, len);
        p->items[i] = (struct duration){ .id = at, .us = durations->items[i].us };
        at += len;
    }
    return p;
}

static void printing_free(struct printing *p)
{
    str_fini(&p->text);
    free(p->items);
    free(p->ids);
    free(p);
}

static void work(void *ctx)
{
    struct printing *p = ctx;
    struct durations durations = { .items = p->items, .count = p->count };

    if (durations_print(&durations, &p->text, &p->err))
        str_clear(&p->text); /* p->err tells why */
}

static void done(void *ctx)
{
    struct printing *p = ctx;
    char *text;

    if (api_back(p->r)) {
        if (p->err.code) {
            api_fail(p->r, &p->err);
        } else {
            text = str_take(&p->text);
            api_answer(p->r, p->r->type, &text);
        }
    }
    printing_free(p);
}

static void on_durations(void *ctx, const union answer *answer, const struct err *err)
{
    struct api_request *r = ctx;
    struct printing *p;

    r->with_service = false;
    if (err->code) {
        api_fail(r, err);
        return;
    }
    p = printing_new(r, answer->durations);
    if (!api_away(r, work, done, p))
        printing_free(p);
}

void api_durations_export(struct api_request *r)
{
    struct reply reply = api_reply_to(r);

    reply.fn = on_durations;
    service_durations_export(r->api->service, r->bearer, r->match.params[0], r->match.params[1],
                             reply);
}

void api_durations_import(struct api_request *r)
{
    const struct durations_body *body = r->message;
    struct durations in = durations_of(body->file);
    struct reply reply = api_reply_to(r);

    reply.fn = on_durations;
    service_durations_import(r->api->service, r->bearer, r->match.params[0], r->match.params[1],
                             &in, reply);
}
