/* History: what runs were folded into, by suite, kind and id. */
#include "store/store_sqlite_inner.h"

static enum err_code suite_row(struct sql *db, const struct store_fold *fold, uint64_t *out_seq,
                               struct err *err)
{
    struct sql_stmt *stmt = NULL;
    bool row = false;
    enum err_code rc =
        sql_use(db, "INSERT INTO suite (project, suite) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                &stmt, err);

    if (rc)
        return rc;
    sql_put_text(stmt, 1, fold->project);
    sql_put_text(stmt, 2, fold->suite);
    rc = sql_run(stmt, err);
    if (!rc)
        rc = sql_use(db, "SELECT seq FROM suite WHERE project = ?1 AND suite = ?2", &stmt, err);
    if (rc)
        return rc;
    sql_put_text(stmt, 1, fold->project);
    sql_put_text(stmt, 2, fold->suite);
    rc = sql_step(stmt, &row, err);
    INVARIANT(rc || row);
    if (!rc)
        *out_seq = sql_u64(stmt, 0);
    sql_end(stmt);
    return rc;
}

static enum err_code fold_mark(struct sql *db, uint64_t suite_seq, const struct store_fold *fold,
                               struct err *err)
{
    struct sql_stmt *stmt = NULL;
    enum err_code rc =
        sql_use(db, "INSERT INTO fold (suite, mark, made_ms) VALUES (?1, ?2, ?3)", &stmt, err);

    if (rc)
        return rc;
    sql_put_u64(stmt, 1, suite_seq);
    sql_put_text(stmt, 2, fold->mark);
    sql_put_u64(stmt, 3, fold->now_ms);
    rc = sql_run(stmt, err);
    return rc ? err_wrap(err, "fold mark '%.100s'", fold->mark) : ERR_NONE;
}

static enum err_code estimate_row(struct sql *db, uint64_t suite_seq,
                                  const struct store_estimate *row, struct err *err)
{
    struct sql_stmt *stmt = NULL;
    enum err_code rc =
        sql_use(db,
                "INSERT INTO estimate"
                " (suite, kind, id, samples, mean_log_ppm, var_log_ppm, seen_ms, failed, mem_mib)"
                " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
                " ON CONFLICT (suite, kind, id) DO UPDATE SET samples = excluded.samples,"
                " mean_log_ppm = excluded.mean_log_ppm, var_log_ppm = excluded.var_log_ppm,"
                " seen_ms = excluded.seen_ms, failed = excluded.failed,"
                " mem_mib = excluded.mem_mib",
                &stmt, err);

    if (rc)
        return rc;
    sql_put_u64(stmt, 1, suite_seq);
    sql_put_text(stmt, 2, row->kind);
    sql_put_text(stmt, 3, row->id);
    sql_put_u64(stmt, 4, row->est.samples);
    sql_put_i64(stmt, 5, row->est.mean_log_ppm);
    sql_put_i64(stmt, 6, row->est.var_log_ppm);
    sql_put_u64(stmt, 7, row->seen_ms);
    sql_put_u64(stmt, 8, row->failed);
    sql_put_u64(stmt, 9, row->mem_mib);
    return sql_run(stmt, err);
}

enum err_code sqlite_history_fold(struct store *store, const struct store_fold *fold,
                                  struct err *err)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    uint64_t suite_seq = 0;
    enum err_code rc = sqlite_write_begin(s, err);

    if (!rc)
        rc = suite_row(s->writer, fold, &suite_seq, err);
    if (!rc && fold->mark)
        rc = fold_mark(s->writer, suite_seq, fold, err);
    for (size_t i = 0; !rc && i < fold->row_count; i++)
        rc = estimate_row(s->writer, suite_seq, &fold->rows[i], err);
    return sqlite_write_end(s, rc, err);
}

enum err_code sqlite_history_load(struct store *store, const char *project, const char *suite,
                                  store_estimate_fn fn, void *ctx, struct err *err)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    struct sqlite_read read;
    bool row = true;
    enum err_code rc =
        sqlite_read_begin(s,
                          "SELECT kind, id, samples, mean_log_ppm, var_log_ppm, seen_ms, failed,"
                          " mem_mib"
                          " FROM suite JOIN estimate ON estimate.suite = suite.seq"
                          " WHERE suite.project = ?1 AND suite.suite = ?2 ORDER BY kind, id",
                          &read, err);

    if (!rc) {
        sql_put_text(read.stmt, 1, project);
        sql_put_text(read.stmt, 2, suite);
    }
    while (!rc && row) {
        rc = sql_step(read.stmt, &row, err);
        if (!rc && row) {
            struct store_estimate got = {
                .kind = sql_text(read.stmt, 0),
                .id = sql_text(read.stmt, 1),
                .est = { .samples = (uint32_t)sql_u64(read.stmt, 2),
                         .mean_log_ppm = sql_i64(read.stmt, 3),
                         .var_log_ppm = sql_i64(read.stmt, 4) },
                .seen_ms = sql_u64(read.stmt, 5),
                .failed = sql_u64(read.stmt, 6) != 0,
                .mem_mib = (uint32_t)sql_u64(read.stmt, 7),
            };

            rc = fn(ctx, &got, err);
        }
    }
    sqlite_read_end(s, &read);
    return rc;
}

