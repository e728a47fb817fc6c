import path from 'node:path';
import type { FileChange } from '../core/batch.ts';
import { openDir } from './dir.ts';
import { readFileSeen } from './read.ts';
import { executorOf, type Tree } from './tree.ts';

/**
 * Gives the old inode its name back after somebody wrote to it while it was being replaced: what was written late is then where its
 * writer left it, and the item is a conflict like any other. Not done where the target has changed once more; the kept text is in the
 * history all the same.
 */
export async function giveBack(tree: Tree, change: FileChange): Promise<void> {
  if (change.kept === null) return;
  const found = await readFileSeen(tree.top, change.path);
  if ((found?.seen.digest ?? null) !== change.after) return;
  const dir = await openDir(executorOf(tree).disk, tree.top, path.posix.dirname(change.path), { create: false });
  try {
    await dir.disk.rename(dir.path(change.kept), dir.path(path.posix.basename(change.path)));
    await dir.sync();
  } finally {
    await dir.close();
  }
}
