import type { ImageValue } from '../../core/model.ts';
import type { Column } from '../../core/table.ts';
import { asBytes, decodeKey, decodeStrict, encodeKey, fromHex, toHex } from '../bytes.ts';
import type { Dialect } from '../link.ts';
import { join, part, raw, type Fragment, type Row, type Sql, type Value } from '../sql.ts';
import { affinity } from './affinity.ts';

/**
 * SQLite gives every cell a type of its own, so an image may carry, beside the forms of `ImageValue`, how it was stored:
 * an integer in a column that would keep a text, a text that is not valid UTF-8, a float JSON has no number for.
 */
type Stored = { s: string; as?: 'integer' | 'real' } | { x: string; as?: 'text' } | { n: number };

const id = (column: Column): Fragment => raw(quote(column.name));

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export const sqliteDialect: Dialect = {
  quote,
  // Read as a BLOB: node:sqlite replaces invalid UTF-8 in texts, and Deno ends them at NUL.
  bytes: (column) => part`CAST(${id(column)} AS BLOB)`,
  digest: (column) => part`sync_run_sha256(CAST(${id(column)} AS BLOB))`,
  size: (column) => part`length(CAST(${id(column)} AS BLOB))`,
  cells: (column) => [
    part`typeof(${id(column)})`,
    part`CASE typeof(${id(column)}) WHEN 'text' THEN CAST(${id(column)} AS BLOB) ELSE ${id(column)} END`,
  ],
  toImage,
  toKeyPart(_column, [type, value]) {
    if (value === null || value === undefined) return null;
    const bytes = asBytes(value) ?? new Uint8Array();
    return type === 'blob' ? { x: toHex(bytes) } : decodeKey(bytes);
  },
  fromImage(column, value) {
    if (value === null) return part`${null}`;
    const stored = value as Stored;
    if ('n' in stored) return part`CAST(${stored.n} AS REAL)`;
    if ('x' in stored) return stored.as === 'text' ? text(fromHex(stored.x)) : part`${fromHex(stored.x)}`;
    if (stored.as === 'integer') return part`CAST(${stored.s} AS INTEGER)`;
    if (stored.as === 'real') return part`CAST(${stored.s} AS REAL)`;
    return column.text === 'binary' ? part`${encodeKey(stored.s)}` : text(encodeKey(stored.s));
  },
  fromText: (column, bytes) => (column.text === 'binary' ? part`${bytes}` : text(bytes)),
  equals(column, value) {
    if (value === null) return part`${id(column)} IS NULL`;
    if (typeof value !== 'string') return part`${id(column)} = ${fromHex(value.x)}`;
    // A cell may hold the text as a BLOB whatever its column says. The bytes settle what a collation or an affinity lets in.
    const bytes = encodeKey(value);
    return part`(${id(column)} = ${text(bytes)} OR ${id(column)} = ${bytes}) AND CAST(${id(column)} AS BLOB) = ${bytes}`;
  },
  among(column, values) {
    // Without an affinity the integer 5 is not IN ('5').
    if (affinity(column.type) === 'BLOB' || values.includes(null)) return null;
    const list = values.map((value) => (typeof value === 'string' ? text(encodeKey(value)) : part`${fromHex(value?.x ?? '')}`));
    return part`${id(column)} IN (${join(list)})`;
  },
  matches(column, literal) {
    if (literal === null) return part`${id(column)} IS NULL`;
    if (typeof literal === 'string') return sqliteDialect.equals(column, literal);
    return part`${id(column)} = ${Number(literal)}`;
  },
  lock: raw(''),
  async stamp(sql, column, stamp) {
    if (stamp === null) return null;
    if (typeof stamp !== 'object') return constant(column, stamp);
    const [row] = await sql`SELECT unixepoch() AS seconds, datetime() AS text`;
    const seconds = String(row?.['seconds']);
    const kind = affinity(column.type);
    if (kind === 'INTEGER' || kind === 'REAL') return { s: seconds };
    if (stamp.at === 'now') return { s: String(row?.['text']) };
    return kind === 'BLOB' ? ({ s: seconds, as: 'integer' } as ImageValue) : { s: seconds };
  },
  async insert(sql: Sql, insert: Fragment, primaryKey: readonly Column[]) {
    const cells = primaryKey.map((column) => sqliteDialect.cells(column));
    const list = cells.flat().map((cell, index) => join([cell, raw(`AS c${index}`)], ' '));
    const [row] = await sql<Row>`${insert} RETURNING ${join(list)}`;
    let next = 0;
    return row ? cells.map((group) => group.map(() => row[`c${next++}`] ?? null)) : null;
  },
};

function text(bytes: Uint8Array): Fragment {
  return part`CAST(${bytes} AS TEXT)`;
}

function toImage(column: Column, [type, value]: readonly Value[]): ImageValue {
  if (value === null || value === undefined) return null;
  let stored: Stored;
  if (type === 'integer') {
    stored = affinity(column.type) === 'BLOB' ? { s: String(value), as: 'integer' } : { s: String(value) };
  } else if (type === 'real') {
    stored = Number.isFinite(value) ? { n: Number(value) } : { s: Number(value) > 0 ? '9e999' : '-9e999', as: 'real' };
  } else {
    const bytes = asBytes(value) ?? new Uint8Array();
    const decoded = type === 'text' ? decodeStrict(bytes) : null;
    if (decoded !== null && column.text !== 'binary') stored = { s: decoded };
    else stored = type === 'text' ? { x: toHex(bytes), as: 'text' } : { x: toHex(bytes) };
  }
  return stored;
}

function constant(column: Column, literal: string | number | boolean): ImageValue {
  if (typeof literal === 'string') return { s: literal };
  const number = Number(literal);
  if (!Number.isInteger(number)) return { n: number };
  const stored: Stored = affinity(column.type) === 'BLOB' ? { s: String(number), as: 'integer' } : { s: String(number) };
  return stored;
}
