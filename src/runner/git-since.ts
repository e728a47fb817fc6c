import type { FileChange } from '../core/batch.ts';
import { operations } from '../git/busy.ts';
import { fingerprint } from '../git/fingerprint.ts';
import { isLock, waitForLocks } from '../git/locks.ts';
import { readDigests } from '../tree/read.ts';
import type { Context } from './context.ts';
import { requireSameConfig } from './open-context.ts';
import type { Request } from './request.ts';

/** What git did to HEAD or the index since a moment: nothing, something that is over, or something that it is at now. */
export type GitSince = () => Promise<'nothing' | 'moved' | 'at work'>;

/** For work that git itself waits for. */
export const gitWaits: GitSince = async () => 'nothing';

/**
 * Waits for git where nothing of git waits for this, and watches it from then on.
 *
 * @throws {SyncError} `LOCKED` if git is at work for too long, `UNSTABLE` if the configuration is another one by then
 * @throws {GateClosed} in a runner, where git is at work
 */
export async function watchGit(context: Context, request: Pick<Request, 'byGit' | 'dryRun' | 'lockTimeout'>): Promise<GitSince> {
  const { repository, gate } = context;
  if (request.byGit) return gitWaits;
  // Git may wait for a hook that waits for this very batch to end: never wait for git in a runner.
  if (gate) await gate.requireOpen();
  else if (!request.dryRun) await waitForLocks(repository, { timeoutMs: request.lockTimeout, signal: context.signal });
  const stayedOpen = gate?.mark() ?? (async () => true);
  // The gate of a runner that does not watch learns of git by looking only.
  const before = await fingerprint(repository);
  await requireSameConfig(context);
  return async () => {
    if ((await operations(repository)).some(({ operation }) => isLock(operation))) return 'at work';
    return (await stayedOpen()) && (await fingerprint(repository)) === before ? 'nothing' : 'moved';
  };
}

/**
 * Of the changes that were put in place, those that base must not advance for (design §4, step 7). Git looks whether it may write over a
 * file some time before it does, so while it is at work it may be about to write over any of them; once it is over, it has.
 */
export async function touchedByGit(top: string, since: GitSince, placed: readonly FileChange[]): Promise<readonly FileChange[]> {
  if (placed.length === 0) return [];
  const git = await since();
  if (git === 'nothing') return [];
  if (git === 'at work') return placed;
  // A path that one item left can be one that another item took.
  const wanted = new Map(placed.flatMap(({ path, after }) => (after === null ? [] : [[path, after] as const])));
  const found = await readDigests(
    top,
    placed.map(({ path }) => path),
  );
  return placed.filter(({ path }) => found.get(path) !== wanted.get(path));
}
