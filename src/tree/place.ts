import type { FileChange } from '../core/batch.ts';
import type { SyncError } from '../core/errors.ts';
import { type Dir, openDir } from './dir.ts';
import { errnoOf, ioError } from './io-error.ts';
import { checkChanges } from './names.ts';
import { DONE, type Ending, type Outcome, targetChanged } from './outcome.ts';
import { groupByDir } from './paths.ts';
import { forEachLimited } from './pool.ts';
import { confirmPlaced, putInPlace } from './put-in-place.ts';
import { DIRECTORIES, FILES, type TextOf, type Tree } from './stage.ts';
import { confirmGone, takeAway } from './take-away.ts';

/**
 * Puts staged changes in place, each of them only if its target still is what the plan saw. One that is not, or fails, stops no
 * other. Old inodes stay under their kept names until `settle`. What is `done` is durable and was read back.
 *
 * Between the last look at a target and the rename that replaces it lie two system calls: another program's rename in just that
 * moment is not seen, since there is no rename that compares. Everything else someone writes is found and kept.
 *
 * @returns an outcome for every change, in their order
 * @throws {SyncError} `INTERNAL` for changes that must not be written at all
 */
export function place(tree: Tree, changes: readonly FileChange[]): Promise<Outcome[]> {
  return apply(tree, changes, null);
}

/**
 * Does what is left of a batch after a crash at any point, on files someone may have edited since. May be interrupted
 * anywhere and run again; what is done already is left as it is.
 *
 * @returns an outcome for every change, in their order
 */
export function rollForward(tree: Tree, changes: readonly FileChange[], textOf: TextOf): Promise<Outcome[]> {
  return apply(tree, changes, textOf);
}

async function apply(tree: Tree, changes: readonly FileChange[], textOf: TextOf | null): Promise<Outcome[]> {
  checkChanges(changes);
  const endings = new Map<FileChange, Ending>();
  const deletions = changes.filter((change) => change.after === null);
  const writes = changes.filter((change) => change.after !== null);
  // All names that go are free before the first one comes: swaps, and renames that only change case.
  await inEachDir(
    tree,
    deletions,
    endings,
    () => false,
    (dir, change) => takeAway(dir, change),
  );
  const mayCreate = (members: readonly FileChange[]): boolean => textOf !== null && members.some((change) => change.before === null);
  await inEachDir(tree, writes, endings, mayCreate, (dir, change) => putInPlace(dir, change, textOf));
  await confirm(tree, changes, endings);
  return changes.map((change) => ({ change, ...(endings.get(change) ?? DONE) }));
}

/** Makes the names in each directory durable, then looks at each change that went well once more. */
async function confirm(tree: Tree, changes: readonly FileChange[], endings: Map<FileChange, Ending>): Promise<void> {
  const unsynced = new Map<string, SyncError>();
  const synced = async (dir: Dir): Promise<void> => {
    try {
      await dir.sync();
    } catch (error) {
      unsynced.set(dir.relative, ioError('make durable', dir.relative, error));
    }
  };
  const look = async (dir: Dir, change: FileChange): Promise<Ending> => {
    const ending = endings.get(change) ?? DONE;
    const error = unsynced.get(dir.relative);
    if (error && ending.result !== 'failed') return { result: 'failed', found: ending.found, error };
    if (ending.result !== 'done') return ending;
    return change.after === null ? confirmGone(dir, change) : confirmPlaced(dir, change);
  };
  await inEachDir(tree, changes, endings, () => false, look, synced);
}

type Step = (dir: Dir, change: FileChange) => Promise<Ending>;

/** Runs a step for every change, directory by directory, and notes how it ended. */
async function inEachDir(
  tree: Tree,
  changes: readonly FileChange[],
  endings: Map<FileChange, Ending>,
  mayCreate: (members: readonly FileChange[]) => boolean,
  step: Step,
  first: (dir: Dir) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  await forEachLimited(
    groupByDir(changes, (change) => change.path),
    DIRECTORIES,
    async ([relative, members]) => {
      let dir: Dir;
      try {
        dir = await openDir(tree.top, relative, { create: mayCreate(members) });
      } catch (error) {
        for (const change of members) {
          const ending = endings.get(change);
          if (!ending || ending.result === 'done') endings.set(change, withoutDirectory(change, error, ending));
        }
        return;
      }
      try {
        await first(dir);
        await forEachLimited(members, FILES, async (change) => {
          endings.set(change, await step(dir, change).catch((error: unknown) => failed(change, error)));
        });
      } finally {
        await dir.close();
      }
    },
  );
}

function failed(change: FileChange, error: unknown): Ending {
  return { result: 'failed', found: null, error: ioError(change.after === null ? 'delete' : 'write', change.path, error) };
}

/** Someone removed or replaced the whole directory, before or after the change was made. */
function withoutDirectory(change: FileChange, error: unknown, sofar: Ending | undefined): Ending {
  if (errnoOf(error) === 'ENOENT') {
    if (change.after === null) return DONE;
    // A creation can be tried again from the texts of the intent.
    return change.before === null && !sofar ? failed(change, error) : targetChanged(null);
  }
  return errnoOf(error) === 'ENOTDIR' ? targetChanged(null) : failed(change, error);
}
