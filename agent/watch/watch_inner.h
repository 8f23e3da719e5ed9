/* watch_inner.h - what the files of the watch share. Included by watch*.c only. */
#pragma once

#include "watch.h"

struct stat;

/* One way of noticing changes. */
struct watch_way {
    /* False when this way cannot watch the tree (for lack of support, or of room). */
    bool (*start)(struct watch *watch);
    void (*stop)(struct watch *watch);
};

struct watch {
    struct watch_opts opts;
    const struct watch_way *way;
    void *own; /* the way's */
    uint32_t folders;
};

extern const struct watch_way watch_inotify, watch_poll;

/* What is below the folder (relative; "" for the root) and not ignored: each is told of the folder
 * itself, too. It returns false to end the walk. */
struct watch_walker {
    bool (*folder)(void *ctx, const char *path);
    void (*file)(void *ctx, const char *path, const struct stat *st);
    void *ctx;
};
bool watch_walk(const struct watch *watch, const char *path, const struct watch_walker *walker);

/* "folder/name", or "name" in the root. */
void watch_join(struct str *out, const char *folder, const char *name);
/* The whole path. */
void watch_absolute(const struct watch *watch, const char *path, struct str *out);
