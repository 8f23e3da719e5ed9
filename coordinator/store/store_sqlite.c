#include "store/store_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs.h"
#include "mem.h"
#include "store/schema.h"
#include "store/store_sqlite_inner.h"

enum err_code sqlite_write_begin(struct store_sqlite *s, struct err *err)
{
    (void)pthread_mutex_lock(&s->write_lock); /* cannot fail for a mutex that is used rightly */
    return sql_begin(s->writer, err);
}

enum err_code sqlite_write_end(struct store_sqlite *s, enum err_code rc, struct err *err)
{
    if (rc)
        sql_rollback(s->writer);
    else
        rc = sql_commit(s->writer, err);
    (void)pthread_mutex_unlock(&s->write_lock); /* as above */
    return rc;
}

enum err_code sqlite_read_begin(struct store_sqlite *s, const char *text, struct sqlite_read *out,
                                struct err *err)
{
    enum err_code rc = ERR_NONE;

    *out = (struct sqlite_read){ .db = NULL };
    (void)pthread_mutex_lock(&s->read_lock); /* as above */
    if (s->reader_count > 0)
        out->db = s->readers[--s->reader_count];
    (void)pthread_mutex_unlock(&s->read_lock); /* as above */
    if (!out->db)
        rc = sql_open(s->path, SQL_READ, &out->db, err);
    return rc ? rc : sql_use(out->db, text, &out->stmt, err);
}

void sqlite_read_end(struct store_sqlite *s, struct sqlite_read *read)
{
    struct sql *spare = read->db;

    sql_end(read->stmt);
    (void)pthread_mutex_lock(&s->read_lock); /* as above */
    if (spare && s->reader_count < READERS_MAX) {
        s->readers[s->reader_count++] = spare;
        spare = NULL;
    }
    (void)pthread_mutex_unlock(&s->read_lock); /* as above */
    sql_close(spare);
    *read = (struct sqlite_read){ .db = NULL };
}

/* ---- the file ---- */

static void sqlite_close(struct store *store)
{
    struct store_sqlite *s = (struct store_sqlite *)store;

    for (uint32_t i = 0; i < s->reader_count; i++)
        sql_close(s->readers[i]);
    sql_close(s->writer); /* last, so that it moves the log into the file and removes it */
    (void)pthread_mutex_destroy(&s->read_lock);  /* nobody is inside any more */
    (void)pthread_mutex_destroy(&s->write_lock); /* as above */
    fd_close(&s->lock_fd);
    free(s->path);
    free(s);
}

static const struct store_ops sqlite_ops = {
    .name = "sqlite",
    .close = sqlite_close,
    .append = sqlite_append,
    .load = sqlite_load,
    .list = sqlite_list,
    .prune = sqlite_prune,
    .manifest_put = sqlite_manifest_put,
    .manifest_get = sqlite_manifest_get,
    .token_put = sqlite_token_put,
    .token_find = sqlite_token_find,
    .token_list = sqlite_token_list,
    .token_revoke = sqlite_token_revoke,
    .history_fold = sqlite_history_fold,
    .history_load = sqlite_history_load,
    .history_fill = sqlite_history_fill,
    .history_prune = sqlite_history_prune,
    .setting_get = sqlite_setting_get,
    .setting_put = sqlite_setting_put,
    .check = sqlite_check,
    .backup = sqlite_backup,
};

/* SQLite lets two programs share a file; two coordinators must not share a run. */
static enum err_code lock_file(const char *path, int *out_fd, struct err *err)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    struct str name = STR_MAX(PATH_BYTES_MAX);
    int fd = -1;
    enum err_code rc = str_addf(&name, err, "%s-lock", path);

    if (rc)
        goto out;
    fd = open(str_text(&name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        rc = err_errno(err, errno, "open %s", str_text(&name));
        goto out;
    }
    if (fcntl(fd, F_SETLK, &lock) != 0) {
        rc = errno == EACCES || errno == EAGAIN
                 ? err_set(err, ERR_CONFLICT, "%s is in use by another makespand", path)
                 : err_errno(err, errno, "lock %s", str_text(&name));
        goto out;
    }
    *out_fd = fd;
    fd = -1;
out:
    fd_close(&fd);
    str_fini(&name);
    return rc;
}

