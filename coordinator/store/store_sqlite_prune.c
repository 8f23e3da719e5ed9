/* What is too old is removed: runs with their changes, manifests that no run has, marks of folds.
 */
#include "store/store_sqlite_inner.h"

#define PRUNE_RUNS_MAX 32u /* runs removed in one transaction: others commit in between */

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
                      sqlite_place(seqs[i], 0), sqlite_place(seqs[i] + 1, 0), err);
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

enum err_code sqlite_prune(struct store *store, uint64_t before_ms, struct store_pruned *out,
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
