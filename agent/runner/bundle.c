#include "bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "fs.h"

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

/* No fsync as in fs_replace: these files live as long as the run. */
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

enum err_code bundle_write(const char *folder, struct err *err)
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
