import { setImmediate } from 'node:timers/promises';
import type { Digest } from '../core/digest.ts';
import type { Statement } from '../sqlite/thread.ts';
import { encodeChunks } from './chunks.ts';
import type { Connection } from './connect.ts';
import { corrupt } from './failure.ts';

/** In bytes: what is copied in one go on the main thread, and written in one transaction. */
const PACK = 4 * 1024 * 1024;
/** Texts read in one go. */
const READ = 64;

/**
 * Stores texts by digest; one that is there already is not written again.
 * Small texts share a buffer, since ten thousand of them would each cost a message.
 *
 * @returns statements that store the last pack, to run in the transaction that refers to the texts. The packs before are
 * durable on return: until something refers to them they are garbage which `prune` removes.
 */
export async function storeBlobs(db: Connection, blobs: ReadonlyMap<Digest, Uint8Array>): Promise<Statement[]> {
  let pack: [Digest, Uint8Array][] = [];
  let size = 0;
  for (const blob of blobs) {
    if (pack.length > 0 && size + blob[1].byteLength > PACK) {
      await db.transaction([packed(pack)]);
      pack = [];
      size = 0;
      await setImmediate();
    }
    pack.push(blob);
    size += blob[1].byteLength;
  }
  return pack.length > 0 ? [packed(pack)] : [];
}

function packed(blobs: readonly [Digest, Uint8Array][]): Statement {
  return {
    sql: 'INSERT INTO blobs (digest, size, bytes) VALUES (?, ?, ?) ON CONFLICT (digest) DO NOTHING',
    rows: blobs.map(([digest, bytes]) => [digest, bytes.byteLength, bytes]),
  };
}

/**
 * Reads texts; those the history has dropped are left out.
 *
 * @throws {SyncError} `STATE` if a stored text no longer has its digest
 */
export async function readBlobs(db: Connection, digests: Iterable<Digest>): Promise<Map<Digest, Uint8Array>> {
  const found = new Map<Digest, Uint8Array>();
  const wanted = [...new Set(digests)];
  for (let i = 0; i < wanted.length; i += READ) {
    const rows = await db.all<{ digest: string; bytes: Uint8Array; actual: string }>(
      `SELECT digest, bytes, sync_run_sha256(bytes) AS actual FROM blobs WHERE digest IN (SELECT value FROM json_each(?))`,
      [JSON.stringify(wanted.slice(i, i + READ))],
    );
    for (const { digest, bytes, actual } of rows) {
      if (actual !== digest) throw await corrupt(db.folder, `the text "${digest}" is not what was stored`);
      found.set(digest, bytes);
    }
  }
  return found;
}

/** Statements that record which texts a batch needs. Texts that were never stored are left out. */
export async function useBlobs(txid: string, digests: Iterable<Digest>): Promise<Statement[]> {
  const chunks = await encodeChunks(digests);
  return chunks.map(({ json }) => ({
    sql: `INSERT OR IGNORE INTO uses (batch, blob)
      SELECT (SELECT seq FROM batches WHERE txid = ?1), blobs.id FROM json_each(?2) CROSS JOIN blobs ON blobs.digest = value`,
    params: [txid, json],
  }));
}
