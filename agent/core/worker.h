/* worker.h - what one worker process is doing, as a pure machine.
 *
 * The caller tells what was sent to the worker and what came from it, and does what the answer
 * says. Not for: choosing tests (dispatch), processes or frames (supervise). */
#pragma once

#include <stdbool.h>

#include "base.h"

#define WORKER_HAND_MAX 64u
#define WORKER_NO_TEST  UINT32_MAX

enum worker_state {
    WORKER_STARTING, /* asked for; has not said HELLO */
    WORKER_IDLE,     /* nothing in hand, everything torn down */
    WORKER_RUNNING,  /* tests in hand */
    WORKER_WAITING,  /* nothing in hand; wider fixtures of the last test may be up */
    WORKER_SETTLING, /* tearing those down */
    WORKER_QUITTING, /* told to go, or has said BYE */
    WORKER_DEAD,
};

struct worker {
    enum worker_state state;
    uint32_t hand[WORKER_HAND_MAX]; /* named to it and not done, in running order */
    uint32_t hand_count;
    uint32_t threads; /* tests that it may run at a time */
    uint32_t started; /* so many have begun, the first ones of hand, in that order */
    bool asks;        /* the call of hand[0] has ended, and it waits to hear of the next */
    bool recalling;   /* CANCEL is sent and not answered */
    bool met;         /* has said HELLO */
    bool asked;       /* QUIT is sent */
    bool settled;     /* while it quits: no fixture is up any more */
    bool bye;         /* its session has ended in good order */
    bool held;        /* gets no tests for now: memory is short */
    uint32_t ran;     /* tests that it has done */
    bool condemned;   /* it took too long and is being ended: it gets nothing more */
    uint32_t last;    /* test that was done last, WORKER_NO_TEST before the first */
};

enum worker_event {
    WORKER_EV_HELLO,   /* from it */
    WORKER_EV_RUN,     /* to it: test was named */
    WORKER_EV_START,   /* from it: test begins */
    WORKER_EV_ASK,     /* from it: the call of test has ended, and it knows no next one */
    WORKER_EV_DONE,    /* from it: test has ended */
    WORKER_EV_SETTLE,  /* to it */
    WORKER_EV_IDLE,    /* from it: has settled */
    WORKER_EV_CANCEL,  /* to it: forget what has not begun */
    WORKER_EV_FORGOT,  /* from it: the answer */
    WORKER_EV_QUIT,    /* to it */
    WORKER_EV_CONDEMN, /* it is being ended by force; its GONE follows */
    WORKER_EV_BYE,     /* from it */
    WORKER_EV_GONE,    /* its connection or process has ended */
};

enum worker_fx {
    WORKER_FX_NONE,
    WORKER_FX_READY,   /* can be given a test */
    WORKER_FX_FORGOT,  /* hand[started..] is free to move: take it with worker_take_unstarted */
    WORKER_FX_LEFT,    /* is gone in good order */
    WORKER_FX_CRASHED, /* died; hand tells in what */
    WORKER_FX_BROKE,   /* said what it must not say: kill it */
};

void worker_init(struct worker *w);

/* test matters for RUN, START and DONE. */
enum worker_fx worker_step(struct worker *w, enum worker_event event, uint32_t test);

/* Empties the hand of what has not begun; returns how many went into out. */
uint32_t worker_take_unstarted(struct worker *w, uint32_t out[WORKER_HAND_MAX]);

/* The test it is in, the first to begin if there are several, or WORKER_NO_TEST. */
uint32_t worker_running(const struct worker *w);
bool worker_runs(const struct worker *w, uint32_t test);

/* Whether RUN may be sent now. */
bool worker_can_take(const struct worker *w);

/* Whether it has said HELLO and is not on its way out. */
bool worker_is_up(const struct worker *w);
