import type { Batch, Operation, RowChange } from '../core/batch.ts';
import type { Digest } from '../core/digest.ts';
import { SyncError } from '../core/errors.ts';
import { keyId, type Refusal } from '../core/match.ts';
import type { BaseEntry } from '../core/model.ts';
import { readFileSeen } from '../tree/read.ts';
import type { Context } from './context.ts';
import { keyImage, writable } from './operations.ts';
import { referenced } from './referenced.ts';
import type { Report } from './report.ts';

/** By the index of the operation in the batch that is taken back. */
export type Refused = ReadonlyMap<number, Refusal>;

/** What takes the batch back, and which of its operations each belongs to. What cannot be taken back is put into the report. */
export async function reverseAll(
  context: Context,
  batch: Batch,
  texts: ReadonlyMap<Digest, Uint8Array>,
  refused: Refused,
  report: Report,
): Promise<{ operations: Operation[]; places: number[]; settled: Operation[] }> {
  const operations: Operation[] = [];
  const places: number[] = [];
  const settled: Operation[] = [];
  const idOf = ({ mapping, path, text, file, row }: BaseEntry): string => JSON.stringify([mapping, path, text, file, row]);
  const base = new Set((await context.state.base()).map(idOf));
  const links = linksOf(batch.operations);
  const found: (Operation | Refusal | null)[] = [];
  for (const [place, operation] of batch.operations.entries()) {
    const { after } = operation.base;
    const baseMoved = after !== null && !base.has(idOf(after));
    found[place] = refused.get(place) ?? (operation.outcome || baseMoved ? null : await reverse(context, operation, texts, links, place));
  }
  keepTogether(links.pairs, found);
  for (const [place, operation] of batch.operations.entries()) {
    if (operation.outcome) continue;
    const { path, mapping, key } = operation;
    const reversed = found[place] ?? null;
    if (reversed === null) report.conflicts.push({ path, mapping, key, ...changedSides(operation) });
    else if ('code' in reversed) report.skipped.push({ path, ...reversed });
    else {
      operations.push(reversed);
      places.push(place);
      if (operation.loser) settled.push(reversed);
    }
  }
  return { operations, places, settled };
}

interface Links {
  /** Operations of which one's file is where the other's was: they are taken back together, or neither. */
  pairs: [number, number][];
  /** What lies, since the batch, where the file of an operation was that took it away. */
  arrived: ReadonlyMap<number, { path: string; after: Digest | null }>;
  /** Primary keys of the mapping's rows that the batch found or left under the keys they have. */
  holding(mapping: string): ReadonlySet<string>;
  /** Primary keys of the mapping's rows that give up their key when the batch is taken back. */
  leaving(mapping: string): ReadonlySet<string>;
}

/** Such a replacement is recorded where the file arrives (`joinFileChanges`). */
function linksOf(operations: readonly Operation[]): Links {
  const byPath = new Map(operations.flatMap(({ base }, n) => (base.before ? [[base.before.path, n] as const] : [])));
  const pairs: [number, number][] = [];
  const arrived = new Map<number, { path: string; after: Digest | null }>();
  for (const [n, { files }] of operations.entries()) {
    for (const { path, before, after } of files) {
      const other = byPath.get(path);
      if (other === undefined || other === n || before === null) continue;
      pairs.push([n, other]);
      arrived.set(other, { path, after });
    }
  }
  const primaryKeys = (mapping: string, of: (operation: Operation) => string | null | undefined): Set<string> =>
    new Set(operations.flatMap((operation) => (operation.mapping === mapping ? (of(operation) ?? []) : [])));
  return {
    pairs,
    arrived,
    holding: (mapping) => primaryKeys(mapping, ({ base }) => base.after?.pk),
    leaving: (mapping) => primaryKeys(mapping, ({ row }) => (row?.kind === 'insert' || row?.keyBefore ? row.pk : null)),
  };
}

function keepTogether(pairs: Links['pairs'], found: (Operation | Refusal | null)[]): void {
  const isReversed = (n: number): boolean => found[n] !== null && !('code' in (found[n] ?? {}));
  for (let before = -1, left = 0; left !== before;) {
    before = left;
    for (const [a, b] of pairs) {
      if (isReversed(a) === isReversed(b)) continue;
      found[isReversed(a) ? a : b] = null;
    }
    left = found.filter((_, n) => isReversed(n)).length;
  }
}

