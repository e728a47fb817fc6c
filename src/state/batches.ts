import { SyncError } from '../core/errors.ts';
import type { Batch, BatchStatus, Operation } from '../core/batch.ts';
import type { Digest } from '../core/digest.ts';
import type { SqliteRow, Statement } from '../sqlite/thread.ts';
import { storeBlobs, useBlobs } from './blobs.ts';
import { decodeChunks, encodeChunks, parse } from './chunks.ts';
import type { Connection } from './connect.ts';
import type { BatchSummary } from './state.ts';
import { countsOf, digestsOf, pathsOf } from './traces.ts';

interface Stage {
  status: BatchStatus;
  finishedAt: number | null;
}

/** Statements that record a batch, in place of its intent if there is one; run them in one transaction. */
export async function recordBatch(
  db: Connection,
  batch: Batch,
  blobs: ReadonlyMap<Digest, Uint8Array>,
  stage: Stage,
): Promise<Statement[]> {
  const { operations, ...head } = batch;
  const { txid } = batch;
  const counts = countsOf(operations);
  const digests = digestsOf(operations);
  for (const digest of blobs.keys()) digests.add(digest);
  const last = await storeBlobs(db, blobs);
  return [
    ...last,
    {
      // A second intent fails: on the txid if it is the same batch, else on the index `one_intent`.
      sql: `INSERT INTO batches (txid, status, finished_at, files, rows, conflicts, json) VALUES (?, ?, ?, ?, ?, ?, ?)
        ${
          stage.status === 'pending'
            ? ''
            : `ON CONFLICT (txid) DO UPDATE SET status = excluded.status,
          finished_at = excluded.finished_at, files = excluded.files, rows = excluded.rows,
          conflicts = excluded.conflicts, json = excluded.json`
        }`,
      params: [txid, stage.status, stage.finishedAt, counts.files, counts.rows, counts.conflicts, JSON.stringify(head)],
    },
    { sql: `DELETE FROM operations WHERE batch = (SELECT seq FROM batches WHERE txid = ?)`, params: [txid] },
    ...(await encodeChunks(operations)).map(({ first, json }) => ({
      sql: `INSERT INTO operations (batch, n, json)
        SELECT (SELECT seq FROM batches WHERE txid = ?1), ?2 + key, value FROM json_each(?3)`,
      params: [txid, first, json],
    })),
    ...(await encodeChunks(pathsOf(operations))).map(({ json }) => ({
      sql: `INSERT OR IGNORE INTO paths (path, batch)
        SELECT value, (SELECT seq FROM batches WHERE txid = ?1) FROM json_each(?2)`,
      params: [txid, json],
    })),
    ...(await useBlobs(txid, digests)),
  ];
}

/** Statements that forget an intent and the texts only it needs. */
export function forgetIntent(txid: string): Statement[] {
  const batch = `(SELECT seq FROM batches WHERE txid = ? AND status = 'pending')`;
  const params = [txid];
  return [
    {
      sql: `DELETE FROM blobs WHERE id IN (
          SELECT blob FROM uses WHERE batch = ${batch}
          AND NOT EXISTS (SELECT 1 FROM uses AS other WHERE other.blob = uses.blob AND other.batch <> uses.batch)
        ) AND digest NOT IN (SELECT digest FROM needed)`,
      params,
    },
    ...['uses', 'paths', 'operations'].map((table) => ({ sql: `DELETE FROM ${table} WHERE batch = ${batch}`, params })),
    { sql: `DELETE FROM batches WHERE seq = ${batch}`, params },
  ];
}

/** The unfinished batch, if there is one. */
export async function readIntent(db: Connection): Promise<Batch | null> {
  const found = await readWhole(db, `b.status = 'pending'`, []);
  if (!found) return null;
  const { status: _, ...batch } = found;
  return batch;
}

/** @throws {SyncError} `NOT_FOUND` if several batches begin with `prefix` */
export async function readBatch(db: Connection, prefix: string): Promise<(Batch & { status: BatchStatus }) | null> {
  if (!/^[0-9a-f]{1,32}$/.test(prefix)) return null;
  const rows = await db.all<{ txid: string }>(`SELECT txid FROM batches WHERE txid >= ?1 AND txid < ?1 || 'g' ORDER BY txid LIMIT 6`, [
    prefix,
  ]);
  if (rows.length > 1) {
    throw new SyncError('NOT_FOUND', `More than one batch begins with "${prefix}"`, {
      hint: 'Give more digits of the txid',
      details: rows.map(({ txid }) => txid),
    });
  }
  const [row] = rows;
  return row ? readWhole(db, 'b.txid = ?', [row.txid]) : null;
}

/** Newest first. `path` is a file, or a folder and all in it. */
export async function readHistory(db: Connection, path: string | undefined, limit: number | undefined): Promise<BatchSummary[]> {
  const place = path?.replace(/\/+$/, '');
  const everywhere = place === undefined || place === '' || place === '.';
  const rows = await db.all<HeadRow & { finished_at: number | null; files: number; rows: number; conflicts: number }>(
    `SELECT status, finished_at, files, rows, conflicts, json FROM batches
      ${everywhere ? '' : `WHERE seq IN (SELECT batch FROM paths WHERE path = ?2 OR (path > ?2 || '/' AND path < ?2 || '0'))`}
      ORDER BY seq DESC LIMIT ?1`,
    [limit ?? -1, ...(everywhere ? [] : [place])],
  );
  return Promise.all(
    rows.map(async ({ status, finished_at, files, rows: changed, conflicts, json }) => ({
      ...(await parse<Omit<Batch, 'operations'>>(json, db.folder)),
      status,
      finishedAt: finished_at,
      counts: { files, rows: changed, conflicts },
    })),
  );
}

interface HeadRow extends SqliteRow {
  status: BatchStatus;
  json: string;
}

/** Head and operations in one statement, so that they belong together also while somebody writes. */
async function readWhole(db: Connection, where: string, params: string[]): Promise<(Batch & { status: BatchStatus }) | null> {
  const rows = await db.all<HeadRow & { operations: string | null }>(
    `SELECT b.status, b.json, '[' || group_concat(o.json, ',' ORDER BY o.n) || ']' AS operations
      FROM batches AS b LEFT JOIN operations AS o ON o.batch = b.seq WHERE ${where} GROUP BY o.n / 250 ORDER BY o.n / 250`,
    params,
  );
  const [first] = rows;
  if (!first) return null;
  const head = await parse<Omit<Batch, 'operations'>>(first.json, db.folder);
  const chunks = rows.map(({ operations }) => operations ?? '[]');
  return { ...head, operations: await decodeChunks<Operation>(chunks, db.folder), status: first.status };
}
