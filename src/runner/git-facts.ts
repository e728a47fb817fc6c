import { type ItemFacts, noFacts } from '../core/plan.ts';
import { changesBetween } from '../git/changes.ts';
import { commitExists, headPaths, trackedPaths } from '../git/queries.ts';
import type { Repository } from '../git/repository.ts';
import { isUnmerged, statusAndHead } from '../git/status.ts';
import { headLogSize, visitedPaths } from '../git/visited.ts';

/** What git knows of the mapped paths at one moment. */
export interface GitFacts {
  head: string | null;
  /** Bytes of HEAD's log before anything was looked at. */
  headLog: number;
  /** New path to old path, for files renamed since the commit of the last batch. */
  renames: ReadonlyMap<string, string>;
  /** Whether the files below the root are just what the checked-out commit holds. */
  clean: boolean;
  /** Paths that a merge left with a conflict. */
  unmerged: ReadonlySet<string>;
}

/** What git knows of paths whose files are gone. */
export interface AbsentFacts {
  /** What the checked-out commit lacks, and the one of the last batch or one since then had. */
  goneWithCommit: ReadonlySet<string>;
  of(path: string): Pick<ItemFacts, 'sparse' | 'removedFromIndex'>;
}

export const nothingAbsent: AbsentFacts = { goneWithCommit: new Set(), of: () => ({ sparse: false, removedFromIndex: false }) };

/**
 * Asks git about the files below `root`; one child process where the commit is still that of the last batch.
 *
 * @param lastHead the commit of the last batch; it may be gone from the repository
 */
export async function readGitFacts(repository: Repository, root: string, lastHead: string | null): Promise<GitFacts> {
  const headLog = await headLogSize(repository);
  const status = await statusAndHead(repository, root);
  const { head } = status;
  const last = lastHead !== null && lastHead !== head && (await commitExists(repository, lastHead)) ? lastHead : head;
  const changes = await changesBetween(repository, last, root, status);
  return {
    head,
    headLog,
    renames: new Map(changes.flatMap(({ path, change, from }) => (change === 'renamed' && from !== undefined ? [[path, from]] : []))),
    clean: head !== null && last === head && changes.length === 0,
    unmerged: new Set(status.entries.filter(isUnmerged).map(({ path }) => path)),
  };
}

/**
 * Asks git why files are gone: by a sparse checkout, by git itself, or by nobody knows whom.
 *
 * @param since.headLog bytes of HEAD's log at the last batch
 * @param since.lastHead the commit of the last batch
 * @param indexFile the index of a commit under way, in place of the repository's own
 */
export async function readAbsentFacts(
  repository: Repository,
  root: string,
  { head, since, indexFile }: { head: string | null; since: { headLog: number; lastHead: string | null }; indexFile: string | null },
): Promise<AbsentFacts> {
  const pathsIn = async (commit: string | null): Promise<ReadonlyMap<string, string>> =>
    commit !== null && (await commitExists(repository, commit)) ? headPaths(repository, commit, root) : new Map();
  const [tracked, inHead, inLast, passed] = await Promise.all([
    trackedPaths(repository, root, indexFile === null ? {} : { indexFile }),
    pathsIn(head),
    pathsIn(since.lastHead),
    visitedPaths(repository, root, since.headLog),
  ]);
  const visited = new Set([...inLast.keys(), ...passed]);
  return {
    goneWithCommit: new Set([...visited].filter((path) => !inHead.has(path))),
    of: (path) => ({
      sparse: tracked.get(path)?.skipWorktree ?? false,
      removedFromIndex: !tracked.has(path) && (inHead.has(path) || visited.has(path)),
    }),
  };
}

/** Facts of an item before the state adds what it knows. */
export function factsOf(git: GitFacts, absent: AbsentFacts, path: string): ItemFacts {
  return { ...noFacts, ...absent.of(path), unmerged: git.unmerged.has(path) };
}
