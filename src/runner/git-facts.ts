import { type ItemFacts, noFacts } from '../core/plan.ts';
import { changesBetween } from '../git/changes.ts';
import { commitExists, head, headPaths, trackedPaths, unmergedPaths } from '../git/queries.ts';
import type { Repository } from '../git/repository.ts';
import { visitedPaths } from '../git/visited.ts';

/** What git knows of the mapped paths at one moment. */
export interface GitFacts {
  head: string | null;
  /** New path to old path, for files renamed since the commit of the last batch. */
  renames: Map<string, string>;
  /** What the checked-out commit lacks, and the one of the last batch or one since then had. */
  goneWithCommit: ReadonlySet<string>;
  /** Whether the files below the root are just what the checked-out commit holds. */
  clean: boolean;
  of(path: string): Pick<ItemFacts, 'unmerged' | 'sparse' | 'removedFromIndex'>;
  /** The same facts, looking further back; for when files are gone. */
  lookBack(): Promise<GitFacts>;
}

/**
 * Asks git about the paths below `root`.
 *
 * @param lastHead the commit of the last batch; it may be gone from the repository
 * @param indexFile the index of a commit under way, in place of the repository's own
 */
export async function readGitFacts(
  repository: Repository,
  root: string,
  lastHead: string | null,
  indexFile: string | null = null,
): Promise<GitFacts> {
  const now = await head(repository);
  const last = lastHead && lastHead !== now && (await commitExists(repository, lastHead)) ? lastHead : now;
  const [tracked, unmerged, changes, inHead, inLast] = await Promise.all([
    trackedPaths(repository, root, indexFile === null ? {} : { indexFile }),
    unmergedPaths(repository, root),
    changesBetween(repository, last, root),
    now ? headPaths(repository, now, root) : new Map<string, string>(),
    last && last !== now ? headPaths(repository, last, root) : new Map<string, string>(),
  ]);
  const renames = new Map<string, string>();
  for (const { path, change, from } of changes) if (change === 'renamed' && from) renames.set(path, from);
  const facts = (once: ReadonlySet<string>): GitFacts => ({
    head: now,
    renames,
    clean: now !== null && last === now && changes.length === 0,
    goneWithCommit: new Set([...once].filter((path) => !inHead.has(path))),
    of: (path) => ({
      unmerged: unmerged.has(path),
      sparse: tracked.get(path)?.skipWorktree ?? false,
      removedFromIndex: !tracked.has(path) && (inHead.has(path) || once.has(path)),
    }),
    lookBack: async () => facts(new Set([...once, ...(await visitedPaths(repository, root, lastHead))])),
  });
  return facts(new Set(inLast.keys()));
}

/** Facts of an item before any run knows more. */
export function factsOf(git: GitFacts, path: string, more: Partial<ItemFacts> = {}): ItemFacts {
  return { ...noFacts, ...git.of(path), ...more };
}

