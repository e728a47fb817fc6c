import { digest, EMPTY_DIGEST } from '../core/digest.ts';
import { SyncError } from '../core/errors.ts';
import type { Key, PrimaryKey, RowImage, RowSeen } from '../core/model.ts';
import type { Column, RowShape } from '../core/table.ts';
import { asBytes, decodeKey } from './bytes.ts';
import { chunksBySize, chunksForStatements } from './chunks.ts';
import { amongKeys, hasKey, keyOf, select } from './keys.ts';
import type { Dialect } from './link.ts';
import { join, part, raw, type Fragment, type Row, type Sql } from './sql.ts';
import { RefusedError, type LockedRow, type LockedSeen, type Session } from './store.ts';
import { lockTarget, setTreeTxid, treeTxid } from './tree-table.ts';

export interface SessionContext {
  sql: Sql;
  dialect: Dialect;
  /** Whether rows that are read for writing are locked. */
  writes: boolean;
  columns(table: string): Promise<Column[]>;
  server(): Promise<string>;
}

/** The columns of a shape, described. */
interface Parts {
  name: string;
  table: Fragment;
  primaryKey: Column[];
  keyColumns: Column[];
  content: Column;
  /** All but generated columns and the content. */
  others: Column[];
  where: Fragment;
}

const EMPTY = new Uint8Array();

