import { read, within, type Repository } from './repository.ts';

/** One record of `git status`. Letters as git has them: `.` same, `M`, `T`, `A`, `D`, `R`, `C`, `U`; `?` untracked. */
export interface StatusEntry {
  path: string;
  /** The index against HEAD. */
  index: string;
  /** The work tree against the index. */
  worktree: string;
  /** The path before, where one side is a rename or copy. */
  from: string | null;
}

const asked = ['status', '--porcelain=v2', '--branch', '--no-ahead-behind', '-z', '--find-renames', '--ignore-submodules=all'] as const;

/** How git is asked for what is tracked; the stub of the hooks does the same (hooks/stub.sh). */
export const trackedArgs = [...asked, '--untracked-files=no'] as const;

/**
 * What is staged and unstaged below `root`.
 *
 * @param options.indexFile the index to compare with, absolute, in place of the repository's own
 */
export async function trackedStatus(repo: Repository, root: string, options: { indexFile?: string } = {}): Promise<StatusEntry[]> {
  return parseStatus((await read(repo, [...trackedArgs, ...within(root)], options)).stdout);
}

/** What is staged, unstaged and untracked, with the commit they are compared with, in one look; null on an unborn branch. */
export async function statusAndHead(repo: Repository, root: string): Promise<{ head: string | null; entries: StatusEntry[] }> {
  const { stdout } = await read(repo, [...asked, '--untracked-files=all', ...within(root)]);
  const [, commit] = /^(?:# [^\0]*\0)*?# branch\.oid ([0-9a-f]+)\0/.exec(stdout) ?? [];
  return { head: commit ?? null, entries: parseStatus(stdout) };
}

/** Whether a merge left the path with a conflict nobody has resolved (git-status: "Unmerged" in the table of XY). */
export function isUnmerged({ index, worktree }: StatusEntry): boolean {
  return index === 'U' || worktree === 'U' || (index === worktree && (index === 'A' || index === 'D'));
}

/** Reads porcelain v2 with `-z` (git-status: "Porcelain Format Version 2"). */
export function parseStatus(output: string): StatusEntry[] {
  const entries: StatusEntry[] = [];
  const tokens = output.split('\0').values();
  for (const token of tokens) {
    const kind = token[0];
    if (kind === '?') {
      // A repository nested in the tree shows as a folder; what it holds is not ours.
      if (!token.endsWith('/')) entries.push({ path: token.slice(2), index: '?', worktree: '?', from: null });
      continue;
    }
    const fields = kind === '1' ? 8 : kind === '2' ? 9 : kind === 'u' ? 10 : 0;
    if (fields === 0) continue;
    const from = kind === '2' ? (tokens.next().value ?? null) : null;
    entries.push({ path: afterSpaces(token, fields), index: token[2] ?? '.', worktree: token[3] ?? '.', from });
  }
  return entries;
}

/** The rest of `text` after so many spaces; the rest may hold spaces itself. */
function afterSpaces(text: string, count: number): string {
  let start = 0;
  for (let seen = 0; seen < count; seen += 1) start = text.indexOf(' ', start) + 1;
  return text.slice(start);
}
