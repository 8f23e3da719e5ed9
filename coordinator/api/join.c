/* POST /v1/join */
#include "resources.h"

API_MESSAGE(join_request);

void api_join(struct api_request *r)
{
    service_join(r->api->service, r->bearer, r->message, api_reply_to(r));
}

char *api_join_encode(const union answer *answer)
{
    return join_answer_encode(answer->join);
}
