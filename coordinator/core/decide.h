/* decide.h - the decisions of the coordinator, one a use case: pure functions from a run and a
 * request to a change.
 *
 * Each reads the run and fills *out with a change for run_apply (kind CHANGE_NONE: nothing is to
 * be changed). A refusal may come with a change all the same: what a dead session reports is kept,
 * and it still hears session-gone. Times are parameters: now_ms is Unix time for what is stored,
 * mono_ms for what is only compared. */
#pragma once

#include "core/change.h"

#define DECIDE_SHARD_TESTS_MAX 4096u  /* one order; more is asked for again */
#define DECIDE_TAIL_MS         30000u /* an idle session waits for the end of a run no longer */

struct join_facts {
    const struct join_request *req;
    const char *session_id; /* new, begins with "<run->session_count>-" */
    const char *nonce_hash, *token_hash;
    uint64_t now_ms;
};
/* ERR_SLOT_TAKEN, ERR_FINGERPRINT, ERR_SESSION_GONE (a repeated join of a dead session).
 * *out_session is the session it is or will be. The epoch is the right one (attempt.h). */
MUST_USE enum err_code decide_join(const struct run *run, const struct join_facts *facts,
                                   struct change *out, uint32_t *out_session, struct err *err);

/* manifest: what the session collected, if that is not what is sealed; else NULL. */
struct collected_facts {
    uint32_t session;
    const char *runtime;
    const struct manifest *manifest;
    uint64_t now_ms;
};
MUST_USE enum err_code decide_collected(const struct run *run, const struct collected_facts *facts,
                                        struct change *out, struct err *err);
/* When the run is over nothing is decided any more: ERR_MISMATCH unless it had all that this
 * session has collected. */
MUST_USE enum err_code decide_collected_after(const struct run *run, uint32_t session,
                                              const char *digest, struct err *err);
/* Would this runtime be refused? Asked before a manifest is uploaded. */
MUST_USE enum err_code decide_runtime(const struct run *run, const char *runtime, struct err *err);

/* costs: one a test; scope_us: one a scope as plan/suite.h orders them; all is taken. */
struct seal_facts {
    struct manifest *manifest;
    uint64_t *costs_us, *scope_us;
    uint32_t scope_count;
    bool *failed;        /* by test: when it ran last; NULL: nobody knows */
    uint64_t *highs_us;  /* by test: what it hardly ever exceeds, 0 for unknown; or NULL */
    uint64_t startup_us; /* of a machine, by history; 0: unknown */
    uint32_t *mem_mib;   /* by test: memory that it needs, 0 for unknown; or NULL */
    struct pool *pool;   /* of seal_pool; NULL: built when the seal is applied */
};
/* The planner's view of the facts: a pure function that takes a while for a large suite, for
 * another thread. */
struct pool *seal_pool(const struct seal_facts *facts);
void decide_seal(const struct run *run, struct seal_facts *take, struct change *out);

MUST_USE enum err_code decide_pull(const struct run *run, uint32_t session,
                                   const struct pull_request *req, uint64_t mono_ms,
                                   struct change *out, struct err *err);
MUST_USE enum err_code decide_results(const struct run *run, uint32_t session,
                                      const struct results_request *req, struct change *out,
                                      struct err *err);
MUST_USE enum err_code decide_drain(const struct run *run, uint32_t session, struct change *out,
                                    struct err *err);
MUST_USE enum err_code decide_leave(const struct run *run, uint32_t session,
                                    const struct leave_request *req, struct change *out,
                                    struct err *err);

/* Ends the epoch when it is over: complete and settled, stopped with nobody left, or quiet for too
 * long. Ask after every change and on every tick. */
void decide_final(const struct run *run, uint64_t mono_ms, uint64_t now_ms, struct change *out);
/* Ends it now, whatever is left. */
void decide_close(const struct run *run, uint64_t now_ms, struct change *out);
