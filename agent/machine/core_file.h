/* core_file.h - where the kernel has put the memory image of a process that died.
 *
 * The kernel's pattern is turned into what the file may be called, and looked for. Not for: reading
 * it. */
#pragma once

#include <sys/types.h>

#include "str.h"

/* What the kernel is set to do. */
struct core_rule {
    const char *pattern; /* of core_pattern */
    bool uses_pid;       /* of core_uses_pid: a name without the pid gets it added */
};

/* A pattern of shell wildcards for the path of the image of pid, in folder if the rule names none:
 * what is known here is filled in, the rest is a star. ERR_INVALID when the kernel hands images to
 * a program ("|..."). Pure. */
MUST_USE enum err_code core_file_glob(const struct core_rule *rule, const char *folder, pid_t pid,
                                      struct str *out, struct err *err);

/* What to tell of it: the path, or who got it; false when nothing is known. folder is where the
 * process is believed to have worked. */
bool core_file_find(const char *folder, pid_t pid, struct str *out);
