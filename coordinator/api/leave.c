/* POST drain and POST leave: how a session ends. */
#include "resources.h"

API_MESSAGE(drain_request);
API_MESSAGE(leave_request);

void api_drain(struct api_request *r)
{
    service_drain(r->api->service, r->bearer, r->match.params[0], r->message, api_reply_to(r));
}

void api_leave(struct api_request *r)
{
    service_leave(r->api->service, r->bearer, r->match.params[0], r->message, api_reply_to(r));
}
