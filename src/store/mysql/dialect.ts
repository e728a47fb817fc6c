import type { ImageValue } from '../../core/model.ts';
import type { Column } from '../../core/table.ts';
import { asBytes, decodeKey, encodeKey, fromHex, toHex } from '../bytes.ts';
import type { Dialect } from '../link.ts';
import { join, part, raw, type Fragment, type Value } from '../sql.ts';
import { RefusedError } from '../store.ts';
import { isCharset, kindOf } from './kinds.ts';
import { stamp } from './stamp.ts';

const id = (column: Column): Fragment => raw(quote(column.name));

function quote(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

/** The cell as bytes: texts as UTF-8 whatever their character set, numbers and dates as their text. */
function bytes(column: Column): Fragment {
  switch (kindOf(column)) {
    case 'binary':
      return id(column);
    case 'text':
      return textBytes(column);
    default:
      return part`CAST(CAST(${id(column)} AS CHAR) AS BINARY)`;
  }
}

/** Character sets all of whose characters Unicode has, each once. */
const whole: ReadonlySet<string> = new Set(['utf8', 'utf8mb3', 'utf8mb4', 'latin1', 'ucs2', 'utf16', 'utf16le', 'utf32']);

/**
 * The server gives `?` for a character that Unicode lacks, without a word. Such a text comes as it is stored, behind a byte no UTF-8 has:
 * then it is no text for anybody, and nothing of it gets lost on the way.
 */
function textBytes(column: Column): Fragment {
  const { charset } = column;
  const converted = part`CONVERT(${id(column)} USING utf8mb4)`;
  const utf8 = part`CAST(${converted} AS BINARY)`;
  if (charset === null || whole.has(charset) || !isCharset(charset)) return utf8;
  const stored = part`CAST(${id(column)} AS BINARY)`;
  const again = part`CAST(CONVERT(${converted} USING ${raw(charset)}) AS BINARY)`;
  return part`IF(${again} <=> ${stored}, ${utf8}, CONCAT(X'FF', ${stored}))`;
}

/** A value to compare the column with, so that an index on it can be used. */
function value(column: Column, key: string): Fragment {
  if (kindOf(column) === 'binary') return part`${encodeKey(key)}`;
  // Integers compared with a text are compared as floats in lists.
  if (kindOf(column) === 'integer') return key.startsWith('-') ? part`CAST(${key} AS SIGNED)` : part`CAST(${key} AS UNSIGNED)`;
  return part`${key}`;
}

export const mysqlDialect: Dialect = {
  quote,
  bytes,
  digest: (column) => part`SHA2(${bytes(column)}, 256)`,
  size: (column) => part`OCTET_LENGTH(${bytes(column)})`,
  cells(column) {
    switch (kindOf(column)) {
      case 'float':
      case 'bit':
        return [id(column)];
      case 'geometry':
        return [part`HEX(${id(column)})`];
      default:
        return [bytes(column)];
    }
  },
  toImage,
  toKeyPart(column, [cell]) {
    if (cell === null || cell === undefined) return null;
    if (kindOf(column) === 'binary' || kindOf(column) === 'bit') return { x: toHex(asBytes(cell) ?? new Uint8Array()) };
    return cell instanceof Uint8Array ? decodeKey(cell) : String(cell);
  },
  fromImage(column, image) {
    if (image === null) return part`${null}`;
    if ('n' in image) return part`${image.n}`;
    if ('x' in image) return part`${fromHex(image.x)}`;
    if (kindOf(column) === 'binary') return part`${encodeKey(image.s)}`;
    if (!image.s.isWellFormed()) throw new RefusedError(`The column "${column.name}" cannot hold a text that is not valid UTF-8`);
    return part`${image.s}`;
  },
  fromText(column, text) {
    if (kindOf(column) === 'binary') return part`${text}`;
    const decoded = decodeKey(text);
    if (!decoded.isWellFormed()) throw new RefusedError(`The column "${column.name}" cannot hold a text that is not valid UTF-8`);
    return part`${decoded}`;
  },
  equals(column, key) {
    if (key === null) return part`${id(column)} IS NULL`;
    const kind = kindOf(column);
    if (typeof key !== 'string') return part`${id(column)} = ${fromHex(key.x)}`;
    if (kind === 'binary') return part`${id(column)} = ${encodeKey(key)}`;
    if (!key.isWellFormed() || (kind === 'integer' && !/^-?\d{1,20}$/.test(key))) return raw('1 = 0');
    const exact = part`${bytes(column)} = ${encodeKey(key)}`;
    // A key that is no date or number must not be read as one; and a float is never equal to its text.
    if (kind !== 'text' && kind !== 'integer') return exact;
    // The first lets an index be used; the second undoes what the collation lets in.
    return part`${id(column)} = ${value(column, key)} AND ${exact}`;
  },
  among(column, keys) {
    const kind = kindOf(column);
    if (kind === 'float' || kind === 'other') return null;
    const list = keys.flatMap((key) => {
      if (key === null) return [];
      return [typeof key === 'string' ? value(column, key) : part`${fromHex(key.x)}`];
    });
    return list.length === keys.length ? part`${id(column)} IN (${join(list)})` : null;
  },
  matches(column, literal) {
    if (literal === null) return part`${id(column)} IS NULL`;
    const constant = typeof literal === 'boolean' ? Number(literal) : literal;
    const kind = kindOf(column);
    if (kind === 'text' || kind === 'binary') return mysqlDialect.equals(column, String(constant));
    return part`${id(column)} = ${constant}`;
  },
  lock: raw(' FOR UPDATE'),
  stamp,
  async insert(sql, insert, primaryKey, given) {
    await sql`${insert}`;
    const [only, ...others] = primaryKey;
    if (!only?.autoIncrement || others.length > 0 || given.has(only.name)) return null;
    const [row] = await sql`SELECT CAST(LAST_INSERT_ID() AS CHAR) AS id`;
    return [[String(row?.['id'])]];
  },
};

function toImage(column: Column, [cell]: readonly Value[]): ImageValue {
  if (cell === null || cell === undefined) return null;
  switch (kindOf(column)) {
    case 'float':
      return { n: Number(cell) };
    case 'geometry':
      return { x: String(cell).toLowerCase() };
    case 'binary':
    case 'bit':
      return { x: toHex(asBytes(cell) ?? new Uint8Array()) };
    default:
      return { s: cell instanceof Uint8Array ? decodeKey(cell) : String(cell) };
  }
}
