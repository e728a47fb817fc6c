import type { Column } from '../../core/table.ts';
import { asBytes, decodeStrict } from '../bytes.ts';
import type { Unfit } from '../link.ts';
import { part, raw, type Sql } from '../sql.ts';
import { baseType, isCharset } from './kinds.ts';

/** What a statement needs beside the text: its other values, keys, protocol. */
const STATEMENT_MARGIN = 64 * 1024;

/**
 * Why the column cannot hold the text, or null.
 *
 * @param maxStatement `max_allowed_packet`
 */
export async function unfit(sql: Sql, column: Column, bytes: Uint8Array, maxStatement: number): Promise<Unfit | null> {
  if (bytes.length > maxStatement - STATEMENT_MARGIN) {
    return tooLong(`The text has ${bytes.length} bytes; the server's "max_allowed_packet" is ${maxStatement}`);
  }
  if (column.text === 'binary') return unfitBinary(column, bytes);
  const text = decodeStrict(bytes);
  if (text === null) return invalid('The text is not valid UTF-8');
  if (baseType(column.type) === 'char' && text.endsWith(' ')) {
    return invalid(`The column "${column.name}" is a CHAR and drops spaces at the end`);
  }
  const stored = await encoded(sql, column, text, bytes);
  if (typeof stored !== 'number') return stored;
  if (column.maxBytes !== null && stored > column.maxBytes) {
    return tooLong(`The text has ${stored} bytes; the column "${column.name}" holds ${column.maxBytes}`);
  }
  const characters = column.maxChars === null ? 0 : count(text);
  if (column.maxChars !== null && characters > column.maxChars) {
    return tooLong(`The text has ${characters} characters; the column "${column.name}" holds ${column.maxChars}`);
  }
  return null;
}

function unfitBinary(column: Column, bytes: Uint8Array): Unfit | null {
  if (column.maxBytes === null) return null;
  if (bytes.length > column.maxBytes) {
    return tooLong(`The text has ${bytes.length} bytes; the column "${column.name}" holds ${column.maxBytes}`);
  }
  if (baseType(column.type) === 'binary' && bytes.length < column.maxBytes) {
    return invalid(`The column "${column.name}" is a BINARY and fills texts up to ${column.maxBytes} bytes`);
  }
  return null;
}

/** The length in bytes the text has in the column's character set, or why it cannot be written in it. */
async function encoded(sql: Sql, column: Column, text: string, bytes: Uint8Array): Promise<number | Unfit> {
  const { charset } = column;
  if (charset === null || charset === 'utf8mb4') return bytes.length;
  if (charset === 'utf8' || charset === 'utf8mb3') {
    const found = /[\u{10000}-\u{10FFFF}]/u.exec(text);
    return found ? cannot(column, found[0]) : bytes.length;
  }
  if (/^[\0-\x7f]*$/.test(text) && (charset === 'latin1' || charset === 'ascii')) return bytes.length;
  // Only the server knows what its other character sets can do.
  if (!isCharset(charset)) return invalid(`The character set "${charset}" of the column "${column.name}" is not known`);
  const there = part`CONVERT(${text} USING ${raw(charset)})`;
  const [row] = await sql`SELECT OCTET_LENGTH(${there}) AS size, CAST(CONVERT(${there} USING utf8mb4) AS BINARY) AS back`;
  const back = asBytes(row?.['back']) ?? new Uint8Array();
  if (Buffer.compare(back, bytes) === 0) return Number(row?.['size']);
  const kept = [...(decodeStrict(back) ?? '')];
  return cannot(column, [...text].find((character, index) => character !== kept[index]) ?? '');
}

function cannot({ name, charset }: Column, character: string): Unfit {
  const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  return invalid(`The column "${name}" (${charset}) cannot hold the character U+${code}`);
}

function count(text: string): number {
  let characters = 0;
  for (const _ of text) characters++;
  return characters;
}

function tooLong(message: string): Unfit {
  return { code: 'TOO_LONG', message };
}

function invalid(message: string): Unfit {
  return { code: 'INVALID_TEXT', message };
}
