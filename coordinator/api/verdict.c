/* GET verdict (held until it is final) and POST close. */
#include "resources.h"

void api_verdict(struct api_request *r)
{
    uint32_t wait_ms = 0;
    struct err err = ERR_INIT;

    if (query_opt_u32(http_call_query(r->call), "wait_ms", PROTO_WAIT_MS_MAX, &wait_ms, &err)) {
        api_fail(r, &err);
        return;
    }
    service_verdict(r->api->service, r->bearer, r->match.params[0], wait_ms, api_reply_to(r));
}

void api_close(struct api_request *r)
{
    service_close(r->api->service, r->bearer, r->match.params[0], api_reply_to(r));
}

char *api_verdict_encode(const union answer *answer)
{
    return verdict_answer_encode(answer->verdict);
}