static enum err_code schema_number(struct store_sqlite *s, uint32_t *out, struct err *err)
{
    struct str text = STR_MAX(STORE_VALUE_BYTES_MAX);
    uint32_t number = 0;
    enum err_code rc = sqlite_setting_get(&s->base, SCHEMA_SETTING, &text, err);

    if (rc == ERR_NOT_FOUND)
        rc = ERR_NONE;
    else if (!rc)
        rc = parse_u32(str_text(&text), 1, UINT32_MAX, &number, err);
    if (!rc)
        *out = number;
    str_fini(&text);
    return rc;
}

static enum err_code apply_step(struct store_sqlite *s, const struct schema_step *step,
                                struct err *err)
{
    char number[16];
    enum err_code rc = sqlite_write_begin(s, err);

    (void)snprintf(number, sizeof(number), "%u", step->number);
    if (!rc)
        rc = sql_exec(s->writer, step->sqlite, err);
    if (!rc)
        rc = sqlite_setting_row(s->writer, SCHEMA_SETTING, number, err);
    rc = sqlite_write_end(s, rc, err);
    return rc ? err_wrap(err, "schema step %u (%s)", step->number, step->what) : ERR_NONE;
}

static enum err_code bring_up(struct store_sqlite *s, struct err *err)
{
    size_t count = 0;
    const struct schema_step *steps = schema_steps(&count);
    uint32_t have = 0;
    enum err_code rc = schema_number(s, &have, err);

    if (!rc && have > count)
        rc = err_set(err, ERR_VERSION, "%s has schema %u, this makespand knows %zu: it is too old",
                     s->path, have, count);
    for (size_t i = have; !rc && i < count; i++)
        rc = apply_step(s, &steps[i], err);
    return rc;
}

static enum err_code make_settings(struct store_sqlite *s, struct err *err)
{
    return sql_exec(s->writer,
                    "CREATE TABLE IF NOT EXISTS setting ("
                    " key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
                    err);
}

static struct store_sqlite *sqlite_new(const char *path)
{
    struct store_sqlite *s = mem_new(1, sizeof(*s));

    s->base.ops = &sqlite_ops;
    s->lock_fd = -1;
    s->path = mem_strdup(path);
    INVARIANT(pthread_mutex_init(&s->write_lock, NULL) == 0);
    INVARIANT(pthread_mutex_init(&s->read_lock, NULL) == 0);
    return s;
}

enum err_code store_sqlite_open(const char *path, struct store **out, struct err *err)
{
    struct store_sqlite *s = sqlite_new(path);
    enum err_code rc = lock_file(path, &s->lock_fd, err);

    if (!rc)
        rc = sql_open(path, SQL_WRITE, &s->writer, err);
    if (!rc)
        rc = make_settings(s, err);
    if (!rc)
        rc = bring_up(s, err);
    if (rc) {
        sqlite_close(&s->base);
        return err_wrap(err, "open the store");
    }
    *out = &s->base;
    return ERR_NONE;
}

static enum err_code require_schema(struct store_sqlite *s, struct err *err)
{
    size_t want = 0;
    uint32_t have = 0;
    enum err_code rc = schema_number(s, &have, err);

    (void)schema_steps(&want);
    if (!rc && have != want)
        rc =
            err_set(err, ERR_VERSION,
                    "%s has schema %u, this program's is %zu: start this version of makespand once",
                    s->path, have, want);
    return rc;
}

enum err_code store_sqlite_open_beside(const char *path, struct store **out, struct err *err)
{
    struct store_sqlite *s;
    enum err_code rc;

    if (!fs_exists(path))
        return err_set(err, ERR_NOT_FOUND, "%s: no store there: start makespand once", path);
    s = sqlite_new(path);
    rc = sql_open(path, SQL_WRITE, &s->writer, err);
    if (!rc)
        rc = require_schema(s, err);
    if (rc) {
        sqlite_close(&s->base);
        return err_wrap(err, "open the store");
    }
    *out = &s->base;
    return ERR_NONE;
}

enum err_code store_sqlite_limit_pages(struct store *store, uint32_t pages, struct err *err)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    struct str text = STR_MAX(64);
    enum err_code rc = str_addf(&text, err, "PRAGMA max_page_count=%u", pages);

    (void)pthread_mutex_lock(&s->write_lock); /* cannot fail for a mutex that is used rightly */
    if (!rc)
        rc = sql_exec(s->writer, str_text(&text), err);
    (void)pthread_mutex_unlock(&s->write_lock); /* as above */
    str_fini(&text);
    return rc;
}
