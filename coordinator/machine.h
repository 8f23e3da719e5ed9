/* machine.h - what this machine gives makespand: descriptors, and where the agent's program is. */
#pragma once

#include "str.h"

/* Raises the soft limit on open files to the hard one; returns how many connections to allow: what
 * was asked for, or most that the limit leaves. */
uint32_t machine_connections_max(uint32_t asked, uint32_t most);

/* The agent's program: in folder if that is given, else beside this program or where the build puts
 * it. *out_there tells whether it is there. */
MUST_USE enum err_code machine_agent_path(const char *folder, struct str *out, bool *out_there,
                                          struct err *err);
