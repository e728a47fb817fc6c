import { SyncError } from '../core/errors.ts';
import { connectRunner } from './client.ts';
import type { ClientOptions, RunnerConnection } from './client.ts';
import { PROTOCOL } from './protocol.ts';

/**
 * The runner to hand work to, or null if the caller should take the lock itself. An older runner is asked to finish
 * and leave first.
 *
 * @param options.patience milliseconds an older runner has for that
 * @throws {SyncError} `LOCKED` if it takes longer, or if the runner is newer and speaks another protocol
 */
export async function reachRunner(options: ClientOptions & { patience?: number }): Promise<RunnerConnection | null> {
  const runner = await connectRunner(options);
  if (runner === null) return null;
  const { patience = 30_000, version } = options;
  if (runner.protocol <= PROTOCOL && isOlder(runner.version, version)) {
    await leave(runner, patience, `version ${version} takes over`);
    return null;
  }
  if (runner.protocol === PROTOCOL) return runner;
  if (runner.protocol < PROTOCOL) {
    await leave(runner, patience, `protocol ${PROTOCOL} takes over`);
    return null;
  }
  runner.close();
  throw new SyncError('LOCKED', `A newer runner (version ${runner.version}, process ${runner.pid}) serves this working tree`, {
    hint: 'Use that version of sync-run here, or end the runner',
  });
}

async function leave(runner: RunnerConnection, patience: number, why: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => (timer = setTimeout(resolve, patience, 'late')));
  try {
    if ((await Promise.race([runner.stop(why), late])) !== 'late') return;
    throw new SyncError(
      'LOCKED',
      `The older runner (version ${runner.version}, process ${runner.pid}) has not left after ${patience / 1000} s`,
      {
        hint: 'Wait for its batch to end, or end the process',
      },
    );
  } finally {
    clearTimeout(timer);
    runner.close();
  }
}

/** Compares `major.minor.patch`; of two that are equal so far the one with a suffix (`1.0.0-beta`) is older. */
export function isOlder(one: string, other: string): boolean {
  const [a, b] = [parts(one), parts(other)];
  for (let n = 0; n < 3; n += 1) {
    const difference = (a.numbers[n] ?? 0) - (b.numbers[n] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  if (a.suffix === b.suffix) return false;
  if (a.suffix === '' || b.suffix === '') return a.suffix !== '';
  return a.suffix.localeCompare(b.suffix, 'en', { numeric: true }) < 0;
}

function parts(version: string): { numbers: number[]; suffix: string } {
  const [, core = '', suffix = ''] = /^([\d.]*)-?([^+]*)/.exec(version) ?? [];
  return { numbers: core.split('.').map(Number), suffix };
}
