/* copy.h - is a second execution of a test that runs already worth it? Pure.
 *
 * At the end of a run a worker that would idle may run a copy of a test that others wait for; the
 * first result wins. It pays when the machine is slower than the taker's, or when the test has gone
 * past what it ever needs: then nobody knows how long it will take, and as long again as it has run
 * is the best guess. Not for: which tests may be copied (pool.h, pool_may_copy). */
#pragma once

#include <stdbool.h>

#include "base.h"

#define COPY_MARGIN 8u /* a copy must be so much of its own time earlier: 1/8 */

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
