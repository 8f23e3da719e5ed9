/* POST collected and PUT manifest: the set of tests of a run. */
#include "manifest.h"

#include "resources.h"

#define PARTS_MAX (MANIFEST_TEXT_BYTES_MAX / MANIFEST_PART_BYTES)

API_MESSAGE(collected_request);

void api_collected(struct api_request *r)
{
    service_collected(r->api->service, r->bearer, r->match.params[0], r->message, api_reply_to(r));
}

char *api_collected_encode(const union answer *answer)
{
    return collected_answer_encode(answer->collected);
}

void api_part(struct api_request *r)
{
    struct manifest_part part = { .digest = r->match.params[1], .bytes = r->body };
    struct err err = ERR_INIT;

    if (parse_u32(r->match.params[2], 0, PARTS_MAX - 1, &part.part, &err) ||
        query_opt_u32(http_call_query(r->call), "of", PARTS_MAX, &part.of, &err)) {
        api_fail(r, &err);
        return;
    }
    if (part.part >= part.of) {
        (void)err_set(&err, ERR_INVALID, "part %u of %u: add ?of=N, parts count from 0", part.part,
                      part.of);
        api_fail(r, &err);
        return;
    }
    service_manifest_part(r->api->service, r->bearer, r->match.params[0], &part, api_reply_to(r));
}

char *api_part_encode(const union answer *answer)
{
    return part_answer_encode(answer->part);
}
