/* Settings: a text by its name; the number of the schema is one. */
#include "store/store_sqlite_inner.h"

enum err_code sqlite_setting_get(struct store *store, const char *key, struct str *out,
                                 struct err *err)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    struct sqlite_read read;
    bool row = false;
    enum err_code rc = sqlite_read_begin(s, "SELECT value FROM setting WHERE key = ?1", &read, err);

    if (!rc) {
        sql_put_text(read.stmt, 1, key);
        rc = sql_step(read.stmt, &row, err);
    }
    if (!rc && !row)
        rc = err_set(err, ERR_NOT_FOUND, "no setting '%.100s'", key);
    if (!rc)
        rc = str_addz(out, sql_text(read.stmt, 0), err);
    sqlite_read_end(s, &read);
    return rc;
}

enum err_code sqlite_setting_row(struct sql *db, const char *key, const char *value,
                                 struct err *err)
{
    struct sql_stmt *stmt = NULL;
    enum err_code rc = sql_use(db,
                               "INSERT INTO setting (key, value) VALUES (?1, ?2)"
                               " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                               &stmt, err);

    if (rc)
        return rc;
    sql_put_text(stmt, 1, key);
    sql_put_text(stmt, 2, value);
    return sql_run(stmt, err);
}

enum err_code sqlite_setting_put(struct store *store, const char *key, const char *value,
                                 struct err *err)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    enum err_code rc = sqlite_write_begin(s, err);

    if (!rc)
        rc = sqlite_setting_row(s->writer, key, value, err);
    return sqlite_write_end(s, rc, err);
}
