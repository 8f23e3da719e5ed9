#define _XOPEN_SOURCE 700
#include "fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "mem.h"

void fd_close(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd); /* nothing to do about a failed close of a finished file */
    *fd = -1;
}

enum err_code fs_read(const char *path, struct str *out, struct err *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    struct str got = STR_MAX(out->max);
    enum err_code rc = ERR_NONE;
    char chunk[65536];

    if (fd < 0)
        return err_errno(err, errno, "open %s", path);
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof(chunk));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            rc = err_errno(err, errno, "read %s", path);
            goto out;
        }
        if (n == 0)
            break;
        rc = str_add(&got, chunk, (size_t)n, err);
        if (rc) {
            (void)err_wrap(err, "read %s", path); /* rc carries the code */
            goto out;
        }
    }
    rc = str_add(out, str_text(&got), got.len, err);
out:
    str_fini(&got);
    fd_close(&fd);
    return rc;
}

enum err_code fs_read_given(const char *path, struct str *out, struct err *err)
{
    enum err_code rc = fs_read(path, out, err);

    return rc == ERR_IO ? (err->code = ERR_USAGE) : rc;
}

enum err_code fs_write_all(int fd, const void *bytes, size_t len, struct err *err)
{
    const char *p = bytes;

    while (len > 0) {
        ssize_t n = write(fd, p, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, errno, "write");
        p += n;
        len -= (size_t)n;
    }
    return ERR_NONE;
}

/* The folder that holds path, as its own string. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder;

    if (!slash)
        return mem_strdup(".");
    if (slash == path)
        return mem_strdup("/");
    folder = mem_dup(path, (size_t)(slash - path) + 1);
    folder[slash - path] = '\0';
    return folder;
}

static void sync_folder(const char *path)
{
    char *folder = folder_of(path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0)
        (void)fsync(fd); /* some file systems refuse it for folders; the rename itself is atomic */
    fd_close(&fd);
    free(folder);
}

enum err_code fs_replace(const char *path, const void *bytes, size_t len, enum fs_mode mode,
                         struct err *err)
{
    struct str temp = STR_MAX(PATH_BYTES_MAX);
    enum err_code rc = str_addf(&temp, err, "%s.XXXXXX", path);
    int fd = -1;

    if (rc)
        goto out;
    fd = mkstemp(temp.at);
    if (fd < 0) {
        rc = err_errno(err, errno, "create %s", path);
        goto out;
    }
    rc = fs_write_all(fd, bytes, len, err);
    if (!rc && fchmod(fd, mode == FS_PRIVATE ? 0600 : 0644))
        rc = err_errno(err, errno, "chmod");
    if (!rc && fsync(fd))
        rc = err_errno(err, errno, "fsync");
    if (!rc && rename(temp.at, path))
        rc = err_errno(err, errno, "rename");
    if (rc) {
        (void)unlink(temp.at); /* the target is untouched */
        rc = err_wrap(err, "write %s", path);
        goto out;
    }
    sync_folder(path);
out:
    fd_close(&fd);
    str_fini(&temp);
    return rc;
}

enum err_code fs_mkdirs(const char *path, enum fs_mode mode, struct err *err)
{
    mode_t bits = mode == FS_PRIVATE ? 0700 : 0755;
    char *copy = mem_strdup(path);
    enum err_code rc = ERR_NONE;

    for (char *p = copy + 1; !rc && *copy; p++) {
        char kept = *p;

        if (kept != '/' && kept != '\0')
            continue;
        *p = '\0';
        if (mkdir(copy, bits) && errno != EEXIST)
            rc = err_errno(err, errno, "create folder %s", copy);
        *p = kept;
        if (kept == '\0')
            break;
    }
    free(copy);
    return rc;
}

enum err_code fs_tempdir(const char *prefix, char **out_path, struct err *err)
{
    const char *base = getenv("TMPDIR");
    struct str path = STR_MAX(PATH_BYTES_MAX);
    enum err_code rc = str_addf(&path, err, "%s/%s.XXXXXX", base && *base ? base : "/tmp", prefix);

    if (!rc && !mkdtemp(path.at))
        rc = err_errno(err, errno, "create folder %s (TMPDIR says where)", path.at);
    if (!rc)
        *out_path = str_take(&path);
    str_fini(&path);
    return rc;
}

