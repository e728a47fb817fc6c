import type { CheckedMapping } from '../config/check.ts';
import type { Batch, Operation, RowChange } from '../core/batch.ts';
import { type Digest, EMPTY_DIGEST } from '../core/digest.ts';
import { SyncError } from '../core/errors.ts';
import { keyId, type Refusal } from '../core/match.ts';
import { isComplete, type Key, type RowImage } from '../core/model.ts';
import type { RowShape } from '../core/table.ts';
import { type LockedRow, type LockedSeen, RefusedError, type Session } from '../store/store.ts';
import type { Context } from './context.ts';
import { keyImage } from './operations.ts';
import { referenced } from './referenced.ts';
import { inKeyOrder } from './row-order.ts';
import { Refusals, Unstable } from './unstable.ts';

export type Texts = ReadonlyMap<Digest, Uint8Array>;

/** One row change with the mapping it belongs to and its place in the batch. */
export interface Pending {
  index: number;
  operation: Operation;
  change: RowChange;
  checked: CheckedMapping;
}

/**
 * Writes the batch's rows in one transaction: all of them, read back and equal to the last byte, or none.
 * Rows of tables without transactions are only checked here; `repairable.ts` writes them after the commit.
 *
 * @throws {Unstable} if a row moved since the plan was made; nothing was written
 * @throws {Refusals} if the database did not take some of them; nothing was written
 * @throws {SyncError} `WRONG_TARGET` if this tree's last txid is not in the database
 */
export async function writeRows(context: Context, batch: Batch, texts: Texts, tree: string): Promise<void> {
  const pending = pendingRows(context, batch);
  await context.store.begin(async (session) => {
    await session.lockTarget();
    const last = await session.treeTxid(tree);
    if (last !== batch.previousTxid) throw wrongTarget();
    await session.setTreeTxid(tree, batch.txid);
    await checkUnmoved(session, pending);
    await checkUnreferenced(session, pending);
    const own = pending.filter(({ checked }) => checked.table.transactional);
    const refused = await write(session, own, texts);
    for (const [index, refusal] of await readBack(session, own, refused)) refused.set(index, refusal);
    if (refused.size > 0) throw new Refusals(refused);
  });
}

export function pendingRows(context: Pick<Context, 'mappings'>, batch: Batch): Pending[] {
  const checked = new Map(context.mappings.map((entry) => [entry.mapping.name, entry]));
  return batch.operations.flatMap((operation, index) => {
    const mapping = checked.get(operation.mapping);
    // A mapping of today may have the name of the batch's and be about another table.
    const { row } = operation;
    const isSame = row && mapping?.table.name === row.table && mapping.mapping.content === row.content;
    return isSame ? [{ index, operation, change: row, checked: mapping }] : [];
  });
}

/** What stands in place of the txid of a transaction that was not committed, so that it never can be. */
export function fenceOf({ txid }: Pick<Batch, 'txid'>): string {
  return `${txid}:void`;
}

export function wrongTarget(): SyncError {
  return new SyncError(
    'WRONG_TARGET',
    'The database does not hold the last batch of this working tree: it was restored, replaced, or the tree was copied',
    {
      hint: 'If it is meant to be so: npx sync-run init --new-target (what both sides agreed on is forgotten; differences become conflicts)',
    },
  );
}

