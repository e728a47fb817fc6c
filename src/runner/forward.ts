import type { Batch, FileChange, Operation } from '../core/batch.ts';
import { digest, type Digest } from '../core/digest.ts';
import { SyncError } from '../core/errors.ts';
import type { Refusal } from '../core/match.ts';
import type { BaseEntry } from '../core/model.ts';
import type { Completion, Hold, OpenConflict, Tombstone } from '../state/state.ts';
import { RetryError } from '../store/store.ts';
import { giveBack } from '../tree/give-back.ts';
import type { Outcome } from '../tree/outcome.ts';
import { settle } from '../tree/settle.ts';
import type { Tree } from '../tree/tree.ts';
import type { Context } from './context.ts';
import { type GitSince, touchedByGit } from './git-since.ts';
import { isSuperseded } from './operations.ts';
import { type RowOutcome, writeRepairable } from './repairable.ts';
import { movesPrimaryKey, pendingRows, type Texts } from './rows.ts';

/** What a finished batch changes in the state besides what its operations did. */
export interface FollowUp {
  set: BaseEntry[];
  drop: BaseEntry[];
  conflicts: { set: OpenConflict[]; drop: OpenConflict[] };
  holds: { set: Hold[]; drop: Hold[] };
  meta: Record<string, string | null>;
  /** Texts to keep besides those of the operations. */
  texts: Texts;
  /** By the index of the operation, what its sides came from where that is not the base the state has; see `ItemFacts.agreedSince`. */
  otherwise: ReadonlyMap<number, { cameFrom: BaseEntry | null; agreedSince: BaseEntry }>;
}

export const noFollowUp: FollowUp = {
  set: [],
  drop: [],
  conflicts: { set: [], drop: [] },
  holds: { set: [], drop: [] },
  meta: {},
  texts: new Map(),
  otherwise: new Map(),
};

/** What the intent itself says about it: all of it for an undo. What else a run would have recorded, the next one finds out again. */
export function followUpOfIntent({ alongside }: Batch): FollowUp {
  if (!alongside) return noFollowUp;
  return { ...noFollowUp, holds: { set: alongside.holds, drop: [] }, conflicts: { set: alongside.conflicts, drop: [] } };
}

/** What ended otherwise than planned, by the index of the operation. */
export interface Deviations {
  conflicts: Map<number, string>;
  skipped: Map<number, Refusal>;
  /** What is left to the next run, for people. */
  notices: string[];
}

export interface Finishing {
  texts: Texts;
  followUp: FollowUp;
  /** What git did since files were last looked at. */
  since: GitSince;
  /** Puts the staged files in place, or rolls them forward after a crash. */
  placeFiles(changes: FileChange[]): Promise<Outcome[]>;
}

/**
 * Everything after the point of no return: rows without transactions, files, base. From here the batch is finished, by this run or by
 * recovery; a target that moved meanwhile is a conflict of its item, never a failure of the batch.
 */
export async function finishForward(
  context: Context,
  batch: Batch,
  { texts, followUp, since, placeFiles }: Finishing,
): Promise<Deviations> {
  const { state } = context;
  const tree = treeOf(context);
  const deviations: Deviations = { conflicts: new Map(), skipped: new Map(), notices: [] };
  for (const [index, outcome] of await repairableRows(context, batch, texts)) note(deviations, index, outcome);
  const owners = new Map<FileChange, number>();
  for (const [index, { files }] of batch.operations.entries()) {
    if (!deviates(deviations, index)) for (const change of files) owners.set(change, index);
  }
  const outcomes = await placeFiles([...owners.keys()]);
  const failed = outcomes.find(({ result }) => result === 'failed');
  if (failed) throw unfinished(batch, failed);
  const found = new Map<Digest, Uint8Array>(followUp.texts);
  for (const { change, result, found: bytes } of outcomes) {
    if (bytes) found.set(digest(bytes), bytes);
    if (result === 'late-write') await giveBack(tree, change);
    if (result !== 'done') deviations.conflicts.set(owners.get(change) ?? 0, 'The file was edited while the batch was under way');
  }
  const placed = outcomes.filter(({ result }) => result === 'done').map(({ change }) => change);
  for (const change of await touchedByGit(tree.top, since, placed))
    deviations.conflicts.set(owners.get(change) ?? 0, 'Git was at work while the batch put the file in place');
  for (const [index, operation] of batch.operations.entries()) {
    if (deviations.conflicts.has(index)) operation.outcome = 'conflict';
    else if (deviations.skipped.has(index)) operation.outcome = 'skipped';
  }
  // First the record, then the kept inodes: they may hold the only copy of a text that was written late.
  const back = goneBack(followUp, deviations);
  const ended = {
    ...followUp,
    set: [...followUp.set, ...back.set],
    drop: [...followUp.drop, ...back.drop, ...uprooted(batch, outcomes)],
  };
  try {
    await state.finish(completion(context, batch, ended, found));
  } catch (error) {
    throw unrecorded(batch, error);
  }
  deviations.notices.push(...(await tidy(context, batch)));
  return deviations;
}

/**
 * What was agreed on for items that ended otherwise than planned and whose file has left its path: another file may be there, so the next
 * run would take this item for edited or deleted. Without a base it is a conflict.
 */
function uprooted(batch: Batch, outcomes: readonly Outcome[]): BaseEntry[] {
  const placed = new Set(outcomes.filter(({ result }) => result === 'done').map(({ change }) => change.path));
  return batch.operations.flatMap(({ base, outcome }) => (outcome && base.before && placed.has(base.before.path) ? [base.before] : []));
}

