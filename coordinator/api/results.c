/* POST results */
#include "resources.h"

API_MESSAGE(results_request);

void api_results(struct api_request *r)
{
    service_results(r->api->service, r->bearer, r->match.params[0], r->message, api_reply_to(r));
}

char *api_results_encode(const union answer *answer)
{
    return results_answer_encode(answer->results);
}
