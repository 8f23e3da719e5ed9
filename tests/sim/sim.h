/* sim.h - the coordinator's core, service and store with fake agents in virtual time.
 *
 * One seed is one world: how many tests and agents, how long everything takes, what is lost on the
 * way, who dies when. Nothing sleeps and nothing is random but the seed. After every event the
 * promises of the design are checked (check.c). */
#pragma once

#include "service/live.h"
#include "store/store_fault.h"

#define TESTS_MAX   64u
#define FILES       7u
#define AGENTS_MAX  24u
#define WORKERS_MAX 4u
#define EVENTS_MAX  4096u
#define OUTBOX_MAX  512u

/* What a test does whenever it is run. */
enum nature {
    GOOD,
    BAD,          /* fails */
    FLAKY,        /* fails in the first process that runs it, passes later */
    TEARDOWN_BAD, /* passes; the fixture around it fails when it is torn down */
};

enum event_kind {
    EV_CALL,
    EV_ANSWER,
    EV_TIMEOUT,
    EV_TEST_DONE,
    EV_WATCH, /* an agent looks whether the coordinator hears it */
    EV_AGENT,
    EV_KILL,
    EV_DRAIN,
    EV_LEAVE,
    EV_POLL,
    EV_TICK,
    EV_RESTART,
    EV_CLOSE
};

struct event {
    uint64_t at_ms, order;
    enum event_kind kind;
    uint32_t agent;
    uint64_t call; /* which exchange, for calls, answers and timeouts */
    uint32_t worker;
    void *data;
};

enum call_kind {
    CALL_JOIN,
    CALL_COLLECTED,
    CALL_PART,
    CALL_PULL,
    CALL_RESULTS,
    CALL_DRAIN,
    CALL_LEAVE
};
#define CALL_KINDS 7u

struct piece { /* a test in an agent's hands */
    uint32_t test;
    uint64_t fence;
};

struct out { /* a result that waits to be sent */
    struct piece piece;
    uint32_t worker;
    enum outcome outcome;
    bool amends;
};

struct heard { /* an answer on its way back */
    enum call_kind kind;
    enum err_code rc;
    enum collected_action action;
    bool sealed;
    uint64_t order[8];
    enum order_kind order_kind[8];
    bool complete[8];
    struct piece *pieces[8];
    uint32_t piece_count[8], order_count;
    char run[ID_TEXT_BYTES], session[SESSION_ID_BYTES], token[TOKEN_TEXT_BYTES];
    uint32_t exit;
};

enum agent_state {
    AG_OFF,
    AG_JOINING,
    AG_COLLECTING,
    AG_COLLECTED,
    AG_UPLOADING,
    AG_RUNNING,
    AG_ENDING,
    AG_LEAVING,
    AG_EXITED
};

struct worker {
    bool busy, owes_teardown;
    uint64_t
        try_number; /* of what it is busy with: an end that was scheduled for another is none */
    struct piece piece, last;
};

struct agent {
    enum agent_state state;
    uint32_t index, total, workers;
    bool gone; /* its process was killed */
    bool draining, drained;
    bool forgotten; /* its session has ended: it delivers, then joins again */
    bool again;     /* which it does now */
    uint32_t lives;
    bool faulty;      /* something of the run itself fails at its end */
    bool dies_at_end; /* when it is told that all is done, before it tears anything down */
    bool left_bad;    /* its runner failed and it left properly, not drained */
    bool odd;         /* collects one test less and one more than the others */
    uint64_t mute_from_ms, mute_to_ms; /* its network is cut */
    char instance[24], nonce[40];
    char run[ID_TEXT_BYTES], session[SESSION_ID_BYTES], token[TOKEN_TEXT_BYTES];
    uint32_t attempt, epoch_of_join;
    uint64_t call[CALL_KINDS];   /* outstanding exchange, 0: none */
    uint64_t number[CALL_KINDS]; /* of requests, one counter each */
    uint64_t order_seen;
    uint32_t said_free; /* free workers as the last pull said */
    struct worker worker[WORKERS_MAX];
    struct piece queue[TESTS_MAX * 2];
    uint32_t queue_count;
    struct out outbox[OUTBOX_MAX]; /* the first sent_count are on their way */
    uint32_t out_count, sent_count;
    struct piece release[TESTS_MAX * 2];
    uint32_t release_count, release_sent;
    struct piece cut[TESTS_MAX]; /* abandoned, as it was told */
    uint32_t cut_count, cut_sent;
    bool speculate;
    bool begun[FILES];                    /* a test of it was started here */
    bool found[FILES], found_said[FILES]; /* has imported it, and so met what was not collected */
    uint64_t heard_ms;                    /* when that request was sent which was answered last */
    bool bad, ran;
    uint32_t job_exit; /* of AG_EXITED */
    uint32_t tries_left;
};