/** Where these ended otherwise than planned, base goes back to what both sides came from. */
function goneBack({ otherwise }: FollowUp, deviations: Deviations): Pick<FollowUp, 'set' | 'drop'> {
  const left = [...otherwise].filter(([index]) => deviates(deviations, index)).map(([, one]) => one);
  return {
    set: left.flatMap(({ cameFrom }) => cameFrom ?? []),
    drop: left.flatMap(({ cameFrom, agreedSince }) => (cameFrom ? [] : agreedSince)),
  };
}

/** Everything is done and recorded by now: what cannot be cleared away is no failure, and the next run clears it away. */
async function tidy(context: Context, batch: Batch): Promise<string[]> {
  try {
    await settle(
      treeOf(context),
      batch.operations.flatMap((operation) => operation.files),
    );
    await context.state.prune(context.now());
    return [];
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== 'IO') throw error;
    return [`Everything was done, but clearing up was left to the next run: ${error.message}`];
  }
}

async function repairableRows(context: Context, batch: Batch, texts: Texts): Promise<Map<number, RowOutcome>> {
  try {
    return await writeRepairable(context, batch, texts);
  } catch (error) {
    if (!(error instanceof RetryError)) throw error;
    throw new SyncError(
      'UNREACHABLE',
      `The database was locked by others while the batch ${batch.txid.slice(0, 8)} wrote its rows; it is not finished`,
      {
        hint: 'Run any sync-run command: it finishes the batch first; nothing is lost meanwhile',
        cause: error,
      },
    );
  }
}

export function treeOf({ repository, config, executor }: Pick<Context, 'repository' | 'config' | 'executor'>): Tree {
  return { top: repository.top, root: config.root, executor };
}

/** Past the point of no return a failure cannot take the batch back; the next run finishes it. */
function unfinished(batch: Batch, { change, error }: Outcome): SyncError {
  return new SyncError('IO', `Writing "${change.path}" failed after the batch ${batch.txid.slice(0, 8)} was decided; it is not finished`, {
    hint: HOW_TO_FINISH,
    cause: error,
    details: error ? [error.message] : [],
  });
}

/** For a batch that a failure left open. */
export const HOW_TO_FINISH = 'Mend the cause and run any sync-run command: it ends the batch first; nothing is lost meanwhile';

function unrecorded(batch: Batch, error: unknown): unknown {
  if (!(error instanceof SyncError)) return error;
  return new SyncError(error.code, `Recording the batch ${batch.txid.slice(0, 8)} failed after it was decided; it may not be finished`, {
    hint: error.hint ?? HOW_TO_FINISH,
    cause: error,
    details: [error.message],
  });
}

function completion(context: Context, batch: Batch, followUp: FollowUp, blobs: ReadonlyMap<Digest, Uint8Array>): Completion {
  const done = batch.operations.filter((operation) => !operation.outcome);
  const set: BaseEntry[] = [...followUp.set];
  const drop: BaseEntry[] = [...followUp.drop];
  for (const { base, row } of done) {
    // Known only now for new rows; an undo has to find this very entry.
    if (base.after) base.after = { ...base.after, pk: row?.pk ?? base.after.pk };
    const { after } = base;
    if (base.before && isSuperseded(base.before, after)) drop.push(base.before);
    // A row that could not be found again, since its mapping is gone by now, is adopted by whoever maps it next.
    if (after && after.pk !== '') set.push(after);
  }
  return {
    batch: { ...batch, alongside: undefined },
    finishedAt: context.now(),
    status: 'done',
    set,
    drop,
    conflicts: followUp.conflicts,
    holds: followUp.holds,
    tombstones: tombstones(batch, done),
    blobs,
    meta: { ...followUp.meta, ...(batch.operations.some(({ row }) => row) ? { rowTxid: batch.txid } : {}) },
  };
}

function tombstones(batch: Batch, done: Operation[]): Completion['tombstones'] {
  const set: Tombstone[] = [];
  const drop: Tombstone[] = [];
  for (const { mapping, key, row } of done) {
    if (!row || row.kind === 'update') continue;
    const text = row.kind === 'delete' ? row.textBefore : row.textAfter;
    const tomb = { mapping, key: row.key, table: row.table, image: row.before ?? {}, text: text ?? '', txid: batch.txid };
    if (row.kind === 'delete') set.push({ ...tomb, key });
    else drop.push(tomb);
  }
  return { set, drop };
}

function note(deviations: Deviations, index: number, outcome: RowOutcome): void {
  if (outcome.kind === 'conflict') deviations.conflicts.set(index, outcome.message);
  else if (outcome.kind === 'skipped') deviations.skipped.set(index, outcome.refusal);
}

function deviates(deviations: Deviations, index: number): boolean {
  return deviations.conflicts.has(index) || deviations.skipped.has(index);
}

/** The primary keys of inserted rows, and of renamed ones whose key is their primary key, found again by key after a crash. */
export async function findInserted(context: Context, batch: Batch): Promise<void> {
  const inserted = pendingRows(context, batch).filter(
    ({ change, checked }) => checked.table.transactional && (change.kind === 'insert' || movesPrimaryKey(change, checked.shape)),
  );
  if (inserted.length === 0) return;
  await context.store.read(async (session) => {
    for (const { change, checked } of inserted) change.pk = (await session.find(checked.shape, change.key))[0] ?? change.pk;
  });
}
