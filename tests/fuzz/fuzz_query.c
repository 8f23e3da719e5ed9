/* URLs: whatever stands in them is decoded to text without a NUL, or refused. */
#include <stdlib.h>
#include <string.h>

#include "api/query.h"
#include "api/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct route TABLE[] = {
    { .method = HTTP_GET, .pattern = "/v1/runs" },
    { .method = HTTP_GET, .pattern = "/v1/runs/{run}" },
    { .method = HTTP_PUT, .pattern = "/v1/runs/{run}/manifest/{digest}/{part}" },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view bytes = { .at = (const char *)data, .len = size };
    struct route_match match = { 0 };
    struct err err = ERR_INIT;
    char *line = malloc(size + 1);
    char *text = NULL;
    uint32_t v = 0;

    if (!line)
        return 0;
    if (size)
        memcpy(line, data, size);
    line[size] = '\0';
    if (!query_decode(bytes, &text, &err))
        INVARIANT(strlen(text) <= size && utf8_valid_len(text, strlen(text)) == strlen(text));
    free(text);
    text = NULL;
    if (!query_opt_text(line, "run_key", &text, &err))
        free(text);
    if (!query_opt_u32(line, "wait_ms", 30000, &v, &err))
        INVARIANT(v <= 30000);
    if (!route_find(TABLE, ARRAY_LEN(TABLE), HTTP_PUT, line, &match, &err))
        INVARIANT(match.params[2] != NULL);
    route_match_fini(&match);
    free(line);
    return 0;
}
