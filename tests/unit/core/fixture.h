/* fixture.h - a small run made by the real decisions; every change goes through its stored form on
 * the way, and a second run fed from there must stay equal. */
#pragma once

#include "core/attempt.h"
#include "core/decide.h"
#include "core/lease.h"
#include "core/ledger.h"

struct fixture {
    struct run *run, *shadow;
    uint64_t now_ms;
    uint64_t request;
    struct err err;
};

/* In the list of tests: *state is then a fixture without a run, freed whatever the test comes to.
 */
#define fixture_test(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
int fixture_set_up(void **state);
int fixture_tear_down(void **state);
void fixture_again(struct fixture *f); /* without a run again */

/* Applies to both, compares. */
void turn(struct fixture *f, struct change *change);

struct join_request join_of(uint32_t index, uint32_t total, const char *instance);
/* Opens the run when needed (or the next epoch), joins; the session's position. */
uint32_t joins(struct fixture *f, const struct join_request *req, const char *nonce);
uint32_t joins_slot(struct fixture *f, uint32_t index, uint32_t total);
struct manifest *manifest_of(uint32_t count, uint32_t skip); /* "a.py::t0" ...; skip: left out */
void seals(struct fixture *f, uint32_t count); /* every live session has collected it */
void seals_this(struct fixture *f, struct manifest *take_manifest, const bool *failed);
void collects_this(struct fixture *f, uint32_t session, const struct manifest *manifest);
void seals_failed(struct fixture *f, uint32_t count, const bool *failed); /* what failed before */
void collects(struct fixture *f, uint32_t session, uint32_t count, uint32_t skip);

/* From nothing: two sessions, of which the first holds all of three tests. */
void holds_all(struct fixture *f);

/* A pull with everything free; how many orders wait then. */
uint32_t pulls(struct fixture *f, uint32_t session);
enum err_code pull_rc(struct fixture *f, uint32_t session, uint64_t seen, uint32_t free_workers);
/* The session has seen all and says that it runs this test; in a pull, or beside a result. */
void begins_and_passes(struct fixture *f, uint32_t session, uint32_t begun, uint32_t passed);
void begins(struct fixture *f, uint32_t session, uint32_t test);
enum err_code reports(struct fixture *f, uint32_t session, uint32_t test, uint64_t fence,
                      enum outcome outcome);
enum err_code reports_on(struct fixture *f, uint32_t session, uint32_t test, uint32_t worker,
                         enum outcome outcome, bool amends);
void passes(struct fixture *f, uint32_t session, uint32_t test);
void releases(struct fixture *f, uint32_t session, uint32_t test);
void abandons(struct fixture *f, uint32_t session, uint32_t test, uint64_t fence);
void tells_error(struct fixture *f, uint32_t session, struct run_error *error);
uint32_t leaves(struct fixture *f, uint32_t session, uint32_t runner_exit); /* its exit code */
void dies(struct fixture *f, uint32_t session);
void drains(struct fixture *f, uint32_t session);
bool ends(struct fixture *f); /* the epoch, if it is over */
/* Everything that is given to a session passes, until nothing more is. */
void works(struct fixture *f, uint32_t session);
