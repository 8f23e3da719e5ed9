/* keeper_process.c - the keeper's own life: one loop over orders, deaths and the agent's end. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "fs.h"
#include "keeper.h"
#include "mem.h"
#include "spawn.h"

#define KILL_MS_MAX   10000u /* then a process sits in the kernel; waiting longer helps nobody */
#define KILL_PAUSE_MS 2

struct keeping {
    int fd;
    pid_t agent;
    bool holds_all;
    struct spawn_signals signals;
    char *folder;  /* to be removed at the end, or NULL */
    pid_t spawned; /* where orphans are not adopted: the only process known by name */
};

static volatile sig_atomic_t child_ended;
static volatile sig_atomic_t agent_ended;

static void on_signal(int sig)
{
    if (sig == SIGCHLD)
        child_ended = 1;
    else
        agent_ended = 1;
}

/* A send that does not raise; an agent that cannot be told is gone, and its end of file comes. */
static void tell(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;

    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);

        if (sent < 0 && errno != EINTR)
            return;
        if (sent > 0) {
            at += sent;
            len -= (size_t)sent;
        }
    }
}

static bool receive(int fd, void *bytes, size_t len)
{
    char *at = bytes;

    while (len > 0) {
        ssize_t got = recv(fd, at, len, 0);

        if (got == 0 || (got < 0 && errno != EINTR))
            return false;
        if (got > 0) {
            at += got;
            len -= (size_t)got;
        }
    }
    return true;
}

static void reap_all(const struct keeping *k)
{
    struct keeper_event event;
    pid_t pid;
    int status = 0;

    memset(&event, 0, sizeof(event));
    while ((pid = os_reap(&status, &event.usage)) > 0) {
        event.kind = WIFSTOPPED(status)     ? KEEPER_STOPPED
                     : WIFCONTINUED(status) ? KEEPER_CONTINUED
                                            : KEEPER_EXITED;
        event.pid = (int32_t)pid;
        event.status = status;
        tell(k->fd, &event, sizeof(event));
    }
}

/* Only the keeper reaps its children, so a pid, or a group, that waitid still knows cannot be a
 * stranger's. */
static bool is_child(pid_t pid)
{
    siginfo_t info;

    if (pid == 0 || pid == -1)
        return false;
    return waitid(pid > 0 ? P_PID : P_PGID, (id_t)(pid > 0 ? pid : -pid), &info,
                  WEXITED | WNOHANG | WNOWAIT) == 0;
}

static char **split(char *texts, size_t size, uint32_t count, size_t *offset)
{
    char **out = mem_new((size_t)count + 1, sizeof(*out));

    for (uint32_t i = 0; i < count; i++) {
        INVARIANT(*offset < size);
        out[i] = texts + *offset;
        *offset += strlen(texts + *offset) + 1;
    }
    return out;
}

static bool obey_spawn(struct keeping *k, const struct keeper_message *message)
{
    struct keeper_event event;
    char **argv = NULL, **env = NULL;
    char *texts = mem_new((size_t)message->size + 1, 1);
    size_t offset = 0;
    int errnum = 0;
    pid_t pid;
    bool ok = receive(k->fd, texts, message->size);

    if (ok) {
        argv = split(texts, message->size, message->argc, &offset);
        env = split(texts, message->size, message->envc, &offset);
        pid = spawn(argv, env, &k->signals, &errnum);
        k->spawned = pid;
        memset(&event, 0, sizeof(event));
        event.kind = pid > 0 ? KEEPER_SPAWNED : KEEPER_SPAWN_FAILED;
        event.pid = (int32_t)pid;
        event.status = errnum;
        tell(k->fd, &event, sizeof(event));
    }
    free(argv);
    free(env);
    free(texts);
    return ok;
}

static bool obey_sweep(struct keeping *k, const struct keeper_message *message)
{
    free(k->folder);
    k->folder = mem_new((size_t)message->size + 1, 1);
    return receive(k->fd, k->folder, message->size);
}

