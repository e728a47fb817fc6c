import type { FileChange } from '../core/batch.ts';
import { SyncError } from '../core/errors.ts';
import { openDir } from './dir.ts';
import type { Disk } from './disk.ts';
import { removeIfThere } from './entries.ts';
import { shares } from './executor.ts';
import { asError, errnoOf, ioError } from './io-error.ts';
import { checkChanges } from './names.ts';
import { directoryOf, groupByDir, nameOf } from './paths.ts';
import { forEachLimited } from './pool.ts';
import type { StageShare } from './stage-share.ts';
import { executorOf, type TextOf, type Tree } from './tree.ts';

/** How many bytes of texts a share has at most, unless a single text is larger: so much is on its way at a time in each lane. */
const TEXTS = 4 * 1024 * 1024;

/**
 * Puts the new content of every change on the disk under its temporary name, with its mode, durable and read back. No target is touched.
 * If one fails, none is left, nor a directory made for it. A failed file is never fsynced again: its data is lost.
 *
 * @returns the directories it made, from the top
 * @throws {SyncError} `IO` naming the path; `VERIFY` if a text is not what its digest says, or was not read back as written
 */
export async function stage(tree: Tree, changes: readonly FileChange[], textOf: TextOf): Promise<{ created: string[] }> {
  checkChanges(changes);
  const executor = executorOf(tree);
  const writes = changes.filter((change) => change.after !== null);
  const lanes = executor.lanes(writes.length);
  const staged: FileChange[] = [];
  const created: string[] = [];
  try {
    await forEachLimited(withTexts(tree.top, writes, textOf), lanes.count, async (share) => {
      const result = await lanes.run('stage', share);
      for (const index of result.made) staged.push(share.changes[index]!);
      created.push(...result.created);
      if (result.error) throw result.error;
    });
  } catch (error) {
    throw await unstage(executor.disk, tree.top, staged, created, error);
  }
  return { created };
}

/** Texts are taken only as a share is about to be worked on. */
async function* withTexts(top: string, writes: readonly FileChange[], textOf: TextOf): AsyncGenerator<StageShare> {
  for (const [relative, members] of shares(groupByDir(writes, (change) => change.path))) {
    let share: StageShare = { top, relative, changes: [], texts: [] };
    let size = 0;
    for (const change of members) {
      const text = await textOf(change.after!);
      if (share.changes.length > 0 && size + (text?.length ?? 0) > TEXTS) {
        yield share;
        share = { top, relative, changes: [], texts: [] };
        size = 0;
      }
      share.changes.push(change);
      share.texts.push(text);
      size += text?.length ?? 0;
    }
    yield share;
  }
}

/** Takes back what was staged; the error to throw, with what could not be taken back as details. */
async function unstage(disk: Disk, top: string, staged: readonly FileChange[], created: readonly string[], error: unknown): Promise<Error> {
  const left: string[] = [];
  for (const [relative, members] of groupByDir(staged, (change) => change.path)) {
    try {
      const dir = await openDir(disk, top, relative);
      try {
        for (const change of members) await removeIfThere(dir, change.temp ?? '');
      } finally {
        await dir.close();
      }
    } catch (problem) {
      left.push(ioError('clean up', relative, problem).message);
    }
  }
  // Inner ones first; a directory someone uses by now stays.
  for (const relative of [...created].sort((a, b) => b.length - a.length)) {
    try {
      const parent = await openDir(disk, top, directoryOf(relative));
      try {
        await disk.rmdir(parent.path(nameOf(relative)));
      } finally {
        await parent.close();
      }
    } catch (problem) {
      if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(errnoOf(problem) ?? '')) left.push(ioError('remove', relative, problem).message);
    }
  }
  if (!(error instanceof SyncError) || left.length === 0) return asError(error);
  return new SyncError(error.code, error.message, { cause: error.cause, details: [...error.details, ...left] });
}
