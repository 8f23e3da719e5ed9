/* GET /agent/linux-x86_64 and its .sha256: a runner needs nothing but curl to get the agent. */
#include <stdlib.h>
#include <string.h>

#include "agent_file.h"
#include "resources.h"

#define AGENT_NAME "makespan"

void api_agent(struct api_request *r)
{
    struct http_call *call = r->call;
    struct http_blob *bytes = NULL;
    const char *digest = NULL;
    const char *known = http_call_header(call, "If-None-Match");
    struct str etag = STR_MAX(HASH_HEX_BYTES + 2);
    struct err err = ERR_INIT;
    char *nothing = NULL;
    bool same;

    if (agent_file_get(r->api->agent, &bytes, &digest, &err)) {
        api_fail(r, &err);
        return;
    }
    INVARIANT(!str_addf(&etag, &err, "\"%s\"", digest));
    same = known && strcmp(known, str_text(&etag)) == 0;
    http_call_on_gone(call, NULL, NULL);
    http_call_set_header(call, "ETag", str_text(&etag));
    http_call_set_header(call, "X-Makespan-Sha256", digest);
    http_call_set_header(call, "Content-Disposition", "attachment; filename=\"" AGENT_NAME "\"");
    api_request_free(r);
    str_fini(&etag);
    if (same)
        http_answer(call, 304, NULL, &nothing, 0);
    else
        http_answer_blob(call, "application/octet-stream", bytes);
}

/* As sha256sum -c reads it. */
void api_agent_digest(struct api_request *r)
{
    struct http_blob *bytes = NULL;
    const char *digest = NULL;
    struct str line = STR_MAX(HASH_HEX_BYTES + sizeof(AGENT_NAME) + 4);
    struct err err = ERR_INIT;
    char *text;

    if (agent_file_get(r->api->agent, &bytes, &digest, &err)) {
        api_fail(r, &err);
        return;
    }
    INVARIANT(!str_addf(&line, &err, "%s  %s\n", digest, AGENT_NAME));
    text = str_take(&line);
    api_answer(r, "text/plain", &text);
}
