import { lstat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { ManifestEntry } from '../core/manifest.ts';
import { isMissing } from './is-missing.ts';
import type { Repository } from './repository.ts';
import { parseStatus, type StatusEntry, trackedStatus } from './status.ts';

export interface StagedOptions {
  /** `GIT_INDEX_FILE` as the hook got it, absolute or from the top; without it the repository's own index. */
  indexFile?: string | undefined;
  /** What git says already, if somebody asked it just now. */
  known?: KnownStatus | null;
}

/** The output of `git status` as `trackedArgs` ask for it, narrowed to a folder from the top of the tree. */
export interface KnownStatus {
  root: string;
  output: string;
}

/** What a commit is about to take. */
export interface Staged {
  /** What the index changes against HEAD. */
  entries: ManifestEntry[];
  /** Paths where the commit will hold something else than the work tree: staged, and changed again since. */
  partly: Set<string>;
}

/** What the index that is about to be committed changes below `root`, by one look. */
export async function readStaged(repo: Repository, root: string, options: StagedOptions = {}): Promise<Staged> {
  const { known } = options;
  const all = known?.root === root ? parseStatus(known.output) : await trackedStatus(repo, root, index(repo, options));
  const staged = all.filter((entry) => entry.index !== '?' && entry.index !== '.');
  const partly = await Promise.all(
    staged.map(async ({ path, index: change, worktree }) => worktree !== '.' || (change === 'D' && (await isThere(join(repo.top, path))))),
  );
  return { entries: staged.map(entryOf), partly: new Set(staged.filter((_, n) => partly[n]).map(({ path }) => path)) };
}

/** A file that is kept while its deletion is staged. One that cannot be looked at counts as kept. */
async function isThere(path: string): Promise<boolean> {
  try {
    return !(await lstat(path)).isDirectory();
  } catch (error) {
    return !isMissing(error);
  }
}

function entryOf({ path, index: change, from }: StatusEntry): ManifestEntry {
  if (change === 'R' && from !== null) return { path, change: 'renamed', from };
  return { path, change: change === 'A' || change === 'C' ? 'added' : change === 'D' ? 'deleted' : 'changed' };
}

/** Git hands hooks `.git/index` from the top, or an absolute lock file during `commit -a` and `commit <path>`. */
function index(repo: Repository, { indexFile }: StagedOptions): { indexFile?: string } {
  return indexFile === undefined ? {} : { indexFile: resolve(repo.top, indexFile) };
}
