#include "store/sql.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define BUSY_MS 5000

struct sql_stmt {
    struct sql *sql;
    const char *text;
    sqlite3_stmt *stmt;
    int bind_rc; /* the first value that could not be bound */
};

struct sql {
    sqlite3 *db;
    char *path;
    struct sql_stmt stmts[SQL_STATEMENTS_MAX];
    uint32_t stmt_count;
};

/* ENOSPC is SQLITE_FULL already; a quota and a file size limit are not. */
static bool errno_is_no_room(int errnum)
{
    return errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG;
}

static int last_errno_of(sqlite3_file *file)
{
    int errnum = 0;

    if (file && file->pMethods)
        (void)file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &errnum); /* or 0 */
    return errnum;
}

/* Why the system refused a read or write: the connection knows it only for some calls
 * (sqlite3_system_errno), its two files know it for the rest. 0: nobody knows. */
static int io_errno(const struct sql *sql)
{
    sqlite3_file *data = NULL;
    sqlite3_file *log = NULL;
    int errnum = sqlite3_system_errno(sql->db);

    (void)sqlite3_file_control(sql->db, "main", SQLITE_FCNTL_FILE_POINTER, (void *)&data);
    (void)sqlite3_file_control(sql->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, (void *)&log);
    if (errnum == 0)
        errnum = last_errno_of(log);
    return errnum ? errnum : last_errno_of(data);
}

static enum err_code fail(const struct sql *sql, int rc, const char *doing, struct err *err)
{
    const char *text = sql->db ? sqlite3_errmsg(sql->db) : sqlite3_errstr(rc);
    int errnum;

    INVARIANT((rc & 0xff) != SQLITE_NOMEM); /* out of memory ends the program (mem.h) */
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return err_set(err, ERR_DISK_FULL, "%s: %s: no room left", sql->path, doing);
    case SQLITE_IOERR:
        errnum = sql->db ? io_errno(sql) : 0;
        if (errno_is_no_room(errnum))
            return err_set(err, ERR_DISK_FULL, "%s: %s: no room left", sql->path, doing);
        return err_set(err, ERR_IO, "%s: %s: %s (%s)", sql->path, doing, text,
                       errnum ? strerror(errnum) : "no reason given");
    case SQLITE_CORRUPT:
        return err_set(err, ERR_IO, "%s: the database is damaged (%s): restore a backup", sql->path,
                       text);
    case SQLITE_NOTADB:
        return err_set(err, ERR_IO, "%s: not a database of makespand", sql->path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(err, ERR_UNAVAILABLE, "%s: %s: %s", sql->path, doing, text);
    case SQLITE_CONSTRAINT:
        return err_set(err, ERR_CONFLICT, "%s: %s: %s", sql->path, doing, text);
    case SQLITE_TOOBIG:
        return err_set(err, ERR_TOO_LARGE, "%s: %s: %s", sql->path, doing, text);
    }
    return err_set(err, ERR_IO, "%s: %s: %s", sql->path, doing, text);
}

