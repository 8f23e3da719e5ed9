/* words.h - the words behind a subcommand's name: its options are read, its --help is shown, words
 * that it has no use for are refused. */
#pragma once

#include "cfg.h"

/* cfg_parse for a command that people typed. With --help the text is on standard output, *out_help
 * is set, and there is nothing left to do. out_rest NULL: the command takes options only. */
MUST_USE enum err_code words_read(const struct cfg_command *command, int argc, char *const *argv,
                                  int *out_rest, bool *out_help, struct err *err);

/* The refusal. argv[0] is the subcommand's own name. */
enum err_code words_refuse(const char *word, char *const *argv, struct err *err);
