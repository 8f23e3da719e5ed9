/* model.h - a run in its owner's memory: manifest, sessions, tests, what is wrong with it.
 *
 * One struct run is one epoch of a run (docs/architecture.md), and it is nothing but the fold of
 * its changes (change.h): run_apply is the only writer of everything here but the few fields marked
 * "memory only", which a restart sets anew. A test is named by its position in the sealed manifest,
 * a session by its position in the run.
 *
 * Where a test is:  FREE -> HELD (given to a session, not known to have begun) -> STARTED -> DONE
 *                     ^-- released, drained, or its session died --'        result voided --' */
#pragma once

#include "hash.h"
#include "id.h"
#include "manifest_lanes.h"
#include "plan/drift.h"
#include "plan/pace.h"
#include "plan/pool.h"
#include "proto.h"

#define SESSION_ID_BYTES     40u /* "12-" and an id */
#define SESSION_NONE         UINT32_MAX
#define SESSIONS_MAX         POOL_TAKERS_MAX
#define RUN_ERRORS_MAX       1000u           /* entries kept; more are counted */
#define RUN_SKIPS_MAX        PROTO_SKIPS_MAX /* files and classes skipped whole that are kept */
#define RUN_SCOPES_MAX       200000u         /* measured scope costs kept */
#define RUN_OBSERVATIONS_MAX 100000u         /* entries kept; more are counted */
#define RUN_DETAIL_BYTES_MAX (256u << 20)    /* details kept; more lose their long texts */
#define RUN_FOUND_MAX        20000u          /* tests that are found after the seal */
#define RUN_SAMPLE_TESTS     20u             /* ids shown of a difference */
#define SESSION_WORKERS_MAX  4096u           /* worker slots that a session may name */
#define EXIT_NO_TESTS        5u              /* pytest's own: nothing was collected */

enum run_state { RUN_COLLECTING, RUN_RUNNING, RUN_FINAL };
const char *run_state_name(enum run_state state);

enum test_place { TEST_FREE, TEST_HELD, TEST_STARTED, TEST_DONE };

enum test_flag {
    TEST_RECALLED = 1,  /* its holder was asked to give it back */
    TEST_CARRIED = 2,   /* passed in an earlier epoch and not run again */
    TEST_SEEN_GOOD = 4, /* another try than the accepted one passed ... */
    TEST_SEEN_BAD = 8,  /* ... or did not */
};

struct run_test {
    enum test_place place;
    enum outcome outcome;  /* of the accepted try; OUTCOME_NONE unless DONE */
    enum outcome reported; /* the same before a wider teardown made it an error */
    uint32_t flags;
    uint32_t session;    /* who has it or finished it; SESSION_NONE when free or carried */
    uint32_t prev, next; /* in the list of its holder: HELD or STARTED only */
    uint32_t worker;
    uint32_t tries;  /* results that were accepted, voided ones too */
    uint32_t copies; /* given of it, ever */
    uint64_t fence;  /* of the try that runs or was accepted */
    uint64_t setup_us, call_us, teardown_us, started_ms;
    uint32_t mem_mib;       /* that the accepted try needed, 0: not measured */
    struct detail *detail;  /* of the accepted try, NULL for none */
    struct detail *amended; /* of the wider teardown that failed after it */
    uint64_t begun_ms;      /* memory only: when it was heard to have begun */
};

/* A session that was given a test which its holder runs (copies.h). */
struct copy {
    uint32_t test, session;
    uint64_t fence;
    bool started;
};

/* A result that did not become the accepted one, or no longer is; OUTCOME_NONE: a try that was
 * abandoned, as somebody else was first. */
struct observation {
    uint32_t test, session, worker;
    uint64_t fence;
    enum outcome outcome;
    bool voided;  /* was accepted; its session died before the fixtures around it were torn down */
    bool settled; /* its worker went on to another test, so what was around it held */
    uint64_t setup_us, call_us, teardown_us, started_ms;
    uint32_t mem_mib;
};

/* A test that is known to need much memory. */
struct heavy_test {
    uint32_t test, mem_mib;
};

enum session_state { SESSION_LIVE, SESSION_DRAINING, SESSION_LEFT, SESSION_LOST };
const char *session_state_name(enum session_state state);

