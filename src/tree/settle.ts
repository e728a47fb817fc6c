import { rmdir } from 'node:fs/promises';
import type { FileChange } from '../core/batch.ts';
import { type Dir, openDir } from './dir.ts';
import { inodeOf, moveToFree, removeIfThere } from './entries.ts';
import { errnoOf, ioError } from './io-error.ts';
import { checkChanges, isOwnName } from './names.ts';
import { directoryOf, groupByDir, nameOf } from './paths.ts';
import { forEachLimited } from './pool.ts';
import { readAt } from './read.ts';
import { DIRECTORIES, FILES, type Tree } from './stage.ts';
import { holds } from './take-away.ts';

/**
 * Ends a batch whose outcomes are recorded: removes its kept inodes and temporary files, and directories its deletions
 * left empty, up to the root. May be run again.
 *
 * @throws {SyncError} `IO` naming what could not be removed; the rest is removed all the same
 */
export async function settle(tree: Tree, changes: readonly FileChange[]): Promise<void> {
  checkChanges(changes);
  await inEachDir(tree, changes, async (dir, change) => {
    if (change.temp !== null) await removeIfThere(dir, change.temp);
    if (change.kept !== null) await removeIfThere(dir, change.kept);
  });
  await removeEmpty(
    tree,
    changes.filter((change) => change.after === null).map((change) => directoryOf(change.path)),
  );
}

/**
 * Takes back a batch that never happened: removes what was staged and the directories that hold nothing else. A file found only
 * under its kept name gets its own name back. May be run again.
 *
 * @returns paths of kept files that are neither what the batch saw nor the target itself; they stay
 * @throws {SyncError} `IO` naming what could not be removed; the rest is removed all the same
 */
export async function discard(tree: Tree, changes: readonly FileChange[]): Promise<string[]> {
  checkChanges(changes);
  const left: string[] = [];
  await inEachDir(tree, changes, async (dir, change) => {
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
  await removeEmpty(
    tree,
    changes.map((change) => directoryOf(change.path)),
  );
  return left;
}

/**
 * Removes files of sync-run's own that a crash left behind, as named by a scan. Only for batches that are over: while one is
 * unfinished they may hold the only copy of a text.
 */
export async function removeLeftovers(tree: Tree, paths: readonly string[]): Promise<void> {
  const own = paths.filter((path) => isOwnName(nameOf(path)));
  await inEachDir(
    tree,
    own.map((path) => ({ path })),
    async (dir, { path }) => {
      await removeIfThere(dir, nameOf(path));
    },
  );
}

/** Runs `work` for everything, then makes each directory durable; throws the first failure at the end. */
async function inEachDir<T extends { path: string }>(
  tree: Tree,
  things: readonly T[],
  work: (dir: Dir, thing: T) => Promise<void>,
): Promise<void> {
  const failures: Error[] = [];
  await forEachLimited(
    groupByDir(things, (thing) => thing.path),
    DIRECTORIES,
    async ([relative, members]) => {
      let dir: Dir;
      try {
        dir = await openDir(tree.top, relative);
      } catch (error) {
        // Gone with all that was in it, or replaced: nothing of ours is there.
        if (!['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) failures.push(ioError('open', relative, error));
        return;
      }
      try {
        await forEachLimited(members, FILES, async (thing) => {
          await work(dir, thing).catch((error: unknown) => failures.push(ioError('clean up after', thing.path, error)));
        });
        await dir.sync();
      } catch (error) {
        failures.push(ioError('clean up', relative, error));
      } finally {
        await dir.close();
      }
    },
  );
  if (failures[0]) throw failures[0];
}

/** Removes these directories, and those above them below the root, where they are empty. */
async function removeEmpty({ top, root }: Tree, directories: readonly string[]): Promise<void> {
  const candidates = new Set<string>();
  for (const directory of directories) for (let at = directory; isInside(at, root); at = directoryOf(at)) candidates.add(at);
  const inner = [...candidates].sort((a, b) => b.split('/').length - a.split('/').length);
  for (const [parent, members] of groupByDir(inner, (path) => path)) {
    let dir: Dir;
    try {
      dir = await openDir(top, parent);
    } catch (error) {
      if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) continue;
      throw error;
    }
    try {
      let removed = 0;
      for (const path of members) if (await removeDirectory(dir, path)) removed++;
      if (removed > 0) await dir.sync();
    } finally {
      await dir.close();
    }
  }
}

/** Below the root; or, for paths of a root that was configured before, below their first directory. */
function isInside(directory: string, root: string): boolean {
  if (root === '' || root === '.') return directory !== '';
  if (directory === root || root.startsWith(`${directory}/`)) return false;
  return directory.startsWith(`${root}/`) || directory.includes('/');
}

async function removeDirectory(parent: Dir, path: string): Promise<boolean> {
  try {
    await rmdir(parent.path(nameOf(path)));
    return true;
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST', 'ENOENT', 'ENOTDIR', 'EBUSY'].includes(errnoOf(error) ?? '')) return false;
    throw ioError('remove', path, error);
  }
}
