import type { Refusal } from '../core/match.ts';
import type { RowImage } from '../core/model.ts';
import type { Table } from '../core/table.ts';
import type { Session } from '../store/store.ts';

/** Why a row must not be deleted: the database would delete or change rows of other tables with it, of which nobody keeps the texts. */
export async function referenced(session: Session, table: Table, image: RowImage): Promise<Refusal | null> {
  if (table.cascades.length === 0) return null;
  const count = await session.referencing(table, image);
  return count === 0 ? null : { code: 'REFERENCED', message: `${count} rows of other tables would be deleted or changed with it` };
}
