import { GitFailure, runGit, type GitAnswer, type GitCommand } from './command.ts';
import { SyncError } from '../core/errors.ts';
import { childEnvironment, type Environment } from './environment.ts';

/** One git working tree: where its parts are, and the environment its children get. All paths are absolute. */
export interface Repository {
  readonly top: string;
  /** The tree's own git dir; in a linked worktree it lies below `commonDir`. */
  readonly gitDir: string;
  readonly commonDir: string;
  /** Where git looks for hooks, `core.hooksPath` included. */
  readonly hooksDir: string;
  /** Where the state of this working tree lives; it may not exist yet. */
  readonly statePath: string;
  readonly isLinkedWorktree: boolean;
  readonly objectFormat: 'sha1' | 'sha256';
  readonly env: Readonly<Record<string, string>>;
  /** Where git keeps the file of this name (`index`, `MERGE_HEAD`, `info/exclude`, …) for this working tree. */
  path(name: string): Promise<string>;
}

/**
 * Finds the working tree `cwd` lies in.
 *
 * @param inherited what children inherit, once scrubbed: this process's environment, or what a hook was given
 * @throws {SyncError} `NOT_A_REPOSITORY` outside of a working tree, inside a git dir and in a bare repository
 */
export async function openRepository(cwd: string, inherited: Environment): Promise<Repository> {
  const env = childEnvironment(inherited);
  const top = line((await discover(cwd, env)).stdout);
  const parts = ['--absolute-git-dir', '--git-common-dir', '--git-path hooks', '--git-path sync-run', '--show-object-format'];
  const [gitDir, commonDir, hooksDir, statePath, objectFormat] = await revParse({ cwd: top, env }, parts);
  if (!gitDir || !commonDir || !hooksDir || !statePath || (objectFormat !== 'sha1' && objectFormat !== 'sha256')) {
    throw new SyncError('NOT_A_REPOSITORY', `Git did not say where the parts of "${top}" are`, { hint: 'Use git 2.31 or newer' });
  }
  const path = async (name: string) => (await revParse({ cwd: top, env }, [`--git-path ${name}`]))[0] ?? '';
  return { top, gitDir, commonDir, hooksDir, statePath, isLinkedWorktree: gitDir !== commonDir, objectFormat, env, path };
}

/** Runs a command that only reads: it takes no optional lock, does not enter submodules, and takes paths as they are. */
export async function read(
  repo: Pick<Repository, 'top' | 'env'>,
  args: readonly string[],
  options: Pick<GitCommand, 'answers' | 'indexFile' | 'signal'> = {},
): Promise<GitAnswer> {
  // `diff` refreshes and rewrites the index whatever the optional locks (builtin/diff.c refresh_index_quietly); without that it
  // also names files whose times alone changed.
  const configured = ['-c', 'submodule.recurse=false', '-c', 'diff.autoRefreshIndex=false'];
  const all = ['--no-optional-locks', '--literal-pathspecs', ...configured, ...args];
  return runGit({ cwd: repo.top, env: repo.env, args: all, ...options });
}

/** The end of a command line that narrows it to `root`, relative to the top; the empty root and `.` are the whole tree. */
export function within(root: string): string[] {
  const trimmed = root.replace(/\/+$/, '');
  return trimmed === '' || trimmed === '.' ? [] : ['--', trimmed];
}

async function discover(cwd: string, env: Record<string, string>): Promise<GitAnswer> {
  try {
    return await runGit({ cwd, env, args: ['rev-parse', '--show-toplevel'] });
  } catch (cause) {
    const stderr = cause instanceof GitFailure ? cause.stderr : '';
    if (/must be run in a work tree/.test(stderr)) {
      const message = `"${cwd}" is a bare repository or the inside of a git directory`;
      throw new SyncError('NOT_A_REPOSITORY', message, { hint: 'Run it in a working tree', cause });
    }
    if (/dubious ownership/.test(stderr)) {
      const hint = `If you trust it: git config --global --add safe.directory "${cwd}"`;
      throw new SyncError('NOT_A_REPOSITORY', `Git refuses the repository at "${cwd}", since somebody else owns it`, { hint, cause });
    }
    if (/not a git repository/.test(stderr)) {
      throw new SyncError('NOT_A_REPOSITORY', `"${cwd}" is not in a git working tree`, {
        hint: 'Run it in one, or "git init" first',
        cause,
      });
    }
    if (isMissingFolder(cause)) throw new SyncError('NOT_A_REPOSITORY', `The folder "${cwd}" does not exist`, { cause });
    throw cause;
  }
}

/** One child for all of them; one child each if a path holds a newline, which `rev-parse` does not tell from the next answer. */
async function revParse(where: { cwd: string; env: Record<string, string> }, parts: readonly string[]): Promise<string[]> {
  const ask = async (wanted: readonly string[]) => {
    const args = ['rev-parse', '--path-format=absolute', ...wanted.flatMap((part) => split(part))];
    return line((await runGit({ ...where, args })).stdout);
  };
  const together = (await ask(parts)).split('\n');
  return together.length === parts.length ? together : Promise.all(parts.map((part) => ask([part])));
}

/** `--git-path a b` is an option and one value. */
function split(part: string): string[] {
  const space = part.indexOf(' ');
  return space < 0 ? [part] : [part.slice(0, space), part.slice(space + 1)];
}

function line(output: string): string {
  return output.endsWith('\n') ? output.slice(0, -1) : output;
}

function isMissingFolder(error: unknown): boolean {
  return error instanceof Error && /directory that does not exist/.test(error.message);
}
