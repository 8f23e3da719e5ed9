#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "fs.h"
#include "mem.h"

/* Who has started us by exec may have children, which are ours then: more than so many he has not.
 */
#define STRANGERS_MAX    256u
#define ADOPTED_MS_MAX   10000u
#define ADOPTED_PAUSE_MS 2

struct keeper {
    pid_t strangers[STRANGERS_MAX]; /* children that were there before the keeper */
    uint32_t stranger_count;
    int fd;
    pid_t pid;
    bool holds_all;
    size_t held; /* bytes of a partly read event */
    struct keeper_event partial;
};

static void note_stranger(void *ctx, pid_t pid)
{
    struct keeper *keeper = ctx;

    if (keeper->stranger_count < STRANGERS_MAX)
        keeper->strangers[keeper->stranger_count++] = pid;
}

struct hunt {
    const struct keeper *keeper;
    bool any;
};

static void kill_adopted(void *ctx, pid_t pid)
{
    struct hunt *hunt = ctx;

    for (uint32_t i = 0; i < hunt->keeper->stranger_count; i++) {
        if (hunt->keeper->strangers[i] == pid)
            return;
    }
    hunt->any = true;
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, WNOHANG);
}

/* The keeper was killed, and what was below it has become ours, layer by layer as we kill. */
static void kill_all_adopted(const struct keeper *keeper)
{
    uint64_t until_ms = clock_mono_ms(clock_system()) + ADOPTED_MS_MAX;
    struct hunt hunt = { .keeper = keeper, .any = true };

    while (hunt.any && clock_mono_ms(clock_system()) < until_ms) {
        struct timespec pause = { .tv_nsec = ADOPTED_PAUSE_MS * 1000000L };

        hunt.any = false;
        (void)os_each_child(getpid(), kill_adopted, &hunt);
        if (hunt.any)
            (void)nanosleep(&pause, NULL);
    }
}

/* Waits for the keeper's first words, so that nothing is started before it is ready. */
static enum err_code wait_ready(struct keeper *keeper, struct err *err)
{
    struct keeper_hello hello = { 0 };
    ssize_t got;

    do {
        got = recv(keeper->fd, &hello, sizeof(hello), MSG_WAITALL);
    } while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof(hello))
        return err_set(err, ERR_INTERNAL, "the keeper process did not start");
    keeper->holds_all = hello.holds_all != 0;
    return ERR_NONE;
}

enum err_code keeper_start(struct keeper **out, struct err *err)
{
    pid_t agent = getpid();
    struct keeper *keeper;
    enum err_code rc;
    int ends[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        return err_errno(err, errno, "socketpair for the keeper");
    (void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    (void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    keeper = mem_new(1, sizeof(*keeper));
    (void)os_each_child(agent, note_stranger, keeper);
    (void)os_adopt_orphans(); /* of the keeper, should somebody kill it */
    pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        keeper_process(ends[1], agent);
    }
    (void)close(ends[1]);
    if (pid < 0) {
        (void)close(ends[0]);
        free(keeper);
        return err_errno(err, errno, "fork of the keeper");
    }
    keeper->fd = ends[0];
    keeper->pid = pid;
    rc = wait_ready(keeper, err);
    if (rc) {
        keeper_stop(keeper);
        return rc;
    }
    *out = keeper;
    return ERR_NONE;
}

bool keeper_holds_all(const struct keeper *keeper)
{
    return keeper->holds_all;
}

int keeper_fd(const struct keeper *keeper)
{
    return keeper->fd;
}

static enum err_code add_texts(char *const *texts, uint32_t *out_count, struct str *out,
                               struct err *err)
{
    uint32_t count = 0;
    enum err_code rc;

    for (; texts[count]; count++) {
        rc = str_add(out, texts[count], strlen(texts[count]) + 1, err);
        if (rc)
            return err_wrap(err, "the command and its environment");
    }
    *out_count = count;
    return ERR_NONE;
}

enum err_code keeper_spawn(struct keeper *keeper, char *const *argv, char *const *env,
                           struct err *err)
{
    struct keeper_message message = { .order = KEEPER_SPAWN };
    struct str texts = STR_MAX(KEEPER_SPAWN_BYTES_MAX);
    enum err_code rc;

    if ((rc = add_texts(argv, &message.argc, &texts, err)) != ERR_NONE ||
        (rc = add_texts(env, &message.envc, &texts, err)) != ERR_NONE)
        goto out;
    message.size = (uint32_t)texts.len;
    if ((rc = fs_write_all(keeper->fd, &message, sizeof(message), err)) == ERR_NONE)
        rc = fs_write_all(keeper->fd, texts.at, texts.len, err);
out:
    str_fini(&texts);
    return rc;
}

enum err_code keeper_sweep(struct keeper *keeper, const char *folder, struct err *err)
{
    struct keeper_message message = { .order = KEEPER_SWEEP, .size = (uint32_t)strlen(folder) };
    enum err_code rc = fs_write_all(keeper->fd, &message, sizeof(message), err);

    return rc ? rc : fs_write_all(keeper->fd, folder, message.size, err);
}

static void order_signal(struct keeper *keeper, int32_t pid, int sig)
{
    struct keeper_message message = { .order = KEEPER_SIGNAL, .pid = pid, .sig = sig };
    struct err ignored = ERR_INIT;

    /* A keeper that is gone is noticed where its events are read. */
    (void)!fs_write_all(keeper->fd, &message, sizeof(message), &ignored);
}

void keeper_signal(struct keeper *keeper, uint32_t pid, int sig)
{
    order_signal(keeper, (int32_t)pid, sig);
}

void keeper_signal_group(struct keeper *keeper, uint32_t pgid, int sig)
{
    order_signal(keeper, -(int32_t)pgid, sig);
}

pid_t keeper_pid(const struct keeper *keeper)
{
    return keeper->pid;
}

enum err_code keeper_next(struct keeper *keeper, struct keeper_event *out, bool *out_any,
                          struct err *err)
{
    char *at = (char *)&keeper->partial + keeper->held;
    ssize_t got;

    do {
        got = recv(keeper->fd, at, sizeof(keeper->partial) - keeper->held, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK))
        return err_set(err, ERR_INTERNAL,
                       "the keeper process was killed; without it nothing can be watched");
    if (got > 0)
        keeper->held += (size_t)got;
    *out_any = keeper->held == sizeof(keeper->partial);
    if (*out_any) {
        *out = keeper->partial;
        keeper->held = 0;
    }
    return ERR_NONE;
}

void keeper_stop(struct keeper *keeper)
{
    int status = 0;

    if (!keeper)
        return;
    fd_close(&keeper->fd); /* end of file is the order to kill what is left and to go */
    while (waitpid(keeper->pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status))
        kill_all_adopted(keeper);
    free(keeper);
}
