/* Manifests, each once, in the parts in which they came. */
#include "store/store_sqlite_inner.h"

/* Only the age of a digest that is there starts anew, and *out_seq stays 0. */
static enum err_code manifest_row(struct sql *db, const char *digest, uint64_t now_ms,
                                  uint64_t *out_seq, struct err *err)
{
    struct sql_stmt *stmt = NULL;
    enum err_code rc =
        sql_use(db, "UPDATE manifest SET used_ms = max(used_ms, ?2) WHERE digest = ?1", &stmt, err);

    if (rc)
        return rc;
    sql_put_text(stmt, 1, digest);
    sql_put_u64(stmt, 2, now_ms);
    rc = sql_run(stmt, err);
    if (rc || sql_changed(db) > 0)
        return rc;
    rc = sql_use(db, "INSERT INTO manifest (digest, used_ms) VALUES (?1, ?2)", &stmt, err);
    if (rc)
        return rc;
    sql_put_text(stmt, 1, digest);
    sql_put_u64(stmt, 2, now_ms);
    rc = sql_run(stmt, err);
    if (!rc)
        *out_seq = sql_last_rowid(db);
    return rc;
}

static enum err_code manifest_part(struct sql *db, uint64_t manifest_seq, uint32_t part,
                                   struct view bytes, struct err *err)
{
    struct sql_stmt *stmt = NULL;
    enum err_code rc = sql_use(
        db, "INSERT INTO manifest_part (manifest, part, bytes) VALUES (?1, ?2, ?3)", &stmt, err);

    if (rc)
        return rc;
    sql_put_u64(stmt, 1, manifest_seq);
    sql_put_u64(stmt, 2, part);
    sql_put_blob(stmt, 3, bytes.at, bytes.len);
    return sql_run(stmt, err);
}

enum err_code sqlite_manifest_put(struct store *store, const char *digest, const struct view *parts,
                                  uint32_t part_count, uint64_t now_ms, struct err *err)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    uint64_t seq = 0;
    enum err_code rc = sqlite_write_begin(s, err);

    if (!rc)
        rc = manifest_row(s->writer, digest, now_ms, &seq, err);
    for (uint32_t i = 0; !rc && seq && i < part_count; i++)
        rc = manifest_part(s->writer, seq, i, parts[i], err);
    return sqlite_write_end(s, rc, err);
}

enum err_code sqlite_manifest_get(struct store *store, const char *digest, store_part_fn fn,
                                  void *ctx, struct err *err)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    struct sqlite_read read;
    bool row = true;
    bool found = false;
    enum err_code rc =
        sqlite_read_begin(s,
                          "SELECT part, bytes FROM manifest"
                          " JOIN manifest_part ON manifest_part.manifest = manifest.seq"
                          " WHERE digest = ?1 ORDER BY part",
                          &read, err);

    if (!rc)
        sql_put_text(read.stmt, 1, digest);
    while (!rc && row) {
        rc = sql_step(read.stmt, &row, err);
        if (!rc && row) {
            struct view bytes = sql_blob(read.stmt, 1);

            found = true;
            rc = fn(ctx, (uint32_t)sql_u64(read.stmt, 0), bytes.at, bytes.len, err);
        }
    }
    if (!rc && !found)
        rc = err_set(err, ERR_NOT_FOUND, "no manifest '%.100s' in the store", digest);
    sqlite_read_end(s, &read);
    return rc;
}
