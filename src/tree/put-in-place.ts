import type { FileChange } from '../core/batch.ts';
import { SyncError } from '../core/errors.ts';
import type { Dir } from './dir.ts';
import { inodeOf, linkOrCopy, moveToFree, removeIfThere } from './entries.ts';
import { errnoOf } from './io-error.ts';
import { DONE, type Ending, targetChanged } from './outcome.ts';
import { nameOf } from './paths.ts';
import { type Found, readAt } from './read-at.ts';
import { stageOne } from './stage-share.ts';
import type { TextOf } from './tree.ts';
import { bytesOf, holds, putBack } from './take-away.ts';

/**
 * Gives the staged content its name if the target still is what the plan saw. Goes on from wherever an earlier try ended.
 *
 * @param textOf where to take the content from in any but the first try; null in the first
 */
export async function putInPlace(dir: Dir, change: FileChange, textOf: TextOf | null): Promise<Ending> {
  if (change.before === null && !textOf && (await createAtOnce(dir, change))) return DONE;
  const target = await readAt(dir, nameOf(change.path));
  if (holds(target, change.after)) return DONE;
  if (textOf) await restage(dir, change, textOf);
  return change.before === null ? create(dir, change, target) : replace(dir, change, target);
}

/** Without a look at the target first: the link is what decides. Where it says no, the look says why. */
async function createAtOnce(dir: Dir, change: FileChange): Promise<boolean> {
  await dir.check();
  try {
    return await moveToFree(dir, change.temp ?? '', nameOf(change.path));
  } catch (error) {
    // There is nothing staged, as where all was done before.
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Always to a new inode: what a killed process had staged reads well, but may never have reached the disk. */
async function restage(dir: Dir, change: FileChange, textOf: TextOf): Promise<void> {
  const bytes = change.after === null ? null : await textOf(change.after);
  if (bytes) await removeIfThere(dir, change.temp ?? '');
  await stageOne(dir, change, bytes);
}

/** A link and not a rename, since a rename would replace a file that appeared meanwhile. */
async function create(dir: Dir, change: FileChange, target: Found): Promise<Ending> {
  const name = nameOf(change.path);
  if (target.kind !== 'absent') return targetChanged(bytesOf(target));
  await dir.check();
  if (await moveStaged(change, () => moveToFree(dir, change.temp ?? '', name))) return DONE;
  const other = await readAt(dir, name);
  return holds(other, change.after) ? DONE : targetChanged(bytesOf(other));
}

async function replace(dir: Dir, change: FileChange, target: Found): Promise<Ending> {
  const name = nameOf(change.path);
  const keptName = change.kept ?? '';
  if (target.kind !== 'file' || !holds(target, change.before)) return withoutTarget(dir, change, target);
  const keeping = await keep(dir, change, target);
  if (keeping !== 'same-inode' && keeping !== 'copy') return keeping;
  // The last look before the rename. In-place writes to the kept inode show afterwards; another inode would be lost.
  const moved = keeping === 'same-inode' ? (await inodeOf(dir, name)) !== inodeIn(target) : !holds(await readAt(dir, name), change.before);
  if (moved) {
    await removeIfThere(dir, keptName);
    return targetChanged(bytesOf(await readAt(dir, name)));
  }
  await dir.check();
  await moveStaged(change, async () => dir.disk.rename(dir.path(change.temp ?? ''), dir.path(name)));
  return DONE;
}

/** The target is gone or someone else's. Only if it is gone and its old content is kept here, the change goes on. */
async function withoutTarget(dir: Dir, change: FileChange, target: Found): Promise<Ending> {
  const kept = await readAt(dir, change.kept ?? '');
  if (kept.kind !== 'absent' && !holds(kept, change.before)) return putBack(dir, change.kept ?? '', nameOf(change.path), bytesOf(kept));
  if (target.kind === 'absent' && kept.kind === 'file') return create(dir, change, target);
  return targetChanged(bytesOf(target));
}

/** Gives the old content a second name. Afterwards that name holds what the plan saw, or the ending says what it held. */
async function keep(dir: Dir, change: FileChange, target: Extract<Found, { kind: 'file' }>): Promise<'same-inode' | 'copy' | Ending> {
  const name = nameOf(change.path);
  const keptName = change.kept ?? '';
  for (;;) {
    try {
      const linked = await linkOrCopy(dir, name, keptName);
      if (linked && (await inodeOf(dir, keptName)) === inodeIn(target)) return 'same-inode';
      const kept = await readAt(dir, keptName);
      if (!linked && holds(kept, change.before)) return 'copy';
      // Someone's new file came between reading and linking: it has its own name still.
      await removeIfThere(dir, keptName);
      return targetChanged(bytesOf(kept));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return targetChanged(null);
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
    if ((await inodeOf(dir, keptName)) === inodeIn(target)) return 'same-inode';
    const kept = await readAt(dir, keptName);
    if (!holds(kept, change.before)) return targetChanged(bytesOf(kept));
    await removeIfThere(dir, keptName);
  }
}

function inodeIn({ stat }: Extract<Found, { kind: 'file' }>): string {
  return `${stat.dev}:${stat.ino}`;
}

async function moveStaged<T>(change: FileChange, move: () => Promise<T>): Promise<T> {
  try {
    return await move();
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    throw new SyncError('IO', `The staged content of "${change.path}" is gone`, { cause: error });
  }
}

/** Looks again once names are durable: the file holds the new content, and nobody wrote to the old one meanwhile. */
export async function confirmPlaced(dir: Dir, change: FileChange): Promise<Ending> {
  const target = await readAt(dir, nameOf(change.path));
  const kept: Found = change.kept === null ? { kind: 'absent' } : await readAt(dir, change.kept);
  const late = kept.kind !== 'absent' && !holds(kept, change.before) ? bytesOf(kept) : null;
  if (!holds(target, change.after)) return targetChanged(late ?? bytesOf(target));
  return late ? { result: 'late-write', found: late } : DONE;
}
