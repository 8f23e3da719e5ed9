/* command.h - what makespand does beside serving: tokens, the check and the copy of the store; and
 * the exit code of what went wrong. */
#pragma once

#include "options.h"

/* Of an error in a stage whose own code is stage. */
enum makespand_exit command_exit(enum err_code rc, enum makespand_exit stage);

/* Any command but COMMAND_SERVE; on failure err says why. */
enum makespand_exit command_beside(const struct options *options, struct err *err);