struct session_order { /* sent with every pull until it is seen */
    enum order_kind kind;
    uint64_t number, fence;
    uint32_t *tests;
    uint32_t test_count;
    char *text;
    bool complete;
    uint32_t exit;
};

struct session_last { /* the last accepted result of a worker: provisional while the session lives
                       */
    uint32_t worker, test;
};

struct session {
    char id[SESSION_ID_BYTES];
    char token_hash[HASH_HEX_BYTES], nonce_hash[HASH_HEX_BYTES];
    char *instance, *agent_version;
    struct label *labels;
    uint32_t label_count;
    uint32_t index, attempt, workers; /* index PROTO_SLOT_NONE: unknown */
    enum session_state state;
    bool speculate;        /* gives and takes copies of running tests */
    uint32_t first_ppm;    /* share of the run's time that what failed before may go first for */
    bool late;             /* joined when the verdict was final: runs nothing, changes nothing */
    bool collected;        /* said which tests it found */
    bool cancelled, ended; /* such an order was made */
    uint64_t joined_ms, collected_ms; /* Unix time */
    uint64_t began_ms; /* what started_ms counts from: its join, or that of its first life */
    uint32_t *lacks;   /* sorted: tests of the sealed manifest that it did not collect */
    uint32_t lack_count;
    uint64_t results_last;   /* highest request number of results */
    uint64_t results_window; /* bit i: results_last - i was accepted */
    uint64_t order_last, order_seen;
    struct session_order *orders; /* made and not seen, oldest first */
    uint32_t order_count;
    size_t order_cap;
    uint32_t held_first, held_count; /* HELD and STARTED */
    uint32_t recall_count;           /* of these, TEST_RECALLED */
    uint32_t copy_count;             /* copies in its hands */
    uint32_t done_count, bad_count;  /* accepted results that are its */
    uint32_t error_count;            /* run-level errors that it reported */
    struct pace_machine pace;        /* how its tests went against their predictions */
    struct session_last *last;
    uint32_t last_count;
    size_t last_cap;
    uint32_t runner_exit, exit; /* of LEFT: the runner's own, and what it was told to exit with */
    uint32_t worker_mib, worker_peak_mib; /* of LEFT: of its largest worker; 0: not measured */
    uint64_t deadline_ms;                 /* memory only: dead when the clock passes it */
    uint64_t progress_ms;                 /* memory only: its last grant or result, or first pull */
};

struct run_fault { /* a run-level error */
    uint32_t session;
    char *kind, *text;
};
struct fault_list { /* RUN_ERRORS_MAX are kept, the rest is counted */
    struct run_fault *at;
    uint32_t count, dropped;
    size_t cap;
};

/* What earlier epochs and this one know of a slot of the CI's matrix. */
struct slot {
    uint32_t index;
    uint32_t epoch;   /* of its last session */
    uint32_t session; /* its last one in this epoch, SESSION_NONE if it did not come */
    bool good;        /* its last session before this epoch left with 0 */
};

/* What a narrow epoch takes over from the one before. */
struct carried {
    enum outcome outcome; /* OUTCOME_NONE: to be run */
    uint64_t setup_us, call_us, teardown_us;
};

struct run_mismatch {
    uint32_t sessions;                        /* that collected another set; 0: none */
    struct test_ref *only_first, *only_other; /* the first difference seen, RUN_SAMPLE_TESTS each */
    uint32_t only_first_count, only_other_count;
    uint32_t only_first_total, only_other_total;
};

struct run {
    char id[ID_TEXT_BYTES];
    char *project, *suite, *run_key, *fingerprint, *command, *runtime;
    uint32_t epoch, attempt;
    uint64_t seed, created_ms;
    uint64_t change_count; /* number of the last change applied */
    enum run_state state;
    char *stop; /* reason to cancel everywhere, NULL for none */

