/* POST pull: held until there is an order. */
#include "resources.h"

API_MESSAGE(pull_request);

void api_pull(struct api_request *r)
{
    service_pull(r->api->service, r->bearer, r->match.params[0], r->message, api_reply_to(r));
}

char *api_pull_encode(const union answer *answer)
{
    return pull_answer_encode(answer->pull);
}
