import type { Batch } from '../core/batch.ts';
import type { Digest } from '../core/digest.ts';
import { SyncError } from '../core/errors.ts';
import { RetryError } from '../store/store.ts';
import { rollForward } from '../tree/place.ts';
import { discard } from '../tree/settle.ts';
import type { Context } from './context.ts';
import { findInserted, finishForward, followUpOfIntent, noFollowUp, treeOf } from './forward.ts';
import { type GitSince, watchGit } from './git-since.ts';
import { fenceOf, pendingRows, wrongTarget } from './rows.ts';
import { treeId } from './tree-id.ts';

/** What became of a batch that a crash cut short. */
export interface Recovered {
  batch: Batch;
  outcome: 'finished' | 'never-happened';
}

/**
 * Ends an unfinished batch: rolls it forward where its rows were committed (or it had none), forgets it where they were not.
 * May itself be interrupted anywhere and run again.
 *
 * @throws {SyncError} `WRONG_TARGET` or `UNREACHABLE` where nobody can say yet; the intent stays
 */
export async function recover(context: Context, request: Parameters<typeof watchGit>[1]): Promise<Recovered | null> {
  const batch = await context.state.intent();
  if (!batch) return null;
  // What is done from here on must never be on the disk without the intent.
  await context.state.secure();
  try {
    return await end(context, batch, await watchGit(context, request));
  } catch (error) {
    if (!(error instanceof RetryError)) throw error;
    throw new SyncError('UNREACHABLE', 'The database is locked by others, so the last batch cannot be finished yet', {
      hint: 'Run the command again in a moment; nothing is lost meanwhile',
      cause: error,
    });
  }
}

async function end(context: Context, batch: Batch, since: GitSince): Promise<Recovered> {
  if (batch.operations.some(({ row }) => row) && (await settleCommit(context, batch)) === 'void') {
    await takeBack(context, batch);
    return { batch, outcome: 'never-happened' };
  }
  if (batch.repairable) requireMappings(context, batch);
  const texts = await context.state.blobs(neededTexts(batch));
  await findInserted(context, batch);
  await finishForward(context, batch, {
    texts,
    followUp: followUpOfIntent(batch),
    since,
    placeFiles: (changes) => rollForward(treeOf(context), changes, (key) => texts.get(key) ?? null),
  });
  return { batch, outcome: 'finished' };
}

/** Rows that may not be written yet can only be written by the mapping they were planned for. */
function requireMappings(context: Context, batch: Batch): void {
  const mapped = new Set(pendingRows(context, batch).map(({ operation }) => operation));
  const lost = batch.operations.filter((operation) => operation.row && !mapped.has(operation));
  if (lost.length === 0) return;
  const names = [...new Set(lost.map(({ mapping, row }) => `"${mapping}" on the table "${row?.table}"`))];
  throw new SyncError(
    'CONFIG',
    `The batch ${batch.txid.slice(0, 8)} is not finished, and its mapping ${names.join(', ')} is no longer in sync-run.config.json`,
    {
      hint: 'Put the mapping back, run any sync-run command to finish the batch, then change the configuration',
    },
  );
}

/**
 * Says whether the batch's transaction was committed, by a locking read of this tree's row: it waits until a dying transaction is over
 * (a plain read would see the row before it). A transaction that was not committed is fenced, so that it never can be.
 */
export async function settleCommit(context: Context, batch: Batch): Promise<'committed' | 'void'> {
  const fence = fenceOf(batch);
  const tree = await treeId(context.state);
  try {
    return await context.store.begin(async (session) => {
      const last = await session.treeTxid(tree);
      // Whoever wrote it may have been killed, and not come to wait for the disk; a commit after it takes it there, if it changes something.
      if (last === batch.txid || last === fence) for (const txid of ['', last]) await session.setTreeTxid(tree, txid);
      if (last === batch.txid) return 'committed';
      if (last === fence) return 'void';
      if (last !== batch.previousTxid) throw wrongTarget();
      await session.setTreeTxid(tree, fence);
      return 'void';
    });
  } catch (error) {
    if (!(error instanceof RetryError)) throw error;
    throw new SyncError('UNREACHABLE', 'The database still holds the transaction of the last batch; its outcome is not known yet', {
      hint: 'Run the command again in a moment; nothing is lost meanwhile',
      cause: error,
    });
  }
}

/** Ends a batch whose transaction was fenced: what was staged goes, its before-images stay in the history. */
export async function takeBack(context: Context, batch: Batch): Promise<void> {
  await dropStaged(context, batch);
  const { set, drop, conflicts, holds } = noFollowUp;
  await context.state.finish({
    batch: { ...batch, alongside: undefined },
    finishedAt: context.now(),
    status: 'void',
    set,
    drop,
    conflicts,
    holds,
    tombstones: { set: [], drop: [] },
    blobs: new Map(),
    meta: { rowTxid: fenceOf(batch) },
  });
}

/** Forgets a batch that failed before its point of no return; neither side holds anything of it. */
export async function forget(context: Context, batch: Batch): Promise<void> {
  await dropStaged(context, batch);
  await context.state.abandon(batch.txid);
}

async function dropStaged(context: Context, batch: Batch): Promise<void> {
  await discard(
    treeOf(context),
    batch.operations.flatMap((operation) => operation.files),
  );
}

/** Every text the operations may need again. */
export function neededTexts(batch: Batch): Digest[] {
  const needed = new Set<Digest>();
  for (const { files, row, base, seen } of batch.operations) {
    const digests = [
      seen.file,
      seen.row,
      row?.textBefore,
      row?.textAfter,
      base.after?.text,
      ...files.flatMap((change) => [change.before, change.after]),
    ];
    for (const key of digests) if (key) needed.add(key);
  }
  return [...needed];
}
