import type { BaseEntry, Key } from '../core/model.ts';
import type { Statement } from '../sqlite/thread.ts';
import { decodeChunks, encodeChunks } from './chunks.ts';
import type { Connection } from './connect.ts';
import type { Completion, Hold, OpenConflict, Tombstone } from './state.ts';

interface Keyed {
  mapping: string;
  key: Key;
}

/** The tables of records identified by mapping and key, with the columns kept beside their JSON. */
const keyed = { conflicts: ['file', 'row'], holds: [], tombstones: ['text'] } as const;

type KeyedTable = keyof typeof keyed;

/** Statements that bring base, conflicts, holds and tombstones to what a run left. */
export async function applyItems(
  completion: Pick<Completion, 'set' | 'drop' | 'conflicts' | 'holds' | 'tombstones'>,
): Promise<Statement[]> {
  const { conflicts, holds, tombstones } = completion;
  const lists = await Promise.all([
    dropBase(completion.drop),
    setBase(completion.set),
    dropKeyed('conflicts', conflicts.drop),
    setKeyed('conflicts', conflicts.set),
    dropKeyed('holds', holds.drop),
    setKeyed('holds', holds.set),
    dropKeyed('tombstones', tombstones.drop),
    setKeyed('tombstones', tombstones.set),
  ]);
  return lists.flat();
}

/** Everything, or what is at these paths. */
export async function readBase(db: Connection, paths: readonly string[] | null = null): Promise<BaseEntry[]> {
  const rows = await db.all<{ json: string }>(
    `SELECT json_group_array(json_array(mapping, pk, json(key), path, fingerprint, text, file, row)) AS json
      FROM base ${paths === null ? '' : 'WHERE path IN (SELECT value FROM json_each(?))'} GROUP BY n / 1000`,
    paths === null ? [] : [JSON.stringify(paths)],
  );
  type Columns = [string, string, Key, string, string, string, string, string];
  const entries = await decodeChunks<Columns>(
    rows.map(({ json }) => json),
    db.folder,
  );
  return entries.map(([mapping, pk, key, path, fingerprint, text, file, row]) => {
    return { mapping, pk, key, path, fingerprint, text, file, row };
  });
}

export const readConflicts = (db: Connection): Promise<OpenConflict[]> => readKeyed<OpenConflict>(db, 'conflicts');
export const readHolds = (db: Connection): Promise<Hold[]> => readKeyed<Hold>(db, 'holds');
export const readTombstones = (db: Connection): Promise<Tombstone[]> => readKeyed<Tombstone>(db, 'tombstones');

async function setBase(entries: readonly BaseEntry[]): Promise<Statement[]> {
  const chunks = await encodeChunks(entries, ({ mapping, pk, key, path, fingerprint, text, file, row }) => {
    return [mapping, pk, key, path, fingerprint, text, file, row];
  });
  return chunks.map(({ json }) => ({
    sql: `INSERT INTO base (mapping, pk, key, path, fingerprint, text, file, row)
      SELECT value ->> 0, value ->> 1, value -> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7
      FROM json_each(?) WHERE true
      ON CONFLICT (mapping, pk) DO UPDATE SET key = excluded.key, path = excluded.path,
        fingerprint = excluded.fingerprint, text = excluded.text, file = excluded.file, row = excluded.row`,
    params: [json],
  }));
}

async function dropBase(entries: readonly BaseEntry[]): Promise<Statement[]> {
  const chunks = await encodeChunks(entries, ({ mapping, pk }) => [mapping, pk]);
  return chunks.map(({ json }) => ({
    sql: 'DELETE FROM base WHERE (mapping, pk) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))',
    params: [json],
  }));
}

async function setKeyed<T extends Keyed>(table: KeyedTable, records: readonly T[]): Promise<Statement[]> {
  const columns = ['mapping', 'key', 'json', ...keyed[table]];
  const values = ['value ->> 0', 'value ->> 1', 'value -> 2', ...keyed[table].map((name) => `value ->> '$[2].${name}'`)];
  const chunks = await encodeChunks(records, (record) => [record.mapping, identity(record), record]);
  return chunks.map(({ json }) => ({
    sql: `INSERT OR REPLACE INTO ${table} (${columns.join(', ')}) SELECT ${values.join(', ')} FROM json_each(?)`,
    params: [json],
  }));
}

async function dropKeyed(table: KeyedTable, records: readonly Keyed[]): Promise<Statement[]> {
  const chunks = await encodeChunks(records, (record) => [record.mapping, identity(record)]);
  return chunks.map(({ json }) => ({
    sql: `DELETE FROM ${table} WHERE (mapping, key) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))`,
    params: [json],
  }));
}

async function readKeyed<T>(db: Connection, table: KeyedTable): Promise<T[]> {
  const rows = await db.all<{ json: string }>(`SELECT json FROM ${table} ORDER BY mapping, key`);
  return decodeChunks<T>(
    rows.map(({ json }) => `[${json}]`),
    db.folder,
  );
}

/** An open conflict is a pair of texts: one item may have several, from several branches. Holds and tombstones are one to an item. */
function identity(record: Keyed | OpenConflict): string {
  const key = canonical(record.key);
  return 'path' in record && 'file' in record ? `${key} ${record.file} ${record.row}` : key;
}

/** The same key gives the same text, in whatever order its columns come. */
function canonical(key: Key): string {
  return JSON.stringify(Object.entries(key).sort(([a], [b]) => (a < b ? -1 : 1)));
}
