/* sql.h - one connection to an SQLite file: statements by their text, values, transactions, errors.
 *
 * The only door to SQLite. A connection is for one thread at a time: its owner locks. Statements
 * are kept prepared by the address of their text, so texts are string literals. Positions count
 * from 1 for values and from 0 for columns, as in SQLite. */
#pragma once

#include "str.h"

#define SQL_STATEMENTS_MAX 64u

struct sql;
struct sql_stmt;

enum sql_mode { SQL_WRITE, SQL_READ };

/* SQL_WRITE creates the file and sets and checks journal_mode=WAL and synchronous=FULL. */
MUST_USE enum err_code sql_open(const char *path, enum sql_mode mode, struct sql **out,
                                struct err *err);
void sql_close(struct sql *sql); /* NULL is fine */

/* Statements without values and rows; several, separated by semicolons. */
MUST_USE enum err_code sql_exec(struct sql *sql, const char *text, struct err *err);

/* A transaction that writes. commit and rollback end it; a commit that fails has rolled back. */
MUST_USE enum err_code sql_begin(struct sql *sql, struct err *err);
MUST_USE enum err_code sql_commit(struct sql *sql, struct err *err);
void sql_rollback(struct sql *sql);

/* A statement ready for values. It must be ended with sql_end before the transaction is. */
MUST_USE enum err_code sql_use(struct sql *sql, const char *text, struct sql_stmt **out,
                               struct err *err);
void sql_end(struct sql_stmt *stmt); /* NULL is fine */

/* Lent until sql_end. A value that cannot be bound makes the next sql_step fail. */
void sql_put_text(struct sql_stmt *stmt, int at, const char *text);
void sql_put_u64(struct sql_stmt *stmt, int at, uint64_t value); /* at most INT64_MAX */
void sql_put_i64(struct sql_stmt *stmt, int at, int64_t value);
void sql_put_blob(struct sql_stmt *stmt, int at, const void *bytes, size_t len);

/* The next row into *out_row, or false at the end. */
MUST_USE enum err_code sql_step(struct sql_stmt *stmt, bool *out_row, struct err *err);

/* A statement without rows: step and end. */
MUST_USE enum err_code sql_run(struct sql_stmt *stmt, struct err *err);

/* Columns of the row, lent until the next step. A NULL text is "". */
const char *sql_text(struct sql_stmt *stmt, int column);
uint64_t sql_u64(struct sql_stmt *stmt, int column);
int64_t sql_i64(struct sql_stmt *stmt, int column);
struct view sql_blob(struct sql_stmt *stmt, int column);

uint64_t sql_last_rowid(const struct sql *sql);
uint64_t sql_changed(const struct sql *sql); /* rows that the last statement touched */
