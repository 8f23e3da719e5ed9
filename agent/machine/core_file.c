#include "core_file.h"

#include <glob.h>
#include <string.h>

#include "fs.h"

#define PATTERN_BYTES_MAX 4096u

static enum err_code add_plain(char c, struct str *out, struct err *err)
{
    const char escaped[] = { '\\', c };

    if (strchr("*?[]\\", c))
        return str_add(out, escaped, sizeof(escaped), err);
    return str_add(out, &c, 1, err);
}

enum err_code core_file_glob(const struct core_rule *rule, const char *folder, pid_t pid,
                             struct str *out, struct err *err)
{
    const char *pattern = rule->pattern;
    enum err_code rc = ERR_NONE;
    bool has_pid = false;

    if (pattern[0] == '|')
        return err_set(err, ERR_INVALID, "images go to a program");
    for (; pattern[0] != '/' && *folder && !rc; folder++)
        rc = add_plain(*folder, out, err);
    if (pattern[0] != '/' && !rc)
        rc = str_add(out, "/", 1, err);
    for (; *pattern && !rc; pattern++) {
        if (*pattern != '%') {
            rc = add_plain(*pattern, out, err);
            continue;
        }
        pattern++;
        if (*pattern == '\0')
            break; /* the kernel drops a single % at the end */
        if (*pattern == '%') {
            rc = add_plain('%', out, err);
        } else if (*pattern == 'p') {
            has_pid = true;
            rc = str_addf(out, err, "%ld", (long)pid);
        } else {
            rc = str_add(out, "*", 1, err);
        }
    }
    if (!rc && rule->uses_pid && !has_pid)
        rc = str_addf(out, err, ".%ld", (long)pid);
    return rc;
}

static bool read_line(const char *path, struct str *out)
{
    struct err ignored = ERR_INIT;

    if (fs_read(path, out, &ignored))
        return false;
    while (out->len > 0 && out->at[out->len - 1] == '\n')
        out->at[--out->len] = '\0';
    return out->len > 0;
}

/* A program gets the image on its standard input and keeps it where it likes. */
static bool told_of_program(const char *pattern, struct str *out)
{
    struct err ignored = ERR_INIT;

    if (strstr(pattern, "systemd-coredump"))
        return str_addz(out, "kept by systemd, see coredumpctl", &ignored) == ERR_NONE;
    return str_addf(out, &ignored, "handed to %.*s", (int)strcspn(pattern + 1, " "), pattern + 1) ==
           ERR_NONE;
}

bool core_file_find(const char *folder, pid_t pid, struct str *out)
{
    struct str pattern = STR_MAX(PATTERN_BYTES_MAX), uses = STR_MAX(PATTERN_BYTES_MAX);
    struct str name = STR_MAX(4 * PATH_BYTES_MAX);
    struct core_rule rule = { .uses_pid = false };
    struct err ignored = ERR_INIT;
    bool found = false;
    glob_t hits;

    if (!read_line("/proc/sys/kernel/core_pattern", &pattern))
        goto out;
    rule.pattern = str_text(&pattern);
    if (rule.pattern[0] == '|') {
        found = told_of_program(rule.pattern, out);
        goto out;
    }
    rule.uses_pid = read_line("/proc/sys/kernel/core_uses_pid", &uses) && uses.at[0] != '0';
    if (core_file_glob(&rule, folder, pid, &name, &ignored))
        goto out;
    if (glob(str_text(&name), GLOB_NOSORT, NULL, &hits) == 0) {
        found = str_addz(out, hits.gl_pathv[0], &ignored) == ERR_NONE;
        globfree(&hits);
    }
out:
    str_fini(&pattern);
    str_fini(&uses);
    str_fini(&name);
    return found;
}
