/* death.h - in what words the end of a worker is told. Pure.
 *
 * One sentence that names the test, what it was at, how the process ended and what is known beside:
 * for the terminal, the JUnit file and the coordinator. Not for: finding the facts
 * (supervise/crash) or judging them (limit, dispatch). */
#pragma once

#include "str.h"

enum death_cause {
    DEATH_CRASH,    /* by itself, or by somebody's signal */
    DEATH_TIMEOUT,  /* the test was over its limit, or what is torn down after it */
    DEATH_BACKSTOP, /* the same, and pytest-timeout should have acted before */
    DEATH_SILENT,   /* no answer between tests */
    DEATH_STOPPED,  /* a signal had stopped it and nobody continued it */
};

/* What the worker left in gwN.phase; agent/runner/pytest/_makespan_runner/limits.py writes it. */
enum death_phase {
    DEATH_IN_NOTHING = '-',
    DEATH_IN_SETUP = 's',
    DEATH_IN_CALL = 'c',
    DEATH_IN_TEARDOWN = 't',
    DEATH_IN_WIDER = 'w',      /* teardown of fixtures that outlive the test */
    DEATH_IN_FINISH = 'f',     /* end of the session */
    DEATH_IN_COLLECTION = 'k', /* known here: it collected for itself and was not done */
};

struct death {
    enum death_cause cause;
    uint32_t worker;
    const char *test; /* it was in, or whose fixtures went down; NULL: none */
    enum death_phase phase;
    uint64_t limit_ms;  /* with TIMEOUT, BACKSTOP and SILENT */
    int stop_signal;    /* with STOPPED */
    bool exited;        /* status is known */
    int status;         /* as waitpid gives it */
    const char *core;   /* where the memory image is, or NULL */
    uint64_t grown_kib; /* memory at most, above what it held before the test; 0: not known */
};

/* "SIGSEGV", "signal 42". */
void death_signal_name(int sig, struct str *out);

void death_text(const struct death *death, struct str *out);

/* Stacks as faulthandler writes them, without the many frames of pytest and ours between a test and
 * the start of the program; the innermost of each thread always stay. */
void death_trim_stacks(struct view stacks, struct str *out);

/* "setup", "call" or "teardown", as a report says it. */
const char *death_when(enum death_phase phase);
