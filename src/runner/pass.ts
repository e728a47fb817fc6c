import type { Operation } from '../git/busy.ts';
import type { Manifest } from '../core/manifest.ts';

/** Under what the work of somebody proceeds although the gate is closed (design §5). */
export interface Pass {
  /** Git's operations that do not count. */
  ignores: readonly Operation[];
  /** Whether the quiet time after git's work counts. */
  quiet: boolean;
  /** Whether leases and the durable pause count. */
  pauses: boolean;
  /** Whether git itself waits for the bearer, so that signs of git's life are the echo of that very command. */
  byGit: boolean;
}

const stopped: readonly Operation[] = ['rebase', 'am', 'merge', 'cherry-pick', 'revert', 'sequencer'];

/** Nothing is passed: the watcher, and catch-up. */
export const livePass: Pass = { ignores: [], quiet: true, pauses: true, byGit: false };

/** A typed command waits for locks only; what is unmerged it skips by name. */
export const typedPass: Pass = { ignores: stopped, quiet: false, pauses: false, byGit: false };

// Git waits for its hook: each passes the operation it is part of or ends.
const hooks: Readonly<Record<string, Pass>> = {
  // `commit -a` and `commit <path>` hold index.lock while the hook runs. Under a pause it checks without writing.
  'pre-commit': { ignores: ['index.lock', ...stopped], quiet: false, pauses: false, byGit: true },
  'post-checkout': { ignores: [], quiet: false, pauses: true, byGit: true },
  // Runs before MERGE_HEAD is removed (builtin/merge.c finish).
  'post-merge': { ignores: ['merge'], quiet: false, pauses: true, byGit: true },
  // Runs before the folder of the rebase is removed (sequencer.c).
  'post-rewrite': { ignores: ['rebase', 'am'], quiet: false, pauses: true, byGit: true },
};

export function passOf({ source, hook }: Pick<Manifest, 'source' | 'hook'>): Pass {
  if (source === 'hook') return hooks[hook ?? ''] ?? livePass;
  return source === 'watcher' ? livePass : typedPass;
}
