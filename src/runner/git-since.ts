import type { FileChange } from '../core/batch.ts';
import { digest } from '../core/digest.ts';
import { operations } from '../git/busy.ts';
import { fingerprint } from '../git/fingerprint.ts';
import { isLock, waitForLocks } from '../git/locks.ts';
import { readBytes } from '../tree/read.ts';
import type { Context } from './context.ts';
import type { Request } from './request.ts';

/** What git did to HEAD or the index since a moment: nothing, something that is over, or something that it is at now. */
export type GitSince = () => Promise<'nothing' | 'moved' | 'at work'>;

/** For work that git itself waits for. */
export const gitWaits: GitSince = async () => 'nothing';

/** Waits for git, and watches it from then on. */
export async function watchGit(context: Context, request: Pick<Request, 'byGit' | 'dryRun' | 'lockTimeout'>): Promise<GitSince> {
  const { repository, gate } = context;
  if (request.byGit) return gitWaits;
  // Git may wait for a hook that waits for this very batch to end: never wait for git in a runner.
  if (gate) await gate.requireOpen();
  else if (!request.dryRun) await waitForLocks(repository, { timeoutMs: request.lockTimeout, signal: context.signal });
  const stayedOpen = gate?.mark() ?? (async () => true);
  // The gate of a runner that does not watch learns of git by looking only.
  const before = await fingerprint(repository);
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
  // A path can be left by one item and taken by another one.
  const wanted = new Map(
    placed.toSorted((a, b) => Number(a.after !== null) - Number(b.after !== null)).map(({ path, after }) => [path, after]),
  );
  const found = await readBytes(top, [...wanted.keys()]);
  return placed.filter(({ path }) => {
    const bytes = found.get(path);
    return (bytes ? digest(bytes) : null) !== wanted.get(path);
  });
}
