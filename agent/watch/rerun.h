/* rerun.h - what 'makespan watch' runs next. Pure.
 *
 * Everything first. While something fails, a change runs what failed; when that passes, everything
 * follows at once. Not for: noticing changes (watch), or running (command/watch). */
#pragma once

#include <stdbool.h>

#include "base.h"

/* Runs in a row that may be started by changes made while tests ran: more, and the tests
 * themselves make them. */
#define RERUN_CHASES_MAX 3u

enum rerun_what { RERUN_NOTHING, RERUN_ALL, RERUN_FAILED };

struct rerun {
    bool red;       /* the last run whose tests ran had failures */
    bool no_failed; /* pytest cannot say what failed */
    uint32_t chases;
};

/* A run of what has ended with pytest's (or our) exit status: what follows without any change. */
enum rerun_what rerun_ended(struct rerun *rerun, enum rerun_what what, uint32_t status);

/* Files have changed while nothing ran. */
enum rerun_what rerun_changed(struct rerun *rerun);

/* Files have changed while tests ran that are over now: NOTHING if that goes on for ever. */
enum rerun_what rerun_chase(struct rerun *rerun);

/* Whether a change of this file counts while tests run, who may write files themselves. */
bool rerun_counts(const char *path);
