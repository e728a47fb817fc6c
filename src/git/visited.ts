import { headPaths } from './queries.ts';
import { read, type Repository } from './repository.ts';

/** A rebase visits many commits; older ones than these hardly tell anything that the newer ones do not. */
const MAX_COMMITS = 100;

/**
 * Paths below `root` that some commit held which was checked out since `lastHead`, by the reflog of HEAD: what is no longer in the index,
 * but here, git took away. Empty where there is no reflog.
 *
 * @param lastHead the commit at the time of the last batch; null looks as far back as the limit
 */
export async function visitedPaths(repo: Repository, root: string, lastHead: string | null): Promise<Set<string>> {
  const args = ['log', '--walk-reflogs', `--max-count=${MAX_COMMITS}`, '--format=%H', 'HEAD'];
  const { code, stdout } = await read(repo, args, { answers: [128] });
  const commits = new Set<string>();
  for (const commit of code === 0 ? stdout.split('\n').filter(Boolean) : []) {
    commits.add(commit);
    if (commit === lastHead) break;
  }
  const paths = new Set<string>();
  for (const commit of commits) for (const path of (await headPaths(repo, commit, root)).keys()) paths.add(path);
  return paths;
}
