import type { FileChange } from '../core/batch.ts';
import { inline, type Lanes, shares } from './executor.ts';
import { errnoOf, ioError } from './io-error.ts';
import { checkChanges } from './names.ts';
import { DONE, type Ending, type Outcome, targetChanged } from './outcome.ts';
import { groupByDir } from './paths.ts';
import { failed, type Placed, type PlaceShare } from './place-share.ts';
import { forEachLimited } from './pool.ts';
import { executorOf, type TextOf, type Tree } from './tree.ts';

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
  const executor = executorOf(tree);
  // `textOf` asks the state, which is here.
  const lanes = (textOf ? inline(executor.disk) : executor).lanes(changes.length);
  const endings = new Map<FileChange, Ending>();
  const deletions = changes.filter((change) => change.after === null);
  const writes = changes.filter((change) => change.after !== null);
  const inEachDir = (members: readonly FileChange[], step: (share: PlaceShare) => Promise<void>): Promise<void> =>
    forEachLimited(shares(groupByDir(members, (change) => change.path)), lanes.count, ([relative, own]) =>
      step({ top: tree.top, relative, changes: own }),
    );
  // All names that go are free before the first one comes: swaps, and renames that only change case.
  await inEachDir(deletions, async (share) => note(endings, share.changes, await lanes.run('takeAway', share)));
  await inEachDir(writes, async (share) => {
    const create = textOf !== null && share.changes.some((change) => change.before === null);
    note(endings, share.changes, await lanes.run('putInPlace', { ...share, textOf, create }));
  });
  await inEachDir(changes, (share) => confirm(lanes, share, endings));
  return changes.map((change) => ({ change, ...(endings.get(change) ?? DONE) }));
}

/** Also a directory where nothing went well is made durable: what failed is tried again on top of what is there. */
async function confirm(lanes: Lanes, share: PlaceShare, endings: Map<FileChange, Ending>): Promise<void> {
  const done = share.changes.filter((change) => endings.get(change)?.result === 'done');
  const placed = await lanes.run('confirm', { ...share, changes: done });
  if (placed.unsynced) {
    for (const change of share.changes) {
      const ending = endings.get(change);
      if (ending?.result === 'failed') continue;
      endings.set(change, {
        result: 'failed',
        found: ending?.found ?? null,
        error: ioError('make durable', share.relative, placed.unsynced),
      });
    }
  } else note(endings, done, placed);
}

function note(endings: Map<FileChange, Ending>, changes: readonly FileChange[], { unopened, endings: found }: Placed): void {
  for (const [index, change] of changes.entries()) {
    const ending = unopened ? withoutDirectory(change, unopened, endings.get(change)) : found[index];
    if (ending) endings.set(change, ending);
  }
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
