import { read, within, type Repository } from './repository.ts';

/** The commit that is checked out, as a full object name; null on an unborn branch. */
export async function head(repo: Repository): Promise<string | null> {
  const { code, stdout } = await read(repo, ['rev-parse', '--verify', '--quiet', 'HEAD'], { answers: [1] });
  return code === 0 ? stdout.trim() : null;
}

/** Whether this full object name is a commit that is still there; one can be gone after garbage collection or in a shallow clone. */
export async function commitExists(repo: Repository, commit: string): Promise<boolean> {
  if (!/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(commit)) return false;
  const { code } = await read(repo, ['rev-parse', '--verify', '--quiet', `${commit}^{commit}`], { answers: [1, 128] });
  return code === 0;
}

export interface TrackedPath {
  /** Object name of the content in the index. */
  blob: string;
  /** Octal, as git prints it: `100644`, `100755`, `120000`, `160000`. */
  mode: string;
  /** Left out of the work tree by a sparse checkout. */
  skipWorktree: boolean;
  /** 0, or the lowest stage of an unmerged path. */
  stage: number;
}

/**
 * The paths in the index below `root`, from the top of the tree.
 *
 * @param options.indexFile the index of a commit under way, absolute, in place of the repository's own
 */
export async function trackedPaths(
  repo: Repository,
  root: string,
  options: { indexFile?: string } = {},
): Promise<Map<string, TrackedPath>> {
  const { stdout } = await read(repo, ['ls-files', '-s', '-t', '-z', ...within(root)], options);
  const paths = new Map<string, TrackedPath>();
  for (const [fields, path] of records(stdout)) {
    const [tag = '', mode = '', blob = '', stage = ''] = fields.split(' ');
    if (!paths.has(path)) paths.set(path, { blob, mode, skipWorktree: tag === 'S', stage: Number(stage) });
  }
  return paths;
}

/** The regular files a commit holds below `root`, with the object names of their contents. */
export async function headPaths(repo: Repository, commit: string, root: string): Promise<Map<string, string>> {
  const { stdout } = await read(repo, ['ls-tree', '-r', '-z', commit, ...within(root)]);
  const paths = new Map<string, string>();
  for (const [fields, path] of records(stdout)) {
    const [mode = '', , blob = ''] = fields.split(' ');
    if (mode.startsWith('100')) paths.set(path, blob);
  }
  return paths;
}

/** `fields TAB path NUL`, as `ls-files` and `ls-tree` print them. */
function records(output: string): [fields: string, path: string][] {
  return output
    .split('\0')
    .filter((record) => record !== '')
    .map((record) => {
      const tab = record.indexOf('\t');
      return [record.slice(0, tab), record.slice(tab + 1)];
    });
}
