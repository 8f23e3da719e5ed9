/* change.h - what can happen to a run: decided by decide.h, stored as bytes, applied by run_apply.
 *
 * A change holds decisions, never questions: which tests were given, whether a result was accepted
 * or only observed, which sessions died. So replay needs no clock, no history and no planner.
 * Stored form: a version byte, a kind byte, then the members in order; numbers as LEB128, texts
 * with their length in front. Decoding checks every limit before it allocates. */
#pragma once

#include "core/model.h"

/* 1: results do not tell what runs, joins and seals nothing of what is first and of copies; 2:
 * results tell nothing that was found, nobody joins again; 3: seals nothing of start-ups; 4: nobody
 * tells of memory. */
#define CHANGE_VERSION   5u
#define CHANGE_BYTES_MAX (48u << 20)

enum change_kind { /* stored: never renumber */
                   CHANGE_NONE = 0,
                   CHANGE_OPEN = 1,
                   CHANGE_JOIN = 2,
                   CHANGE_COLLECTED = 3,
                   CHANGE_SEAL = 4,
                   CHANGE_PULL = 5,
                   CHANGE_RESULTS = 6,
                   CHANGE_DRAIN = 7,
                   CHANGE_LEAVE = 8,
                   CHANGE_EXPIRE = 9,
                   CHANGE_FINAL = 10,
};

struct index_list { /* positions of tests or sessions */
    uint32_t *at;
    uint32_t count;
    size_t cap;
};
void index_list_add(struct index_list *list, uint32_t index);

struct change_open {
    char id[ID_TEXT_BYTES];
    char *project, *suite, *run_key, *fingerprint, *command;
    uint32_t epoch, attempt;
    uint64_t seed, created_ms;
    bool wide;
    char previous_digest[MANIFEST_DIGEST_BYTES];
    struct carried *carried;
    uint32_t carried_count;
    struct slot *slots;
    uint32_t slot_count;
};

struct change_join {
    char id[SESSION_ID_BYTES], token_hash[HASH_HEX_BYTES], nonce_hash[HASH_HEX_BYTES];
    char *instance, *agent_version;
    struct label *labels;
    uint32_t label_count, index, total, attempt, workers;
    uint64_t now_ms;
    uint64_t began_ms; /* of the agent's first session: it joins again; else now_ms */
    bool late;
    bool widen; /* the epoch was narrow and runs everything from now on */
    bool speculate;
    uint32_t first_ppm;
};

struct change_collected {
    uint32_t session;
    char *runtime;
    uint64_t now_ms;
    bool differs;
    struct index_list lacks;
    struct test_ref *only_first, *only_other;
    uint32_t only_first_count, only_other_count, only_other_total;
};

struct change_seal {
    char digest[MANIFEST_DIGEST_BYTES];
    bool wide;
    uint64_t *costs_us; /* one a test */
    uint32_t test_count;
    uint64_t *scope_us; /* one a scope, as plan/suite.h orders them */
    uint32_t scope_count;
    struct index_list first;  /* tests that go before all others */
    uint64_t startup_us;      /* of a machine, by history; 0: unknown */
    struct heavy_test *heavy; /* by history */
    uint32_t heavy_count;
    struct manifest *manifest; /* not stored: run_apply takes it */
    struct pool *pool;         /* not stored, NULL: run_apply builds it, which takes a while */
    uint64_t *highs_us;        /* not stored, NULL: nobody knows */
};

struct change_pull {
    uint32_t session;
    uint64_t order_seen;
    struct index_list started;
    uint64_t fence;                  /* of shard or copies; 0: none */
    struct index_list shard, copies; /* copies: of tests that others run; not both */
    uint32_t holder;                 /* of recall */
    struct index_list recall;
    bool cancel, end, complete;
    uint32_t exit;
    char *text; /* of end */
};

enum result_way {                     /* stored: never renumber */
                  RESULT_ACCEPT = 1,  /* the test's accepted try */
                  RESULT_AMEND = 2,   /* its session's accepted try becomes an error */
                  RESULT_OBSERVE = 3, /* kept beside */
                  RESULT_ABANDON = 4, /* a try that was ended since somebody else was first */
};
struct result_item {
    enum result_way way;
    uint32_t test, worker;
    uint64_t fence;
    enum outcome outcome;
    bool settled; /* observed: the worker went on to another test */
    uint64_t setup_us, call_us, teardown_us, started_ms;
    uint32_t mem_mib;
    struct detail *detail;
};
struct change_results {
    uint32_t session;
    uint64_t request;
    struct result_item *items;
    uint32_t item_count;
    struct index_list released, started;
    struct run_error *errors;
    uint32_t error_count;
    struct scope_cost *scopes;
    uint32_t scope_count;
    struct unit_skip *skips;
    uint32_t skip_count;
    struct found_test
        *found; /* nobody knew of these: they join the run before anything else here */
    uint32_t found_count;
    uint64_t found_us; /* what each is taken to cost */
    uint64_t fence;    /* of the order that gives them to the session; 0: they are free */
    char *stop;
};

struct change_drain {
    uint32_t session;
};

struct change_leave {
    uint32_t session, runner_exit, exit;
    uint32_t worker_mib, worker_peak_mib;
    char *fault; /* run-level error that the runner's exit status is, or NULL */
};

struct change_expire {
    struct index_list sessions;
};

struct change_final {
    enum verdict verdict;
    uint64_t now_ms;
    struct index_list adopt; /* observations that become the result of a test nobody finished */
};

struct change {
    enum change_kind kind;
    union {
        struct change_open open;
        struct change_join join;
        struct change_collected collected;
        struct change_seal seal;
        struct change_pull pull;
        struct change_results results;
        struct change_drain drain;
        struct change_leave leave;
        struct change_expire expire;
        struct change_final final;
    } as;
};

void change_fini(struct change *change);

/* Bytes of a change, the caller's. ERR_TOO_LARGE over CHANGE_BYTES_MAX. */
MUST_USE enum err_code change_encode(const struct change *change, struct str *out, struct err *err);
/* Back. ERR_VERSION: a newer program wrote it; ERR_MALFORMED. */
MUST_USE enum err_code change_decode(const void *bytes, size_t len, struct change *out,
                                     struct err *err);

/* Does what a decoded change says of tests and sessions exist in this run? For what was read from a
 * store that may be damaged; a change that decide.h made need not ask. */
MUST_USE enum err_code change_check(const struct run *run, const struct change *change,
                                    struct err *err);

/* The only writer of a run. Counts the change. A seal gives its manifest away. */
void run_apply(struct run *run, struct change *change);
