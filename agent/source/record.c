#include "record.h"

#include <stdlib.h>
#include <string.h>

#include "fs.h"
#include "hash.h"

#define NAME_DIGITS 24

enum err_code record_path(const char *kind, const char *folder, char **out_path, struct err *err)
{
    struct str path = STR_MAX(PATH_BYTES_MAX);
    char digest[HASH_HEX_BYTES];
    char *cache = NULL;
    enum err_code rc = fs_xdg("XDG_CACHE_HOME", ".cache", &cache, err);

    hash_hex(folder, strlen(folder), digest);
    if (!rc)
        rc = str_addf(&path, err, "%s/%s/%.*s.json", cache, kind, NAME_DIGITS, digest);
    free(cache);
    if (rc)
        str_fini(&path);
    else
        *out_path = str_take(&path);
    return rc;
}
