import type { Digest } from '../core/digest.ts';
import type { Statement } from '../sqlite/thread.ts';
import { forgetIntent, readBatch, readHistory, readIntent, recordBatch } from './batches.ts';
import { readBlobs, storeBlobs } from './blobs.ts';
import { connectToRead, connectToWrite } from './connect.ts';
import { applyItems, readBase, readConflicts, readHolds, readTombstones } from './items.ts';
import { prune, RETENTION } from './prune.ts';
import type { Retention } from './prune.ts';
import type { State } from './state.ts';

export interface OpenStateOptions {
  /** `read` writes nothing, needs no state to be there and reads beside a process that writes. */
  mode: 'write' | 'read';
  retention?: Partial<Retention>;
}

/**
 * Opens the state of a working tree. The folder is created for writing; its parent must exist.
 *
 * @throws {SyncError} `STATE` if it is corrupt, newer than this sync-run, or not ours
 */
export async function openState(folder: string, options: OpenStateOptions): Promise<State> {
  const db = options.mode === 'write' ? await connectToWrite(folder) : await connectToRead(folder);
  const retention = { ...RETENTION, ...options.retention };
  return {
    folder,
    async meta() {
      const rows = await db.all<{ name: string; value: string }>('SELECT name, value FROM meta');
      return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
    },
    async setMeta(values) {
      await db.transaction(metaStatements(values));
    },
    base: () => readBase(db),
    baseAt: (paths) => readBase(db, paths),
    conflicts: () => readConflicts(db),
    holds: () => readHolds(db),
    tombstones: () => readTombstones(db),
    async blob(digest) {
      return (await readBlobs(db, [digest])).get(digest) ?? null;
    },
    blobs: (digests) => readBlobs(db, digests),
    intent: () => readIntent(db),
    async begin(batch, blobs) {
      await db.transaction(await recordBatch(db, batch, blobs, { status: 'pending', finishedAt: null }));
    },
    async finish(completion) {
      const { batch, blobs, status, finishedAt } = completion;
      await db.transaction([
        ...(await recordBatch(db, batch, blobs, { status, finishedAt })),
        ...(await applyItems(completion)),
        ...metaStatements(completion.meta),
      ]);
    },
    async record(findings) {
      const texts = await storeBlobs(db, findings.blobs);
      const items = await applyItems({ ...findings, tombstones: { set: [], drop: [] } });
      await db.transaction([...texts, ...items, ...metaStatements(findings.meta)]);
    },
    async secure() {
      // Any commit makes all of the WAL durable, but one that changes nothing is none.
      await db.transaction([{ sql: `INSERT OR REPLACE INTO meta (name, value) VALUES ('secured', hex(randomblob(8)))` }]);
    },
    async abandon(txid) {
      await db.transaction(forgetIntent(txid));
    },
    history: ({ path, limit } = {}) => readHistory(db, path, limit),
    batch: (txid) => readBatch(db, txid),
    prune: (now) => prune(db, now, retention),
    async trusted() {
      const rows = await db.all<{ digest: Digest }>('SELECT digest FROM trusted');
      return new Set(rows.map(({ digest }) => digest));
    },
    async trust(config, canonical, now) {
      const sql = 'INSERT OR REPLACE INTO trusted (digest, canonical, at) VALUES (?, ?, ?)';
      await db.transaction([{ sql, params: [config, canonical, now] }]);
    },
    async lastTrusted() {
      const [row] = await db.all<{ canonical: string }>('SELECT canonical FROM trusted ORDER BY n DESC LIMIT 1');
      return row?.canonical ?? null;
    },
    async forgetBase() {
      await db.transaction(['base', 'conflicts', 'holds', 'tombstones'].map((table) => ({ sql: `DELETE FROM ${table}` })));
    },
    close: () => db.close(),
  };
}

function metaStatements(values: Record<string, string | null>): Statement[] {
  return Object.entries(values).map(([name, value]) =>
    value === null
      ? { sql: 'DELETE FROM meta WHERE name = ?', params: [name] }
      : { sql: 'INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)', params: [name, value] },
  );
}
