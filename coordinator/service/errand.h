/* errand.h - a request that other threads serve from what the store holds: a report, durations.
 *
 * An errand embeds struct errand as its first member. Its work runs on a thread and touches nothing
 * but the errand and the store; answer and free run on the loop. Internal to service/. */
#pragma once

#include <stdatomic.h>

#include "service/live.h"

#define ERRANDS_MAX 256u /* on their way at once; more are refused */

struct errand {
    struct errand *next; /* those on their way, for service_forget */
    struct service *svc;
    struct reply reply;
    struct commit *on; /* whose thread */
    bool more;         /* set by work: not done yet, others may come in between */
    bool only_asks;    /* changes nothing: not worth doing when nobody waits any more */
    atomic_bool alone; /* nobody waits any more */
    enum err_code (*work)(struct errand *errand, struct store *store, struct err *err);
    void (*answer)(struct errand *errand, union answer *out); /* after work without an error */
    void (*free)(struct errand *errand);
};

/* Answers at once when there are too many. */
void errand_start(struct service *svc, struct errand *take_errand);
void errands_forget(struct service *svc, const void *ctx);
void errands_silence(struct service *svc);
