#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs.h"

#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"

static const int ours[SPAWN_SIGNALS] = { SIGINT,  SIGTERM, SIGHUP,  SIGQUIT,
                                         SIGPIPE, SIGCHLD, SIGUSR1, SIGTSTP };

void spawn_signals_save(struct spawn_signals *out)
{
    for (size_t i = 0; i < SPAWN_SIGNALS; i++)
        INVARIANT(sigaction(ours[i], NULL, &out->actions[i]) == 0);
    INVARIANT(sigprocmask(SIG_SETMASK, NULL, &out->mask) == 0);
    out->group = getpgrp();
}

static const char *env_value(char *const *env, const char *name)
{
    size_t len = strlen(name);

    for (; *env; env++) {
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
            return *env + len + 1;
    }
    return NULL;
}

/* execvp with the search path of the child's own environment; returns errno. Runs in the child:
 * nothing here allocates. */
static int exec_in_path(char *const *argv, char *const *env, const char *path)
{
    char full[PATH_BYTES_MAX];
    size_t name_len = strlen(argv[0]);
    int denied = 0;

    if (strchr(argv[0], '/')) {
        (void)execve(argv[0], argv, env);
        return errno;
    }
    while (path) {
        const char *end = strchr(path, ':');
        size_t len = end ? (size_t)(end - path) : strlen(path);

        if (len > 0 && len < sizeof(full) - name_len - 1 && name_len < sizeof(full) / 2) {
            memcpy(full, path, len);
            full[len] = '/';
            memcpy(full + len + 1, argv[0], name_len + 1);
            (void)execve(full, argv, env);
            if (errno == EACCES)
                denied = EACCES;
            else if (errno != ENOENT && errno != ENOTDIR)
                return errno;
        }
        path = end ? end + 1 : NULL;
    }
    return denied ? denied : ENOENT;
}

NORETURN static void child(char *const *argv, char *const *env, const struct spawn_signals *signals,
                           int report_fd)
{
    const char *path = env_value(env, "PATH");
    int errnum;

    for (size_t i = 0; i < SPAWN_SIGNALS; i++) {
        /* A handler of ours means nothing to another program; ignoring is inherited on purpose. */
        struct sigaction action = signals->actions[i];

        if (action.sa_handler != SIG_IGN)
            action.sa_handler = SIG_DFL;
        (void)sigaction(ours[i], &action, NULL);
    }
    (void)sigprocmask(SIG_SETMASK, &signals->mask, NULL);
    (void)setpgid(0, signals->group); /* fails only when that group is gone with the agent */
    errnum = exec_in_path(argv, env, path ? path : PATH_DEFAULT);
    while (write(report_fd, &errnum, sizeof(errnum)) < 0 && errno == EINTR) {
    }
    _exit(127);
}

/* Waits until exec has closed the pipe (0) or the child has told its errno. */
static int exec_result(int fd)
{
    int errnum = 0;
    ssize_t got;

    do {
        got = read(fd, &errnum, sizeof(errnum));
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof(errnum) ? errnum : 0;
}

pid_t spawn(char *const *argv, char *const *env, const struct spawn_signals *signals,
            int *out_errnum)
{
    int ends[2];
    int errnum;
    pid_t pid;

    if (pipe(ends) != 0) {
        *out_errnum = errno;
        return -1;
    }
    (void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    (void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    pid = fork();
    if (pid == 0)
        child(argv, env, signals, ends[1]);
    errnum = errno;
    (void)close(ends[1]);
    if (pid > 0)
        errnum = exec_result(ends[0]);
    (void)close(ends[0]);
    if (pid > 0 && errnum == 0)
        return pid;
    if (pid > 0) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    *out_errnum = errnum;
    return -1;
}
