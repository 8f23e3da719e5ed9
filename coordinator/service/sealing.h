/* sealing.h - a manifest is read and stored, and what history says of its tests looked up, on the
 * thread for sealing: both take long. Internal to service/. */
#pragma once

#include "core/decide.h"
#include "service/live.h"

struct sealing {
    struct service *svc;
    char run[ID_TEXT_BYTES];
    char digest[MANIFEST_DIGEST_BYTES];
    char *project, *suite;
    struct str *parts; /* NULL: from the store */
    uint32_t part_count;
    uint64_t now_ms;
    struct seal_facts facts; /* what came out */
};
void sealing_free(struct sealing *job);

/* Of the parts that were uploaded (they are taken), or of the digest alone. done gets a struct
 * sealing as its ctx, to be freed. */
typedef void (*sealing_done_fn)(void *ctx, enum err_code rc, const struct err *err);
void sealing_start(struct live *live, struct upload *u, sealing_done_fn done);
