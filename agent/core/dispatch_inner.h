/* dispatch_inner.h - what the files of dispatch share; not for others.
 *
 * dispatch.c: what is heard, and which test goes to whom. dispatch_staff.c: who works.
 * dispatch_load.c: how much there is still to do.
 */
#pragma once

#include "deal.h"
#include "dispatch.h"
#include "plan/pace.h"

struct mean {
    uint64_t sum_us;
    uint32_t count;
};

struct dispatch {
    struct dispatch_input in;
    struct deal *deal;
    struct worker *workers; /* by slot */
    size_t worker_cap;
    uint32_t slot_count, live;
    uint32_t losses; /* crashes, and workers that went without being asked */
    uint32_t most_up;
    bool barren;
    uint64_t *cost_us; /* by test, as granted */
    bool *here;        /* by test: granted and not given back */
    struct pool_test *alike;
    struct mean *seen; /* by scope: how long its tests took today */
    struct pace pace;  /* of this machine, against what was predicted */
    struct dispatch_fx *queue;
    size_t queue_cap, queue_count, queue_done;
    uint64_t tiny_us; /* predicted work below which one worker starts first */
    bool more;        /* other work may still come, soon */
    bool ended, stopped, told_broken, told_empty;
};

/* dispatch.c */
void dispatch_effect(struct dispatch *d, enum dispatch_fx_kind kind, uint32_t slot, uint32_t test);
/* After anything that happened: everyone who can work gets work. */
void dispatch_go_on(struct dispatch *d);

/* dispatch_staff.c */
bool dispatch_may_replace(const struct dispatch *d); /* a worker that is lost */
void dispatch_hire(struct dispatch *d);              /* as many workers as find work */
/* It ends after its test. */
void dispatch_send_off(struct dispatch *d, uint32_t slot);

/* dispatch_load.c: predicted, of all that a worker has in hand */
uint64_t dispatch_hand_us(const struct dispatch *d, const struct worker *w);
