/* proto.h - what agents and coordinator say to each other: one struct a message, encoded and
 * decoded here only.
 *
 * docs/protocol.md tells what the messages are for. Every text is owned by the struct (free with
 * its _fini); a NULL text is absent. Decoders check every limit below before they allocate, fill a
 * zeroed struct and leave it empty on failure. Texts for people (messages, captured output,
 * reasons) are not refused but cut in their middle at PROTO_TEXT_BYTES_MAX, with a mark; unknown
 * members are ignored, so that a newer side may say more. */
#pragma once

#include "str.h"

#define PROTO_VERSION           1
#define PROTO_BODY_BYTES_MAX    (8u << 20)   /* as sent */
#define PROTO_DECODED_BYTES_MAX (32u << 20)  /* after gzip */
#define PROTO_NAME_BYTES_MAX    200u         /* project, suite */
#define PROTO_KEY_BYTES_MAX     1000u        /* run key, instance */
#define PROTO_TEXT_BYTES_MAX    (256u << 10) /* one captured text */
#define PROTO_LABELS_MAX        64u
#define PROTO_TESTS_MAX         100000u /* tests named in one message */
#define PROTO_RESULTS_MAX       20000u  /* results in one message */
#define PROTO_SKIPS_MAX         10000u  /* files and classes skipped whole */
#define PROTO_ERRORS_MAX        1000u
#define PROTO_WAIT_MS_MAX       30000u
#define PROTO_SESSION_MS        10000u
#define PROTO_BEAT_MS           3000u
#define PROTO_WORKERS_MAX       1024u
#define PROTO_SLOTS_MAX         4096u
#define PROTO_SLOT_NONE         UINT32_MAX
#define PROTO_BAD_NAMED         20u /* tests that a verdict names */
#define PROTO_PPM_MAX           1000000u
#define PROTO_ID_BYTES_MAX      4096u /* a test's id, as in manifest.h */
#define PROTO_TOKEN_BYTES_MAX   4096u
#define PROTO_PROPERTIES_MAX    1000u               /* of one test */
#define PROTO_US_MAX            (UINT64_C(1) << 52) /* a duration; sums stay far from overflow */
#define PROTO_SEED_MAX          UINT32_MAX          /* the range of PYTHONHASHSEED */
#define PROTO_MEM_MIB_MAX       (1u << 24)          /* memory of a test or worker: 16 TiB */
#define PROTO_HEAVY_MAX         10000u              /* tests whose memory is told */

enum outcome { /* the numbers are those of docs/runner-protocol.md and of stored changes */
               OUTCOME_NONE,
               OUTCOME_PASSED,
               OUTCOME_FAILED,
               OUTCOME_ERROR,
               OUTCOME_SKIPPED,
               OUTCOME_XFAILED,
               OUTCOME_XPASSED,
               OUTCOME_CRASHED,
               OUTCOME_TIMEOUT,
};
#define OUTCOME_COUNT 9
const char *outcome_name(enum outcome outcome);
MUST_USE enum err_code outcome_parse(const char *name, enum outcome *out, struct err *err);
bool outcome_is_good(enum outcome outcome); /* passed, skipped, xfailed, xpassed */

struct test_ref {
    char *id;
    uint32_t k;
};

struct label {
    char *key;
    char *value;
};

struct join_request {
    char *project, *suite, *run_key, *instance,
        *nonce; /* nonce: random, the same in a repeated try */
    char *fingerprint, *command, *agent_version;
    char *run;        /* joins again, this run only; NULL: whichever is the right one */
    uint32_t attempt; /* 0: unknown */
    uint32_t index;   /* PROTO_SLOT_NONE: unknown */
    uint32_t total;   /* 0: unknown */
    uint32_t workers;
    bool speculate;     /* copies of tests that run may be given to it, and its own copied */
    uint32_t first_ppm; /* what failed before goes first, for such a share of the run's time */
    struct label *labels;
    uint32_t label_count;
};
struct test_mem { /* memory that a test needs on top of what its worker holds */
    struct test_ref test;
    uint32_t mem_mib;
};

struct join_answer {
    char *run, *session, *session_token;
    char *manifest; /* digest that is sealed already, or NULL */
    uint32_t epoch;
    uint64_t seed;
    uint32_t session_ms, beat_ms;
    uint32_t worker_mib; /* what a worker of this suite needs for itself; 0: not known */
};

struct collected_request {
    char *session, *digest, *runtime;
    uint64_t request;
    uint32_t count;
};
enum collected_action { COLLECTED_GO, COLLECTED_UPLOAD, COLLECTED_WAIT };
struct collected_answer {
    enum collected_action action;
    struct test_mem *heavy; /* go: the tests that are known to need much */
    uint32_t heavy_count;
};
struct part_answer {
    uint32_t have;
    bool sealed;
};

