/* watch.h - tells when files below a folder change.
 *
 * By inotify where there is one and it has room, else by looking every second. Folders that are
 * ignored are not entered; new ones are. Links are not followed. Not for: what to do about a
 * change, or waiting until changes have settled (command/watch). */
#pragma once

#include "ignore.h"

struct event_base;
struct watch;

#define WATCH_POLL_MS   1000u
#define WATCH_DEPTH_MAX 64u

struct watch_opts {
    struct event_base *base;
    const char *root;            /* absolute */
    const struct ignore *ignore; /* lent */
    uint32_t poll_ms;            /* look at this interval; 0: be told, where that is possible */
    /* path: relative to the root; may come several times for one change. */
    void (*changed)(void *ctx, const char *path);
    void *ctx;
};

MUST_USE enum err_code watch_new(const struct watch_opts *opts, struct watch **out,
                                 struct err *err);
void watch_free(struct watch *watch);

uint32_t watch_folders(const struct watch *watch);
/* Whether it looks at intervals; then a change is seen only after a while. */
bool watch_polls(const struct watch *watch);
