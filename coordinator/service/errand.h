/* errand.h - a request that other threads serve from what the store holds: a report, durations.
 *
 * An errand embeds struct errand as its first member. Its work runs on a thread and touches nothing
 * but the errand and the store; answer and free run on the loop. Internal to service/. */
#pragma once

#include "service/live.h"

struct errand {
    struct errand *next; /* those on their way, for service_forget */
    struct service *svc;
    struct reply reply;
    struct commit *on; /* whose thread */
    bool more;         /* set by work: not done yet, others may come in between */
    enum err_code (*work)(struct errand *errand, struct store *store, struct err *err);
    void (*answer)(struct errand *errand, union answer *out); /* after work without an error */
    void (*free)(struct errand *errand);
};

void errand_start(struct service *svc, struct errand *take_errand);
void errands_forget(struct service *svc, const void *ctx);
void errands_silence(struct service *svc);
