/* watch_poll.c - changes found by looking again, where nobody tells them. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <event2/event.h>

#include "mem.h"
#include "watch_inner.h"

struct seen {
    char *path;
    int64_t mtime_s, mtime_ns, bytes;
};

struct seen_list {
    struct seen *items;
    size_t cap;
    uint32_t count;
};

struct polling {
    struct event *timer;
    struct seen_list files; /* by path */
    uint32_t folders;
};

static bool count_folder(void *ctx, const char *path)
{
    (void)path;
    ((struct polling *)ctx)->folders++;
    return true;
}

static void note_file(void *ctx, const char *path, const struct stat *st)
{
    struct seen_list *list = &((struct polling *)ctx)->files;

    list->items = mem_grow(list->items, &list->cap, (size_t)list->count + 1, sizeof(*list->items));
    list->items[list->count++] = (struct seen){ .path = mem_strdup(path),
                                                .mtime_s = st->st_mtim.tv_sec,
                                                .mtime_ns = st->st_mtim.tv_nsec,
                                                .bytes = st->st_size };
}

static void seen_fini(struct seen_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        free(list->items[i].path);
    free(list->items);
    *list = (struct seen_list){ .count = 0 };
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct seen *)a)->path, ((const struct seen *)b)->path);
}

static void look(struct watch *watch)
{
    struct polling *polling = watch->own;
    struct watch_walker walker = { .folder = count_folder, .file = note_file, .ctx = polling };

    polling->files = (struct seen_list){ .count = 0 };
    polling->folders = 0;
    (void)watch_walk(watch, "", &walker);
    if (polling->files.count > 0)
        qsort(polling->files.items, polling->files.count, sizeof(*polling->files.items), by_path);
    watch->folders = polling->folders;
}

static bool differs(const struct seen *a, const struct seen *b)
{
    return a->mtime_s != b->mtime_s || a->mtime_ns != b->mtime_ns || a->bytes != b->bytes;
}

/* Both are in order: what is in one alone, or differs, has changed. */
static void compare(struct watch *watch, const struct seen_list *before,
                    const struct seen_list *after)
{
    uint32_t i = 0, j = 0;

    while (i < before->count || j < after->count) {
        int order = i == before->count  ? 1
                    : j == after->count ? -1
                                        : by_path(&before->items[i], &after->items[j]);
        const char *path = order > 0 ? after->items[j].path : before->items[i].path;

        if (order != 0 || differs(&before->items[i], &after->items[j]))
            watch->opts.changed(watch->opts.ctx, path);
        i += order <= 0;
        j += order >= 0;
    }
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct watch *watch = ctx;
    struct seen_list before = ((struct polling *)watch->own)->files;

    (void)fd;
    (void)what;
    look(watch);
    compare(watch, &before, &((struct polling *)watch->own)->files);
    seen_fini(&before);
}

static void stop(struct watch *watch)
{
    struct polling *polling = watch->own;

    if (polling->timer)
        event_free(polling->timer);
    seen_fini(&polling->files);
    free(polling);
    watch->own = NULL;
    watch->folders = 0;
}

static bool start(struct watch *watch)
{
    uint32_t ms = watch->opts.poll_ms > 0 ? watch->opts.poll_ms : WATCH_POLL_MS;
    struct timeval every = { .tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000 };
    struct polling *polling = mem_new(1, sizeof(*polling));

    watch->own = polling;
    look(watch);
    if (watch->folders == 0) {
        stop(watch);
        return false;
    }
    polling->timer = event_new(watch->opts.base, -1, EV_PERSIST, on_timer, watch);
    INVARIANT(polling->timer && event_add(polling->timer, &every) == 0);
    return true;
}

const struct watch_way watch_poll = { .start = start, .stop = stop };
