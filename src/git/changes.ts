import type { ManifestEntry } from '../core/manifest.ts';
import { parseNameStatus } from './name-status.ts';
import { read, within, type Repository } from './repository.ts';
import { statusAndHead, type StatusEntry } from './status.ts';

const emptyTree = {
  sha1: '4b825dc642cb6eb9a060e54bf8d69288fbee4904',
  sha256: '6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321',
} as const;

/**
 * What differs below `root` between a commit and the work tree, untracked files and staged renames included.
 *
 * The two lists git gives are laid over each other: the difference from the commit, and the status against HEAD. So a path
 * can be named that ends up equal to the commit; no changed path that git sees is left out. Ignored files are not seen.
 *
 * @param from the commit; null for none, then every file is `added`
 * @param now the status, where it is known already
 */
export async function changesBetween(
  repo: Repository,
  from: string | null,
  root: string,
  now?: { head: string | null; entries: StatusEntry[] },
): Promise<ManifestEntry[]> {
  const status = now ?? (await statusAndHead(repo, root));
  const sameCommit = status.head === from;
  // Against HEAD the status says all there is.
  const differing = sameCommit && from !== null ? [] : await differences(repo, from, root);
  const entries = new Map(differing.map((entry) => [entry.path, entry]));
  for (const entry of status.entries.flatMap(statusEntries)) {
    // A staged rename says more than the deletion and the addition that are left once the new file was edited a lot,
    // but only as long as "before" is the same commit for both lists.
    const sharper = sameCommit && entry.change === 'renamed' && entries.get(entry.path)?.change !== 'renamed';
    if (sharper && entry.from !== undefined) entries.delete(entry.from);
    const known = entries.get(entry.path);
    if (sharper || !known) entries.set(entry.path, known || sameCommit ? entry : withoutOrigin(entry));
    else if (known.change === 'deleted' && entry.change === 'added') entries.set(entry.path, { path: entry.path, change: 'changed' });
  }
  return [...entries.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

async function differences(repo: Repository, from: string | null, root: string): Promise<ManifestEntry[]> {
  const options = ['--name-status', '-z', '--find-renames', '--no-ext-diff', '--no-textconv', '--ignore-submodules=all'];
  const { stdout } = await read(repo, ['diff', ...options, from ?? emptyTree[repo.objectFormat], ...within(root)]);
  return parseNameStatus(stdout);
}

/** In the order in which they hold: a path deleted from the index and there again untracked is there. */
function statusEntries({ path, index, worktree, from }: StatusEntry): ManifestEntry[] {
  if (worktree === 'D' || (index === 'D' && worktree === '.')) {
    const gone: ManifestEntry = { path, change: 'deleted' };
    return index === 'R' && from !== null ? [gone, { path: from, change: 'deleted' }] : [gone];
  }
  if (from !== null && (index === 'R' || worktree === 'R')) return [{ path, change: 'renamed', from }];
  return [{ path, change: index === '?' || index === 'A' || worktree === 'A' || index === 'C' ? 'added' : 'changed' }];
}

/** Against another commit than HEAD a rename since HEAD is only a change at that path; its origin is listed by the difference. */
function withoutOrigin(entry: ManifestEntry): ManifestEntry {
  return entry.change === 'renamed' ? { path: entry.path, change: 'changed' } : entry;
}
