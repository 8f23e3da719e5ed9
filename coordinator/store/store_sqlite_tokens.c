/* Tokens, as hashes. */
#include "store/store_sqlite_inner.h"

static enum err_code insert_token(struct sql *db, const struct store_token *token, struct err *err)
{
    struct sql_stmt *stmt = NULL;
    enum err_code rc = sql_use(db,
                               "INSERT INTO token"
                               " (hash, project, label, role, created_ms, expires_ms)"
                               " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                               &stmt, err);

    if (rc)
        return rc;
    sql_put_text(stmt, 1, token->hash);
    sql_put_text(stmt, 2, token->project);
    sql_put_text(stmt, 3, token->label);
    sql_put_u64(stmt, 4, token->role);
    sql_put_u64(stmt, 5, token->created_ms);
    sql_put_u64(stmt, 6, token->expires_ms);
    return sql_run(stmt, err);
}

enum err_code sqlite_token_put(struct store *store, const struct store_token *token,
                               struct err *err)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    enum err_code rc = sqlite_write_begin(s, err);

    if (!rc)
        rc = insert_token(s->writer, token, err);
    return sqlite_write_end(s, rc, err);
}

#define TOKEN_COLUMNS "SELECT hash, project, label, role, created_ms, expires_ms FROM token"

/* hash NULL: every token. */
static enum err_code tokens(struct store_sqlite *s, const char *hash, store_token_fn fn, void *ctx,
                            struct err *err)
{
    struct sqlite_read read;
    bool row = true;
    bool found = false;
    enum err_code rc = sqlite_read_begin(
        s, hash ? TOKEN_COLUMNS " WHERE hash = ?1" : TOKEN_COLUMNS " ORDER BY seq", &read, err);

    if (!rc && hash)
        sql_put_text(read.stmt, 1, hash);
    while (!rc && row) {
        rc = sql_step(read.stmt, &row, err);
        if (!rc && row) {
            struct store_token token = {
                .hash = sql_text(read.stmt, 0),
                .project = sql_text(read.stmt, 1),
                .label = sql_text(read.stmt, 2),
                .role = (uint32_t)sql_u64(read.stmt, 3),
                .created_ms = sql_u64(read.stmt, 4),
                .expires_ms = sql_u64(read.stmt, 5),
            };

            found = true;
            rc = fn(ctx, &token, err);
        }
    }
    if (!rc && hash && !found)
        rc = err_set(err, ERR_NOT_FOUND, "no such token");
    sqlite_read_end(s, &read);
    return rc;
}

enum err_code sqlite_token_find(struct store *store, const char *hash, store_token_fn fn, void *ctx,
                                struct err *err)
{
    return tokens((struct store_sqlite *)store, hash, fn, ctx, err);
}

enum err_code sqlite_token_list(struct store *store, store_token_fn fn, void *ctx, struct err *err)
{
    return tokens((struct store_sqlite *)store, NULL, fn, ctx, err);
}

static enum err_code delete_token(struct sql *db, const char *hash, struct err *err)
{
    struct sql_stmt *stmt = NULL;
    enum err_code rc = sql_use(db, "DELETE FROM token WHERE hash = ?1", &stmt, err);

    if (rc)
        return rc;
    sql_put_text(stmt, 1, hash);
    rc = sql_run(stmt, err);
    if (!rc && sql_changed(db) == 0)
        rc = err_set(err, ERR_NOT_FOUND, "no such token");
    return rc;
}

enum err_code sqlite_token_revoke(struct store *store, const char *hash, struct err *err)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    enum err_code rc = sqlite_write_begin(s, err);

    if (!rc)
        rc = delete_token(s->writer, hash, err);
    return sqlite_write_end(s, rc, err);
}
