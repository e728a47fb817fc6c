import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { SyncError } from '../core/errors.ts';
import { isMissing } from './is-missing.ts';
import type { Repository } from './repository.ts';

export type Operation = 'index.lock' | 'HEAD.lock' | 'rebase' | 'am' | 'merge' | 'cherry-pick' | 'revert' | 'sequencer' | 'bisect';

export interface Busy {
  operation: Operation;
  /** The marker that shows it, absolute. */
  path: string;
}

const markers: readonly { operation: Operation; name: string; unless?: string }[] = [
  { operation: 'index.lock', name: 'index.lock' },
  { operation: 'HEAD.lock', name: 'HEAD.lock' },
  { operation: 'rebase', name: 'rebase-merge' },
  { operation: 'am', name: 'rebase-apply/applying' },
  { operation: 'rebase', name: 'rebase-apply', unless: 'am' },
  { operation: 'merge', name: 'MERGE_HEAD' },
  { operation: 'cherry-pick', name: 'CHERRY_PICK_HEAD' },
  { operation: 'revert', name: 'REVERT_HEAD' },
  { operation: 'sequencer', name: 'sequencer' },
  { operation: 'bisect', name: 'BISECT_LOG' },
];

/** Everything git has under way in this working tree, by the markers in its own git dir; locks first. */
export async function operations(repo: Pick<Repository, 'gitDir'>): Promise<Busy[]> {
  const found: Busy[] = [];
  for (const { operation, name, unless } of markers) {
    const path = join(repo.gitDir, name);
    if (!found.some((other) => other.operation === unless) && (await exists(path))) found.push({ operation, path });
  }
  return found;
}

/**
 * What keeps the gate closed, or null.
 * A bisect does not: between its steps the tree is as settled as after any checkout.
 *
 * @param options.ignore operations that do not count, for a hook that git itself waits for
 */
export async function busy(repo: Pick<Repository, 'gitDir'>, options: { ignore?: readonly Operation[] } = {}): Promise<Busy | null> {
  const { ignore = [] } = options;
  const all = await operations(repo);
  return all.find(({ operation }) => operation !== 'bisect' && !ignore.includes(operation)) ?? null;
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (cause) {
    if (isMissing(cause)) return false;
    throw new SyncError('IO', `Looking for "${path}" failed: ${(cause as Error).message}`, { cause });
  }
}