struct pull_request {
    char *session;
    uint64_t request, order_seen;
    uint32_t free_workers;
    uint64_t backlog_us; /* predicted work in hand, what runs included */
    uint64_t dry_us;     /* time until its first worker has nothing to do; 0: not told */
    uint64_t lead_us;    /* from asking to having the answer, as measured; 0: not told */
    uint32_t wait_ms;
    struct test_ref *running;
    uint32_t running_count;
};
enum order_kind { /* the last only for those that joined with speculate */
                  ORDER_SHARD,
                  ORDER_RECALL,
                  ORDER_CANCEL,
                  ORDER_END,
                  ORDER_ABANDON,
};
struct order_test {
    struct test_ref ref;
    uint64_t cost_us;
    bool first; /* shard: before all others; these lead */
};
struct scope_cost {
    char *kind, *id; /* module, class, package, session */
    uint64_t setup_us, teardown_us;
};
struct found_test { /* found when its file was imported, after the manifest was sealed */
    struct test_ref test;
    char *group, *flags; /* as in a manifest, "" for none */
};
struct manifest_test;
struct found_test found_test_of(const struct manifest_test *test);    /* copies the texts */
struct manifest_test found_test_lent(const struct found_test *found); /* lends them */
struct order {
    enum order_kind kind;
    uint64_t number;
    uint64_t fence;           /* shard */
    struct order_test *tests; /* shard, recall, abandon */
    uint32_t test_count;
    struct found_test *found; /* shard: those of its tests that are not in the sealed manifest */
    uint32_t found_count;
    struct scope_cost *scopes; /* shard: predicted, of those around its tests that cost anything */
    uint32_t scope_count;
    char *text;    /* cancel: reason; end: message; may be NULL */
    bool complete; /* end */
    uint32_t exit; /* end */
};
struct pull_answer {
    struct order *orders;
    uint32_t order_count;
    uint32_t beat_ms;
    uint32_t speed_ppm; /* work that the agent's machine does per time, as predicted: 1000000; 0:
                           not told */
};

struct detail { /* what a report needs about a test that did not simply pass */
    char *when, *message, *text, *out, *err, *log;
    char *classname, *name; /* JUnit's, when the runner gave them */
    struct label *properties;
    uint32_t property_count;
    uint32_t reruns;
};
struct result {
    struct test_ref test;
    uint64_t fence;
    uint32_t worker; /* slot number of the worker on its machine */
    enum outcome outcome;
    uint64_t setup_us, call_us, teardown_us;
    uint64_t started_ms;   /* since the session's join */
    uint32_t mem_mib;      /* that it needed on top of what its worker held; 1: hardly any, 0: not
                              measured */
    bool amends;           /* a wider teardown failed after this test was reported */
    struct detail *detail; /* NULL for none */
};
struct try_cut { /* a try that was abandoned as it was told */
    struct test_ref test;
    uint64_t fence;
    uint32_t worker;
    uint64_t started_ms, took_us; /* as of a result */
};
struct run_error { /* what is wrong with the run itself, not with one test */
    char *kind;    /* collection, internal, session-teardown, runner-died, coverage, exit-status */
    char *text;
};
struct unit_skip { /* a file or class that was skipped as a whole while it was collected: no test of
                      its own */
    char *id, *text; /* text: the runner's reason, as its JUnit XML shows it */
};
struct results_request {
    char *session;
    uint64_t request;
    struct result *results;
    uint32_t result_count;
    struct test_ref *released;
    uint32_t released_count;
    struct test_ref *running; /* begun by now, as in a pull */
    uint32_t running_count;
    struct try_cut *abandoned;
    uint32_t abandoned_count;
    struct run_error *errors;
    uint32_t error_count;
    struct scope_cost *scopes;
    uint32_t scope_count;
    struct unit_skip *skips;
    uint32_t skip_count;
    struct found_test *found; /* counts before the results of the same request */
    uint32_t found_count;
    char *stop;       /* reason to cancel the run everywhere */
    uint32_t maxfail; /* cancel it, too, if so many tests are bad by now; 0: never */
};
struct results_answer {
    uint64_t accepted;
};

struct drain_request {
    char *session, *reason;
    uint64_t request;
};
struct leave_request {
    char *session;
    uint64_t request;
    uint32_t exit; /* what the runner itself exited with */
    /* Of the worker that had most of its own: between two tests, and ever; 0: not measured. */
    uint32_t worker_mib, worker_peak_mib;
};

enum verdict {
    VERDICT_NONE,
    VERDICT_GREEN,
    VERDICT_RED,
    VERDICT_MISMATCH,
    VERDICT_INCOMPLETE,
    VERDICT_MACHINES
};
#define VERDICT_COUNT 6
const char *verdict_name(enum verdict v); /* none green red mismatch incomplete machines-missing */
MUST_USE enum err_code verdict_parse(const char *name, enum verdict *out, struct err *err);
uint32_t verdict_exit(enum verdict v); /* 0, 1, EXIT_MISMATCH, EXIT_INCOMPLETE, EXIT_MACHINES */

