#include "store/store_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs.h"
#include "mem.h"
#include "store/schema.h"
#include "store/store_sqlite_private.h"

#define PRUNE_RUNS_MAX 32u /* runs removed in one transaction: others commit in between */

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

/* ---- changes ---- */

/* Where the changes of a run lie (schema.c). */
static uint64_t place_of(uint64_t run_seq, uint64_t number)
{
    return run_seq << 32 | number;
}

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
    sql_put_u64(stmt, 1, place_of(run_seq, change->number));
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

static enum err_code sqlite_append(struct store *store, const struct store_change *changes,
                                   size_t count, struct err *err)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    enum err_code rc = sqlite_write_begin(s, err);

    for (size_t i = 0; !rc && i < count; i++)
        rc = append_one(s->writer, &changes[i], err);
    return sqlite_write_end(s, rc, err);
}

static enum err_code sqlite_load(struct store *store, const char *run, store_change_fn fn,
                                 void *ctx, struct err *err)
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

static enum err_code sqlite_list(struct store *store, const struct store_query *query,
                                 store_run_fn fn, void *ctx, struct err *err)
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

/* ---- pruning ---- */

/* Runs text with ?1 = before_ms and, where the text has it, ?2. */
static enum err_code run_with(struct sql *db, const char *text, uint64_t first, uint64_t second,
                              struct err *err)
{
    struct sql_stmt *stmt = NULL;
    enum err_code rc = sql_use(db, text, &stmt, err);

    if (rc)
        return rc;
    sql_put_u64(stmt, 1, first);
    if (second)
        sql_put_u64(stmt, 2, second);
    return sql_run(stmt, err);
}

static enum err_code prune_runs(struct store_sqlite *s, uint64_t before_ms, uint32_t *out_count,
                                struct err *err)
{
    uint64_t seqs[PRUNE_RUNS_MAX];
    uint32_t count = 0;
    struct sql_stmt *stmt = NULL;
    bool row = true;
    enum err_code rc = sqlite_write_begin(s, err);

    if (!rc)
        rc = sql_use(s->writer, "SELECT seq FROM run WHERE closed_ms > 0 AND closed_ms < ?1", &stmt,
                     err);
    if (!rc)
        sql_put_u64(stmt, 1, before_ms);
    while (!rc && row && count < PRUNE_RUNS_MAX) {
        rc = sql_step(stmt, &row, err);
        if (!rc && row)
            seqs[count++] = sql_u64(stmt, 0);
    }
    sql_end(stmt);
    for (uint32_t i = 0; !rc && i < count; i++) {
        rc = run_with(s->writer, "DELETE FROM change WHERE place > ?1 AND place < ?2",
                      place_of(seqs[i], 0), place_of(seqs[i] + 1, 0), err);
        if (!rc)
            rc = run_with(s->writer, "DELETE FROM run WHERE seq = ?1", seqs[i], 0, err);
    }
    rc = sqlite_write_end(s, rc, err);
    if (!rc)
        *out_count = count;
    return rc;
}

static enum err_code prune_rest(struct store_sqlite *s, uint64_t before_ms, uint64_t *out_manifests,
                                struct err *err)
{
    uint64_t manifests = 0;
    enum err_code rc = sqlite_write_begin(s, err);

    if (!rc)
        rc = run_with(s->writer,
                      "DELETE FROM manifest_part WHERE manifest IN (SELECT seq FROM manifest"
                      " WHERE used_ms < ?1"
                      " AND NOT EXISTS (SELECT 1 FROM run WHERE run.manifest = manifest.seq))",
                      before_ms, 0, err);
    if (!rc)
        rc = run_with(s->writer,
                      "DELETE FROM manifest WHERE used_ms < ?1"
                      " AND NOT EXISTS (SELECT 1 FROM run WHERE run.manifest = manifest.seq)",
                      before_ms, 0, err);
    if (!rc) {
        manifests = sql_changed(s->writer);
        rc = run_with(s->writer, "DELETE FROM fold WHERE made_ms < ?1", before_ms, 0, err);
    }
    rc = sqlite_write_end(s, rc, err);
    if (!rc)
        *out_manifests = manifests;
    return rc;
}

static enum err_code sqlite_prune(struct store *store, uint64_t before_ms, struct store_pruned *out,
                                  struct err *err)
{
    struct store_sqlite *s = (struct store_sqlite *)store;
    struct store_pruned pruned = { 0 };
    uint32_t batch = 0;
    enum err_code rc;

    do {
        rc = prune_runs(s, before_ms, &batch, err);
        pruned.runs += batch;
    } while (!rc && batch == PRUNE_RUNS_MAX);
    if (!rc)
        rc = prune_rest(s, before_ms, &pruned.manifests, err);
    if (!rc)
        *out = pruned;
    return rc;
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
    struct sql_stmt *stmt = NULL;
    enum err_code rc = sqlite_write_begin(s, err);

    if (!rc)
        rc = sql_exec(s->writer, step->sqlite, err);
    if (!rc)
        rc = sql_use(s->writer,
                     "INSERT INTO setting (key, value) VALUES (?1, ?2)"
                     " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                     &stmt, err);
    if (!rc) {
        char number[16];

        (void)snprintf(number, sizeof(number), "%u", step->number);
        sql_put_text(stmt, 1, SCHEMA_SETTING);
        sql_put_text(stmt, 2, number);
        rc = sql_run(stmt, err);
    }
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