/* Runs a pragma and compares what it answers: a pragma that is not understood says nothing. */
static enum err_code pragma(struct sql *sql, const char *text, const char *want, struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    const char *got = NULL;
    enum err_code code = ERR_NONE;
    int rc = sqlite3_prepare_v2(sql->db, text, -1, &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        got = (const char *)sqlite3_column_text(stmt, 0);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        code = fail(sql, rc, text, err);
    else if (want && (!got || strcmp(got, want) != 0))
        code = err_set(err, ERR_IO, "%s: '%s' gave '%s' and not '%s'", sql->path, text,
                       got ? got : "", want);
    (void)sqlite3_finalize(stmt); /* repeats the error of the step */
    return code;
}

static enum err_code set_up(struct sql *sql, enum sql_mode mode, struct err *err)
{
    enum err_code rc;

    rc = pragma(sql, "PRAGMA foreign_keys=ON", NULL, err);
    if (!rc)
        rc = pragma(sql, "PRAGMA foreign_keys", "1", err);
    if (!rc && mode == SQL_READ)
        rc = pragma(sql, "PRAGMA query_only=ON", NULL, err);
    if (rc || mode == SQL_READ)
        return rc;
    rc = pragma(sql, "PRAGMA journal_mode=WAL", "wal", err);
    if (!rc)
        rc = pragma(sql, "PRAGMA synchronous=FULL", NULL, err);
    if (!rc)
        rc = pragma(sql, "PRAGMA synchronous", "2", err);
    if (!rc)
        rc = pragma(sql, "PRAGMA journal_size_limit=67108864", "67108864", err);
    return rc;
}

enum err_code sql_open(const char *path, enum sql_mode mode, struct sql **out, struct err *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    struct sql *sql = mem_new(1, sizeof(*sql));
    enum err_code code = ERR_NONE;
    int rc;

    if (mode == SQL_WRITE)
        flags |= SQLITE_OPEN_CREATE;
    sql->path = mem_strdup(path);
    rc = sqlite3_open_v2(path, &sql->db, flags, NULL);
    if (rc != SQLITE_OK) {
        code = fail(sql, rc, "open", err);
        goto out;
    }
    (void)sqlite3_extended_result_codes(sql->db, 1);
    (void)sqlite3_busy_timeout(sql->db, BUSY_MS);
    code = set_up(sql, mode, err);
    if (code)
        goto out;
    *out = sql;
    sql = NULL;
out:
    sql_close(sql);
    return code;
}

void sql_close(struct sql *sql)
{
    if (!sql)
        return;
    for (uint32_t i = 0; i < sql->stmt_count; i++)
        (void)sqlite3_finalize(sql->stmts[i].stmt); /* repeats the error of the last step */
    INVARIANT(sqlite3_close(sql->db) == SQLITE_OK);
    free(sql->path);
    free(sql);
}

enum err_code sql_exec(struct sql *sql, const char *text, struct err *err)
{
    int rc = sqlite3_exec(sql->db, text, NULL, NULL, NULL);

    return rc == SQLITE_OK ? ERR_NONE : fail(sql, rc, "exec", err);
}

enum err_code sql_begin(struct sql *sql, struct err *err)
{
    struct sql_stmt *stmt = NULL;
    enum err_code rc = sql_use(sql, "BEGIN IMMEDIATE", &stmt, err);

    return rc ? rc : sql_run(stmt, err);
}

enum err_code sql_commit(struct sql *sql, struct err *err)
{
    struct sql_stmt *stmt = NULL;
    enum err_code rc = sql_use(sql, "COMMIT", &stmt, err);

    if (!rc)
        rc = sql_run(stmt, err);
    if (rc)
        sql_rollback(sql);
    return rc;
}

void sql_rollback(struct sql *sql)
{
    if (!sqlite3_get_autocommit(sql->db)) /* some errors have rolled back already */
        (void)sqlite3_exec(sql->db, "ROLLBACK", NULL, NULL, NULL); /* nothing more can be done */
}

enum err_code sql_use(struct sql *sql, const char *text, struct sql_stmt **out, struct err *err)
{
    struct sql_stmt *stmt = NULL;
    int rc;

    for (uint32_t i = 0; i < sql->stmt_count && !stmt; i++)
        if (sql->stmts[i].text == text)
            stmt = &sql->stmts[i];
    if (!stmt) {
        INVARIANT(sql->stmt_count < SQL_STATEMENTS_MAX);
        stmt = &sql->stmts[sql->stmt_count];
        rc = sqlite3_prepare_v3(sql->db, text, -1, SQLITE_PREPARE_PERSISTENT, &stmt->stmt, NULL);
        if (rc != SQLITE_OK)
            return fail(sql, rc, "prepare", err);
        stmt->sql = sql;
        stmt->text = text;
        sql->stmt_count++;
    }
    stmt->bind_rc = SQLITE_OK;
    *out = stmt;
    return ERR_NONE;
}

void sql_end(struct sql_stmt *stmt)
{
    if (!stmt)
        return;
    (void)sqlite3_reset(stmt->stmt); /* repeats the error of the step */
    (void)sqlite3_clear_bindings(stmt->stmt);
}

static void bound(struct sql_stmt *stmt, int rc)
{
    if (stmt->bind_rc == SQLITE_OK)
        stmt->bind_rc = rc;
}

void sql_put_text(struct sql_stmt *stmt, int at, const char *text)
{
    bound(stmt, sqlite3_bind_text(stmt->stmt, at, text, -1, SQLITE_STATIC));
}

void sql_put_u64(struct sql_stmt *stmt, int at, uint64_t value)
{
    INVARIANT(value <= INT64_MAX);
    bound(stmt, sqlite3_bind_int64(stmt->stmt, at, (sqlite3_int64)value));
}

void sql_put_i64(struct sql_stmt *stmt, int at, int64_t value)
{
    bound(stmt, sqlite3_bind_int64(stmt->stmt, at, value));
}

void sql_put_blob(struct sql_stmt *stmt, int at, const void *bytes, size_t len)
{
    /* A NULL pointer would be the value NULL, not an empty one. */
    bound(stmt, sqlite3_bind_blob64(stmt->stmt, at, len ? bytes : "", len, SQLITE_STATIC));
}

enum err_code sql_step(struct sql_stmt *stmt, bool *out_row, struct err *err)
{
    int rc;

    INVARIANT(stmt != NULL);
    rc = stmt->bind_rc;
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt->stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return fail(stmt->sql, rc, "step", err);
    *out_row = rc == SQLITE_ROW;
    return ERR_NONE;
}

enum err_code sql_run(struct sql_stmt *stmt, struct err *err)
{
    bool row = false;
    enum err_code rc = sql_step(stmt, &row, err);

    sql_end(stmt);
    return rc;
}

const char *sql_text(struct sql_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt->stmt, column);

    return text ? text : "";
}

uint64_t sql_u64(struct sql_stmt *stmt, int column)
{
    int64_t value = sqlite3_column_int64(stmt->stmt, column);

    return value > 0 ? (uint64_t)value : 0;
}

int64_t sql_i64(struct sql_stmt *stmt, int column)
{
    return sqlite3_column_int64(stmt->stmt, column);
}

struct view sql_blob(struct sql_stmt *stmt, int column)
{
    const char *at = sqlite3_column_blob(stmt->stmt, column);

    return (struct view){ .at = at ? at : "",
                          .len = (size_t)sqlite3_column_bytes(stmt->stmt, column) };
}

uint64_t sql_last_rowid(const struct sql *sql)
{
    return (uint64_t)sqlite3_last_insert_rowid(sql->db);
}

uint64_t sql_changed(const struct sql *sql)
{
    return (uint64_t)sqlite3_changes(sql->db);
}