async function checkUnmoved(session: Session, pending: Pending[]): Promise<void> {
  const claimed = new Set<string>();
  const moved = new Map<number, string>();
  for (const own of byMapping(pending)) {
    const { shape } = own[0]!.checked;
    const deleted = new Set(own.filter(({ change }) => change.kind === 'delete').map(({ change }) => change.pk));
    const leaving = new Set([...deleted, ...own.filter(({ change }) => change.keyBefore).map(({ change }) => change.pk)]);
    const locked = await session.lockSeen(
      shape,
      own.flatMap(({ change }) => (change.pk !== null ? [change.pk] : [])),
    );
    // What is deleted is kept as it was read, so nothing of it may have been edited since.
    const whole = await session.lock(
      shape,
      own.flatMap(({ change }) => (change.kind === 'delete' && change.pk !== null ? [change.pk] : [])),
    );
    for (const { index, change } of own) {
      if (change.kind === 'delete' && !isImage(change, whole.get(change.pk ?? '')))
        moved.set(index, `A row of "${shape.table}" that was to be deleted changed while the batch was under way`);
      if (change.kind === 'insert') {
        // A restored row takes its old primary key only while that is free; two deleted at different times may have had the same.
        const id = `${shape.table} ${change.pk}`;
        const taken = change.pk !== null && ((locked.has(change.pk) && !deleted.has(change.pk)) || claimed.has(id));
        if (taken) releasePrimaryKey(change, shape.primaryKey);
        else claimed.add(id);
      } else {
        const row = locked.get(change.pk ?? '');
        if (!row?.inScope || row.digest !== change.textBefore || !sameKey(shape.keyColumns, row.key, change.keyBefore ?? change.key)) {
          moved.set(index, `A row of "${shape.table}" changed while the batch was under way`);
        }
      }
      if (change.kind === 'insert' || change.keyBefore) {
        const there = await session.find(shape, change.key);
        if (there.some((pk) => !leaving.has(pk)))
          moved.set(index, `A row of "${shape.table}" appeared with a key the batch was about to use`);
      }
    }
  }
  const [message] = moved.values();
  if (message !== undefined) throw new Unstable(message, [...moved.keys()]);
}

/** What would take rows of other tables along, also one that came since the plan was made. */
async function checkUnreferenced(session: Session, pending: Pending[]): Promise<void> {
  const refused = new Map<number, Refusal>();
  for (const { index, change, checked } of pending) {
    const { kind, key, keyBefore, before } = change;
    if (kind !== 'delete' && !keyBefore) continue;
    const names = keyBefore ? { before: keyBefore, after: key } : undefined;
    const refusal = await referenced(session, checked.table, before ?? {}, names);
    if (refusal) refused.set(index, refusal);
  }
  if (refused.size > 0) throw new Refusals(refused);
}

function releasePrimaryKey(change: RowChange, primaryKey: string[]): void {
  change.set = Object.fromEntries(Object.entries(change.set).filter(([column]) => !primaryKey.includes(column) || column in change.key));
  change.pk = null;
}

async function write(session: Session, pending: Pending[], texts: Texts): Promise<Map<number, Refusal>> {
  const refused = new Map<number, Refusal>();
  const steps = inKeyOrder(pending);
  const together = await writeTogether(
    session,
    steps
      .map((step) => step.pending)
      .filter(({ change }) => change.kind === 'update' && !change.keyBefore && change.textAfter !== change.textBefore),
    texts,
  );
  for (const step of steps) {
    if (together.has(step.pending)) continue;
    try {
      await writeRow(session, step.pending, texts, step.temporaryKey);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      refused.set(step.pending.index, { code: 'REFUSED_BY_DATABASE', message: error.message });
    }
  }
  return refused;
}

/** Writes plain texts many to a statement; returns those that are written. Where the database refuses one, its whole group is left to be tried row by row. */
async function writeTogether(session: Session, pending: Pending[], texts: Texts): Promise<Set<Pending>> {
  const written = new Set<Pending>();
  const groups = Map.groupBy(pending, ({ checked, change }) => `${checked.mapping.name} ${JSON.stringify(change.set)}`);
  for (const group of groups.values()) {
    const [first] = group;
    if (!first || group.length < 2) continue;
    const rows = group.map(({ change }) => ({ pk: change.pk ?? '', text: textOf(texts, change.textAfter) }));
    try {
      // In a savepoint, so that a refusal leaves none of the group written.
      await session.sql.begin(async () => {
        if (!(await session.updateTexts(first.checked.shape, first.change.set, rows))) throw new RefusedError('Not every row was written');
      });
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      continue;
    }
    for (const each of group) written.add(each);
  }
  return written;
}

/**
 * Writes one row, or only its temporary key.
 *
 * @throws {Unstable} if the row was not there as expected
 */
