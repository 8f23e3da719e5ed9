/* copy.h - is a second execution of a test that runs already worth it, and of which test? Pure.
 *
 * At the end of a run a worker that would idle may run a copy of a test that others wait for; the
 * first result wins. It pays when the machine is slower than the taker's, or when the test has gone
 * past what it ever needs: then nobody knows how long it will take, and as long again as it has run
 * is the best guess. The coordinator decides with this, and so does the simulator. Not for: who is
 * at what, which both keep in their own way. */
#pragma once

#include "plan/pool.h"

#define COPY_MARGIN        8u /* a copy must be so much of its own time earlier: 1/8 */
#define COPIES_OF_TEST_MAX 2u /* in all its life: what hangs everywhere is not tried for ever */

struct copy_case {
    uint64_t ran_us;    /* since it was heard to have begun */
    uint64_t cost_us;   /* predicted, of an average machine ... */
    uint64_t high_us;   /* ... and what it hardly ever exceeds */
    uint64_t setup_us;  /* of the scopes around it, which the copy pays again */
    uint32_t speed_ppm; /* of the machine that runs it */
    uint32_t taker_ppm; /* of the one that would run the copy */
    uint64_t lead_us;   /* until the copy could begin */
};

/* Until the running one ends, as far as can be expected. */
uint64_t copy_left_us(const struct copy_case *c);

/* Would the copy be expected to end clearly earlier? */
bool copy_pays(const struct copy_case *c);

/* The search for a taker's copy: of those that pay, the one of the test that would end last. */
struct copy_choice {
    const struct pool *pool;
    uint32_t taker;
    uint64_t lead_us; /* 0: POOL_LEAD_US */
    uint32_t test;    /* the best so far; POOL_NONE at first */
    uint64_t left_us; /* until that would end */
};

/* Looks at a test that runs on another machine. Its flags may forbid a copy. */
struct copy_running {
    uint32_t test, holder;
    uint64_t ran_us, cost_us;
    uint64_t high_us; /* 0: nobody knows, so a few times the prediction */
};
void copy_weigh(struct copy_choice *choice, const struct copy_running *running);
