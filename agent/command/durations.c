/* makespan durations: what the coordinator knows of a suite, as pytest-split's file. */
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "durations_merge.h"
#include "fs.h"
#include "reading.h"
#include "words.h"

#define FILE_BYTES_MAX PROTO_DECODED_BYTES_MAX

static enum err_code import(struct reading *r, const char *file, struct err *err)
{
    struct str path = STR_MAX(PATH_BYTES_MAX);
    struct str bytes = STR_MAX(FILE_BYTES_MAX);
    struct str answer = STR_MAX(READING_ANSWER_BYTES);
    enum err_code rc = reading_suite_path(&r->target, "/durations", &path, err);

    if (!rc)
        rc = fs_read_given(file, &bytes, err);
    if (!rc)
        rc = ask_send(r->ask, "PUT", path.at, str_take(&bytes), &answer, err);
    str_fini(&path);
    str_fini(&bytes);
    str_fini(&answer);
    return rc;
}

static enum err_code fetch(struct reading *r, const char *file, struct err *err)
{
    struct str answer = STR_MAX(READING_ANSWER_BYTES);
    enum err_code rc = reading_get_suite(r->ask, &r->target, "/durations", &answer, err);

    if (!rc)
        rc = reading_write(file, str_text(&answer), answer.len, err);
    str_fini(&answer);
    return rc;
}

enum err_code command_durations(int argc, char *const *argv, uint32_t *out_exit, struct err *err)
{
    const struct reading_opts opts = {
        .usage = "makespan durations import FILE [OPTIONS]\n"
                 "makespan durations export [FILE] [OPTIONS]\n"
                 "makespan durations merge OUT FILE...",
        .about = "Moves what the coordinator knows of a suite's durations in and out, as the file "
                 "that pytest-split keeps (.test_durations). A FILE of - is standard input or "
                 "output. merge needs no coordinator: it makes one file of those that the machines "
                 "of a matrix wrote with 'makespan run --store-durations'; of two times of a test "
                 "the later file's counts.",
        .tail = "Examples:\n  makespan durations import .test_durations --suite unit\n"
                "  makespan durations merge .test_durations part-*.json\n",
        .groups = OPTIONS_SERVER | OPTIONS_RUN,
        .words = true,
        .alone = true, /* what is wrong with the words is said first */
    };
    struct reading r;
    const char *verb;
    const char *file;
    bool export;
    enum err_code rc;

    if (argc > 1 && !strcmp(argv[1], "merge") && !(argc > 2 && argv[2][0] == '-' && argv[2][1])) {
        if (argc < 4)
            return err_set(err, ERR_USAGE, "say 'durations merge OUT FILE...'");
        rc = durations_merge(argv[2], argv + 3, argc - 3, err);
        if (!rc)
            *out_exit = EXIT_OK;
        return rc;
    }
    rc = reading_open(&r, &opts, argc, argv, err);
    if (rc || r.help)
        goto out;
    verb = r.words.count > 0 ? r.words.items[0] : "";
    file = r.words.count > 1 ? r.words.items[1] : NULL;
    export = strcmp(verb, "export") == 0;
    if (r.words.count > 2)
        rc = words_refuse(r.words.items[2], argv, err);
    else if (!export && strcmp(verb, "import") != 0)
        rc = err_set(err, ERR_USAGE,
                     "say 'durations import FILE', 'durations export [FILE]' or "
                     "'durations merge OUT FILE...'");
    else if (!export && !file)
        rc = err_set(err, ERR_USAGE, "durations import needs a FILE, or - for standard input");
    if (!rc && !r.ask)
        rc = ask_open(&r.target, &r.ask, err); /* it says what a coordinator takes */
    if (!rc)
        rc = export ? fetch(&r, file, err) : import(&r, file, err);
    if (!rc)
        *out_exit = EXIT_OK;
out:
    reading_fini(&r);
    return rc;
}
