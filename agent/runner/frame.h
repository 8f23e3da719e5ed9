/* frame.h - what agent and runner say to each other on one machine: kinds, header, payloads.
 *
 * docs/runner-protocol.md tells what each frame is for. Pure: bytes in, values out; every number
 * that comes from the other side is checked here. Not for: sockets, or who may say what when
 * (supervise, worker). */
#pragma once

#include "core/start.h"
#include "manifest.h"
#include "proto.h"

#define FRAME_PROTOCOL     1u
#define FRAME_HEADER_BYTES 16u
#define FRAME_BYTES_MAX    (64u << 20)
#define FRAME_ANY          UINT32_MAX /* "the zygote", "between tests" */

enum frame_kind {
    /* to the agent */
    FRAME_HELLO = 1,
    FRAME_MANIFEST = 2,
    FRAME_COLLECT_END = 3,
    FRAME_FORKED = 4,
    FRAME_EVENT = 5,
    FRAME_START = 6,
    FRAME_REPORT = 7,
    FRAME_DONE = 8,
    FRAME_LATE = 9,
    FRAME_SCOPE = 10,
    FRAME_IDLE = 11,
    FRAME_STOP = 12,
    FRAME_BYE = 13,
    FRAME_SKIP = 14,
    FRAME_WORKERS = 15,
    FRAME_ASK = 16,
    FRAME_FOUND = 17,
    /* from the agent */
    FRAME_CONFIG = 32,
    FRAME_FORK = 33,
    FRAME_RUN = 34,
    FRAME_SETTLE = 35,
    FRAME_QUIT = 36,
    FRAME_CANCEL = 37,
    FRAME_BLOCK = 38,
    FRAME_FORWARD = 39,
    FRAME_CRASH = 40,
    FRAME_UP = 41,
    FRAME_DOWN = 42,
    FRAME_TOTAL = 43,
    FRAME_END = 44,
    FRAME_NOTE = 45,
    FRAME_NONE = 46,
};

#define FRAME_FORK_EARLY  1u /* b of FORK to the forker: a fork of it */
#define FRAME_FORK_SPAWN  2u /* b of FORK to the forker: the user's command once more */
#define FRAME_FORK_TELLS  1u /* flag of FORK: what this worker collects is the run's */
#define FRAME_DONE_DETAIL 1u /* flag of DONE: detail follows the times */
#define FRAME_DONE_MEMORY 2u /* flag of DONE: u64 KiB of memory stands behind the times */
#define FRAME_BLOCK_LATE  1u /* flag of BLOCK: the test was shown before; reports only */
#define FRAME_BLOCK_MORE  2u /* flag of BLOCK: the next BLOCK is of the same test */

/* a of STOP */
enum frame_stop {
    STOP_UNKNOWN,
    STOP_MAXFAIL,
    STOP_SHOULDSTOP,
    STOP_EXIT,
    STOP_INTERRUPTED,
    STOP_INTERNAL,
    STOP_BY_SIGNAL, /* b: which */
};

struct frame {
    enum frame_kind kind;
    uint16_t flags;
    uint32_t a, b;
    uint32_t size;       /* bytes of payload */
    const char *payload; /* lent */
};

/* Reads the header of a frame sent to the agent; payload stays NULL. ERR_MALFORMED for a kind that
 * is not sent to the agent, ERR_TOO_LARGE over the limit. */
MUST_USE enum err_code frame_header_decode(const uint8_t bytes[FRAME_HEADER_BYTES],
                                           struct frame *out, struct err *err);

void frame_header_encode(const struct frame *frame, uint8_t out[FRAME_HEADER_BYTES]);

/* "HELLO", for messages. */
const char *frame_name(enum frame_kind kind);

/* Payloads. Texts are lent from the frame unless said otherwise. */

enum frame_role { ROLE_NONE, ROLE_REPORTER, ROLE_ZYGOTE, ROLE_WORKER, ROLE_FORKER };

enum frame_numprocesses {
    NUMPROCESSES_NONE,
    NUMPROCESSES_GIVEN,
    NUMPROCESSES_AUTO,
    NUMPROCESSES_LOGICAL
};

struct hello { /* texts are the struct's own */
    enum frame_role role;
    uint32_t slot; /* of a worker */
    uint32_t pid;
    char *key, *python, *pytest, *rootdir, *distributions;
    char *dist;       /* xdist's word, or NULL */
    char *run_inline; /* why no workers can be used, or NULL */
    char *recalls;    /* the option by which pytest's cache chooses or orders tests, or NULL */
    enum frame_numprocesses numprocesses;
    uint32_t workers;         /* with NUMPROCESSES_GIVEN */
    uint32_t max_workers;     /* xdist's --maxprocesses; 0: none */
    uint32_t maxfail;         /* 0: none */
    uint32_t threads;         /* pytest-parallel's tests_per_worker; 0: not given */
    uint32_t max_restarts;    /* UINT32_MAX: not given */
    struct start_facts facts; /* of a forker */
};
MUST_USE enum err_code hello_decode(const struct frame *frame, struct hello *out, struct err *err);
void hello_fini(struct hello *hello);

struct frame_test {
    struct view id, group, flags;
};
/* The next test of a MANIFEST's payload, at *offset; ERR_MALFORMED when a text is not ended. */
MUST_USE enum err_code frame_test_next(const struct frame *frame, uint32_t *offset,
                                       struct frame_test *out, struct err *err);

/* The next test of a FOUND's payload, likewise; texts are NUL-terminated within the frame. */
MUST_USE enum err_code frame_found_next(const struct frame *frame, uint32_t *offset,
                                        struct manifest_test *out, struct err *err);

struct json;
/* The member "facts" of HELLO and COLLECT_END; all NULL when it is not there. */
MUST_USE enum err_code start_facts_read(const struct json *parent, struct start_facts *out,
                                        struct err *err);

struct frame_collected { /* texts are the struct's own */
    bool runs;           /* tests may run; else reason says why not */
    uint32_t status;     /* exit status of a session that ended while collecting, else 0 */
    char *reason;
    struct start_facts facts;
};
/* Reads COLLECT_END. */
MUST_USE enum err_code frame_collected_decode(const struct frame *frame,
                                              struct frame_collected *out, struct err *err);
void frame_collected_fini(struct frame_collected *collected);

#define FRAME_MEM_KIB_MAX ((uint64_t)1 << 40)

struct frame_done {
    uint32_t index;
    enum outcome outcome;
    uint64_t setup_us, call_us, teardown_us;
    uint64_t mem_kib;      /* that it needed on top of what its worker held; 0: hardly any */
    struct detail *detail; /* the struct's own, or NULL; detail_free */
};
/* Reads DONE and LATE. */
MUST_USE enum err_code frame_done_decode(const struct frame *frame, struct frame_done *out,
                                         struct err *err);

struct frame_skip {
    const char *id, *text; /* NUL-terminated within the frame */
};
MUST_USE enum err_code frame_skip_decode(const struct frame *frame, struct frame_skip *out,
                                         struct err *err);

enum frame_scope_part { SCOPE_SETUP = 1, SCOPE_TEARDOWN = 2 };

struct frame_scope {
    uint32_t us;
    enum frame_scope_part part;
    const char *kind, *id; /* NUL-terminated within the frame */
};
MUST_USE enum err_code frame_scope_decode(const struct frame *frame, struct frame_scope *out,
                                          struct err *err);
