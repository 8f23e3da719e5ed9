/* Runs: their changes, and a row for each. */
#include "store/store_sqlite_inner.h"

static enum err_code insert_run(struct sql *db, const struct store_run *run, struct err *err)
{
    struct sql_stmt *stmt = NULL;
    enum err_code rc = sql_use(db,
                               "INSERT INTO run (id, project, suite, run_key, epoch, created_ms)"
                               " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                               &stmt, err);

    if (rc)
        return rc;
    sql_put_text(stmt, 1, run->id);
    sql_put_text(stmt, 2, run->project);
    sql_put_text(stmt, 3, run->suite);
    sql_put_text(stmt, 4, run->run_key);
    sql_put_u64(stmt, 5, run->epoch);
    sql_put_u64(stmt, 6, run->created_ms);
    return sql_run(stmt, err);
}

static enum err_code find_run(struct sql *db, const char *id, uint64_t *out_seq, struct err *err)
{
    struct sql_stmt *stmt = NULL;
    bool row = false;
    enum err_code rc = sql_use(db, "SELECT seq FROM run WHERE id = ?1", &stmt, err);

    if (rc)
        return rc;
    sql_put_text(stmt, 1, id);
    rc = sql_step(stmt, &row, err);
    if (!rc && !row)
        rc = err_set(err, ERR_NOT_FOUND, "no run '%.100s' in the store", id);
    if (!rc)
        *out_seq = sql_u64(stmt, 0);
    sql_end(stmt);
    return rc;
}

static enum err_code seal_run(struct sql *db, uint64_t run_seq, const char *digest, struct err *err)
{
    struct sql_stmt *stmt = NULL;
    enum err_code rc = sql_use(db,
                               "UPDATE run SET manifest = manifest.seq FROM manifest"
                               " WHERE run.seq = ?1 AND manifest.digest = ?2",
                               &stmt, err);

    if (rc)
        return rc;
    sql_put_u64(stmt, 1, run_seq);
    sql_put_text(stmt, 2, digest);
    rc = sql_run(stmt, err);
    if (!rc && sql_changed(db) == 0)
        rc = err_set(err, ERR_NOT_FOUND, "no manifest '%.100s' in the store", digest);
    return rc;
}

static enum err_code close_run(struct sql *db, uint64_t run_seq, const struct store_change *change,
                               struct err *err)
{
    struct sql_stmt *stmt = NULL;
    enum err_code rc =
        sql_use(db, "UPDATE run SET closed_ms = ?2, verdict = ?3 WHERE seq = ?1", &stmt, err);

    if (rc)
        return rc;
    sql_put_u64(stmt, 1, run_seq);
    sql_put_u64(stmt, 2, change->closed_ms);
    sql_put_u64(stmt, 3, change->verdict);
    return sql_run(stmt, err);
}

static enum err_code insert_change(struct sql *db, uint64_t run_seq,
                                   const struct store_change *change, struct err *err)
{
    struct sql_stmt *stmt = NULL;
    enum err_code rc = sql_use(db, "INSERT INTO change (place, bytes) VALUES (?1, ?2)", &stmt, err);

    if (rc)
        return rc;
    sql_put_u64(stmt, 1, sqlite_place(run_seq, change->number));
    sql_put_blob(stmt, 2, change->bytes, change->len);
    return sql_run(stmt, err);
}

static enum err_code append_one(struct sql *db, const struct store_change *change, struct err *err)
{
    uint64_t run_seq = 0;
    enum err_code rc = ERR_NONE;

    if (change->create)
        rc = insert_run(db, change->create, err);
    if (!rc)
        rc = find_run(db, change->run, &run_seq, err);
    if (!rc)
        rc = insert_change(db, run_seq, change, err);
    if (!rc && change->manifest)
        rc = seal_run(db, run_seq, change->manifest, err);
    if (!rc && change->closed_ms > 0)
        rc = close_run(db, run_seq, change, err);
    return rc ? err_wrap(err, "store change %llu of run %.100s", (unsigned long long)change->number,
                         change->run)
              : ERR_NONE;
}

enum err_code sqlite_append(struct store *store, const struct store_change *changes, size_t count,
                            struct err *err)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    enum err_code rc = sqlite_write_begin(s, err);