/** What a batch may do on one connection, written once for all kinds of databases. */
export function createSession({ sql, dialect, writes, columns, server }: SessionContext): Session {
  const lock = writes ? dialect.lock : raw('');

  const partsFor = async (shape: RowShape): Promise<Parts> => {
    const all = await columns(shape.table);
    const column = finder(shape.table, all);
    const constants = Object.entries(shape.where).map(([name, literal]) => dialect.matches(column(name), literal));
    return {
      name: shape.table,
      table: sql.id(shape.table),
      primaryKey: shape.primaryKey.map(column),
      keyColumns: shape.keyColumns.map(column),
      content: column(shape.content),
      others: all.filter(({ name, generated }) => !generated && name !== shape.content),
      where: constants.length > 0 ? join(constants, ' AND ') : raw('1 = 1'),
    };
  };

  const keyCells = ({ primaryKey, keyColumns }: Parts): Fragment[][] => [
    ...primaryKey.map(dialect.cells),
    ...keyColumns.map((column) => [dialect.bytes(column)]),
  ];

  const scopeCell = ({ where }: Parts): Fragment[] => [part`CASE WHEN ${where} THEN 1 ELSE 0 END`];
  const isInScope = (cells: Row[string][] | undefined): boolean => Number(cells?.[0] ?? 0) === 1;

  const readKeys = (parts: Parts, cells: readonly Row[string][][]): { pk: PrimaryKey; key: Key } => {
    const keys = cells.slice(parts.primaryKey.length);
    return {
      pk: keyOf(dialect, parts.primaryKey, cells.slice(0, parts.primaryKey.length)),
      key: Object.fromEntries(
        parts.keyColumns.map(({ name }, index) => {
          const bytes = asBytes(keys[index]?.[0]);
          return [name, bytes && decodeKey(bytes)];
        }),
      ),
    };
  };

  /** The cells of `keyCells`, a digest and a size. */
  const readSeen = (parts: Parts, cells: readonly Row[string][][]): RowSeen => {
    const [sum, size] = cells.slice(-2).map(([cell]) => cell ?? null);
    return { ...readKeys(parts, cells.slice(0, -2)), digest: String(sum ?? EMPTY_DIGEST), size: Number(size ?? 0) };
  };

  /** Rows seen, with the digest where the database is asked for it. */
  const seen = async (parts: Parts, digests: Fragment): Promise<RowSeen[]> => {
    const selection = select([...keyCells(parts), [digests], [dialect.size(parts.content)]]);
    const rows = await sql`SELECT ${selection.list} FROM ${parts.table} WHERE ${parts.where}`;
    return rows.map((row) => readSeen(parts, selection.read(row)));
  };

  const sizes = async (parts: Parts, pks: readonly PrimaryKey[]): Promise<Map<PrimaryKey, number>> => {
    const found = new Map<PrimaryKey, number>();
    const selection = select([...parts.primaryKey.map(dialect.cells), [dialect.size(parts.content)]]);
    for (const among of amongKeys(dialect, parts.primaryKey, pks)) {
      for (const row of await sql`SELECT ${selection.list} FROM ${parts.table} WHERE ${among}`) {
        const cells = selection.read(row);
        found.set(keyOf(dialect, parts.primaryKey, cells.slice(0, -1)), Number(cells.at(-1)?.[0] ?? 0));
      }
    }
    return found;
  };

  const textsOf = async (parts: Parts, pks: readonly PrimaryKey[]): Promise<Map<PrimaryKey, Uint8Array>> => {
    const found = new Map<PrimaryKey, Uint8Array>();
    const wanted = new Set(pks);
    const selection = select([...parts.primaryKey.map(dialect.cells), [dialect.bytes(parts.content)]]);
    for (const among of amongKeys(dialect, parts.primaryKey, pks)) {
      for (const row of await sql`SELECT ${selection.list} FROM ${parts.table} WHERE ${among}`) {
        const cells = selection.read(row);
        const pk = keyOf(dialect, parts.primaryKey, cells.slice(0, -1));
        if (wanted.has(pk)) found.set(pk, asBytes(cells.at(-1)?.[0]) ?? EMPTY);
      }
    }
    return found;
  };

  const assignments = (parts: Parts, set: RowImage, text: Uint8Array | null): [Column, Fragment][] => {
    const { content, others } = parts;
    const column = finder(parts.name, [...others, content]);
    const values = Object.entries(set)
      .filter(([name]) => name !== content.name)
      .map(([name, value]): [Column, Fragment] => [column(name), dialect.fromImage(column(name), value)]);
    if (text === null) return values;
    // An image says so where the content was NULL; what the caller gives as text is empty then.
    const isNull = text.length === 0 && set[content.name] === null;
    return [...values, [content, isNull ? raw('NULL') : dialect.fromText(content, text)]];
  };

  /** The row still holds this text. By digest, so that a statement carries one text and not two. */
  const holds = ({ content }: Parts, expected: Uint8Array): Fragment =>
    expected.length === 0 ? part`COALESCE(${dialect.size(content)}, 0) = 0` : part`${dialect.digest(content)} = ${digest(expected)}`;

  return {
    sql,

    async scan(shape) {
      const parts = await partsFor(shape);
      return seen(parts, dialect.digest(parts.content));
    },

    async *scanTexts(shape) {
      const parts = await partsFor(shape);
      for (const chunk of chunksBySize(await seen(parts, raw('NULL')))) {
        const texts = await textsOf(
          parts,
          chunk.map(({ pk }) => pk),
        );
        yield chunk.flatMap((row) => {
          const text = texts.get(row.pk);
          return text ? [{ ...row, digest: digest(text), size: text.length, text }] : [];
        });
      }
    },

    async *texts(shape, pks) {
      const parts = await partsFor(shape);
      const known = await sizes(parts, pks);
      const present = pks.flatMap((pk) => (known.has(pk) ? [{ pk, size: known.get(pk) ?? 0 }] : []));
      for (const chunk of chunksBySize(present)) {
        const texts = await textsOf(
          parts,
          chunk.map(({ pk }) => pk),
        );
        yield [...texts].map(([pk, text]) => ({ pk, text }));
      }
    },

    async lock(shape, pks) {
      const parts = await partsFor(shape);
      const known = await sizes(parts, pks);
      const found = new Map<PrimaryKey, LockedRow>();
      const selection = select([...keyCells(parts), [dialect.bytes(parts.content)], ...parts.others.map(dialect.cells), scopeCell(parts)]);
      const keys = parts.primaryKey.length + parts.keyColumns.length;
      // Every key is asked for, also those without a size: a row may have been committed since the snapshot of this transaction.
      for (const chunk of chunksBySize(pks.map((pk) => ({ pk, size: known.get(pk) ?? 0 })))) {
        const wanted = new Set(chunk.map(({ pk }) => pk));
        for (const among of amongKeys(dialect, parts.primaryKey, [...wanted])) {
          for (const row of await sql`SELECT ${selection.list} FROM ${parts.table} WHERE ${among}${lock}`) {
            const cells = selection.read(row);
            const { pk, key } = readKeys(parts, cells);
            if (!wanted.has(pk)) continue;
            const text = asBytes(cells[keys]?.[0]) ?? EMPTY;
            const image = parts.others.map((column, index) => [column.name, dialect.toImage(column, cells[keys + 1 + index] ?? [])]);
            const isNull = asBytes(cells[keys]?.[0]) === null;
            found.set(pk, {
              pk,
              key,
              inScope: isInScope(cells.at(-1)),
              digest: digest(text),
              text,
              image: Object.fromEntries(isNull ? [...image, [parts.content.name, null]] : image),
            });
          }
        }
      }
      return found;
    },

    async lockSeen(shape, pks) {
      const parts = await partsFor(shape);
      const wanted = new Set(pks);
      const found = new Map<PrimaryKey, LockedSeen>();
      const selection = select([...keyCells(parts), [dialect.digest(parts.content)], [dialect.size(parts.content)], scopeCell(parts)]);
      for (const among of amongKeys(dialect, parts.primaryKey, pks)) {
        for (const row of await sql`SELECT ${selection.list} FROM ${parts.table} WHERE ${among}${lock}`) {
          const cells = selection.read(row);
          const seenRow = readSeen(parts, cells.slice(0, -1));
          if (wanted.has(seenRow.pk)) found.set(seenRow.pk, { ...seenRow, inScope: isInScope(cells.at(-1)) });
        }
      }
      return found;
    },

    async find(shape, key) {
      const parts = await partsFor(shape);
      const conditions = parts.keyColumns.map((column) => dialect.equals(column, key[column.name] ?? null));
      const selection = select(parts.primaryKey.map(dialect.cells));
      const rows = await sql`SELECT ${selection.list} FROM ${parts.table}
        WHERE ${join([...conditions, parts.where], ' AND ')}${lock}`;
      return rows.map((row) => keyOf(dialect, parts.primaryKey, selection.read(row)));
    },

    async update(shape, pk, set, text, expected) {
      const parts = await partsFor(shape);
      const list = assignments(parts, set, text).map(([{ name }, value]) => part`${sql.id(name)} = ${value}`);
      const condition = part`${hasKey(dialect, parts.primaryKey, pk)} AND ${holds(parts, expected)}`;
      if (list.length === 0) {
        return (await sql`SELECT 1 FROM ${parts.table} WHERE ${condition}${lock}`).length === 1;
      }
      const { affected } = await sql`UPDATE ${parts.table} SET ${join(list)} WHERE ${condition}`;
      return one(affected);
    },

    async updateTexts(shape, set, rows) {
      const parts = await partsFor(shape);
      const same = assignments(parts, set, null).map(([{ name }, value]) => part`${sql.id(name)} = ${value}`);
      for (const chunk of chunksForStatements(rows)) {
        const keys = chunk.map(({ pk }) => hasKey(dialect, parts.primaryKey, pk));
        const texts = chunk.map(({ text }, index) => part`WHEN ${keys[index]!} THEN ${dialect.fromText(parts.content, text)}`);
        const own = part`${sql.id(parts.content.name)} = CASE ${join(texts, ' ')} END`;
        const among = join(
          keys.map((key) => part`(${key})`),
          ' OR ',
        );
        const { affected } = await sql`UPDATE ${parts.table} SET ${join([own, ...same])} WHERE ${among}`;
        if (affected !== chunk.length) return false;
      }
      return true;
    },

    async insert(shape, set, text) {
      const parts = await partsFor(shape);
      const list = assignments(parts, set, text);
      const insert = part`INSERT INTO ${parts.table} (${join(list.map(([{ name }]) => sql.id(name)))})
        VALUES (${join(list.map(([, value]) => value))})`;
      const made = await dialect.insert(sql, insert, parts.primaryKey, new Set(list.map(([{ name }]) => name)));
      if (made) return keyOf(dialect, parts.primaryKey, made);
      // The database may store the values in another form ("01" as 1), so the key is read back.
      const given = parts.primaryKey.map((column) => {
        const value = list.find(([{ name }]) => name === column.name)?.[1];
        if (!value)
          throw new RefusedError(
            `The primary key of the new row in "${shape.table}" is not known: "${column.name}" was made up by the database`,
          );
        return part`${sql.id(column.name)} = ${value}`;
      });
      const selection = select(parts.primaryKey.map(dialect.cells));
      const rows = await sql`SELECT ${selection.list} FROM ${parts.table} WHERE ${join(given, ' AND ')}`;
      const [row] = rows;
      if (!row || rows.length > 1) throw new RefusedError(`The new row in "${shape.table}" does not have the primary key it was given`);
      return keyOf(dialect, parts.primaryKey, selection.read(row));
    },

    async delete(shape, pk, expected) {
      const parts = await partsFor(shape);
      const condition = part`${hasKey(dialect, parts.primaryKey, pk)} AND ${holds(parts, expected)}`;
      const { affected } = await sql`DELETE FROM ${parts.table} WHERE ${condition}`;
      return one(affected);
    },

    async names(table, key, name) {
      const column = finder(table, await columns(table));
      const selection = select([[dialect.bytes(column(key))], [dialect.bytes(column(name))]]);
      const rows = await sql`SELECT ${selection.list} FROM ${sql.id(table)}`;
      return rows.flatMap((row) => {
        const [k, n] = selection.read(row).map(([cell]) => asBytes(cell));
        return k ? [{ key: decodeKey(k), name: n ? decodeKey(n) : null }] : [];
      });
    },

    stamp: (column, stamp) => dialect.stamp(sql, column, stamp),

    async referencing(table, image, keys) {
      let count = 0;
      const column = finder(table.name, table.columns);
      for (const { schema, table: other, columns: names, references } of keys) {
        const values = references.map((name) => image[name] ?? null);
        if (values.includes(null)) continue;
        const conditions = names.map((name, index) => {
          const value = dialect.fromImage(column(references[index] ?? ''), values[index] ?? null);
          return part`${sql.id(name)} = ${value}`;
        });
        const child = schema === undefined ? sql.id(other) : sql.id(schema, other);
        const [row] = await sql`SELECT COUNT(*) AS n FROM ${child} WHERE ${join(conditions, ' AND ')}`;
        count += Number(row?.['n'] ?? 0);
      }
      return count;
    },

    treeTxid: (tree) => treeTxid(sql, lock, tree),
    setTreeTxid: (tree, txid) => setTreeTxid(sql, tree, txid),
    lockTarget: async () => lockTarget(sql, lock, await server()),
  };
}

function finder(table: string, columns: readonly Column[]): (name: string) => Column {
  const byName = new Map(columns.map((column) => [column.name, column]));
  return (name) => {
    const column = byName.get(name);
    if (!column) {
      throw new SyncError('CONFIG', `The table "${table}" has no column "${name}"`, {
        hint: 'Run "sync-run doctor" to compare the configuration with the database',
      });
    }
    return column;
  };
}

/** A primary key selects one row; more than one would mean the table's description is wrong, and nothing may stand. */
function one(affected: number): boolean {
  if (affected > 1) throw new SyncError('DATABASE', `A statement for one row changed "${affected}" rows`);
  return affected === 1;
}
