import type { Disk } from '../../src/tree/disk.ts';
import { asyncDisk } from '../../src/tree/disk-async.ts';
import { type Executor, inline } from '../../src/tree/executor.ts';

/** Whatever else fails, files are closed. */
type Name = Exclude<keyof Disk, 'close'>;

export interface Call {
  /** Counted from 0. */
  index: number;
  name: Name;
}

/**
 * Runs `work` on the real file system, except that calls `fails` picks fail with that code instead of being made. To fail
 * every call from one on is what a crash there leaves on the disk.
 *
 * @param disk the calls that are made otherwise
 * @returns what `work` returned or threw, and how many calls it made
 */
export async function onFailingDisk<T>(
  fails: (call: Call) => string | null,
  work: (executor: Executor) => Promise<T>,
  disk: Disk = asyncDisk,
): Promise<{ result: T | null; error: unknown; calls: number }> {
  let calls = 0;
  const guarded =
    (name: string, real: (...args: unknown[]) => unknown) =>
    (...args: unknown[]) => {
      const code = fails({ index: calls++, name: name as Name });
      if (code !== null) throw Object.assign(new Error(`${code}: injected into ${name}`), { code });
      return real(...args);
    };
  const failing = Object.fromEntries(Object.entries(disk).map(([name, real]) => [name, name === 'close' ? real : guarded(name, real)]));
  try {
    return { result: await work(inline(failing as unknown as Disk)), error: null, calls };
  } catch (error) {
    return { result: null, error, calls };
  }
}
