import type { Batch } from '../core/batch.ts';
import type { Digest } from '../core/digest.ts';
import { SyncError } from '../core/errors.ts';
import { assignNames } from '../tree/names.ts';
import { readBytes } from '../tree/read.ts';
import type { Tree } from '../tree/tree.ts';
import { place } from '../tree/place.ts';
import { stage } from '../tree/stage.ts';
import type { Context } from './context.ts';
import { type Deviations, finishForward, type FollowUp, HOW_TO_FINISH, treeOf } from './forward.ts';
import type { GitSince } from './git-since.ts';
import { forget, neededTexts, settleCommit, takeBack } from './recovery.ts';
import { type Texts, writeRows } from './rows.ts';
import { treeId } from './tree-id.ts';
import { Unstable } from './unstable.ts';

export interface Planned {
  /** Every text the operations need, by digest. */
  texts: Texts;
  followUp: FollowUp;
  /** What git did since the plan saw the files. */
  since: GitSince;
  /** Files whose rows are deleted because there was none, by the index of the operation. */
  absent: ReadonlyMap<number, string>;
}

/**
 * Applies one planned batch as a unit: intent, staged files, rows in one transaction, files, base.
 *
 * The point of no return is the database commit, or the intent where there are no rows. A failure before it leaves both sides as they
 * were; after it the batch is always finished, by this call or by recovery.
 *
 * @throws {Unstable | Refusals | SyncError} before the point of no return; everything was taken back
 * @throws {SyncError} `COMMIT_UNKNOWN` if the database did not confirm COMMIT and cannot be asked about it; the next run settles it
 */
export async function applyBatch(context: Context, batch: Batch, { texts, followUp, since, absent }: Planned): Promise<Deviations> {
  const tree = treeOf(context);
  nameFiles(batch);
  await begin(context, batch, texts);
  const changes = batch.operations.flatMap(({ files }) => files);
  context.progress({ step: 'stage', done: 0, total: changes.length });
  await orForget(context, batch, async () => {
    await stage(tree, changes, (key) => texts.get(key) ?? null);
    if (changes.length > 0 && (await since()) !== 'nothing') throw new Unstable('Git was at work while files were made ready');
    await requireAbsent(tree, absent);
  });
  if (batch.operations.some(({ row }) => row)) {
    const id = await treeId(context.state);
    context.progress({ step: 'rows', done: 0, total: batch.operations.length });
    await commitRows(context, batch, () => writeRows(context, batch, texts, id));
  }
  context.progress({ step: 'files', done: 0, total: changes.length });
  return finishForward(context, batch, { texts, followUp, since, placeFiles: (toPlace) => place(tree, toPlace) });
}

/** Temporary files are named before any is made, so that the intent holds their names. */
function nameFiles(batch: Batch): void {
  const named = assignNames(
    batch.txid,
    batch.operations.flatMap(({ files }) => files),
  );
  let next = 0;
  for (const operation of batch.operations) {
    operation.files = named.slice(next, next + operation.files.length);
    next += operation.files.length;
  }
}

/** An editor may save by renaming the old file away first. */
async function requireAbsent({ top }: Tree, absent: Planned['absent']): Promise<void> {
  const found = await readBytes(top, [...absent.values()]);
  const back = [...absent].filter(([, path]) => found.has(path));
  if (back[0]) {
    throw new Unstable(
      `The file "${back[0][1]}" is there again`,
      back.map(([index]) => index),
    );
  }
}

/** A commit whose fsync failed may be seen by the next process nevertheless, which then carries it out. */
async function begin({ state }: Context, batch: Batch, texts: Texts): Promise<void> {
  try {
    await state.begin(batch, kept(batch, texts));
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    throw new SyncError(
      error.code,
      `Recording the batch ${batch.txid.slice(0, 8)} failed; nothing was changed, the next run may carry it out`,
      {
        ...(error.hint !== undefined && { hint: error.hint }),
        cause: error,
        details: [error.message],
      },
    );
  }
}

/** What fails before the point of no return is as if it never was. */
async function orForget<T>(context: Context, batch: Batch, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await forgetAfter(context, batch, error);
    throw error;
  }
}

/** Where not even this can be done, that has to be told: the intent is still there. */
async function forgetAfter(context: Context, batch: Batch, error: unknown): Promise<void> {
  try {
    await forget(context, batch);
  } catch (problem) {
    if (!(problem instanceof SyncError)) throw problem;
    throw new SyncError(problem.code, `The batch ${batch.txid.slice(0, 8)} failed and could not be taken back; it is not finished`, {
      hint: problem.hint ?? HOW_TO_FINISH,
      cause: error,
      details: [...(error instanceof Error ? [error.message] : []), problem.message],
    });
  }
}

async function commitRows(context: Context, batch: Batch, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== 'COMMIT_UNKNOWN') {
      await forgetAfter(context, batch, error);
      throw error;
    }
    if ((await settle(context, batch, error)) === 'committed') return;
    await takeBack(context, batch);
    throw new SyncError('DATABASE', 'COMMIT was not confirmed; the database had not committed, nothing was changed', {
      hint: 'Run the command again',
      cause: error,
      details: [error.message],
    });
  }
}

async function settle(context: Context, batch: Batch, unconfirmed: SyncError): Promise<'committed' | 'void'> {
  try {
    return await settleCommit(context, batch);
  } catch (error) {
    throw new SyncError(
      'COMMIT_UNKNOWN',
      'COMMIT was not confirmed, and the database cannot be asked about it: nobody knows yet whether it was committed',
      {
        hint: 'Run any sync-run command once the database can be used again; it settles the batch first',
        cause: error instanceof SyncError && error.code === 'UNREACHABLE' ? unconfirmed : error,
        details: [unconfirmed.message],
      },
    );
  }
}

function kept(batch: Batch, texts: Texts): Map<Digest, Uint8Array> {
  const blobs = new Map<Digest, Uint8Array>();
  for (const key of neededTexts(batch)) {
    const bytes = texts.get(key);
    if (bytes) blobs.set(key, bytes);
  }
  return blobs;
}
