import { type FSWatcher, watch } from 'node:fs';
import { SyncError } from '../core/errors.ts';
import { operations, type Busy, type Operation } from './busy.ts';
import type { Repository } from './repository.ts';

/** A net for file systems that lose or lack notifications, in milliseconds. */
const LOOK_AGAIN = 250;

/**
 * Waits until neither `index.lock` nor `HEAD.lock` is there, woken by changes in the git dir.
 *
 * @param options.timeoutMs in milliseconds; 0 looks once
 * @throws {SyncError} `LOCKED` when the time is over; the signal's reason when it is aborted
 */
export async function waitForLocks(
  repo: Pick<Repository, 'gitDir'>,
  options: { timeoutMs: number; signal?: AbortSignal | undefined },
): Promise<void> {
  const { timeoutMs, signal } = options;
  signal?.throwIfAborted();
  if (!(await heldLock(repo))) return;

  const deadline = performance.now() + timeoutMs;
  let wake = () => {};
  const look = () => wake();
  const watcher = watched(repo.gitDir, look);
  const interval = setInterval(look, LOOK_AGAIN);
  const timeout = setTimeout(look, timeoutMs);
  signal?.addEventListener('abort', look);
  try {
    for (;;) {
      // Armed before the look, so that a change between the look and the wait is not lost.
      const changed = new Promise<void>((resolve) => (wake = resolve));
      const lock = await heldLock(repo);
      if (!lock) return;
      signal?.throwIfAborted();
      if (performance.now() >= deadline) throw stillLocked(lock, timeoutMs);
      await changed;
    }
  } finally {
    signal?.removeEventListener('abort', look);
    clearTimeout(timeout);
    clearInterval(interval);
    watcher?.close();
  }
}

/** Null where the system has no watches left: then the look every so often has to do. */
function watched(folder: string, look: () => void): FSWatcher | null {
  try {
    return watch(folder, look).on('error', look);
  } catch {
    return null;
  }
}

/** Whether it is one that a single git command holds while it writes. */
export function isLock(operation: Operation): boolean {
  return operation === 'index.lock' || operation === 'HEAD.lock';
}

async function heldLock(repo: Pick<Repository, 'gitDir'>): Promise<Busy | null> {
  const found = await operations(repo);
  return found.find(({ operation }) => isLock(operation)) ?? null;
}

function stillLocked(lock: Busy, timeoutMs: number): SyncError {
  return new SyncError('LOCKED', `Git still holds "${lock.path}" after ${timeoutMs / 1000} s`, {
    hint: 'Wait for the other git command and try again; if there is none, a crashed one left the file: remove it',
  });
}
