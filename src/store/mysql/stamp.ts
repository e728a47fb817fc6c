import type { ImageValue, Literal, Stamp } from '../../core/model.ts';
import type { Column } from '../../core/table.ts';
import type { Sql } from '../sql.ts';
import { baseType, kindOf } from './kinds.ts';

/** The value to write for a stamp, by the clock of the database server. */
export async function stamp(sql: Sql, column: Column, wanted: Exclude<Stamp, { from: string }>): Promise<ImageValue> {
  if (wanted === null || typeof wanted !== 'object') return constant(column, wanted);
  const type = baseType(column.type);
  if (type === 'timestamp') return { s: await now(sql, 'utc') };
  if (type === 'datetime') return { s: await now(sql, 'server') };
  if (type === 'date') return { s: (await now(sql, 'server')).slice(0, 10) };
  if (type === 'time') return { s: (await now(sql, 'server')).slice(11) };
  if (type === 'year') return { s: (await now(sql, 'server')).slice(0, 4) };
  if (kindOf(column) === 'text' && wanted.at === 'now') return { s: await now(sql, 'server') };
  const [row] = await sql`SELECT UNIX_TIMESTAMP() AS seconds`;
  return { s: String(row?.['seconds']) };
}

/** The session is in UTC; a DATETIME means what the application's NOW() would be, in the server's own time zone. */
async function now(sql: Sql, zone: 'utc' | 'server'): Promise<string> {
  const [row] = await sql`SELECT CAST(UTC_TIMESTAMP() AS CHAR) AS utc,
    CAST(COALESCE(CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', @@global.time_zone), UTC_TIMESTAMP()) AS CHAR) AS server`;
  return String(row?.[zone]);
}

function constant(column: Column, literal: Literal): ImageValue {
  if (literal === null) return null;
  if (typeof literal === 'string') return { s: literal };
  const number = Number(literal);
  return kindOf(column) === 'float' ? { n: number } : { s: String(number) };
}
