import type { Batch } from '../core/batch.ts';
import { keyId, type Refusal } from '../core/match.ts';
import type { Key } from '../core/model.ts';
import { RefusedError, type Session } from '../store/store.ts';
import type { Context } from './context.ts';
import { inKeyOrder, temporaryKey } from './row-order.ts';
import { differs, isImage, movesPrimaryKey, type Pending, pendingRows, textOf, type Texts, writeRow } from './rows.ts';
import { Unstable } from './unstable.ts';

/** How one row of a table without transactions ended. */
export type RowOutcome = { kind: 'done' } | { kind: 'conflict'; message: string } | { kind: 'skipped'; refusal: Refusal };

/**
 * Writes the rows of tables without transactions (MyISAM), one statement each, every one comparing the old bytes.
 *
 * The guarantee is *repairable*, not atomic: after a crash the same call finishes what was begun. It may run again at any point:
 * each row is compared with its before- and after-image, and one that is neither is left alone as a conflict.
 *
 * @returns outcomes by the index of the operation
 */
export async function writeRepairable(context: Context, batch: Batch, texts: Texts): Promise<Map<number, RowOutcome>> {
  const outcomes = new Map<number, RowOutcome>();
  const pending = pendingRows(context, batch).filter(({ checked }) => !checked.table.transactional);
  if (pending.length === 0) return outcomes;
  await context.store.begin(async (session) => {
    for (const step of inKeyOrder(pending)) {
      const { index } = step.pending;
      // One that could not step aside is left alone.
      if (outcomes.has(index)) continue;
      if (!step.temporaryKey) outcomes.set(index, await writeOne(session, step.pending, texts));
      else {
        const failed = await tried(() => writeRow(session, step.pending, texts, step.temporaryKey));
        if (failed) outcomes.set(index, failed);
      }
    }
  });
  return outcomes;
}

async function writeOne(session: Session, pending: Pending, texts: Texts): Promise<RowOutcome> {
  const { change, checked } = pending;
  const found = await findRow(session, pending);
  if (
    found &&
    found.digest === change.textAfter &&
    !differs(change, found, checked.shape.keyColumns) &&
    change.textAfter !== change.textBefore
  ) {
    change.pk = found.pk;
    return { kind: 'done' };
  }
  if (!found && change.kind === 'delete') return { kind: 'done' };
  const isAsRead =
    found?.inScope &&
    found.digest === change.textBefore &&
    hasKeyOf(pending, found.key) &&
    (change.kind !== 'delete' || isImage(change, found));
  const untouched = change.kind === 'insert' ? !found : isAsRead;
  if (!untouched) return { kind: 'conflict', message: 'The row changed while the batch was under way' };
  return (await tried(() => writeRow(session, pending, texts))) ?? verify(session, pending, texts);
}

async function tried(write: () => Promise<void>): Promise<RowOutcome | null> {
  try {
    await write();
    return null;
  } catch (error) {
    if (error instanceof RefusedError) return { kind: 'skipped', refusal: { code: 'REFUSED_BY_DATABASE', message: error.message } };
    if (error instanceof Unstable) return { kind: 'conflict', message: error.message };
    throw error;
  }
}

/** Whether the key is the one before, the one after, or the one it stepped aside to. */
function hasKeyOf(pending: Pending, key: Key): boolean {
  const { change, checked } = pending;
  const known = change.keyBefore ? [change.keyBefore, change.key, temporaryKey(pending)] : [change.key];
  return known.some((one) => keyId(checked.mapping, one) === keyId(checked.mapping, key));
}

/** What the database made of the value is taken back, as far as it can be without transactions. */
async function verify(session: Session, pending: Pending, texts: Texts): Promise<RowOutcome> {
  const { change, checked } = pending;
  const row = (await session.lock(checked.shape, change.pk === null ? [] : [change.pk])).get(change.pk ?? '') ?? null;
  const refusal = differs(change, row, checked.shape.keyColumns);
  if (!refusal) return { kind: 'done' };
  if (row && change.kind === 'insert') await session.delete(checked.shape, row.pk, row.text);
  else if (row && change.before)
    await session.update(checked.shape, row.pk, pick(change.before, change.set), textOf(texts, change.textBefore), row.text);
  return { kind: 'skipped', refusal };
}

function pick<T>(values: Record<string, T>, columns: Record<string, unknown>): Record<string, T> {
  return Object.fromEntries(Object.entries(values).filter(([column]) => column in columns));
}

async function findRow(session: Session, { change, checked }: Pending) {
  const { shape } = checked;
  const pk = change.kind === 'insert' ? (await session.find(shape, change.key))[0] : change.pk;
  const row = pk ? ((await session.lock(shape, [pk])).get(pk) ?? null) : null;
  if (row || !movesPrimaryKey(change, shape)) return row;
  // Renamed before a crash: it is under its new key already.
  const [moved] = await session.find(shape, change.key);
  change.pk = moved ?? change.pk;
  return moved ? ((await session.lock(shape, [moved])).get(moved) ?? null) : null;
}
