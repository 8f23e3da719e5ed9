#include "bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs.h"

#define NAME_DIGITS 24
#define DAYS_KEPT   7u /* of what no run uses: other versions, what a killed run was writing */

static enum err_code make_folder_of(const char *path, struct err *err)
{
    char folder[PATH_BYTES_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;

    INVARIANT(len > 0 && len < sizeof(folder));
    memcpy(folder, path, len);
    folder[len] = '\0';
    return fs_mkdirs(folder, FS_PRIVATE, err);
}

/* No fsync as in fs_replace: what a crash of the machine left half is seen and written anew. */
static enum err_code write_file(const char *path, const struct bundle_file *file, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    enum err_code rc;

    if (fd < 0)
        return err_errno(err, errno, "write %s", path);
    rc = fs_write_all(fd, file->bytes, file->size, err);
    fd_close(&fd);
    return rc ? err_wrap(err, "write %s", path) : ERR_NONE;
}

static enum err_code write_all(const char *folder, struct err *err)
{
    enum err_code rc = ERR_NONE;

    for (size_t i = 0; !rc && i < bundle_file_count; i++) {
        struct str path = STR_MAX(PATH_BYTES_MAX);

        rc = str_addf(&path, err, "%s/%s", folder, bundle_files[i].name);
        if (!rc)
            rc = make_folder_of(str_text(&path), err);
        if (!rc)
            rc = write_file(str_text(&path), &bundle_files[i], err);
        str_fini(&path);
    }
    return rc;
}

static bool has_file(const char *folder, const struct bundle_file *file)
{
    struct str path = STR_MAX(PATH_BYTES_MAX), text = STR_MAX(file->size);
    struct err ignored = ERR_INIT;
    bool same = !str_addf(&path, &ignored, "%s/%s", folder, file->name) &&
                !fs_read(str_text(&path), &text, &ignored) && text.len == file->size &&
                memcmp(str_text(&text), file->bytes, file->size) == 0;

    str_fini(&path);
    str_fini(&text);
    return same;
}

static bool has_all(const char *folder)
{
    for (size_t i = 0; i < bundle_file_count; i++) {
        if (!has_file(folder, &bundle_files[i]))
            return false;
    }
    return true;
}

/* Python will run what lies there: nobody else may be able to put something in its place. */
static bool is_ours(const char *folder, mode_t not_for_others)
{
    struct stat st;

    return lstat(folder, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
           (st.st_mode & not_for_others) == 0;
}

/* On the way down others may look. */
static bool is_only_ours(const char *folder)
{
    return is_ours(folder, S_IWGRP | S_IWOTH);
}

/* What is below a folder that nobody else may enter need not be looked at: Python makes its
 * __pycache__ as the umask says, and that may let a group write. */
static bool is_private(const char *folder)
{
    return is_ours(folder, S_IRWXG | S_IRWXO);
}

/* True if the folder got its name. It may have been there: of a run that was faster, which is as
 * good, or not as it should be. */
static enum err_code rename_to(const char *beside, const char *folder, bool *out_renamed,
                               struct err *err)
{
    enum err_code rc;

    *out_renamed = rename(beside, folder) == 0;
    if (*out_renamed || has_all(folder))
        return ERR_NONE;
    rc = fs_remove_tree(folder, err);
    *out_renamed = !rc && rename(beside, folder) == 0;
    return rc || *out_renamed ? rc : err_errno(err, errno, "rename %s", beside);
}

/* Written beside and renamed, so that a run beside this one sees all of it or nothing. */
static enum err_code make_kept(const char *folder, struct err *err)
{
    struct str beside = STR_MAX(PATH_BYTES_MAX);
    struct err ignored = ERR_INIT;
    enum err_code rc = str_addf(&beside, err, "%s.XXXXXX", folder);
    bool renamed = false;

    if (!rc && !mkdtemp(beside.at))
        rc = err_errno(err, errno, "create folder %s", beside.at);
    if (rc)
        goto out;
    rc = write_all(beside.at, err);
    if (!rc)
        rc = rename_to(beside.at, folder, &renamed, err);
    if (!renamed)
        (void)!fs_remove_tree(beside.at, &ignored); /* as far as it goes */
out:
    str_fini(&beside);
    return rc;
}

/* The folder in the cache, complete; an error where there can be none. */
static enum err_code place_kept(char **out_folder, struct err *err)
{
    struct str parent = STR_MAX(PATH_BYTES_MAX), folder = STR_MAX(PATH_BYTES_MAX);
    char *cache = NULL;
    enum err_code rc = fs_xdg("XDG_CACHE_HOME", ".cache", &cache, err);

    if (rc || (rc = str_addf(&parent, err, "%s/python", cache)) != ERR_NONE ||
        (rc = str_addf(&folder, err, "%s/%.*s", str_text(&parent), NAME_DIGITS, bundle_digest)) !=
            ERR_NONE ||
        (rc = fs_mkdirs(str_text(&parent), FS_PRIVATE, err)) != ERR_NONE)
        goto out;
    if (!is_only_ours(cache) || !is_only_ours(str_text(&parent))) {
        rc = err_set(err, ERR_IO, "others can write to %s", str_text(&parent));
        goto out;
    }
    /* First it is marked as used: who sweeps meanwhile sees that, or we see that it is gone. */
    (void)utimensat(AT_FDCWD, str_text(&folder), NULL, AT_SYMLINK_NOFOLLOW);
    if (!has_all(str_text(&folder)))
        rc = make_kept(str_text(&folder), err);
    if (!rc && !is_private(str_text(&folder)))
        rc = err_set(err, ERR_IO, "others can enter %s", str_text(&folder));
    if (rc)
        goto out;
    fs_sweep(str_text(&parent), str_text(&folder), DAYS_KEPT);
    *out_folder = str_take(&folder);
out:
    str_fini(&parent);
    str_fini(&folder);
    free(cache);
    return rc;
}

enum err_code bundle_place(const char *run_folder, char **out_folder, struct err *err)
{
    struct str folder = STR_MAX(PATH_BYTES_MAX);
    struct err ignored = ERR_INIT;
    enum err_code rc;

    if (!place_kept(out_folder, &ignored)) /* it only saves time */
        return ERR_NONE;
    rc = str_addf(&folder, err, "%s/py", run_folder);
    if (!rc)
        rc = write_all(str_text(&folder), err);
    if (!rc)
        *out_folder = str_take(&folder);
    str_fini(&folder);
    return rc;
}