/** The operation that takes `operation` back; null where a side is no longer what the batch left. */
async function reverse(
  context: Context,
  operation: Operation,
  texts: ReadonlyMap<Digest, Uint8Array>,
  links: Links,
  place: number,
): Promise<Operation | Refusal | null> {
  const { base, seen } = operation;
  const left = operation.files.length > 0 ? operation.files : [links.arrived.get(place) ?? { path: operation.path, after: seen.file }];
  for (const { path, after } of left) {
    const found = await readFileSeen(context.repository.top, path);
    if ((found?.seen.digest ?? null) !== after) return null;
  }
  const row = operation.row && (await reverseRow(context, operation, operation.row, links.leaving(operation.mapping)));
  if (operation.row && !row) return null;
  if (row && 'code' in row) return row;
  if (!operation.row && !(await rowIsStill(context, operation, links.holding(operation.mapping)))) return null;
  for (const { before } of operation.files) if (before !== null) requireText(texts, before);
  return {
    mapping: operation.mapping,
    key: row?.key ?? operation.key,
    path: operation.files.find((change) => change.before !== null)?.path ?? operation.path,
    files: operation.files.map(({ path, before, after, mode }) => ({ path, before: after, after: before, mode, temp: null, kept: null })),
    row,
    base: { before: base.after, after: base.before },
    loser: null,
    seen: { file: left.find(({ after }) => after !== null)?.after ?? null, row: operation.row ? operation.row.textAfter : seen.row },
  };
}

async function reverseRow(
  context: Context,
  operation: Operation,
  change: RowChange,
  leaving: ReadonlySet<string>,
): Promise<RowChange | Refusal | null> {
  const checked = context.mappings.find(({ mapping }) => mapping.name === operation.mapping);
  if (!checked) return null;
  const { shape } = checked;
  return context.store.read(async (session) => {
    const base = { ...change, textBefore: change.textAfter, textAfter: change.textBefore };
    if (change.kind === 'delete') {
      if ((await session.find(shape, change.key)).some((pk) => !leaving.has(pk))) return null;
      return { ...base, kind: 'insert', set: writable(checked.table, change.before ?? {}), before: null };
    }
    const row = (await session.lock(shape, change.pk ? [change.pk] : [])).get(change.pk ?? '');
    if (!row?.inScope || row.digest !== change.textAfter || keyId(checked.mapping, row.key) !== keyId(checked.mapping, change.key))
      return null;
    if (change.kind === 'insert')
      return (await referenced(session, checked.table, row.image)) ?? { ...base, kind: 'delete', before: row.image, set: {} };
    const key = change.keyBefore ?? change.key;
    const columns = Object.keys(change.set);
    const old = Object.fromEntries(
      Object.entries(writable(checked.table, change.before ?? {})).filter(
        ([column]) => columns.includes(column) || column === change.content,
      ),
    );
    return {
      ...base,
      kind: 'update',
      key,
      keyBefore: change.keyBefore ? change.key : null,
      before: row.image,
      set: { ...old, ...keyImage(change.keyBefore ? key : {}) },
    };
  });
}

/** A batch that wrote only the file: its row must still hold what the file was given. */
async function rowIsStill(context: Context, operation: Operation, holding: ReadonlySet<string>): Promise<boolean> {
  const checked = context.mappings.find(({ mapping }) => mapping.name === operation.mapping);
  if (!checked) return false;
  const { after, before } = operation.base;
  const pk = (after ?? before)?.pk;
  return context.store.read(async (session) => {
    const row = pk ? (await session.lock(checked.shape, [pk])).get(pk) : undefined;
    if (row || operation.seen.row !== null) return row?.inScope === true && row.digest === operation.seen.row;
    // Where there was none, another row may have come to have the key since.
    return (await session.find(checked.shape, before?.key ?? operation.key)).every((other) => holding.has(other));
  });
}

function requireText(texts: ReadonlyMap<Digest, Uint8Array>, key: Digest): void {
  if (texts.has(key)) return;
  throw new SyncError('NOT_FOUND', 'The texts of this batch are no longer in the history', {
    hint: 'The history keeps 30 days and the newest 100 batches, up to 500 MB',
  });
}

function changedSides({ files }: Operation): { file: 'changed'; row: 'changed' | 'same' } {
  return { file: 'changed', row: files.length > 0 ? 'same' : 'changed' };
}
