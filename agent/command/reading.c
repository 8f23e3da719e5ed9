#include "reading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs.h"
#include "mem.h"
#include "words.h"

#define OWN_ROWS_MAX 8u
#define PATH_BYTES   4096u

enum err_code reading_open(struct reading *r, const struct reading_opts *opts, int argc,
                           char *const *argv, struct err *err)
{
    struct cfg_option rows[OWN_ROWS_MAX + OPTIONS_ROWS_MAX];
    struct cfg_command command = { .usage = opts->usage,
                                   .about = opts->about,
                                   .tail = opts->tail,
                                   .options = rows,
                                   .words = &r->words };
    enum err_code rc;

    *r = (struct reading){ .options = OPTIONS_INIT };
    INVARIANT(opts->own_count <= OWN_ROWS_MAX);
    for (size_t i = 0; i < opts->own_count; i++)
        rows[i] = opts->own[i];
    command.option_count =
        opts->own_count + options_rows(&r->options, opts->groups, rows + opts->own_count);
    rc = words_read(&command, argc, argv, opts->rest ? &r->rest : NULL, &r->help, err);
    if (rc || r->help)
        return rc;
    if (!opts->words && r->words.count > 0)
        return words_refuse(r->words.items[0], argv, err);
    rc = target_resolve(&r->options, NULL, &r->target, err);
    if (rc || (opts->alone && !r->target.url))
        return rc;
    return ask_open(&r->target, &r->ask, err);
}

enum err_code reading_find_run(struct reading *r, struct err *err)
{
    return ask_find_run(r->ask, &r->run, err);
}

void reading_fini(struct reading *r)
{
    ask_close(r->ask);
    target_fini(&r->target);
    options_fini(&r->options);
    free(r->words.items);
    free(r->run);
}

enum err_code reading_get(struct reading *r, const char *what, uint32_t timeout_ms, struct str *out,
                          struct err *err)
{
    struct str path = STR_MAX(PATH_BYTES);
    enum err_code rc = str_addf(&path, err, "/v1/runs/%s%s", r->run, what);

    if (!rc)
        rc = ask_get(r->ask, path.at, timeout_ms, out, err);
    str_fini(&path);
    return rc;
}

enum err_code reading_suite_path(const struct target *target, const char *what, struct str *out,
                                 struct err *err)
{
    char *project = transport_escape(target->project);
    char *suite = transport_escape(target->suite);
    enum err_code rc = str_addf(out, err, "/v1/projects/%s/suites/%s%s", project, suite, what);

    free(project);
    free(suite);
    return rc;
}

enum err_code reading_get_suite(struct ask *ask, const struct target *target, const char *what,
                                struct str *out, struct err *err)
{
    struct str path = STR_MAX(PATH_BYTES);
    enum err_code rc = reading_suite_path(target, what, &path, err);

    if (!rc)
        rc = ask_get(ask, str_text(&path), 0, out, err);
    str_fini(&path);
    return rc;
}

enum err_code reading_write(const char *path, const char *bytes, size_t len, struct err *err)
{
    if (path && strcmp(path, "-") != 0)
        return fs_replace(path, bytes, len, FS_PUBLIC, err);
    if (fwrite(bytes, 1, len, stdout) != len)
        return err_set(err, ERR_IO, "standard output could not be written");
    return ERR_NONE;
}
