#define _GNU_SOURCE

#include "os.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/epoll.h>
#include <sys/prctl.h>
#endif

#define STAT_BYTES_MAX      512
#define STAT_PATH_BYTES_MAX 64

static uint64_t us_of(const struct timeval *tv)
{
    return (uint64_t)tv->tv_sec * 1000000u + (uint64_t)tv->tv_usec;
}

pid_t os_reap(int *out_status, struct os_usage *out_usage)
{
    struct rusage usage;
    int status = 0;
    pid_t pid = wait4(-1, &status, WNOHANG | WUNTRACED | WCONTINUED, &usage);

    if (pid > 0) {
        *out_status = status;
        *out_usage = (struct os_usage){ .user_us = us_of(&usage.ru_utime),
                                        .system_us = us_of(&usage.ru_stime),
                                        .max_rss_kib = (uint64_t)usage.ru_maxrss };
    }
    return pid;
}

bool os_dumped_core(int status)
{
    return WIFSIGNALED(status) && WCOREDUMP(status);
}

void os_stall_close(struct os_stalls *stalls)
{
    if (stalls->watched > 0)
        (void)close(stalls->watched);
    if (stalls->source > 0)
        (void)close(stalls->source);
    *stalls = (struct os_stalls){ 0 };
}

#ifdef __linux__

bool os_peer(int fd, uint32_t *out_uid, uint32_t *out_pid)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 || len != sizeof(peer))
        return false;
    *out_uid = (uint32_t)peer.uid;
    *out_pid = (uint32_t)peer.pid;
    return true;
}

bool os_adopt_orphans(void)
{
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
}

bool os_signal_on_parent_death(int sig)
{
    return prctl(PR_SET_PDEATHSIG, sig, 0, 0, 0) == 0;
}

bool os_hide(void)
{
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

/* A set that is large enough for the machine: the kernel refuses one that is too small. */
uint32_t os_cpus_allowed(void)
{
    uint32_t count = 0;

    for (int cpus = 1024; cpus <= 1 << 20 && count == 0; cpus *= 4) {
        cpu_set_t *set = CPU_ALLOC((size_t)cpus);
        size_t size = CPU_ALLOC_SIZE((size_t)cpus);

        if (!set)
            return 0;
        if (sched_getaffinity(0, size, set) == 0)
            count = (uint32_t)CPU_COUNT_S(size, set);
        CPU_FREE(set);
    }
    return count;
}

/* 0.2 s of waiting in 2 s; unprivileged processes may ask for windows of 2 s only. */
static const char stall_order[] = "some 200000 2000000";

/* The kernel says POLLPRI, which libevent does not know: an epoll of our own turns it into
 * readable.
 */
bool os_stall_open(const char *path, struct os_stalls *out)
{
    struct epoll_event wanted = { .events = EPOLLPRI };
    struct os_stalls stalls = { .watched = -1, .source = open(path, O_RDWR | O_CLOEXEC) };
    bool ok = stalls.source >= 0 &&
              write(stalls.source, stall_order, sizeof(stall_order)) == sizeof(stall_order) &&
              (stalls.watched = epoll_create1(EPOLL_CLOEXEC)) >= 0 &&
              epoll_ctl(stalls.watched, EPOLL_CTL_ADD, stalls.source, &wanted) == 0;

    if (ok)
        *out = stalls;
    else
        os_stall_close(&stalls);
    return ok;
}

bool os_stall_seen(int watched)
{
    struct epoll_event event;

    return epoll_wait(watched, &event, 1, 0) == 1 && (event.events & EPOLLPRI) != 0;
}

static bool read_small(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);

    if (fd >= 0)
        (void)close(fd);
    if (got <= 0)
        return false;
    text[got] = '\0';
    return true;
}

/* Fields stand behind the name, which is in brackets and may hold anything: ") S 123 ...". */
static bool read_stat(pid_t pid, struct os_process *out, uint64_t *out_begun_ticks)
{
    char path[STAT_PATH_BYTES_MAX], text[STAT_BYTES_MAX];
    char *at;

    (void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    if (!read_small(path, text, sizeof(text)))
        return false;
    at = strrchr(text, ')');
    if (!at || strlen(at) < 5)
        return false;
    out->ended = at[2] == 'Z' || at[2] == 'X';
    at += 4;
    out->parent = (pid_t)strtol(at, &at, 10);
    (void)strtol(at, &at, 10); /* group */
    out->session = (pid_t)strtol(at, &at, 10);
    for (int field = 7; field < 22; field++)
        (void)strtoll(at, &at, 10);
    *out_begun_ticks = strtoull(at, NULL, 10);
    return true;
}

bool os_process(pid_t pid, struct os_process *out)
{
    struct os_process found = { .age_us = 0 };
    char text[STAT_PATH_BYTES_MAX];
    uint64_t begun_ticks = 0, begun_us, up_us;
    long ticks = sysconf(_SC_CLK_TCK);
    char *rest;

    if (ticks <= 0 || !read_stat(pid, &found, &begun_ticks) ||
        !read_small("/proc/uptime", text, sizeof(text)))
        return false;
    up_us = strtoull(text, &rest, 10) * 1000000u; /* "123.45 ..." */
    if (*rest == '.')
        up_us += strtoull(rest + 1, NULL, 10) * 10000u;
    begun_us = begun_ticks * (1000000u / (uint64_t)ticks);
    found.age_us = up_us > begun_us ? up_us - begun_us : 0;
    *out = found;
    return true;
}

bool os_each_child(pid_t parent, void (*each)(void *ctx, pid_t pid), void *ctx)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;

    if (!proc)
        return false;
    while ((entry = readdir(proc)) != NULL) {
        struct os_process process;
        uint64_t ticks;
        pid_t pid;

        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 0 && read_stat(pid, &process, &ticks) && process.parent == parent)
            each(ctx, pid);
    }
    (void)closedir(proc);
    return true;
}

#else

bool os_peer(int fd, uint32_t *out_uid, uint32_t *out_pid)
{
    uid_t uid;
    gid_t gid;

    if (getpeereid(fd, &uid, &gid) != 0)
        return false;
    *out_uid = (uint32_t)uid;
    *out_pid = 0;
    return true;
}

bool os_adopt_orphans(void)
{
    return false;
}

bool os_signal_on_parent_death(int sig)
{
    (void)sig;
    return false;
}

bool os_hide(void)
{
    return false;
}

uint32_t os_cpus_allowed(void)
{
    return 0;
}

bool os_stall_open(const char *path, struct os_stalls *out)
{
    (void)path;
    (void)out;
    return false;
}

bool os_stall_seen(int watched)
{
    (void)watched;
    return false;
}

bool os_each_child(pid_t parent, void (*each)(void *ctx, pid_t pid), void *ctx)
{
    (void)parent;
    (void)each;
    (void)ctx;
    return false;
}

bool os_process(pid_t pid, struct os_process *out)
{
    (void)pid;
    (void)out;
    return false;
}

#endif
