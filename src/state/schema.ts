/** The version of the layout below, kept in `PRAGMA user_version`. */
export const SCHEMA_VERSION = 1;

/**
 * The tables of `state.db`. Idempotent, so that two processes may both create them.
 *
 * - `uses` says which texts a batch needs, `needed` which texts are needed whatever happens to the history.
 * - `paths` finds the batches that touched a path.
 * - Key and image are JSON; `key` is in canonical form where it identifies the row.
 */
export const SCHEMA = `
  CREATE TABLE IF NOT EXISTS meta (
    name TEXT PRIMARY KEY, value TEXT NOT NULL
  ) WITHOUT ROWID;

  CREATE TABLE IF NOT EXISTS base (
    n INTEGER PRIMARY KEY, mapping TEXT NOT NULL, pk TEXT NOT NULL, key TEXT NOT NULL, path TEXT NOT NULL,
    fingerprint TEXT NOT NULL, text TEXT NOT NULL, file TEXT NOT NULL, row TEXT NOT NULL, UNIQUE (mapping, pk)
  );
  CREATE INDEX IF NOT EXISTS base_path ON base (path);

  CREATE TABLE IF NOT EXISTS batches (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, txid TEXT NOT NULL UNIQUE, status TEXT NOT NULL, finished_at INTEGER,
    files INTEGER NOT NULL, rows INTEGER NOT NULL, conflicts INTEGER NOT NULL, json TEXT NOT NULL
  );
  CREATE UNIQUE INDEX IF NOT EXISTS one_intent ON batches (status) WHERE status = 'pending';
  CREATE INDEX IF NOT EXISTS batches_finished ON batches (finished_at);
  CREATE TRIGGER IF NOT EXISTS batches_end_once BEFORE UPDATE ON batches WHEN old.status <> 'pending'
    BEGIN SELECT RAISE(ABORT, 'The batch has ended already'); END;

  CREATE TABLE IF NOT EXISTS operations (
    batch INTEGER NOT NULL, n INTEGER NOT NULL, json TEXT NOT NULL, PRIMARY KEY (batch, n)
  );
  CREATE TABLE IF NOT EXISTS paths (
    path TEXT NOT NULL, batch INTEGER NOT NULL, PRIMARY KEY (path, batch)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS paths_batch ON paths (batch);

  CREATE TABLE IF NOT EXISTS blobs (
    id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, bytes BLOB NOT NULL
  );
  CREATE TABLE IF NOT EXISTS uses (
    batch INTEGER NOT NULL, blob INTEGER NOT NULL, PRIMARY KEY (batch, blob)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS uses_blob ON uses (blob);

  CREATE TABLE IF NOT EXISTS conflicts (
    mapping TEXT NOT NULL, key TEXT NOT NULL, file TEXT, row TEXT, json TEXT NOT NULL, PRIMARY KEY (mapping, key)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS holds (
    mapping TEXT NOT NULL, key TEXT NOT NULL, json TEXT NOT NULL, PRIMARY KEY (mapping, key)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS tombstones (
    mapping TEXT NOT NULL, key TEXT NOT NULL, text TEXT NOT NULL, json TEXT NOT NULL, PRIMARY KEY (mapping, key)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS trusted (
    n INTEGER PRIMARY KEY AUTOINCREMENT, digest TEXT NOT NULL UNIQUE, canonical TEXT NOT NULL, at INTEGER NOT NULL
  );

  CREATE VIEW IF NOT EXISTS needed AS
    SELECT text AS digest FROM base UNION ALL SELECT file FROM base UNION ALL SELECT row FROM base
    UNION ALL SELECT file FROM conflicts WHERE file IS NOT NULL
    UNION ALL SELECT row FROM conflicts WHERE row IS NOT NULL
    UNION ALL SELECT json ->> '$.base.text' FROM conflicts WHERE json ->> '$.base.text' IS NOT NULL
    UNION ALL SELECT text FROM tombstones;

  PRAGMA user_version = ${SCHEMA_VERSION};
`;
