import type { Refusal } from '../core/match.ts';
import type { Key, RowImage } from '../core/model.ts';
import type { PointingKey, Table } from '../core/table.ts';
import type { Session } from '../store/store.ts';

/**
 * Why a row must not be deleted or renamed: rows of other tables would go or change with it, or be left pointing at nothing, and nobody
 * keeps what they were.
 *
 * @param names the key before and after; left out for a deletion
 */
export async function referenced(
  session: Session,
  table: Table,
  image: RowImage,
  names?: { before: Key; after: Key },
): Promise<Refusal | null> {
  const isHarmed = ({ harmedBy, references }: PointingKey): boolean =>
    names
      ? harmedBy.includes('rename') && references.some((column) => names.before[column] !== names.after[column])
      : harmedBy.includes('delete');
  const keys = table.pointing.filter(isHarmed);
  if (keys.length === 0) return null;
  const count = await session.referencing(table, image, keys);
  return count === 0 ? null : { code: 'REFERENCED', message: `${count} rows of other tables would be deleted or changed with it` };
}