enum err_code fs_has_room(const char *folder, size_t bytes, struct err *err)
{
    struct statvfs v;
    uint64_t blocks;

    if (statvfs(folder, &v) != 0 || v.f_blocks == 0) /* some file systems do not tell */
        return ERR_NONE;
    blocks = geteuid() == 0 ? v.f_bfree : v.f_bavail;
    if (blocks * v.f_frsize < bytes)
        return err_set(err, ERR_DISK_FULL,
                       "there is no room for %zu KiB in %s; another TMPDIR may have some",
                       bytes / 1024, folder);
    return ERR_NONE;
}

/* Removes what is inside an open folder; one open descriptor a level. */
static enum err_code remove_inside(int dirfd_in, struct err *err)
{
    DIR *dir = fdopendir(dirfd_in);
    enum err_code rc = ERR_NONE;
    struct dirent *entry;

    if (!dir) {
        rc = err_errno(err, errno, "open folder");
        (void)close(dirfd_in); /* fdopendir did not take it */
        return rc;
    }
    while (!rc && (entry = readdir(dir)) != NULL) { /* NOLINT(concurrency-mt-unsafe) */
        int fd;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(dir), entry->d_name, 0) == 0 || errno == ENOENT)
            continue;
        fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            rc = err_errno(err, errno, "remove %s", entry->d_name);
        else
            rc = remove_inside(fd, err);
        if (!rc && unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR) && errno != ENOENT)
            rc = err_errno(err, errno, "remove %s", entry->d_name);
    }
    (void)closedir(dir); /* read only */
    return rc;
}

enum err_code fs_remove_tree(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    enum err_code rc;

    if (fd < 0)
        return errno == ENOENT ? ERR_NONE : err_errno(err, errno, "open %s", path);
    rc = remove_inside(fd, err);
    if (!rc && rmdir(path) && errno != ENOENT)
        rc = err_errno(err, errno, "remove %s", path);
    return rc;
}

/* 0 when it is no folder, or cannot be told. */
static time_t changed_at(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) ? st.st_mtime : 0;
}

void fs_sweep(const char *parent, const char *own, uint32_t days)
{
    const time_t oldest = changed_at(own) - (time_t)days * 86400;
    DIR *dir = opendir(parent);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)) != NULL) { /* NOLINT(concurrency-mt-unsafe) */
        struct str path = STR_MAX(PATH_BYTES_MAX);
        struct err ignored = ERR_INIT;
        time_t at = 0;

        if (entry->d_name[0] != '.' && !str_addf(&path, &ignored, "%s/%s", parent, entry->d_name))
            at = changed_at(path.at);
        if (at > 0 && at < oldest)
            (void)!fs_remove_tree(path.at, &ignored); /* somebody else's, or gone already */
        str_fini(&path);
    }
    if (dir)
        (void)closedir(dir);
}

enum err_code fs_xdg(const char *env, const char *fallback, char **out_path, struct err *err)
{
    const char *base = getenv(env);
    const char *home = getenv("HOME");
    struct str path = STR_MAX(PATH_BYTES_MAX);
    enum err_code rc;

    if (base && base[0] == '/')
        rc = str_addf(&path, err, "%s/makespan", base);
    else if (home && home[0] == '/')
        rc = str_addf(&path, err, "%s/%s/makespan", home, fallback);
    else
        rc = err_set(err, ERR_INVALID, "neither %s nor HOME names a folder", env);
    if (!rc)
        *out_path = str_take(&path);
    str_fini(&path);
    return rc;
}

enum err_code fs_absolute(const char *path, char **out_path, struct err *err)
{
    struct str text = STR_MAX(PATH_BYTES_MAX);
    char cwd[PATH_BYTES_MAX];
    enum err_code rc;

    if (path[0] != '/' && !getcwd(cwd, sizeof(cwd)))
        return err_errno(err, errno, "the working directory");
    rc = path[0] == '/' ? str_addz(&text, path, err) : str_addf(&text, err, "%s/%s", cwd, path);
    if (rc)
        str_fini(&text);
    else
        *out_path = str_take(&text);
    return rc;
}

bool fs_exists(const char *path)
{
    return access(path, F_OK) == 0;
}
