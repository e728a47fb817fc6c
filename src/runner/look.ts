import { operations } from '../git/busy.ts';
import { fingerprint } from '../git/fingerprint.ts';
import { isLock, waitForLocks } from '../git/locks.ts';
import type { Context } from './context.ts';
import { takeNarrowSnapshot } from './narrow-snapshot.ts';
import type { Request } from './request.ts';
import { type Snapshot, takeSnapshot } from './snapshot.ts';

/** Above this many paths a look at everything is about as quick. */
const NARROW_MAX = 50;

/** Saved files, and those of a commit, are looked at by themselves; everything else needs a look at everything. */
export async function look(context: Context, request: Request): Promise<Snapshot> {
  const few = request.source !== 'cli' && request.paths !== null && request.paths.length <= NARROW_MAX;
  const narrow = few && request.paths ? await takeNarrowSnapshot(context, request.paths) : null;
  return narrow ?? takeSnapshot(context, request.indexFile);
}

/** Whether git moved HEAD or the index since this call, or is at it now. Under a hook git waits for us. */
export async function watchGit(context: Context, request: Request): Promise<() => Promise<boolean>> {
  const { repository } = context;
  if (request.byGit) return async () => true;
  if (context.gate) {
    // Git may wait for a hook that waits for this very batch to end: never wait for git here.
    await context.gate.requireOpen();
    const stayedOpen = context.gate.mark();
    // The gate of a runner that does not watch learns of git by looking only.
    const before = await fingerprint(repository);
    return async () => (await stayedOpen()) && (await fingerprint(repository)) === before;
  }
  if (!request.dryRun) await waitForLocks(repository, { timeoutMs: request.lockTimeout, signal: context.signal });
  const before = await fingerprint(repository);
  return async () => {
    const locks = (await operations(repository)).some(({ operation }) => isLock(operation));
    return !locks && (await fingerprint(repository)) === before;
  };
}
