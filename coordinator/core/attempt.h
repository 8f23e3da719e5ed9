/* attempt.h - epochs: whether a join belongs to this pass over the tests or to the next, and what
 * the next one runs. Retries only narrow (docs/decisions/0400-epochs.md). */
#pragma once

#include "core/change.h"

enum attempt_way {
    ATTEMPT_HERE, /* the epoch is open */
    ATTEMPT_LATE, /* the epoch is over and all is done: it learns the verdict, nothing else */
    ATTEMPT_NEXT, /* it opens the next epoch */
};
enum attempt_way attempt_way(const struct run *run, const struct join_request *req);

/* A join was refused since its slot had a live agent, and comes again. Not when that agent is done
 * by now: then two agents were started for one slot. Only when it died, or was told to go away. */
bool attempt_may_follow(const struct run *run, uint32_t index);

/* Does this join turn a narrow open epoch into one that runs everything? */
bool attempt_widens(const struct run *run, const struct join_request *req);

struct attempt_new {
    const char *id; /* of the new epoch */
    uint64_t seed;  /* of a first epoch; later ones keep the run's */
    uint64_t now_ms;
};
/* The change that opens the first epoch of a run (previous NULL), or the next one. */
void attempt_open(const struct run *previous, const struct join_request *req,
                  const struct attempt_new *with, struct change *out);

/* Must an epoch with this manifest run everything? Also when nothing would be left to run. */
bool attempt_seals_wide(const struct run *run, const char *digest);
