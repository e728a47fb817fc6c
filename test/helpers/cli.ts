import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

export interface CliRun {
  /** As a shell counts: 128 and the number of the signal where one ended it. Deno as the parent cannot tell the two apart. */
  code: number;
  stdout: string;
  stderr: string;
  /** Standard output as the bytes it is. */
  bytes: Buffer;
}

export interface CliOptions {
  cwd: string;
  /** Replaces the environment; a scratch repository has one. */
  env: Readonly<Record<string, string>>;
  /** Standard input; without it there is none, and with null it stays open. */
  input?: string | null;
  /** Told once the process runs, e.g. to send it signals. */
  started?: (child: ChildProcess) => void;
}

export const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** The program and the arguments before those of the command line: this very runtime and the source as it is. */
export function cliCommand(): [program: string, ...args: string[]] {
  return process.versions.deno === undefined ? [process.execPath, main] : [process.execPath, 'run', '--quiet', '--allow-all', main];
}

/** Runs the command line as a process of its own, without a terminal. */
export function runCli(args: readonly string[], options: CliOptions): Promise<CliRun> {
  const [program, ...first] = cliCommand();
  return runProgram(program, [...first, ...args], options);
}

/** Any program, to its end. */
export function runProgram(program: string, args: readonly string[], { cwd, env, input, started }: CliOptions): Promise<CliRun> {
  const { SYNC_RUN_DATABASE_URL: _, SYNC_RUN_HOOK: __, ...inherited } = process.env;
  const scrubbed = Object.hasOwn(env, 'PATH') ? env : { ...inherited, ...env };
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      env: { ...scrubbed, NO_COLOR: '1' },
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout!.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr!.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('error', reject);
    child.on('close', (ended, signal) => {
      const code = ended ?? 128 + constants.signals[signal!];
      const bytes = Buffer.concat(out);
      resolve({ code, bytes, stdout: bytes.toString('utf8'), stderr: Buffer.concat(err).toString('utf8') });
    });
    child.stdin?.on('error', () => {});
    if (typeof input === 'string') child.stdin?.end(input);
    started?.(child);
  });
}