/* How often the rare things happened, over all worlds: a quick round must see each of them. */
struct seen {
    uint64_t recalled, sent_home, observed, voided, adopted, late, narrow, widened, differs;
    uint64_t drained, expired;
    uint64_t copies, copies_won, abandoned, cut_off, found, found_free, again, kept;
};
extern struct seen sim_seen;

struct world {
    uint64_t seed, random, now_ms, order, next_call;
    struct clock clock;
    struct store *store; /* a fault store around the one in memory */
    struct service *svc;
    struct event events[EVENTS_MAX];
    uint32_t event_count;
    bool poll_queued;
    uint32_t test_count;
    enum nature nature[TESTS_MAX];
    uint32_t dur_ms[TESTS_MAX], runs[TESTS_MAX]; /* how long; how often it was run to its end */
    uint8_t mutex[TESTS_MAX];                    /* 0: none */
    bool alone[TESTS_MAX];                       /* needs the whole run alone */
    bool any_exclusive, any_alone;
    bool together;          /* the tests of a file */
    uint32_t ran_by[FILES]; /* then: the agent that began it in this phase, plus one */
    bool hidden[TESTS_MAX]; /* not collected: found by who imports its file */
    bool passed[TESTS_MAX]; /* was seen to pass with what is around it, in this epoch */
    char *id[TESTS_MAX];
    struct manifest *manifest, *odd_manifest;
    struct agent agent[AGENTS_MAX];
    uint32_t agent_count;
    uint32_t loss_ppm, fault_ppm;
    uint32_t stall_ppm; /* of the tries hang for a while; then copies are allowed */
    uint64_t tries;
    struct run *shadow; /* replayed from the store */
    char shadow_id[ID_TEXT_BYTES];
    uint64_t idle_since_ms, moved;
    bool troubled;        /* something was killed, cut, drained, closed or made to fail */
    uint32_t phase_first; /* agents from here on belong to this phase */
    uint32_t good_epoch;  /* the epoch that was_good is of */
    bool was_good[TESTS_MAX];
    char token[TOKEN_TEXT_BYTES];
    uint64_t steps;
    char last_run[ID_TEXT_BYTES];
};

uint64_t sim_random(struct world *w, uint64_t below);
bool sim_chance(struct world *w, uint32_t ppm);
void sim_event(struct world *w, uint64_t in_ms, struct event event);

const char *sim_flags(const struct world *w, uint32_t test); /* as in a manifest */
uint32_t sim_test(const struct world *w, const char *id);
static inline uint32_t sim_file(uint32_t test)
{
    return test % FILES;
}

/* agent.c */
void agent_begin(struct world *w, uint32_t at);
void agent_step(struct world *w, uint32_t at);
void agent_heard(struct world *w, uint32_t at, uint64_t call, struct heard *heard);
void agent_timeout(struct world *w, uint32_t at, uint64_t call);
void agent_test_done(struct world *w, uint32_t at, uint32_t worker, uint64_t try_number);
void agent_kill(struct world *w, uint32_t at);
void agent_watch(struct world *w, uint32_t at);
void agent_drain(struct world *w, uint32_t at);
void agent_end(struct world *w, uint32_t at); /* its runner ends early */
void agent_exit(struct world *w, uint32_t at, uint32_t code);
void calls_free(void); /* at the end of a world */
void call_deliver(struct world *w, const struct event *event);
void heard_free(struct heard *heard);

/* check.c: a test starts. */
void check_start(struct world *w, uint32_t at, uint32_t test);
/* Fails the test with the seed in the message. */
void check_step(struct world *w);
void check_end(struct world *w, const struct run *run);
struct run *sim_run(struct world *w); /* the newest epoch, as the service has it, or NULL */
NORETURN void sim_fail(const struct world *w, const char *what, uint64_t a, uint64_t b);

/* Runs one world; INVARIANT-like checks abort. Returns the number of events. */
uint64_t sim_world(uint64_t seed);
