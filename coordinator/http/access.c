#include "access.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs.h"
#include "json_text.h"
#include "mem.h"

#define PATH_SHOWN_MAX 512u                         /* none of ours is as long */
#define LINE_BYTES_MAX (6u * PATH_SHOWN_MAX + 512u) /* a path with every byte escaped */
_Static_assert(LINE_BYTES_MAX <= PIPE_BUF, "a pipe that is ready takes a whole line");

struct access_log {
    const struct clock *clock;
    enum log_form form;
    char *path;
    int fd;
};

static enum err_code open_file(const char *path, int *out_fd, struct err *err)
{
    bool console = strcmp(path, "-") == 0;
    int fd = console ? fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)
                     : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);

    if (fd < 0)
        return err_errno(err, errno, "access log %s", path);
    *out_fd = fd;
    return ERR_NONE;
}

enum err_code access_open(const char *path, enum log_form form, const struct clock *clock,
                          struct access_log **out, struct err *err)
{
    struct access_log *log;
    int fd = -1;
    enum err_code rc = open_file(path, &fd, err);

    if (rc)
        return rc;
    log = mem_new(1, sizeof(*log));
    *log = (struct access_log){ .clock = clock, .form = form, .path = mem_strdup(path), .fd = fd };
    *out = log;
    return ERR_NONE;
}

void access_close(struct access_log *log)
{
    if (!log)
        return;
    fd_close(&log->fd);
    free(log->path);
    free(log);
}

enum err_code access_reopen(struct access_log *log, struct err *err)
{
    int fd = -1;
    enum err_code rc = open_file(log->path, &fd, err);

    if (rc)
        return rc; /* the old file goes on */
    fd_close(&log->fd);
    log->fd = fd;
    return ERR_NONE;
}

/* A client chooses the path: nothing in it may look like the end of its field. */
static enum err_code add_plain(struct str *out, const char *text, struct err *err)
{
    enum err_code rc = ERR_NONE;

    for (; *text && !rc; text++)
        rc = str_add(out, (unsigned char)*text > ' ' && (unsigned char)*text < 0x7f ? text : "?", 1,
                     err);
    return rc;
}

static enum err_code text_line(struct str *out, const char *when, const struct http_seen *seen,
                               struct err *err)
{
    enum err_code rc = str_addf(out, err, "%s client=%s method=%s path=", when, seen->client,
                                http_method_name(seen->method));

    if (!rc)
        rc = add_plain(out, seen->path, err);
    if (!rc)
        rc = str_addf(out, err, " status=%u us=%llu in=%zu out=%zu\n", seen->status,
                      (unsigned long long)seen->took_us, seen->in_bytes, seen->out_bytes);
    return rc;
}

static enum err_code json_line(struct str *out, const char *when, const struct http_seen *seen,
                               struct err *err)
{
    enum err_code rc =
        str_addf(out, err, "{\"time\":\"%s\",\"client\":\"%s\",\"method\":\"%s\",\"path\":", when,
                 seen->client, http_method_name(seen->method));

    if (!rc)
        rc = json_add_text(out, seen->path, err);
    if (!rc)
        rc =
            str_addf(out, err, ",\"status\":%u,\"us\":%llu,\"in\":%zu,\"out\":%zu}\n", seen->status,
                     (unsigned long long)seen->took_us, seen->in_bytes, seen->out_bytes);
    return rc;
}

/* Without waiting. */
static bool takes_a_line(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    struct stat st;

    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        return true;
    return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0;
}

void access_note(struct access_log *log, const struct http_seen *seen)
{
    struct str line = STR_MAX(LINE_BYTES_MAX);
    struct err ignored = ERR_INIT;
    char when[CLOCK_TEXT_BYTES], path[PATH_SHOWN_MAX + sizeof("...")];
    struct http_seen shown = *seen;
    enum err_code rc;

    (void)snprintf(path, sizeof(path), "%.*s%s", (int)PATH_SHOWN_MAX, seen->path,
                   strlen(seen->path) > PATH_SHOWN_MAX ? "..." : "");
    shown.path = path;
    clock_format(clock_wall_ms(log->clock), when);
    rc = log->form == LOG_JSON ? json_line(&line, when, &shown, &ignored)
                               : text_line(&line, when, &shown, &ignored);
    if (!rc && takes_a_line(log->fd)) /* in one write, so that lines stay whole */
        (void)!fs_write_all(log->fd, str_text(&line), line.len, &ignored);
    str_fini(&line);
}