enum err_code sqlite_history_fill(struct store *store, const char *project, const char *suite,
                                  struct store_estimate *rows, size_t count, struct err *err)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    struct sqlite_read read;
    enum err_code rc = sqlite_read_begin(
        s,
        "SELECT samples, mean_log_ppm, var_log_ppm, mem_mib"
        " FROM suite JOIN estimate ON estimate.suite = suite.seq"
        " WHERE suite.project = ?1 AND suite.suite = ?2 AND kind = ?3 AND id = ?4",
        &read, err);

    for (size_t i = 0; !rc && i < count; i++) {
        bool row = false;

        sql_put_text(read.stmt, 1, project);
        sql_put_text(read.stmt, 2, suite);
        sql_put_text(read.stmt, 3, rows[i].kind);
        sql_put_text(read.stmt, 4, rows[i].id);
        rc = sql_step(read.stmt, &row, err);
        rows[i].est = (struct estimate){ .samples = 0 };
        rows[i].mem_mib = 0;
        if (!rc && row) {
            rows[i].est = (struct estimate){ .samples = (uint32_t)sql_u64(read.stmt, 0),
                                             .mean_log_ppm = sql_i64(read.stmt, 1),
                                             .var_log_ppm = sql_i64(read.stmt, 2) };
            rows[i].mem_mib = (uint32_t)sql_u64(read.stmt, 3);
        }
        sql_end(read.stmt);
    }
    sqlite_read_end(s, &read);
    return rc;
}

/* Runs text with ?1 project, ?2 suite and ?3. */
static enum err_code prune_step(struct sql *db, const char *text, const struct store_fold *suite,
                                uint64_t value, struct err *err)
{
    struct sql_stmt *stmt = NULL;
    enum err_code rc = sql_use(db, text, &stmt, err);

    if (rc)
        return rc;
    sql_put_text(stmt, 1, suite->project);
    sql_put_text(stmt, 2, suite->suite);
    sql_put_u64(stmt, 3, value);
    return sql_run(stmt, err);
}

/* Mostly there is nothing to forget: that is seen without keeping writers waiting. */
static enum err_code prune_needed(struct store_sqlite *s, const struct store_fold *suite,
                                  uint64_t before_ms, uint64_t row_max, bool *out, struct err *err)
{
    struct sqlite_read read;
    bool row = false;
    enum err_code rc = sqlite_read_begin(s,
                                         "SELECT count(*), coalesce(min(seen_ms), 0)"
                                         " FROM suite JOIN estimate ON estimate.suite = suite.seq"
                                         " WHERE suite.project = ?1 AND suite.suite = ?2",
                                         &read, err);

    if (!rc) {
        sql_put_text(read.stmt, 1, suite->project);
        sql_put_text(read.stmt, 2, suite->suite);
        rc = sql_step(read.stmt, &row, err);
    }
    if (!rc && row)
        *out = sql_u64(read.stmt, 0) > row_max ||
               (sql_u64(read.stmt, 0) > 0 && sql_u64(read.stmt, 1) < before_ms);
    sqlite_read_end(s, &read);
    return rc;
}

#define SUITE_SEQ "(SELECT seq FROM suite WHERE project = ?1 AND suite.suite = ?2)"

enum err_code sqlite_history_prune(struct store *store, const char *project, const char *suite,
                                   uint64_t before_ms, uint64_t row_max, struct err *err)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    struct store_fold named = { .project = project, .suite = suite };
    bool needed = false;
    enum err_code rc = prune_needed(s, &named, before_ms, row_max, &needed, err);

    if (rc || !needed)
        return rc;
    rc = sqlite_write_begin(s, err);
    if (!rc)
        rc = prune_step(s->writer,
                        "DELETE FROM estimate WHERE suite = " SUITE_SEQ " AND seen_ms < ?3", &named,
                        before_ms, err);
    if (!rc)
        rc = prune_step(s->writer,
                        "DELETE FROM estimate WHERE suite = " SUITE_SEQ " AND (kind, id) IN"
                        " (SELECT kind, id FROM estimate WHERE suite = " SUITE_SEQ
                        " ORDER BY seen_ms DESC, kind, id LIMIT -1 OFFSET ?3)",
                        &named, row_max, err);
    return sqlite_write_end(s, rc, err);
}
