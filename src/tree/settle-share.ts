import type { FileChange } from '../core/batch.ts';
import { type Dir, openDir } from './dir.ts';
import type { Disk } from './disk.ts';
import { inodeOf, moveToFree, removeIfThere } from './entries.ts';
import { errnoOf, ioError } from './io-error.ts';
import { nameOf } from './paths.ts';
import { FILES, forEachLimited } from './pool.ts';
import { readAt } from './read-at.ts';
import { holds } from './take-away.ts';

/** Names to remove in one directory, with the paths they belong to. */
export interface ClearShare {
  top: string;
  relative: string;
  items: { path: string; names: string[] }[];
}

/** Removes what is there; returns what failed. */
export function clearShare(disk: Disk, { top, relative, items }: ClearShare): Promise<Error[]> {
  return inDir(disk, top, relative, items, async (dir, { names }) => {
    for (const name of names) await removeIfThere(dir, name);
  });
}

export interface DiscardShare {
  top: string;
  relative: string;
  changes: FileChange[];
}

/** See `discard`. */
export async function discardShare(disk: Disk, { top, relative, changes }: DiscardShare): Promise<{ left: string[]; failures: Error[] }> {
  const left: string[] = [];
  const failures = await inDir(disk, top, relative, changes, async (dir, change) => {
    if (change.temp !== null) await removeIfThere(dir, change.temp);
    if (change.kept === null) return;
    const name = nameOf(change.path);
    const inode = await inodeOf(dir, change.kept);
    if (inode === null) return;
    if (inode !== (await inodeOf(dir, name))) {
      if (await moveToFree(dir, change.kept, name)) return;
      if (!holds(await readAt(dir, change.kept), change.before)) {
        left.push(`${dir.relative === '' ? '' : `${dir.relative}/`}${change.kept}`);
        return;
      }
    }
    await removeIfThere(dir, change.kept);
  });
  return { left, failures };
}

/** Runs `work` for everything, then makes the directory durable. */
async function inDir<T extends { path: string }>(
  disk: Disk,
  top: string,
  relative: string,
  things: readonly T[],
  work: (dir: Dir, thing: T) => Promise<void>,
): Promise<Error[]> {
  const failures: Error[] = [];
  let dir: Dir;
  try {
    dir = await openDir(disk, top, relative);
  } catch (error) {
    // Gone with all that was in it, or replaced: nothing of ours is there.
    return ['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '') ? [] : [ioError('open', relative, error)];
  }
  try {
    await forEachLimited(things, FILES, async (thing) => {
      await work(dir, thing).catch((error: unknown) => failures.push(ioError('clean up after', thing.path, error)));
    });
    await dir.sync();
  } catch (error) {
    failures.push(ioError('clean up', relative, error));
  } finally {
    await dir.close();
  }
  return failures;
}
