/* makespan report: one report of all machines. */
#include <string.h>

#include "command.h"
#include "reading.h"

enum err_code command_report(int argc, char *const *argv, uint32_t *out_exit, struct err *err)
{
    const char *format = "junit";
    const char *file = NULL;
    const struct cfg_option rows[] = {
        { .name = "format",
          .short_name = 'f',
          .value = "FORM",
          .kind = CFG_TEXT,
          .into = &format,
          .help = "junit (default) or json." },
        { .name = "output-file",
          .short_name = 'o',
          .value = "FILE",
          .kind = CFG_TEXT,
          .into = &file,
          .help = "Where to write it; standard output when not given." },
    };
    const struct reading_opts opts = {
        .usage = "makespan report [OPTIONS]",
        .about =
            "Writes one report of what all machines of a run did: every test with its outcome, "
            "times and output. Which run is meant is as for 'makespan verdict'.",
        .tail = "Example:\n  makespan report --format junit -o junit.xml\n",
        .groups = OPTIONS_SERVER | OPTIONS_RUN,
        .own = rows,
        .own_count = ARRAY_LEN(rows),
    };
    struct reading r;
    struct str body = STR_MAX(READING_ANSWER_BYTES);
    enum err_code rc = reading_open(&r, &opts, argc, argv, err);

    if (rc || r.help)
        goto out;
    if (strcmp(format, "junit") != 0 && strcmp(format, "json") != 0)
        rc = err_set(err, ERR_USAGE, "format '%s' is neither junit nor json", format);
    if (!rc)
        rc = reading_find_run(&r, err);
    if (!rc)
        rc = reading_get(
            &r, strcmp(format, "junit") == 0 ? "/report?format=junit" : "/report?format=json", 0,
            &body, err);
    if (!rc)
        rc = reading_write(file, str_text(&body), body.len, err);
    if (!rc)
        *out_exit = EXIT_OK;
out:
    str_fini(&body);
    reading_fini(&r);
    return rc;
}