/* One order; false at end of file. */
static bool obey(struct keeping *k)
{
    struct keeper_message message;

    if (!receive(k->fd, &message, sizeof(message)))
        return false;
    switch ((enum keeper_order)message.order) {
    case KEEPER_SPAWN:
        return obey_spawn(k, &message);
    case KEEPER_SIGNAL:
        if (is_child((pid_t)message.pid))
            (void)kill((pid_t)message.pid, message.sig);
        return true;
    case KEEPER_SWEEP:
        return obey_sweep(k, &message);
    }
    UNREACHABLE("keeper order");
}

static void kill_one(void *ctx, pid_t pid)
{
    (void)ctx;
    (void)kill(pid, SIGKILL);
}

/* Kills children until there are none: the children of a killed process become ours, and so on
 * down, whatever session or group they made for themselves. */
static void kill_descendants(const struct keeping *k)
{
    struct os_usage usage;
    int status;
    uint64_t until_ms = clock_mono_ms(clock_system()) + KILL_MS_MAX;

    while (clock_mono_ms(clock_system()) < until_ms) {
        struct timespec pause = { .tv_nsec = KILL_PAUSE_MS * 1000000L };

        if (!os_each_child(getpid(), kill_one, NULL) && k->spawned > 0 && is_child(k->spawned))
            (void)kill(k->spawned, SIGKILL);
        while (os_reap(&status, &usage) > 0) {
        }
        if (waitid(P_ALL, 0, &(siginfo_t){ 0 }, WEXITED | WNOHANG | WNOWAIT) != 0)
            return; /* ECHILD: nobody is left */
        (void)nanosleep(&pause, NULL);
    }
}

static void set_signals(struct keeping *k)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    struct sigaction note = { .sa_handler = on_signal };
    sigset_t block;

    spawn_signals_save(&k->signals);
    (void)setpgid(0, 0); /* a signal to the whole group, SIGKILL too, must leave us to clean up */
    (void)sigaction(SIGINT, &ignore, NULL);
    (void)sigaction(SIGTERM, &ignore, NULL);
    (void)sigaction(SIGHUP, &ignore, NULL);
    (void)sigaction(SIGQUIT, &ignore, NULL);
    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)sigaction(SIGCHLD, &note, NULL);
    (void)sigaction(SIGUSR1, &note, NULL);
    (void)sigemptyset(&block);
    (void)sigaddset(&block, SIGCHLD);
    (void)sigaddset(&block, SIGUSR1);
    (void)sigprocmask(SIG_BLOCK, &block, NULL);
}

NORETURN void keeper_process(int fd, pid_t agent)
{
    struct keeping k = { .fd = fd, .agent = agent };
    struct keeper_hello hello;
    struct err ignored = ERR_INIT;
    bool alive = true;

    set_signals(&k);
    k.holds_all = os_adopt_orphans();
    (void)os_signal_on_parent_death(SIGUSR1);
    hello.holds_all = k.holds_all;
    tell(fd, &hello, sizeof(hello));
    while (alive && !agent_ended && getppid() == agent) {
        fd_set readable;
        sigset_t open;
        int ready;

        FD_ZERO(&readable);
        FD_SET(fd, &readable);
        open = k.signals.mask;
        (void)sigdelset(&open, SIGCHLD);
        (void)sigdelset(&open, SIGUSR1);
        ready = pselect(fd + 1, &readable, NULL, NULL, NULL, &open);
        if (child_ended || ready < 0) { /* sanitizers may run the handler late */
            child_ended = 0;
            reap_all(&k);
        }
        if (ready > 0)
            alive = obey(&k);
    }
    kill_descendants(&k);
    if (k.folder)
        (void)!fs_remove_tree(k.folder, &ignored); /* the agent may have done it already */
    _exit(0);
}
