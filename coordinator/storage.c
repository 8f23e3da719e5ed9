#include "storage.h"

#include <string.h>

#include "fs.h"
#include "store/store_sqlite.h"

static enum err_code sqlite_path(const char *url, const char *folder, struct str *out,
                                 struct err *err)
{
    static const char scheme[] = "sqlite:";

    if (!url)
        return str_addf(out, err, "%s/makespan.db", folder);
    if (strncmp(url, scheme, sizeof(scheme) - 1) != 0 || !url[sizeof(scheme) - 1])
        return err_set(err, ERR_USAGE, "--store '%s' is not sqlite:PATH", url);
    return str_addz(out, url + sizeof(scheme) - 1, err);
}

enum err_code storage_open(const char *url, const char *folder, struct store **out, struct err *err)
{
    struct str path = STR_MAX(PATH_BYTES_MAX);
    enum err_code rc = sqlite_path(url, folder, &path, err);

    if (!rc)
        rc = store_sqlite_open(str_text(&path), out, err);
    str_fini(&path);
    return rc;
}

enum err_code storage_open_beside(const char *url, const char *folder, struct store **out,
                                  struct err *err)
{
    struct str path = STR_MAX(PATH_BYTES_MAX);
    enum err_code rc = sqlite_path(url, folder, &path, err);

    if (!rc)
        rc = store_sqlite_open_beside(str_text(&path), out, err);
    if (rc == ERR_NOT_FOUND || rc == ERR_VERSION) { /* nobody has served from it, or not yet anew */
        rc = fs_mkdirs(folder, FS_PRIVATE, err);
        if (!rc)
            rc = store_sqlite_open(str_text(&path), out, err);
    }
    str_fini(&path);
    return rc;
}

enum err_code storage_open_existing(const char *url, const char *folder, struct store **out,
                                    struct err *err)
{
    struct str path = STR_MAX(PATH_BYTES_MAX);
    enum err_code rc = sqlite_path(url, folder, &path, err);

    if (!rc)
        rc = store_sqlite_open_beside(str_text(&path), out, err);
    str_fini(&path);
    return rc;
}
