import { simpleGit } from 'simple-git';
import { SyncError } from '../core/errors.ts';
import { keptVariables } from './environment.ts';

export interface GitCommand {
  cwd: string;
  /** From `childEnvironment`. */
  env: Readonly<Record<string, string>>;
  args: readonly string[];
  /** Exit codes that are an answer, not a failure; 0 always is. */
  answers?: readonly number[];
  /** The index to look at in place of the repository's own, absolute. */
  indexFile?: string | undefined;
  signal?: AbortSignal | undefined;
}

export interface GitAnswer {
  code: number;
  stdout: string;
}

/** A git child that failed. Callers turn it into a SyncError where they know better. */
export class GitFailure extends SyncError {
  readonly stderr: string;

  constructor(args: readonly string[], stderr: string, cause: unknown) {
    const missing = /\bENOENT\b/.test(stderr);
    super('IO', `Running "git ${subcommand(args)}" failed: ${stderr.trim().split('\n')[0] ?? ''}`, {
      cause,
      ...(missing && { hint: 'Install git and see that it is in PATH' }),
    });
    this.stderr = stderr;
  }
}

/**
 * Runs one git command and returns its standard output.
 *
 * Each call has an instance of its own: simple-git runs the calls of one instance after each other, and a failing one
 * takes those that wait with it.
 *
 * @throws {GitFailure} for every exit code that is not an answer, silent ones included
 */
export async function runGit({ cwd, env, args, answers = [], indexFile, signal }: GitCommand): Promise<GitAnswer> {
  signal?.throwIfAborted();
  let code = 0;
  let stderr = '';
  // It looks at the folder at once, which can fail.
  const start = () =>
    simpleGit({
      baseDir: cwd,
      allowEnvironment: [...keptVariables, 'GIT_INDEX_FILE'],
      // The configuration files are the user's own; nothing else of `unsafe` is needed.
      unsafe: { allowUnsafeConfigPaths: true },
      // The default takes a child's output 50 ms after its exit, complete or not.
      completion: { onClose: true, onExit: false },
      errors(_error, result) {
        code = result.exitCode;
        stderr = Buffer.concat(result.stdErr).toString('utf8');
        return code === 0 || answers.includes(code) ? undefined : Buffer.from(stderr || `exit code ${code}`);
      },
      ...(signal && { abort: signal }),
    }).env(indexFile === undefined ? { ...env } : { ...env, GIT_INDEX_FILE: indexFile });
  try {
    return { stdout: await start().raw(...args), code };
  } catch (cause) {
    signal?.throwIfAborted();
    throw new GitFailure(args, stderr || (cause instanceof Error ? cause.message : String(cause)), cause);
  }
}

function subcommand(args: readonly string[]): string {
  return args.find((arg, position) => !arg.startsWith('-') && args[position - 1] !== '-c') ?? '';
}
