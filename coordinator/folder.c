#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "fs.h"

enum err_code folder_open(const char *path, int *out_lock_fd, struct err *err)
{
    struct str name = STR_MAX(PATH_BYTES_MAX);
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int fd = -1;
    enum err_code rc = fs_mkdirs(path, FS_PRIVATE, err);

    if (!rc)
        rc = str_addf(&name, err, "%s/lock", path);
    if (rc)
        goto out;
    fd = open(str_text(&name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        rc = err_errno(err, errno, "data folder %s cannot be written", path);
    } else if (fcntl(fd, F_SETLK, &lock)) {
        rc = errno == EACCES || errno == EAGAIN
                 ? err_set(err, ERR_CONFLICT, "data folder %s is in use by another makespand", path)
                 : err_errno(err, errno, "lock %s", str_text(&name));
    } else {
        *out_lock_fd = fd;
        fd = -1;
    }
out:
    fd_close(&fd);
    str_fini(&name);
    return rc;
}
