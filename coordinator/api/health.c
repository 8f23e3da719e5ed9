/* GET /healthz (the program runs) and /readyz (it serves runs). */
#include "mem.h"
#include "resources.h"

void api_health(struct api_request *r)
{
    char *text = mem_strdup("{\"status\":\"ok\",\"version\":\"" MAKESPAN_VERSION "\"}");

    api_answer(r, "application/json", &text);
}

void api_ready(struct api_request *r)
{
    struct err err = ERR_INIT;

    if (r->api->ready) {
        api_health(r);
        return;
    }
    (void)err_set(&err, ERR_UNAVAILABLE, "starting or stopping");
    api_fail(r, &err);
}