    for (size_t i = 0; !rc && i < count; i++)
        rc = append_one(s->writer, &changes[i], err);
    return sqlite_write_end(s, rc, err);
}

enum err_code sqlite_load(struct store *store, const char *run, store_change_fn fn, void *ctx,
                          struct err *err)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    struct sqlite_read read;
    bool row = true;
    bool found = false;
    enum err_code rc = sqlite_read_begin(s,
                                         "SELECT place & 0xffffffff, bytes FROM run JOIN change"
                                         " ON place > seq << 32 AND place < (seq + 1) << 32"
                                         " WHERE id = ?1 ORDER BY place",
                                         &read, err);

    if (!rc)
        sql_put_text(read.stmt, 1, run);
    while (!rc && row) {
        rc = sql_step(read.stmt, &row, err);
        if (!rc && row) {
            struct view bytes = sql_blob(read.stmt, 1);

            found = true;
            rc = fn(ctx, sql_u64(read.stmt, 0), bytes.at, bytes.len, err);
        }
    }
    if (!rc && !found)
        rc = err_set(err, ERR_NOT_FOUND, "no run '%.100s' in the store", run);
    sqlite_read_end(s, &read);
    return rc;
}

/* ---- rows of runs ---- */

#define RUN_COLUMNS                                                                                \
    "SELECT id, project, suite, run_key, epoch, created_ms, closed_ms, verdict, digest"            \
    " FROM run LEFT JOIN manifest ON manifest.seq = run.manifest"

/* Each way of asking has the index that it needs; store_query_matches does the rest.
 */
static const char *list_statement(const struct store_query *query)
{
    if (query->state == STORE_RUNS_UNFOLDED)
        return RUN_COLUMNS " WHERE closed_ms > 0 AND NOT EXISTS (SELECT 1 FROM suite"
                           " JOIN fold ON fold.suite = suite.seq WHERE suite.project = run.project"
                           " AND suite.suite = run.suite AND mark = run.id) ORDER BY run.seq DESC";
    if (query->id)
        return RUN_COLUMNS " WHERE id = ?1";
    if (query->project && query->suite && query->run_key)
        return RUN_COLUMNS " WHERE project = ?1 AND suite = ?2 AND run_key = ?3"
                           " ORDER BY run.seq DESC";
    if (query->state == STORE_RUNS_OPEN)
        return RUN_COLUMNS " WHERE closed_ms = 0 ORDER BY run.seq DESC";
    return RUN_COLUMNS " ORDER BY run.seq DESC";
}

enum err_code sqlite_list(struct store *store, const struct store_query *query, store_run_fn fn,
                          void *ctx, struct err *err)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    struct sqlite_read read;
    uint32_t given = 0;
    bool row = true;
    enum err_code rc = sqlite_read_begin(s, list_statement(query), &read, err);

    if (!rc && query->state == STORE_RUNS_UNFOLDED) {
        /* nothing to put in */
    } else if (!rc && query->id) {
        sql_put_text(read.stmt, 1, query->id);
    } else if (!rc && query->project && query->suite && query->run_key) {
        sql_put_text(read.stmt, 1, query->project);
        sql_put_text(read.stmt, 2, query->suite);
        sql_put_text(read.stmt, 3, query->run_key);
    }
    while (!rc && row && given < query->limit) {
        rc = sql_step(read.stmt, &row, err);
        if (!rc && row) {
            struct store_run run = {
                .id = sql_text(read.stmt, 0),
                .project = sql_text(read.stmt, 1),
                .suite = sql_text(read.stmt, 2),
                .run_key = sql_text(read.stmt, 3),
                .epoch = (uint32_t)sql_u64(read.stmt, 4),
                .created_ms = sql_u64(read.stmt, 5),
                .closed_ms = sql_u64(read.stmt, 6),
                .verdict = (uint32_t)sql_u64(read.stmt, 7),
                .manifest = sql_text(read.stmt, 8),
            };

            if (store_query_matches(query, &run)) {
                given++;
                rc = fn(ctx, &run, err);
            }
        }
    }
    sqlite_read_end(s, &read);
    return rc;
}
