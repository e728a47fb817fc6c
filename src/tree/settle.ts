import type { FileChange } from '../core/batch.ts';
import { type Dir, openDir } from './dir.ts';
import { shares } from './executor.ts';
import { errnoOf, ioError } from './io-error.ts';
import { checkChanges, isOwnName } from './names.ts';
import { directoryOf, groupByDir, nameOf } from './paths.ts';
import { forEachLimited } from './pool.ts';
import { executorOf, type Tree } from './tree.ts';

/**
 * Ends a batch whose outcomes are recorded: removes its kept inodes and temporary files, and directories its deletions
 * left empty, up to the root. May be run again.
 *
 * @throws {SyncError} `IO` naming what could not be removed; the rest is removed all the same
 */
export async function settle(tree: Tree, changes: readonly FileChange[]): Promise<void> {
  checkChanges(changes);
  await clear(tree, changes, ({ temp, kept }) => [temp, kept].filter((name) => name !== null));
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
  const lanes = executorOf(tree).lanes(changes.length);
  const failures: Error[] = [];
  await forEachLimited(shares(groupByDir(changes, (change) => change.path)), lanes.count, async ([relative, members]) => {
    const discarded = await lanes.run('discard', { top: tree.top, relative, changes: members });
    left.push(...discarded.left);
    failures.push(...discarded.failures);
  });
  if (failures[0]) throw failures[0];
  await removeEmpty(
    tree,
    changes.map((change) => directoryOf(change.path)),
  );
  return left;
}

/**
 * Removes files of sync-run's own that a crash left behind, as named by a scan, and directories that hold nothing else. Only for batches that are over: while one is
 * unfinished they may hold the only copy of a text.
 */
export async function removeLeftovers(tree: Tree, paths: readonly string[]): Promise<void> {
  const own = paths.filter((path) => isOwnName(nameOf(path))).map((path) => ({ path }));
  await clear(tree, own, ({ path }) => [nameOf(path)]);
  await removeEmpty(
    tree,
    own.map(({ path }) => directoryOf(path)),
  );
}

/** Removes names beside paths; throws the first failure at the end. */
async function clear<T extends { path: string }>(tree: Tree, things: readonly T[], namesOf: (thing: T) => string[]): Promise<void> {
  const lanes = executorOf(tree).lanes(things.length);
  const failures: Error[] = [];
  await forEachLimited(shares(groupByDir(things, ({ path }) => path)), lanes.count, async ([relative, members]) => {
    const items = members.map((thing) => ({ path: thing.path, names: namesOf(thing) }));
    failures.push(...(await lanes.run('clear', { top: tree.top, relative, items })));
  });
  if (failures[0]) throw failures[0];
}

/** Removes these directories, and those above them below the root, where they are empty. */
async function removeEmpty(tree: Tree, directories: readonly string[]): Promise<void> {
  const { top, root } = tree;
  const { disk } = executorOf(tree);
  const candidates = new Set<string>();
  for (const directory of directories) for (let at = directory; isInside(at, root); at = directoryOf(at)) candidates.add(at);
  const inner = [...candidates].sort((a, b) => b.split('/').length - a.split('/').length);
  for (const [parent, members] of groupByDir(inner, (path) => path)) {
    let dir: Dir;
    try {
      dir = await openDir(disk, top, parent);
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
    await parent.disk.rmdir(parent.path(nameOf(path)));
    return true;
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST', 'ENOENT', 'ENOTDIR', 'EBUSY'].includes(errnoOf(error) ?? '')) return false;
    throw ioError('remove', path, error);
  }
}
