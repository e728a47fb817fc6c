import { fileURLToPath } from 'node:url';
import { once } from 'node:events';
import { stripVTControlCharacters } from 'node:util';
import type { Environment } from '../git/environment.ts';
import { internalError, renderFailure } from './render/failure.ts';
import { Interrupted } from './interrupted.ts';

/** What the commands get of the process they run in. Nothing else in `cli/` looks at `process` or writes to its streams. */
export interface Terminal {
  readonly cwd: string;
  /** Without the runtime and the script. */
  readonly argv: readonly string[];
  readonly env: Environment;
  /** Aborted, with an `Interrupted`, by the first SIGINT or SIGTERM; the second one ends the process at once. */
  readonly signal: AbortSignal;
  /** Whether somebody is there to be asked. */
  readonly interactive: boolean;
  readonly color: { readonly out: boolean; readonly err: boolean };
  /** How to start this very program again. */
  readonly runtime: Runtime;
  readonly input: NodeJS.ReadStream;
  /** Questions and progress go here, so that standard output holds results only. */
  readonly output: NodeJS.WriteStream;
  out(data: string | Uint8Array): void;
  err(text: string): void;
  /** Gives the signals to somebody else while the work is done; this program then goes on. */
  leaveSignals<T>(to: (signal: StopSignal) => void, work: () => Promise<T>): Promise<T>;
  /** All of standard input. */
  readInput(): Promise<string>;
  /** Ends the program with this exit code, once all that was written is out. */
  end(code: number): Promise<void>;
}

export interface Runtime {
  /** In words, with the version. */
  name: string;
  /** The program and the arguments that run `main`. */
  command: [program: string, ...args: string[]];
}

const signals = { SIGINT: 130, SIGTERM: 143 } as const;

export type StopSignal = keyof typeof signals;

export function createTerminal(process: NodeJS.Process): Terminal {
  const { stdin, stdout, stderr, env } = process;
  const controller = new AbortController();
  const closedPipes = new Set<NodeJS.WriteStream>();
  let other: ((signal: StopSignal) => void) | null = null;

  const interrupt = (signal: StopSignal): void => {
    if (other) return other(signal);
    if (controller.signal.aborted) process.exit(signals[signal]);
    stderr.write('\nStopping. What is being written is finished first; once more stops at once\n');
    controller.abort(new Interrupted(signal, signals[signal]));
  };
  const fatal = (error: unknown): void => {
    if (isClosedPipe(error)) return;
    stderr.write(renderFailure(internalError(error), (text) => text));
    process.exit(5);
  };
  // A reader that has seen enough (`| head`) is no failure.
  for (const stream of [stdout, stderr]) {
    stream.on('error', (error: Error) => {
      if (!isClosedPipe(error)) throw error;
      closedPipes.add(stream);
    });
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, interrupt);
  process.on('uncaughtException', fatal);

  return {
    cwd: process.cwd(),
    argv: process.argv.slice(2),
    env,
    signal: controller.signal,
    interactive: stdin.isTTY === true && stderr.isTTY === true && !env.CI,
    color: { out: hasColor(stdout, env), err: hasColor(stderr, env) },
    runtime: runtimeOf(process),
    input: stdin,
    output: stderr,
    out(data) {
      if (!closedPipes.has(stdout)) stdout.write(data);
    },
    err(text) {
      stderr.write(hasColor(stderr, env) ? text : stripVTControlCharacters(text));
    },
    async leaveSignals(to, work) {
      other = to;
      try {
        return await work();
      } finally {
        other = null;
      }
    },
    async readInput() {
      const chunks: Buffer[] = [];
      const aborted = Promise.withResolvers<never>();
      const abort = (): void => aborted.reject(controller.signal.reason as Error);
      controller.signal.addEventListener('abort', abort);
      try {
        stdin.on('data', (chunk: Buffer) => chunks.push(chunk));
        await Promise.race([once(stdin, 'end'), aborted.promise]);
        return Buffer.concat(chunks).toString('utf8');
      } finally {
        controller.signal.removeEventListener('abort', abort);
        stdin.destroy();
      }
    },
    async end(code) {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupt);
      // Not forced, so that everything written reaches the reader of a pipe first.
      process.exitCode = code;
      if (!controller.signal.aborted) return;
      // Deno does not end while a read of standard input waits, and nothing ends that read.
      for (const stream of [stdout, stderr]) await new Promise<void>((resolve) => void stream.write('', () => resolve()));
      process.exit();
    },
  };
}

/** https://no-color.org */
function hasColor(stream: { isTTY?: boolean }, env: Environment): boolean {
  return stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
}

function isClosedPipe(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | null)?.code === 'EPIPE';
}

function runtimeOf(process: NodeJS.Process): Runtime {
  const entry = fileURLToPath(new URL(`./main${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url));
  const { deno } = process.versions;
  if (deno === undefined) return { name: `Node.js ${process.versions.node}`, command: [process.execPath, entry] };
  return { name: `Deno ${deno}`, command: [process.execPath, 'run', '--quiet', '--allow-all', entry] };
}
