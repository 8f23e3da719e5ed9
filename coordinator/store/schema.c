#include "store/schema.h"

/* change.place is run.seq * 2^32 + number: one b-tree in the order in which a run is loaded, and
 * the primary key that makes a second change of the same number a conflict. */
static const struct schema_step steps[] = {
    { .number = 1,
      .what = "runs, manifests, tokens, history",
      .sqlite = "CREATE TABLE manifest ("
                " seq INTEGER PRIMARY KEY,"
                " digest TEXT NOT NULL UNIQUE,"
                " used_ms INTEGER NOT NULL) STRICT;"
                "CREATE TABLE manifest_part ("
                " manifest INTEGER NOT NULL REFERENCES manifest (seq),"
                " part INTEGER NOT NULL,"
                " bytes BLOB NOT NULL,"
                " PRIMARY KEY (manifest, part)) STRICT;"
                "CREATE TABLE run ("
                " seq INTEGER PRIMARY KEY AUTOINCREMENT,"
                " id TEXT NOT NULL UNIQUE,"
                " project TEXT NOT NULL,"
                " suite TEXT NOT NULL,"
                " run_key TEXT NOT NULL,"
                " epoch INTEGER NOT NULL,"
                " created_ms INTEGER NOT NULL,"
                " closed_ms INTEGER NOT NULL DEFAULT 0,"
                " verdict INTEGER NOT NULL DEFAULT 0,"
                " manifest INTEGER REFERENCES manifest (seq),"
                " UNIQUE (project, suite, run_key, epoch)) STRICT;"
                "CREATE INDEX run_open ON run (seq) WHERE closed_ms = 0;"
                "CREATE INDEX run_closed ON run (closed_ms) WHERE closed_ms > 0;"
                "CREATE INDEX run_manifest ON run (manifest);"
                "CREATE TABLE change ("
                " place INTEGER PRIMARY KEY,"
                " bytes BLOB NOT NULL) STRICT;"
                "CREATE TABLE token ("
                " seq INTEGER PRIMARY KEY AUTOINCREMENT,"
                " hash TEXT NOT NULL UNIQUE,"
                " project TEXT NOT NULL,"
                " label TEXT NOT NULL,"
                " role INTEGER NOT NULL,"
                " created_ms INTEGER NOT NULL,"
                " expires_ms INTEGER NOT NULL) STRICT;"
                "CREATE TABLE suite ("
                " seq INTEGER PRIMARY KEY,"
                " project TEXT NOT NULL,"
                " suite TEXT NOT NULL,"
                " UNIQUE (project, suite)) STRICT;"
                "CREATE TABLE estimate ("
                " suite INTEGER NOT NULL REFERENCES suite (seq),"
                " kind TEXT NOT NULL,"
                " id TEXT NOT NULL,"
                " samples INTEGER NOT NULL,"
                " mean_log_ppm INTEGER NOT NULL,"
                " var_log_ppm INTEGER NOT NULL,"
                " seen_ms INTEGER NOT NULL,"
                " PRIMARY KEY (suite, kind, id)) STRICT, WITHOUT ROWID;"
                "CREATE TABLE fold ("
                " suite INTEGER NOT NULL REFERENCES suite (seq),"
                " mark TEXT NOT NULL,"
                " made_ms INTEGER NOT NULL,"
                " PRIMARY KEY (suite, mark)) STRICT, WITHOUT ROWID;" },
    { .number = 2,
      .what = "which tests failed when they ran last",
      .sqlite = "ALTER TABLE estimate ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;" },
    { .number = 3,
      .what = "memory of tests and workers",
      .sqlite = "ALTER TABLE estimate ADD COLUMN mem_mib INTEGER NOT NULL DEFAULT 0;" },
};

const struct schema_step *schema_steps(size_t *out_count)
{
    *out_count = ARRAY_LEN(steps);
    return steps;
}
