import { resolve } from 'node:path';
import type { ManifestEntry } from '../core/manifest.ts';
import { parseNameStatus } from './name-status.ts';
import { read, within, type Repository } from './repository.ts';
import { status } from './status.ts';

export interface StagedOptions {
  /** `GIT_INDEX_FILE` as the hook got it, absolute or from the top; without it the repository's own index. */
  indexFile?: string | undefined;
}

/** What the index that is about to be committed changes against HEAD below `root`. */
export async function stagedPaths(repo: Repository, root: string, options: StagedOptions = {}): Promise<ManifestEntry[]> {
  const args = ['diff', '--cached', '--name-status', '-z', '--find-renames', '--no-ext-diff', '--no-textconv', '--ignore-submodules=all'];
  const { stdout } = await read(repo, [...args, ...within(root)], index(repo, options));
  return parseNameStatus(stdout);
}

/** Paths below `root` where the commit will hold something else than the work tree: staged, and changed again since. */
export async function partlyStaged(repo: Repository, root: string, options: StagedOptions = {}): Promise<Set<string>> {
  const entries = await status(repo, root, index(repo, options));
  const untracked = new Set(entries.filter((entry) => entry.index === '?').map((entry) => entry.path));
  const partly = entries.filter(({ path, index: staged, worktree }) => {
    if (staged === '?' || staged === '.') return false;
    return worktree !== '.' || (staged === 'D' && untracked.has(path));
  });
  return new Set(partly.map((entry) => entry.path));
}

/** Git hands hooks `.git/index` from the top, or an absolute lock file during `commit -a` and `commit <path>`. */
function index(repo: Repository, { indexFile }: StagedOptions): { indexFile?: string } {
  return indexFile === undefined ? {} : { indexFile: resolve(repo.top, indexFile) };
}