struct time_part { /* of the time above the lower bound */
    char *name;    /* start-up, speed, set-up repeated, recovery, copies, idle, prediction,
                      tail */
    uint64_t us;
};

struct bad_test { /* that failed, or never ran (OUTCOME_NONE) */
    struct test_ref test;
    enum outcome outcome;
    uint32_t index; /* of the machine that ran it, or was to; PROTO_SLOT_NONE: unknown */
};

struct verdict_answer { /* of GET verdict and of leave */
    char *run;
    bool final, complete;
    enum verdict verdict;
    uint32_t exit;
    uint32_t epoch;
    uint32_t total; /* tests of the manifest */
    uint32_t counts[OUTCOME_COUNT];
    uint32_t unrun, flaky;
    uint32_t found;              /* of total: were not in the sealed manifest */
    uint32_t copies, copies_won; /* second tries beside running ones; those that were first */
    uint32_t sessions_live, sessions_seen, slots_expected;
    uint64_t makespan_us, bound_us,
        work_us;             /* first start to last end; lower bound; sum of tests */
    struct time_part *drift; /* of a complete run */
    uint32_t drift_count;
    char *floor;    /* the test that alone is the lower bound, NULL when it is not one test */
    char *heaviest; /* the test that needed most memory, NULL when that was little */
    uint32_t heaviest_mib;
    struct bad_test *bad; /* the first PROTO_BAD_NAMED; then what was lost, in a final one */
    uint32_t bad_count;
    struct run_error *errors;
    uint32_t error_count;
    struct run_error *remarks; /* what was heard after the end, and changed nothing */
    uint32_t remark_count;
    struct test_ref *only_first, *only_other; /* mismatch: first 20 of each */
    uint32_t only_first_count, only_other_count;
    uint32_t only_first_total, only_other_total;
    char *message; /* one sentence for people */
};

struct problem { /* application/problem+json */
    uint32_t status;
    enum err_code code;
    char *detail;
};

/* Exit codes of our own programs; below 64 the runner's codes pass through. docs/operations.md
 * lists them. */
enum exit_code {
    EXIT_OK = 0,
    EXIT_TESTS = 1,        /* tests failed */
    EXIT_USAGE = 64,       /* the command line or the environment makes no sense */
    EXIT_MISMATCH = 65,    /* agents collected different tests */
    EXIT_INCOMPLETE = 66,  /* tests were lost or never ran */
    EXIT_MACHINES = 67,    /* agents that were announced never came */
    EXIT_HANDSHAKE = 68,   /* the command ended without speaking to the agent */
    EXIT_UNREACHABLE = 69, /* no answer from the coordinator within the budget */
    EXIT_INTERNAL = 70,    /* our own bug */
    EXIT_REFUSED = 71,     /* the coordinator said no: token, slot, fingerprint, closed run */
    EXIT_RUNNER = 72,      /* the command could not be started */
    EXIT_OUTPUT = 73,      /* a report or file could not be written */
    EXIT_UNDELIVERED = 74, /* results could not be delivered */
    EXIT_DRAINED = 75,     /* told to stop before the run was complete */
};

/* One pair a message: encode to text (the caller's), decode from bytes. */
#define PROTO_MESSAGES(X)                                                                          \
    X(join_request)                                                                                \
    X(join_answer)                                                                                 \
    X(collected_request)                                                                           \
    X(collected_answer)                                                                            \
    X(part_answer)                                                                                 \
    X(pull_request)                                                                                \
    X(pull_answer)                                                                                 \
    X(results_request)                                                                             \
    X(results_answer)                                                                              \
    X(drain_request)                                                                               \
    X(leave_request)                                                                               \
    X(verdict_answer)                                                                              \
    X(problem)                                                                                     \
    X(detail)

#define X(name)                                                                                    \
    char *name##_encode(const struct name *m);                                                     \
    MUST_USE enum err_code name##_decode(const char *bytes, size_t len, struct name *out,          \
                                         struct err *err);                                         \
    void name##_fini(struct name *m);
PROTO_MESSAGES(X)
#undef X

/* Parts of messages that others own too. */
void test_ref_fini(struct test_ref *ref);
void result_fini(struct result *result);
void run_error_fini(struct run_error *error);
void scope_cost_fini(struct scope_cost *scope);
void unit_skip_fini(struct unit_skip *skip);
void found_test_fini(struct found_test *found);
void detail_free(struct detail *detail);                 /* NULL is fine */
struct detail *detail_copy(const struct detail *detail); /* NULL gives NULL */
