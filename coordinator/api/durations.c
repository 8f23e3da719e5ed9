/* GET and PUT durations: pytest-split's file. */
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

void api_durations_export(struct api_request *r)
{
    service_durations_export(r->api->service, r->bearer, r->match.params[0], r->match.params[1],
                             api_reply_to(r));
}

void api_durations_import(struct api_request *r)
{
    const struct durations_body *body = r->message;
    struct durations in = durations_of(body->file);

    service_durations_import(r->api->service, r->bearer, r->match.params[0], r->match.params[1],
                             &in, api_reply_to(r));
}

char *api_durations_encode(const union answer *answer)
{
    struct str text = STR_MAX(DURATIONS_BYTES_MAX);
    struct err err = ERR_INIT;

    INVARIANT(!durations_print(answer->durations, &text, &err)); /* the service bounds the count */
    return str_take(&text);
}
