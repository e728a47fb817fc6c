import type { Batch, BatchStatus, Operation } from '../core/batch.ts';
import { digest, type Digest } from '../core/digest.ts';
import { SyncError } from '../core/errors.ts';
import type { Refusal } from '../core/match.ts';
import { canonical } from '../core/newlines.ts';
import { head } from '../git/queries.ts';
import type { Hold } from '../state/state.ts';
import { RetryError } from '../store/store.ts';
import { applyBatch } from './batch.ts';
import type { Context } from './context.ts';
import { followUpOfIntent } from './forward.ts';
import { watchGit } from './git-since.ts';
import { movedByUndo } from './moved.ts';
import { newBatch } from './new-batch.ts';
import { neededTexts, recover } from './recovery.ts';
import { emptyReport, type Report } from './report.ts';
import { type Refused, reverseAll } from './reverse.ts';
import { withLock } from './run.ts';
import { tellStubOnce } from './stub-facts.ts';
import { checkTarget, prepareTarget } from './target.ts';
import { Refusals, Unstable } from './unstable.ts';

export interface UndoOptions {
  /** A txid or a unique prefix; null takes back the last batch that is not itself taken back. */
  txid: string | null;
  dryRun: boolean;
  /** In milliseconds. */
  lockTimeout: number;
  /** The last batch when this was first asked for, null if there was none: asked again, it must not take back one batch more. */
  last?: string | null;
}

/**
 * Takes a batch back: what it wrote, and the base, return to what they were. An item is touched only where both its sides still are
 * what the batch left; else it is a conflict. The undo is a batch of its own and can be undone.
 *
 * @throws {SyncError} `NOT_FOUND` if there is no such batch, or its texts are no longer in the history
 */
export async function undo(context: Context, options: UndoOptions): Promise<Report> {
  const started = performance.now();
  const { last = await lastBatch(context) } = options;
  const work = async (): Promise<Report> => {
    if (!options.dryRun) await recover(context, byHand(options));
    return (await doneBefore(context, options.txid, last)) ?? attempt(context, options);
  };
  const report = options.dryRun ? await work() : await withLock(context, { command: 'undo', lockTimeout: options.lockTimeout }, work);
  return { ...report, ms: Math.round(performance.now() - started) };
}

/** Nothing waits for an undo but who typed it. */
function byHand({ dryRun, lockTimeout }: UndoOptions): Parameters<typeof watchGit>[1] {
  return { byGit: false, dryRun, lockTimeout };
}

/** The newest batch that is finished. */
export async function lastBatch({ state }: Pick<Context, 'state'>): Promise<string | null> {
  return (await state.history()).find(({ status }) => status === 'done')?.txid ?? null;
}

/** The report of an undo that was begun since `last` was the last batch: its process ended, or was gone, before it could answer. */
async function doneBefore({ state }: Context, txid: string | null, last: string | null): Promise<Report | null> {
  const history = await state.history();
  const known = last === null ? history.length : history.findIndex((entry) => entry.txid === last);
  const newer = history.slice(0, Math.max(0, known));
  const undone = newer.find(({ status, undoes }) => status === 'done' && undoes !== null && (txid === null || undoes.startsWith(txid)));
  const batch = undone && (await state.batch(undone.txid));
  if (!batch) return null;
  const report = { ...emptyReport('undo', false), txid: batch.txid };
  count(
    report,
    batch.operations.filter(({ outcome }) => !outcome),
  );
  for (const operation of batch.operations) {
    if (operation.outcome === 'conflict') report.conflicts.push(conflictOf(operation));
    if (operation.outcome === 'skipped')
      report.skipped.push({ path: operation.path, code: 'REFUSED_BY_DATABASE', message: 'The database did not take it' });
  }
  report.notices.push('This is the undo that was cut short before; it is finished now');
  return report;
}

