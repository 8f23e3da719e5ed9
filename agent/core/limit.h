/* limit.h - when a worker has taken too long, and what is to be done about it. Pure.
 *
 * Told after everything that happens what the worker is doing, it knows until when that may last;
 * when the time is up it says, one step after the other: show your stacks, end yourself, be killed.
 * What a worker is waited for follows from worker.h alone: the end of a test, an answer, or
 * nothing. Not for: timers, signals and reports (supervise/limit, supervise/crash). */
#pragma once

#include "str.h"
#include "worker.h"

#define LIMIT_NEVER   UINT64_MAX
#define LIMIT_MS_MAX  (7u * 24 * 3600 * 1000)
#define LIMIT_DUMP_MS 500u /* for writing stacks, which takes some milliseconds */
/* Fixtures that go down between tests have the time of the test before and so much: a busy machine
 * must not make an error of a message that is late. */
#define LIMIT_SLACK_MS 2000u

struct limit_rules {
    uint64_t test_ms;    /* for a test without a limit of its own; 0: none */
    uint64_t stall_ms;   /* for an answer between tests; 0: none */
    uint64_t stopped_ms; /* for a process that a signal has stopped */
    uint64_t grace_ms;   /* from SIGTERM to SIGKILL */
};

enum limit_wait {
    LIMIT_REST,   /* nothing is expected of it */
    LIMIT_TEST,   /* the end of the test it is in */
    LIMIT_ANSWER, /* the next word: HELLO, START, IDLE or BYE; fixtures may be going down */
};

enum limit_stage { LIMIT_FINE, LIMIT_DUMPING, LIMIT_TERMINATING, LIMIT_KILLED };

/* How long a test may take, from the flags that came with it. */
struct limit_test {
    uint64_t ms;       /* 0: no limit */
    uint64_t begun_ms; /* when the test it is in began; not of flags */
    bool backstop;     /* pytest-timeout acts first; this is for when it could not */
};

/* The watch over one worker; all zero at its birth. */
struct limit {
    enum limit_wait wait;
    uint32_t subject; /* the test it is in, or the one it was in last; WORKER_NO_TEST */
    uint32_t what;    /* tells two expectations of one kind apart */
    struct limit_test allowed;
    uint64_t since_ms;      /* of that expectation */
    uint64_t stopped_at_ms; /* 0: it runs */
    enum limit_stage stage;
    uint64_t stage_ms; /* when it came to this stage */
    bool was_stopped;  /* why it is being ended: not its time, but a signal that stopped it */
};

enum limit_fx {
    LIMIT_FX_NONE,
    LIMIT_FX_DUMP, /* ask for its stacks; from now on it is given nothing more */
    LIMIT_FX_TERM,
    LIMIT_FX_KILL, /* the whole process group */
};

/* Reads "timeout=MS" and "backstop=MS" of a comma list; timeout=0 takes the limit away. */
struct limit_test limit_of_flags(const char *flags, uint64_t default_ms);

/* The worker may have changed. allowed is of its test, or of its last one when it is in none. */
void limit_see(struct limit *l, const struct worker *w, struct limit_test allowed, uint64_t now_ms);

/* A signal has stopped the process, or it goes on. */
void limit_stopped(struct limit *l, uint64_t now_ms);
void limit_continued(struct limit *l, uint64_t now_ms);

/* Everything stood still for so long, the clock did not: no worker's time has passed. */
void limit_shift(struct limit *l, uint64_t ms);

/* When to ask again; LIMIT_NEVER. */
uint64_t limit_due_ms(const struct limit *l, const struct limit_rules *rules);

/* What to do now; at most one step. */
enum limit_fx limit_tick(struct limit *l, const struct limit_rules *rules, uint64_t now_ms);
