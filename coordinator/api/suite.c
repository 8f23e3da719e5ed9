/* GET a suite: what its history comes to. */
#include <stdlib.h>

#include "json.h"
#include "resources.h"

void api_suite(struct api_request *r)
{
    service_suite_facts(r->api->service, r->bearer, r->match.params[0], r->match.params[1],
                        api_reply_to(r));
}

char *api_suite_encode(const union answer *answer)
{
    struct json *obj = json_new_object();

    json_set_u64(obj, "tests", answer->facts->tests);
    json_set_u64(obj, "work_us", answer->facts->work_us);
    if (answer->facts->startup_us > 0)
        json_set_u64(obj, "startup_us", answer->facts->startup_us);
    if (answer->facts->worker_mib > 0)
        json_set_u64(obj, "worker_mib", answer->facts->worker_mib);
    return json_finish(obj);
}
