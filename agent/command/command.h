/* command.h - the subcommands of makespan, one file each.
 *
 * argv[0] is the subcommand's own name. On ERR_NONE *out_exit is the exit status of the process; on
 * an error main.c prints err.text as "makespan: ..." and translates the code. A command never
 * exits by itself. */
#pragma once

#include "err.h"

MUST_USE enum err_code command_run(int argc, char *const *argv, uint32_t *out_exit,
                                   struct err *err);
MUST_USE enum err_code command_watch(int argc, char *const *argv, uint32_t *out_exit,
                                     struct err *err);
MUST_USE enum err_code command_status(int argc, char *const *argv, uint32_t *out_exit,
                                      struct err *err);
MUST_USE enum err_code command_verdict(int argc, char *const *argv, uint32_t *out_exit,
                                       struct err *err);
MUST_USE enum err_code command_report(int argc, char *const *argv, uint32_t *out_exit,
                                      struct err *err);
MUST_USE enum err_code command_durations(int argc, char *const *argv, uint32_t *out_exit,
                                         struct err *err);
MUST_USE enum err_code command_split(int argc, char *const *argv, uint32_t *out_exit,
                                     struct err *err);
MUST_USE enum err_code command_simulate(int argc, char *const *argv, uint32_t *out_exit,
                                        struct err *err);
MUST_USE enum err_code command_matrix(int argc, char *const *argv, uint32_t *out_exit,
                                      struct err *err);
MUST_USE enum err_code command_doctor(int argc, char *const *argv, uint32_t *out_exit,
                                      struct err *err);