export async function writeRow(
  session: Session,
  { index, change, checked }: Pending,
  texts: Texts,
  temporaryKey: Key | null = null,
): Promise<void> {
  const { shape } = checked;
  const before = textOf(texts, change.textBefore);
  let done = true;
  if (change.kind === 'delete') done = await session.delete(shape, change.pk ?? '', before);
  else if (change.kind === 'insert') {
    change.pk = await session.insert(shape, change.set, textOf(texts, change.textAfter));
    if (change.pk !== null && !isComplete(change.pk)) throw new RefusedError('The new row has no primary key: the database left it NULL');
  } else if (temporaryKey) done = await session.update(shape, change.pk ?? '', keyImage(temporaryKey), null, before);
  else {
    const text = change.textAfter === change.textBefore ? null : textOf(texts, change.textAfter);
    done = await session.update(shape, change.pk ?? '', change.set, text, before);
  }
  if (!done) throw new Unstable(`A row of "${shape.table}" changed while it was written`, [index]);
  if (movesPrimaryKey(change, shape)) change.pk = (await session.find(shape, temporaryKey ?? change.key))[0] ?? change.pk;
}

/** Where the key is (a part of) the primary key, a renamed row is found under another one afterwards. */
export function movesPrimaryKey(change: RowChange, { primaryKey }: Pick<RowShape, 'primaryKey'>): boolean {
  return change.kind === 'update' && change.keyBefore !== null && primaryKey.some((column) => column in change.key);
}

/** Reads every written row again and compares bytes and key. */
async function readBack(session: Session, pending: Pending[], refused: ReadonlyMap<number, Refusal>): Promise<Map<number, Refusal>> {
  const changed = new Map<number, Refusal>();
  for (const own of byMapping(pending.filter(({ index }) => !refused.has(index)))) {
    const { shape } = own[0]!.checked;
    const rows = await session.lockSeen(
      shape,
      own.flatMap(({ change }) => (change.pk !== null ? [change.pk] : [])),
    );
    // SQLite gives the primary key of a deleted row to the next one; a renamed row may take it over.
    const taken = new Set(own.filter(({ change }) => change.kind !== 'delete').map(({ change }) => change.pk));
    for (const { index, change } of own) {
      if (change.kind === 'delete' && taken.has(change.pk)) continue;
      const refusal = differs(change, rows.get(change.pk ?? '') ?? null, shape.keyColumns);
      if (refusal) changed.set(index, refusal);
    }
  }
  return changed;
}

/** Whether the row is, in all its columns, what the batch keeps of it. */
export function isImage({ before }: RowChange, row: LockedRow | undefined): boolean {
  const values = ({ image }: { image: RowImage | null }): string =>
    JSON.stringify(Object.entries(image ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return row !== undefined && values(row) === values({ image: before });
}

/** What is wrong with a row as it was read back; null if nothing. */
export function differs(
  change: RowChange,
  row: Pick<LockedSeen, 'digest' | 'key' | 'inScope'> | null,
  keyColumns: string[],
): Refusal | null {
  const code = 'CHANGED_BY_DATABASE';
  if (change.kind === 'delete') return row ? { code, message: 'The row is still there after its deletion' } : null;
  if (!row) return { code, message: 'The row is not there after it was written' };
  if (row.digest !== change.textAfter)
    return { code, message: 'The database stored another text than was written (a trigger, or a column that changes its value)' };
  if (!sameKey(keyColumns, row.key, change.key)) return { code, message: 'The database stored another key than was written' };
  if (!row.inScope) return { code, message: 'The row no longer is one that "where" selects after it was written' };
  return null;
}

export function textOf(texts: Texts, key: Digest | null): Uint8Array {
  const bytes = key === null || key === EMPTY_DIGEST ? new Uint8Array() : texts.get(key);
  if (!bytes) throw new SyncError('INTERNAL', `The text ${key} was not kept`);
  return bytes;
}

function sameKey(columns: string[], a: Key, b: Key): boolean {
  return keyId({ keyColumns: columns }, a) === keyId({ keyColumns: columns }, b);
}

function byMapping(pending: Pending[]): Pending[][] {
  return [...Map.groupBy(pending, ({ checked }) => checked.mapping.name).values()];
}
