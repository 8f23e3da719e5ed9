/* Is the file whole, and a copy of it: on connections of their own. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fs.h"
#include "store/store_sqlite_inner.h"

/* A statement that should give no row; the first one it gives is what is wrong. */
struct complaint {
    const char *text;
    const char *what;
};

static const struct complaint complaints[] = {
    { "SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check != 'ok'", "file" },
    { "SELECT \"table\" || ' row ' || rowid FROM pragma_foreign_key_check", "reference" },
    { "SELECT id FROM run WHERE (SELECT count(*) FROM change"
      "  WHERE place > seq << 32 AND place < (seq + 1) << 32)"
      " IS NOT (SELECT max(place) - (seq << 32) FROM change"
      "  WHERE place > seq << 32 AND place < (seq + 1) << 32)",
      "run without all of its changes" },
    { "SELECT place FROM change WHERE place >> 32 NOT IN (SELECT seq FROM run)",
      "change of no run" },
    { "SELECT digest FROM manifest WHERE (SELECT count(*) FROM manifest_part"
      "  WHERE manifest = manifest.seq)"
      " IS NOT (SELECT max(part) + 1 FROM manifest_part WHERE manifest = manifest.seq)",
      "manifest without all of its parts" },
};

enum err_code sqlite_check(struct store *store, struct err *err)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    struct sql *db = NULL;
    enum err_code rc = sql_open(s->path, SQL_READ, &db, err);

    for (size_t i = 0; !rc && i < ARRAY_LEN(complaints); i++) {
        struct sql_stmt *stmt = NULL;
        bool row = false;

        rc = sql_use(db, complaints[i].text, &stmt, err);
        if (!rc)
            rc = sql_step(stmt, &row, err);
        if (!rc && row)
            rc = err_set(err, ERR_IO, "%s: the database is damaged: %s: %.500s", s->path,
                         complaints[i].what, sql_text(stmt, 0));
        sql_end(stmt);
    }
    sql_close(db);
    return rc;
}

/* What SQLite copied is not yet on the disk. */
static enum err_code sync_file(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum err_code rc = ERR_NONE;

    if (fd < 0 || fsync(fd) != 0)
        rc = err_errno(err, errno, "sync %s", path);
    fd_close(&fd);
    return rc;
}

/* The folder of path, so that the name itself is on the disk. */
static enum err_code sync_folder(const char *path, struct err *err)
{
    struct str folder = STR_MAX(PATH_BYTES_MAX);
    const char *slash = strrchr(path, '/');
    enum err_code rc = slash ? str_add(&folder, path, (size_t)(slash - path) + 1, err)
                             : str_addz(&folder, ".", err);

    if (!rc)
        rc = sync_file(str_text(&folder), err);
    str_fini(&folder);
    return rc;
}

enum err_code sqlite_backup(struct store *store, const char *path, struct err *err)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    struct sql *db = NULL;
    struct sql_stmt *stmt = NULL;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600); /* private from birth */
    enum err_code rc = ERR_NONE;

    if (fd < 0)
        return errno == EEXIST ? err_set(err, ERR_CONFLICT, "backup: %s exists already", path)
                               : err_errno(err, errno, "backup: create %s", path);
    fd_close(&fd);
    rc = sql_open(s->path, SQL_READ, &db, err);
    if (!rc)
        rc = sql_exec(db, "PRAGMA query_only=OFF", err); /* it writes, though to another file */
    if (!rc)
        rc = sql_use(db, "VACUUM INTO ?1", &stmt, err);
    if (!rc) {
        sql_put_text(stmt, 1, path);
        rc = sql_run(stmt, err);
    }
    sql_close(db);
    if (!rc)
        rc = sync_file(path, err);
    if (!rc)
        rc = sync_folder(path, err);
    if (rc)
        (void)unlink(path); /* half a backup is none; the error says more */
    return rc ? err_wrap(err, "backup to %s", path) : ERR_NONE;
}
