import type { FileChange } from '../core/batch.ts';
import { type Digest, digest } from '../core/digest.ts';
import type { Dir } from './dir.ts';
import { isListed, moveToFree, removeIfThere } from './entries.ts';
import { errnoOf } from './io-error.ts';
import { DONE, type Ending, targetChanged } from './outcome.ts';
import { nameOf } from './paths.ts';
import { type Found, readAt } from './read-at.ts';

export function holds(found: Found, wanted: Digest | null): boolean {
  return found.kind === 'file' && digest(found.bytes) === wanted;
}

export function bytesOf(found: Found): Uint8Array | null {
  return found.kind === 'file' ? found.bytes : null;
}

/**
 * Deletes a file by renaming it to its kept name, so that whatever was there at that moment can be put back. Goes on from
 * wherever an earlier try ended.
 */
export async function takeAway(dir: Dir, change: FileChange): Promise<Ending> {
  const name = nameOf(change.path);
  const keptName = change.kept ?? '';
  const target = await readAt(dir, name);
  const kept = await readAt(dir, keptName);
  if (kept.kind !== 'absent') {
    if (!holds(kept, change.before)) return putBack(dir, keptName, name, bytesOf(kept));
    if (target.kind === 'absent' || !(await isListed(dir, name))) return DONE;
    if (!holds(target, change.before)) return targetChanged(bytesOf(target));
    // Two names of one inode: rename() would do nothing.
    await removeIfThere(dir, keptName);
  }
  if (target.kind === 'absent') return DONE;
  if (!holds(target, change.before)) return targetChanged(bytesOf(target));
  await dir.check();
  try {
    await dir.disk.rename(dir.path(name), dir.path(keptName));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return DONE;
    throw error;
  }
  const taken = await readAt(dir, keptName);
  return holds(taken, change.before) ? DONE : putBack(dir, keptName, name, bytesOf(taken));
}

/** Someone's content is under the kept name: gives it its own name again, unless that is taken by now. */
export async function putBack(dir: Dir, keptName: string, name: string, found: Uint8Array | null): Promise<Ending> {
  await moveToFree(dir, keptName, name);
  return targetChanged(found);
}

/** Looks again once names are durable: the file is gone, and nobody wrote to it after it was taken away. */
export async function confirmGone(dir: Dir, change: FileChange): Promise<Ending> {
  const name = nameOf(change.path);
  const kept = await readAt(dir, change.kept ?? '');
  if (kept.kind !== 'absent' && !holds(kept, change.before)) return putBack(dir, change.kept ?? '', name, bytesOf(kept));
  const target = await readAt(dir, name);
  if (target.kind === 'absent' || !(await isListed(dir, name))) return DONE;
  return targetChanged(bytesOf(target));
}
