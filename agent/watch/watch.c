#include "watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs.h"
#include "mem.h"
#include "watch_inner.h"

void watch_join(struct str *out, const char *folder, const char *name)
{
    struct err ignored = ERR_INIT;

    str_clear(out);
    if (str_addf(out, &ignored, "%s%s%s", folder, *folder ? "/" : "", name))
        str_clear(out); /* over the limit: nobody could open it either */
}

void watch_absolute(const struct watch *watch, const char *path, struct str *out)
{
    if (*path)
        watch_join(out, watch->opts.root, path);
    else
        watch_join(out, "", watch->opts.root);
}

static bool walk(const struct watch *watch, const char *path, uint32_t depth,
                 const struct watch_walker *walker)
{
    struct str whole = STR_MAX(PATH_BYTES_MAX), below = STR_MAX(PATH_BYTES_MAX);
    struct dirent *entry;
    struct stat st;
    DIR *dir;
    bool goes_on = true;

    watch_absolute(watch, path, &whole);
    dir = opendir(str_text(&whole));
    if (dir && walker->folder && !walker->folder(walker->ctx, path))
        goes_on = false;
    while (dir && goes_on && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        watch_join(&below, path, entry->d_name);
        if (below.len == 0 || fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (S_ISDIR(st.st_mode) && depth < WATCH_DEPTH_MAX &&
            !ignore_has(watch->opts.ignore, str_text(&below), IGNORE_FOLDER))
            goes_on = walk(watch, str_text(&below), depth + 1, walker);
        else if (S_ISREG(st.st_mode) && walker->file &&
                 !ignore_has(watch->opts.ignore, str_text(&below), IGNORE_FILE))
            walker->file(walker->ctx, str_text(&below), &st);
    }
    if (dir)
        (void)closedir(dir);
    str_fini(&whole);
    str_fini(&below);
    return goes_on;
}

bool watch_walk(const struct watch *watch, const char *path, const struct watch_walker *walker)
{
    return walk(watch, path, 0, walker);
}

enum err_code watch_new(const struct watch_opts *opts, struct watch **out, struct err *err)
{
    struct watch *watch = mem_new(1, sizeof(*watch));

    watch->opts = *opts;
    watch->way = opts->poll_ms > 0 ? &watch_poll : &watch_inotify;
    if (!watch->way->start(watch)) {
        watch->way = &watch_poll;
        if (!watch->way->start(watch)) {
            free(watch);
            return err_set(err, ERR_IO, "%s cannot be watched", opts->root);
        }
    }
    *out = watch;
    return ERR_NONE;
}

void watch_free(struct watch *watch)
{
    if (!watch)
        return;
    watch->way->stop(watch);
    free(watch);
}

uint32_t watch_folders(const struct watch *watch)
{
    return watch->folders;
}

bool watch_polls(const struct watch *watch)
{
    return watch->way == &watch_poll;
}