    struct manifest *manifest; /* NULL until sealed */
    uint32_t sealed_count;     /* its tests as sealed; those behind them were found later */
    uint32_t test_count;
    uint32_t *finders;  /* of the tests behind the sealed ones: the session that told of each */
    struct lanes lanes; /* of the manifest: more than one where every machine runs everything */
    struct run_test *tests;
    uint64_t *costs_us;       /* predicted, as sealed */
    uint64_t *highs_us;       /* memory only: what each hardly ever exceeds; NULL: nobody knows */
    uint64_t startup_us;      /* from a join to the end of the collection, by history; 0: unknown */
    struct heavy_test *heavy; /* by history, as sealed */
    uint32_t heavy_count;
    struct pool *pool;
    bool wide; /* runs everything, not only what an earlier epoch left */
    char previous_digest[MANIFEST_DIGEST_BYTES]; /* "" for none */
    struct carried *carried; /* by position in the manifest of previous_digest */
    uint32_t carried_count;

    uint32_t done_count, held_count, flaky_count;
    uint32_t counts[OUTCOME_COUNT];
    uint64_t work_us, first_start_ms, last_end_us; /* Unix time; last_end_us in microseconds */
    uint32_t heaviest, heaviest_mib; /* the test that needed most memory; 0 MiB: not measured */
    uint64_t bound_us;               /* set when the last test is done ... */
    struct drift drift;              /* ... and with it */
    uint64_t detail_bytes;
    struct pace_fleet pace; /* of all sessions */

    struct session **sessions;
    uint32_t session_count;
    size_t session_cap;
    uint32_t live_count; /* LIVE or DRAINING */
    uint32_t draining_count;
    uint32_t unsettled_count; /* of these, with provisional results */
    uint32_t slots_expected;  /* the largest total that was announced */
    struct slot *slots;       /* sorted by index */
    uint32_t slot_count;
    size_t slot_cap;

    struct copy *copies; /* under way */
    uint32_t copy_count;
    size_t copy_cap;
    uint32_t copies_given, copies_won; /* ever; won: the copy's result was first */
    uint32_t *fence_session;           /* fence - 1 -> session it was given to */
    uint64_t fence_count;
    size_t fence_cap;
    struct observation *observations;
    uint32_t observation_count, observations_dropped;
    size_t observation_cap;
    struct fault_list faults;
    struct fault_list remarks; /* of agents that ended after the run: they change no verdict */
    struct unit_skip *skips;   /* one an id, in the order they were heard of */
    uint32_t skip_count;
    size_t skip_cap;
    struct scope_cost *scopes;
    uint32_t scope_count;
    size_t scope_cap;
    struct run_mismatch mismatch;

    enum verdict verdict; /* of RUN_FINAL */
    uint64_t closed_ms;

    uint64_t next_deadline_ms; /* memory only: no session dies before it */
    uint64_t quiet_since_ms;   /* memory only: since when no session lives, 0 while one does */
};

struct run *run_new(void); /* empty: the first change opens it */
void run_free(struct run *run);

/* A session by the id that an agent sends; SESSION_NONE. */
uint32_t run_session_find(const struct run *run, const char *id);
/* The session of a join that may be repeated; SESSION_NONE. */
uint32_t run_session_of_nonce(const struct run *run, const char *nonce_hash);

/* NULL when nobody of the slot ever came. */
const struct slot *run_slot(const struct run *run, uint32_t index);

bool session_lives(const struct session *session);
/* Of SESSION_LEFT: what its job ends with, as far as it is known here. */
uint32_t session_exit(const struct session *session);
uint32_t session_busy(const struct session *session); /* tests and copies in its hands */
bool session_is_again(const struct session *session); /* of an agent that had one before */
/* The same agent, joined again after its session had ended. */
bool session_follows(const struct run *run, uint32_t session, uint32_t former);
bool session_lacks(const struct session *session, uint32_t test);
bool session_takes_work(const struct run *run, uint32_t session); /* may be given tests */
/* Not of the sealed manifest. While the agent that found it takes work it is that one's alone,
 * since on another machine it may not be there. */
bool test_is_found(const struct run *run, uint32_t test);
/* Neither lacks the session the test, nor is it another's that found it. */
bool session_may_run(const struct run *run, uint32_t session, uint32_t test);
bool test_is_flaky(const struct run_test *test);

/* SHA-256 over everything that is not memory only: equal runs have equal digests. */
void run_digest(const struct run *run, char out[HASH_HEX_BYTES]);
