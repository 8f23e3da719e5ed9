#include "machine.h"

#include <sys/resource.h>
#include <unistd.h>

#include "fs.h"

#define SPARE_FILES 64u /* descriptors besides those of connections */
#define FEWEST      64u

uint32_t machine_connections_max(uint32_t asked, uint32_t most)
{
    struct rlimit files = { 0 };

    if (getrlimit(RLIMIT_NOFILE, &files))
        return asked ? asked : most;
    if (files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files); /* the old limit then holds */
        if (getrlimit(RLIMIT_NOFILE, &files))
            return asked ? asked : most;
    }
    if (asked || files.rlim_cur >= (rlim_t)most + SPARE_FILES)
        return asked ? asked : most;
    return files.rlim_cur > FEWEST + SPARE_FILES ? (uint32_t)files.rlim_cur - SPARE_FILES : FEWEST;
}

enum err_code machine_agent_path(const char *folder, struct str *out, bool *out_there,
                                 struct err *err)
{
    static const char *const beside[] = { "makespan", "../agent/makespan" };
    char self[PATH_BYTES_MAX] = "";
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    enum err_code rc = ERR_NONE;
    bool there = false;

    if (folder) {
        rc = str_addf(out, err, "%s/makespan", folder);
        there = !rc && fs_exists(str_text(out));
    } else {
        while (len > 0 && self[len - 1] != '/')
            self[--len] = '\0';
        for (size_t i = 0; !rc && !there && i < ARRAY_LEN(beside); i++) {
            str_clear(out);
            rc = str_addf(out, err, "%s%s", self, beside[i]);
            there = !rc && fs_exists(str_text(out));
        }
    }
    if (!rc)
        *out_there = there;
    return rc;
}
