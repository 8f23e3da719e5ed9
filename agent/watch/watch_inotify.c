/* watch_inotify.c - changes as the kernel tells them. */
#include "watch_inner.h"

#ifdef __linux__

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <event2/event.h>

#include "fs.h"
#include "mem.h"

#define CHANGES                                                                                    \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_ONLYDIR |           \
     IN_EXCL_UNLINK)

struct folder {
    int wd;
    char *path; /* relative */
};

struct inotify {
    int fd;
    struct event *event;
    struct folder *folders;
    size_t cap;
};

static bool add_folder(void *ctx, const char *path)
{
    struct watch *watch = ctx;
    struct inotify *in = watch->own;
    struct str whole = STR_MAX(PATH_BYTES_MAX);
    int wd;

    watch_absolute(watch, path, &whole);
    wd = inotify_add_watch(in->fd, str_text(&whole), CHANGES);
    str_fini(&whole);
    if (wd < 0)
        return errno != ENOSPC && errno != ENOMEM; /* gone again, or not ours to read */
    for (uint32_t i = 0; i < watch->folders; i++) {
        if (in->folders[i].wd == wd) { /* moved within the tree */
            free(in->folders[i].path);
            in->folders[i].path = mem_strdup(path);
            return true;
        }
    }
    in->folders = mem_grow(in->folders, &in->cap, (size_t)watch->folders + 1, sizeof(*in->folders));
    in->folders[watch->folders++] = (struct folder){ .wd = wd, .path = mem_strdup(path) };
    return true;
}

static const char *path_of(const struct watch *watch, int wd)
{
    const struct inotify *in = watch->own;

    for (uint32_t i = 0; i < watch->folders; i++) {
        if (in->folders[i].wd == wd)
            return in->folders[i].path;
    }
    return NULL;
}

static void forget(struct watch *watch, int wd)
{
    struct inotify *in = watch->own;

    for (uint32_t i = 0; i < watch->folders; i++) {
        if (in->folders[i].wd == wd) {
            free(in->folders[i].path);
            in->folders[i] = in->folders[--watch->folders];
            return;
        }
    }
}

static void tell_file(void *ctx, const char *path, const struct stat *st)
{
    struct watch *watch = ctx;

    (void)st;
    watch->opts.changed(watch->opts.ctx, path);
}

/* What was made in a new folder before it was watched is new, too. */
static void enter(struct watch *watch, const char *path)
{
    struct watch_walker walker = { .folder = add_folder, .file = tell_file, .ctx = watch };

    (void)watch_walk(watch, path, &walker);
}

static void tell(struct watch *watch, const struct inotify_event *event)
{
    struct str path = STR_MAX(PATH_BYTES_MAX);
    const char *folder = path_of(watch, event->wd);
    bool is_folder = (event->mask & IN_ISDIR) != 0;

    if (event->mask & IN_Q_OVERFLOW) {
        watch->opts.changed(watch->opts.ctx, "");
    } else if (event->mask & IN_IGNORED) {
        forget(watch, event->wd);
    } else if (folder && event->len > 0) {
        watch_join(&path, folder, event->name);
        if (path.len > 0 && !ignore_has(watch->opts.ignore, str_text(&path),
                                        is_folder ? IGNORE_FOLDER : IGNORE_FILE)) {
            if (is_folder && (event->mask & (IN_CREATE | IN_MOVED_TO)))
                enter(watch, str_text(&path));
            /* A file that was made is told of when it is written. */
            if (!(event->mask & IN_CREATE))
                watch->opts.changed(watch->opts.ctx, str_text(&path));
        }
    }
    str_fini(&path);
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
    struct watch *watch = ctx;
    _Alignas(struct inotify_event) char bytes[16384];
    ssize_t got = read(fd, bytes, sizeof(bytes));
    size_t at = 0;

    (void)what;
    while (got > 0 && at + sizeof(struct inotify_event) <= (size_t)got) {
        struct inotify_event event;
        const struct inotify_event *whole = (const void *)(bytes + at);

        memcpy(&event, bytes + at, sizeof(event));
        tell(watch, whole);
        at += sizeof(event) + event.len;
    }
}

static void stop(struct watch *watch)
{
    struct inotify *in = watch->own;

    if (in->event)
        event_free(in->event);
    fd_close(&in->fd);
    for (uint32_t i = 0; i < watch->folders; i++)
        free(in->folders[i].path);
    free(in->folders);
    free(in);
    watch->own = NULL;
    watch->folders = 0;
}

static bool start(struct watch *watch)
{
    struct watch_walker walker = { .folder = add_folder, .ctx = watch };
    struct inotify *in = mem_new(1, sizeof(*in));

    watch->own = in;
    in->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (in->fd < 0 || !watch_walk(watch, "", &walker) || watch->folders == 0) {
        stop(watch);
        return false;
    }
    in->event = event_new(watch->opts.base, in->fd, EV_READ | EV_PERSIST, on_readable, watch);
    INVARIANT(in->event && event_add(in->event, NULL) == 0);
    return true;
}

#else

static bool start(struct watch *watch)
{
    (void)watch;
    return false;
}

static void stop(struct watch *watch)
{
    (void)watch;
}

#endif

const struct watch_way watch_inotify = { .start = start, .stop = stop };
