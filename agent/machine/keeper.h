/* keeper.h - the process between the agent and everything it starts.
 *
 * Forked from the agent before it has threads or connections. It is the parent of the reporter and,
 * as subreaper, of every process that loses its own parent below it; it relays exit statuses and,
 * when the agent goes in whatever way, it kills all that is left. It decides nothing else. The
 * calls here are the agent's side. */
#pragma once

#include <stdbool.h>

#include "err.h"
#include "os.h"

struct keeper;

enum keeper_event_kind {
    KEEPER_SPAWNED,      /* pid */
    KEEPER_SPAWN_FAILED, /* errnum */
    KEEPER_EXITED,       /* pid, status as waitpid gives it, usage */
    KEEPER_STOPPED,      /* pid, status: a signal has stopped it */
    KEEPER_CONTINUED,    /* pid */
};

struct keeper_event {
    enum keeper_event_kind kind;
    int32_t pid;
    int32_t status; /* or errnum */
    struct os_usage usage;
};

/* Forks the keeper. The calling process must have one thread. */
MUST_USE enum err_code keeper_start(struct keeper **out, struct err *err);

/* False where orphans cannot be adopted: processes that a test detaches may then survive. */
bool keeper_holds_all(const struct keeper *keeper);

/* Readable when an event waits. */
int keeper_fd(const struct keeper *keeper);

/* Starts a command; the answer is an event. */
MUST_USE enum err_code keeper_spawn(struct keeper *keeper, char *const *argv, char *const *env,
                                    struct err *err);

/* Signals a process, if it is (still) a child of the keeper; never a stranger that got its pid. */
void keeper_signal(struct keeper *keeper, uint32_t pid, int sig);
/* The same for a process group, as long as a child of the keeper is in it. */
void keeper_signal_group(struct keeper *keeper, uint32_t pgid, int sig);
/* The pid of the keeper itself: the parent of what has lost its own. */
pid_t keeper_pid(const struct keeper *keeper);

/* When all is over, however it ends, the keeper removes this folder with all that is in it. */
MUST_USE enum err_code keeper_sweep(struct keeper *keeper, const char *folder, struct err *err);

/* The next event without waiting; *out_any tells whether there was one. An error means that the
 * keeper is gone. */
MUST_USE enum err_code keeper_next(struct keeper *keeper, struct keeper_event *out, bool *out_any,
                                   struct err *err);

/* Kills everything below the keeper, also if that was killed itself; waits and frees; NULL is fine.
 */
void keeper_stop(struct keeper *keeper);

/* The keeper's own side (keeper_process.c). */

enum keeper_order { KEEPER_SPAWN = 1, KEEPER_SIGNAL = 2, KEEPER_SWEEP = 3 };

#define KEEPER_SPAWN_BYTES_MAX (16u << 20)

struct keeper_message { /* agent to keeper; then size bytes: argv and environment, each text
                           NUL-ended */
    uint32_t order;
    int32_t pid, sig; /* a pid below 0 names a process group */
    uint32_t argc, envc, size;
};

struct keeper_hello { /* the first bytes from the keeper */
    uint32_t holds_all;
};

NORETURN void keeper_process(int fd, pid_t agent);
