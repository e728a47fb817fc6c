import type { Connection } from './connect.ts';

/** How much history is kept: whatever is young or among the newest, and fits. */
export interface Retention {
  /** In milliseconds. */
  age: number;
  /** How many of the newest stay whatever their age: by a clock that is wrong for an hour, everything is old. */
  newest: number;
  /** In bytes of texts and operations that only the history needs. */
  bytes: number;
}

export const RETENTION: Retention = { age: 30 * 24 * 60 * 60 * 1000, newest: 100, bytes: 500 * 1024 * 1024 };

/**
 * Drops finished batches that are too old, then the oldest ones while the history is too large, and the texts nothing needs
 * any more. The newest batch is never dropped for its size: it may hold the only copy of a text given up a moment ago.
 */
export async function prune(db: Connection, now: number, { age, newest, bytes }: Retention): Promise<void> {
  const old = `finished_at < ?1 AND seq <= (SELECT seq FROM batches WHERE finished_at IS NOT NULL ORDER BY seq DESC LIMIT 1 OFFSET ?2)`;
  const tooOld = [now - age, newest];
  const [due] = await db.all<{ old: number; used: number }>(
    `SELECT EXISTS (SELECT 1 FROM batches WHERE ${old}) AS old,
      (SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size) AS used`,
    tooOld,
  );
  // The whole file is never smaller than its texts, and asking for its size costs nothing.
  const last = due && due.used > bytes ? await lastOverflowing(db, bytes) : 0;
  if (!due?.old && last === 0) return;
  const gone = `SELECT seq FROM batches WHERE (${old}) OR (finished_at IS NOT NULL AND seq <= ?3)`;
  const params = [...tooOld, last];
  await db.transaction([
    ...['uses', 'paths', 'operations'].map((table) => ({ sql: `DELETE FROM ${table} WHERE batch IN (${gone})`, params })),
    { sql: `DELETE FROM batches WHERE seq IN (${gone})`, params },
    {
      sql: `DELETE FROM blobs WHERE NOT EXISTS (SELECT 1 FROM uses WHERE blob = blobs.id)
        AND digest NOT IN (SELECT digest FROM needed)`,
    },
  ]);
}

/**
 * The newest batch that no longer fits; 0 if all do. Every text counts for the newest batch that uses it, since it goes with
 * that one; what is needed anyway, or by an unfinished batch, does not count. Drops to 90 %, so that the next batch need not
 * drop again.
 */
async function lastOverflowing(db: Connection, bytes: number): Promise<number> {
  const [row] = await db.all<{ total: number; last: number | null; newest: number }>(
    `WITH owned (batch, size) AS (
        SELECT (SELECT max(batch) FROM uses WHERE blob = blobs.id), size FROM blobs
          WHERE digest NOT IN (SELECT digest FROM needed)
        UNION ALL SELECT batch, length(json) FROM operations
      ), running (seq, total) AS (
        SELECT seq, sum(coalesce(sum(size), 0)) OVER (ORDER BY seq DESC)
          FROM batches LEFT JOIN owned ON batch = seq WHERE finished_at IS NOT NULL GROUP BY seq
      ) SELECT max(total) AS total, max(seq) FILTER (WHERE total > ?1 AND seq < (SELECT max(seq) FROM running)) AS last FROM running`,
    [Math.floor(bytes * 0.9)],
  );
  return row && row.total > bytes ? (row.last ?? 0) : 0;
}
