/* folder.h - the data folder: made when missing, private, and for one makespand at a time. */
#pragma once

#include "err.h"

/* Makes the folder (0700) and locks it; *out_lock_fd holds the lock until it is closed, also by a
 * kill. ERR_CONFLICT: another makespand serves from it. Otherwise ERR_IO with the reason. */
MUST_USE enum err_code folder_open(const char *path, int *out_lock_fd, struct err *err);
