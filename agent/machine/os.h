/* os.h - what only the operating system in hand can tell or do. The one file with system
 * extensions; on another system each call says that it cannot, and callers fall back. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base.h"

struct os_usage {
    uint64_t user_us, system_us, max_rss_kib;
};

/* Who is at the other end of a Unix socket. */
bool os_peer(int fd, uint32_t *out_uid, uint32_t *out_pid);

/* Orphaned descendants become children of this process. */
bool os_adopt_orphans(void);

/* This process gets the signal when its parent dies; the caller checks getppid() afterwards. */
bool os_signal_on_parent_death(int sig);

/* Others of the same user cannot read this process's memory and environment. */
bool os_hide(void);

/* Like waitpid(-1, status, WNOHANG), with the time and memory that the child used. Tells also of
 * children that a signal has stopped, and of those that go on. */
pid_t os_reap(int *out_status, struct os_usage *out_usage);

/* Whether a child that ended with this status left its memory image behind. */
bool os_dumped_core(int status);

/* CPUs that this process may run on; 0 when unknown. */
uint32_t os_cpus_allowed(void);

/* Tells when processes wait for memory: the kernel's pressure stall information, at path. watched
 * is for a loop: readable when os_stall_seen should be asked. */
struct os_stalls {
    int watched, source;
};
bool os_stall_open(const char *path, struct os_stalls *out);
bool os_stall_seen(int watched);
void os_stall_close(struct os_stalls *stalls); /* zeroes are fine */

/* Calls each with the pid of every process whose parent this is; false when that cannot be known.
 */
bool os_each_child(pid_t parent, void (*each)(void *ctx, pid_t pid), void *ctx);

struct os_process {
    pid_t parent, session;
    bool ended;      /* and not reaped yet */
    uint64_t age_us; /* in steps of the kernel's clock, mostly 10 ms */
};
bool os_process(pid_t pid, struct os_process *out);
