/* spawn.h - fork and exec, with the reason when exec fails. */
#pragma once

#include <signal.h>
#include <sys/types.h>

#include "base.h"

#define SPAWN_SIGNALS 8u

/* How the signals that we change were set when the program started: a command gets them back. */
struct spawn_signals {
    struct sigaction actions[SPAWN_SIGNALS];
    sigset_t mask;
    pid_t group; /* the process group, which has the terminal if there is one */
};
void spawn_signals_save(struct spawn_signals *out);

/* Starts argv with the environment env; the child joins the group that was saved, so that it has
 * the terminal. Returns its pid, or -1 with *out_errnum set (of fork, or of exec: ENOENT, EACCES).
 * A child that could not exec is reaped here. */
pid_t spawn(char *const *argv, char *const *env, const struct spawn_signals *signals,
            int *out_errnum);
