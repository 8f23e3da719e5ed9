#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs.h"
#include "store/store_sqlite_private.h"

/* ---- manifests ---- */

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

/* ---- tokens ---- */

enum err_code sqlite_token_put(struct store *store, const struct store_token *token,
                               struct err *err)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    struct sql_stmt *stmt = NULL;
    enum err_code rc = sqlite_write_begin(s, err);

    if (!rc)
        rc = sql_use(s->writer,
                     "INSERT INTO token (hash, project, label, role, created_ms, expires_ms)"
                     " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                     &stmt, err);
    if (!rc) {
        sql_put_text(stmt, 1, token->hash);
        sql_put_text(stmt, 2, token->project);
        sql_put_text(stmt, 3, token->label);
        sql_put_u64(stmt, 4, token->role);
        sql_put_u64(stmt, 5, token->created_ms);
        sql_put_u64(stmt, 6, token->expires_ms);
        rc = sql_run(stmt, err);
    }
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

enum err_code sqlite_token_revoke(struct store *store, const char *hash, struct err *err)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    struct sql_stmt *stmt = NULL;
    enum err_code rc = sqlite_write_begin(s, err);

    if (!rc)
        rc = sql_use(s->writer, "DELETE FROM token WHERE hash = ?1", &stmt, err);
    if (!rc) {
        sql_put_text(stmt, 1, hash);
        rc = sql_run(stmt, err);
    }
    if (!rc && sql_changed(s->writer) == 0)
        rc = err_set(err, ERR_NOT_FOUND, "no such token");
    return sqlite_write_end(s, rc, err);
}

/* ---- history ---- */

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

/* ---- settings ---- */

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

enum err_code sqlite_setting_put(struct store *store, const char *key, const char *value,
                                 struct err *err)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    struct sql_stmt *stmt = NULL;
    enum err_code rc = sqlite_write_begin(s, err);

    if (!rc)
        rc = sql_use(s->writer,
                     "INSERT INTO setting (key, value) VALUES (?1, ?2)"
                     " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                     &stmt, err);
    if (!rc) {
        sql_put_text(stmt, 1, key);
        sql_put_text(stmt, 2, value);
        rc = sql_run(stmt, err);
    }
    return sqlite_write_end(s, rc, err);
}

/* ---- checking and copying, on connections of their own ---- */

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
