/* store_sqlite.h - the store in one SQLite file: nothing to set up. */
#pragma once

#include "store/store.h"

/* Opens or creates the file at path (and -wal, -shm, -lock beside it) and brings its schema up to
 * this program's. ERR_CONFLICT: another process has it open. ERR_VERSION: a newer program wrote it.
 * ERR_IO: not a database, damaged, or this file system cannot do write-ahead logging. */
MUST_USE enum err_code store_sqlite_open(const char *path, struct store **out, struct err *err);

/* The same file beside the process that has it open, for short work such as a new token. Makes and
 * changes no schema: ERR_NOT_FOUND when there is no store yet, ERR_VERSION when its schema is not
 * this program's. A write waits up to 5 s for the other process, then ERR_UNAVAILABLE. */
MUST_USE enum err_code store_sqlite_open_beside(const char *path, struct store **out,
                                                struct err *err);

/* Refuses to grow beyond pages of 4096 bytes: how the tests fill a disk. */
MUST_USE enum err_code store_sqlite_limit_pages(struct store *store, uint32_t pages,
                                                struct err *err);
