import type { Column } from '../../core/table.ts';
import { decodeStrict } from '../bytes.ts';
import type { Unfit } from '../link.ts';
import type { Sql } from '../sql.ts';

/** The default of SQLITE_MAX_LENGTH (https://www.sqlite.org/limits.html), with room for the rest of the row. */
const MAX_BYTES = 1_000_000_000 - 1024 * 1024;

export async function unfit(_sql: Sql, column: Column, text: Uint8Array): Promise<Unfit | null> {
  if (text.length > MAX_BYTES) {
    return { code: 'TOO_LONG', message: `The text has ${text.length} bytes; SQLite holds ${MAX_BYTES}` };
  }
  if (column.text !== 'binary' && decodeStrict(text) === null) {
    return { code: 'INVALID_TEXT', message: 'The text is not valid UTF-8' };
  }
  return null;
}