/** @param refused what the database did not take when it was tried before */
async function attempt(context: Context, options: UndoOptions, refused: Refused = new Map()): Promise<Report> {
  await checkTarget(context);
  const since = await watchGit(context, byHand(options));
  const batch = await findBatch(context, options.txid);
  const texts = await context.state.blobs(neededTexts(batch));
  const report = emptyReport('undo', options.dryRun);
  const { operations, places, settled } = await reverseAll(context, batch, texts, refused, report);
  if (options.dryRun || operations.length === 0) {
    count(report, operations);
    return report;
  }

  if (operations.some(({ row }) => row)) await prepareTarget(context);
  const origin = { command: 'undo', source: 'cli', direction: 'sync', head: await head(context.repository), undoes: batch.txid } as const;
  const reversal = await newBatch(context, origin, operations);
  // What the batch settled is open again, whatever the base says.
  const reopened = holds(context, settled, texts).map((pair, index) => ({ ...pair, path: settled[index]!.path }));
  reversal.alongside = { holds: holds(context, operations, texts), conflicts: reopened };
  await tellStubOnce(context, null);
  try {
    const followUp = { ...followUpOfIntent(reversal), meta: movedByUndo(await context.state.meta(), operations) };
    const deviations = await applyBatch(context, reversal, { texts, followUp, since, absent: new Map() });
    const isDone = (_: Operation, index: number): boolean => !deviations.conflicts.has(index) && !deviations.skipped.has(index);
    count(report, operations.filter(isDone));
    for (const index of deviations.conflicts.keys()) report.conflicts.push(conflictOf(operations[index]!));
    for (const [index, refusal] of deviations.skipped) report.skipped.push({ path: operations[index]!.path, ...refusal });
    report.notices.push(...deviations.notices);
  } catch (error) {
    // Everything was rolled back. What the database takes is taken back without the rest.
    if (error instanceof Refusals)
      return attempt(context, { ...options, txid: batch.txid }, new Map([...refused, ...placed(error.items, places)]));
    if (!(error instanceof Unstable || error instanceof RetryError)) throw error;
    throw new SyncError('UNSTABLE', 'A row changed, or git was at work, while the batch was taken back; nothing was changed', {
      hint: 'Run it again',
      cause: error,
    });
  }
  return { ...report, txid: reversal.txid };
}

function conflictOf({ path, mapping, key }: Operation): Report['conflicts'][number] {
  return { path, mapping, key, file: 'changed', row: 'same' };
}

function placed(refused: Refused, places: readonly number[]): [number, Refusal][] {
  return [...refused].map(([index, refusal]) => [places[index]!, refusal]);
}

/** The last batch that is not itself taken back, by its txid; null if there is none. */
export async function nextToUndo({ state }: Pick<Context, 'state'>): Promise<string | null> {
  // An undo that was cut short before it had done anything took nothing back.
  const history = (await state.history()).filter(({ status }) => status === 'done');
  const undone = new Set<string>();
  // The newest first: an undo that was itself taken back took nothing back.
  for (const entry of history) if (entry.undoes !== null && !undone.has(entry.txid)) undone.add(entry.undoes);
  const last = history.find((entry) => entry.undoes === null && !undone.has(entry.txid) && entry.counts.files + entry.counts.rows > 0);
  return last?.txid ?? null;
}

async function findBatch(context: Context, wanted: string | null): Promise<Batch & { status: BatchStatus }> {
  const { state } = context;
  const txid = wanted ?? (await nextToUndo(context));
  const batch = txid === null ? null : await state.batch(txid);
  if (!batch || batch.status !== 'done') {
    throw new SyncError('NOT_FOUND', txid === null ? 'There is no batch to take back' : `There is no finished batch "${txid}"`, {
      hint: 'List them: npx sync-run log',
    });
  }
  return batch;
}

/** What an undo leaves differing waits for a person: hooks and watcher would carry it over again at once. */
function holds(context: Context, operations: readonly Operation[], texts: ReadonlyMap<Digest, Uint8Array>): Hold[] {
  const newlines = new Map(context.mappings.map(({ mapping }) => [mapping.name, mapping.newlines]));
  return operations.map(({ mapping, key, files, row, base, seen }) => {
    const text = (raw: Digest | null): Digest | null => {
      const bytes = raw === null ? undefined : texts.get(raw);
      return bytes ? digest(canonical(bytes, newlines.get(mapping) ?? 'exact')) : raw;
    };
    const placed = files.findLast((change) => change.after !== null) ?? files[0];
    const file = placed ? placed.after : (base.before?.file ?? seen.file);
    const rowText = row ? row.textAfter : (base.before?.row ?? seen.row);
    return { mapping, key, file: text(file), row: text(rowText) };
  });
}

function count(report: Report, operations: readonly Operation[]): void {
  for (const { files, row, path } of operations) {
    const removed = files.filter((change) => change.after === null).length;
    const placed = files.filter((change) => change.after !== null).length;
    if (removed > 0 && placed > 0) report.files.renamed++;
    else {
      report.files.deleted += removed;
      report.files.written += placed;
    }
    if (files.length > 0) report.changes.push({ action: placed > 0 ? 'write file' : 'delete file', path });
    if (row?.kind === 'insert') report.rows.inserted++;
    if (row?.kind === 'delete') report.rows.deleted++;
    if (row?.kind === 'update' && row.keyBefore) report.rows.renamed++;
    if (row?.kind === 'update' && row.textBefore !== row.textAfter) report.rows.written++;
    if (row) report.changes.push({ action: row.kind === 'update' ? 'write row' : `${row.kind} row`, path });
  }
}
