/* fs.h - files: read with a cap, replace atomically, make private directories. */
#pragma once

#include <stdbool.h>

#include "str.h"

#define PATH_BYTES_MAX 4096

/* Closes *fd if open and sets it to -1. */
void fd_close(int *fd);

/* Reads a whole file of at most out->max bytes; "-" is standard input. */
MUST_USE enum err_code fs_read(const char *path, struct str *out, struct err *err);

/* The same of a file that somebody named: where it cannot be read, the command line is wrong. */
MUST_USE enum err_code fs_read_given(const char *path, struct str *out, struct err *err);

/* Writes all bytes to an open descriptor. */
MUST_USE enum err_code fs_write_all(int fd, const void *bytes, size_t len, struct err *err);

enum fs_mode { FS_PRIVATE, FS_PUBLIC }; /* 0600 or 0644; directories 0700 or 0755 */

/* Temporary file beside the target, fsync, rename, fsync of the folder: whole or not at all. */
MUST_USE enum err_code fs_replace(const char *path, const void *bytes, size_t len,
                                  enum fs_mode mode, struct err *err);

/* Like mkdir -p. */
MUST_USE enum err_code fs_mkdirs(const char *path, enum fs_mode mode, struct err *err);

/* A fresh 0700 folder under $TMPDIR or /tmp; *out_path is the caller's. */
MUST_USE enum err_code fs_tempdir(const char *prefix, char **out_path, struct err *err);

/* ERR_DISK_FULL if the folder's file system has less room, as far as it tells. */
MUST_USE enum err_code fs_has_room(const char *folder, size_t bytes, struct err *err);

/* Removes a folder with all that is in it; does not follow links. */
MUST_USE enum err_code fs_remove_tree(const char *path, struct err *err);

/* Removes the folders in parent that were changed last so many days before own, which is one of
 * them: what earlier runs left there. By the file system's own clock; what cannot be removed stays.
 */
void fs_sweep(const char *parent, const char *own, uint32_t days);

/* Value of $env (must be absolute), else $HOME/fallback, plus "/makespan": the XDG base
 * directories. */
MUST_USE enum err_code fs_xdg(const char *env, const char *fallback, char **out_path,
                              struct err *err);

/* The path as it is if it is absolute, else below the working directory; the caller's. */
MUST_USE enum err_code fs_absolute(const char *path, char **out_path, struct err *err);

bool fs_exists(const char *path);
