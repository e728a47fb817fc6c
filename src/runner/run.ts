import { SyncError } from '../core/errors.ts';
import type { Refusal } from '../core/match.ts';
import { waitForLocks } from '../git/locks.ts';
import { acquireLock } from '../state/lock.ts';
import { RetryError } from '../store/store.ts';
import { attempt, MovedItems, RefusedItems } from './attempt.ts';
import type { Context } from './context.ts';
import { recover } from './recovery.ts';
import type { Report } from './report.ts';
import type { Request } from './request.ts';
import { asTold, Unstable } from './unstable.ts';

const MAX_ATTEMPTS = 5;

/**
 * Runs one request as one batch: takes the lock, ends an unfinished batch first, plans, applies, verifies.
 * Applied twice, it does nothing the second time.
 *
 * @throws {SyncError} with the exit code of the design's table; a conflict or a refused item is no error but part of the report
 */
export async function run(context: Context, request: Request): Promise<Report> {
  const started = performance.now();
  const report = request.dryRun ? await attempts(context, request) : await withLock(context, request, () => runLocked(context, request));
  return { ...report, ms: Math.round(performance.now() - started) };
}

/** Waits for git's locks and for the one-runner lock, and holds the latter while `work` runs. */
export async function withLock<T>(
  context: Context,
  request: Pick<Request, 'command' | 'lockTimeout'> & { byGit?: boolean },
  work: () => Promise<T>,
): Promise<T> {
  const waiting = { timeoutMs: request.lockTimeout, signal: context.signal };
  if (!request.byGit) await (context.gate ? context.gate.requireOpen() : waitForLocks(context.repository, waiting));
  if (context.holdsLock) return work();
  const lock = await acquireLock(context.state.folder, { ...waiting, holder: { command: request.command } });
  try {
    return await work();
  } finally {
    await lock.release();
  }
}

/** The same, for whoever holds the lock already. */
async function runLocked(context: Context, request: Request): Promise<Report> {
  const recovered = await recover(context, request);
  const report = await attempts(context, request);
  if (recovered) {
    const what = recovered.outcome === 'finished' ? 'was finished' : 'had not been committed and was taken back';
    report.notices.unshift(`The unfinished batch ${recovered.batch.txid.slice(0, 8)} ${what}`);
  }
  return report;
}

/** Plans anew where something moved meanwhile, a few times. */
async function attempts(context: Context, request: Request): Promise<Report> {
  const refused = new Map<string, Refusal>();
  const moved = new Set<string>();
  const begun = performance.now();
  for (let tried = 1; ; tried++) {
    try {
      return await attempt(context, request, refused);
    } catch (error) {
      if (!(error instanceof Unstable || error instanceof RetryError || error instanceof RefusedItems)) throw error;
      // A deadlock is over at once, and is tried again however short the wait may be.
      const isTooLong = tried >= MAX_ATTEMPTS || (tried > 1 && performance.now() - begun > request.lockTimeout);
      if (error instanceof RetryError && isTooLong) throw asTold(error);
      if (error instanceof RefusedItems) for (const [id, refusal] of error.items) refused.set(id, refusal);
      if (error instanceof MovedItems) {
        // A row that counts its readers never stands still, and must not hold up the others.
        for (const id of error.items) if (moved.has(id)) refused.set(id, { code: 'MOVED', message: error.message });
        for (const id of error.items) moved.add(id);
      }
      if (tried >= MAX_ATTEMPTS) {
        throw new SyncError('UNSTABLE', `Gave up after ${MAX_ATTEMPTS} attempts; nothing was changed`, {
          hint: 'Run the command again',
          cause: error,
        });
      }
    }
  }
}
