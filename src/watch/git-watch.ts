import type { Clock } from './clock.ts';
import { watchNames } from './names.ts';
import type { Watching } from './names.ts';

/** What exists in the tree's own git dir while git is busy (design §5). */
export const busyMarkers = [
  'index.lock',
  'HEAD.lock',
  'rebase-merge',
  'rebase-apply',
  'MERGE_HEAD',
  'CHERRY_PICK_HEAD',
  'REVERT_HEAD',
  'sequencer',
] as const;

// HEAD moves after index.lock is gone (checkout, merge, reset), so both names prolong the quiet time.
const names: ReadonlySet<string> = new Set([...busyMarkers, 'HEAD', 'index']);

export interface GitWatchOptions {
  /** The git dir of this working tree: for a linked one `.git/worktrees/<name>`. */
  gitDir: string;
  clock: Clock;
  onChange(): void;
  onWarning(message: string): void;
}

/** Tells whenever git may have begun or ended something in this working tree. */
export function watchGitDir({ gitDir, clock, onChange, onWarning }: GitWatchOptions): Watching {
  return watchNames({ folder: gitDir, names, clock, onChange: () => onChange(), onWarning });
}
