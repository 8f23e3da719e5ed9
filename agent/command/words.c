#include "words.h"

#include <stdio.h>
#include <stdlib.h>

enum err_code words_refuse(const char *word, char *const *argv, struct err *err)
{
    return err_set(err, ERR_USAGE, "'%s' is one word too many; see makespan %s --help", word,
                   argv[0]);
}

enum err_code words_read(const struct cfg_command *command, int argc, char *const *argv,
                         int *out_rest, bool *out_help, struct err *err)
{
    int rest = argc;
    enum err_code rc = cfg_parse(command, argc, argv, &rest, out_help, err);

    if (rc)
        return rc;
    if (*out_help) {
        char *text = cfg_help(command);

        (void)fputs(text, stdout); /* main.c asks whether it could be written */
        free(text);
        return ERR_NONE;
    }
    if (!out_rest && rest < argc)
        return words_refuse(argv[rest], argv, err);
    if (out_rest)
        *out_rest = rest;
    return ERR_NONE;
}
