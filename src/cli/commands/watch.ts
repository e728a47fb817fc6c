import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, rename, stat } from 'node:fs/promises';
import { join, resolve as resolvePath } from 'node:path';
import { SyncError } from '../../core/errors.ts';
import { openRepository } from '../../git/repository.ts';
import { startRunner } from '../../runner/runner.ts';
import type { Call, Result } from '../call.ts';
import { eventLine } from '../render/event.ts';
import { parseFailure } from '../render/failure.ts';
import { surroundingsOf } from '../surroundings.ts';

export interface WatchOptions {
  /** In milliseconds. */
  rows?: number;
  detach?: boolean;
  /** Where the lines go in place of the terminal. */
  log?: string;
}

/** Begins the line that says that it watches. */
const WATCHING = 'Watching;';

/** In bytes: a log that is larger is put aside at the start. */
const LOG_SIZE = 1024 * 1024;

/** The runner in the foreground, or in the background with `--detach`. */
export async function watchCommand(call: Call<WatchOptions>): Promise<Result> {
  const { terminal, options, say } = call;
  if (options.detach) return detach(call);
  const { cwd, env, signal } = terminal;
  const complain = (error: unknown): void => terminal.err(`sync-run: ${String(error)}\n`);
  const { log } = options;
  const write = log === undefined ? say : (line: string): void => void appendFile(log, `${line}\n`, { mode: 0o600 }).catch(complain);
  const runner = await startRunner({
    cwd,
    env,
    // The runner ends its batch in hand before it leaves, so what interrupts the command must not cut it short.
    signal: new AbortController().signal,
    mode: 'write',
    surroundings: surroundingsOf(terminal),
    command: 'watch',
    live: true,
    rows: options.rows ?? null,
    onListenerError: complain,
  });
  try {
    runner.events.subscribe((event) => {
      const line = eventLine(event);
      if (line !== null) write(line);
    });
    say(`${WATCHING} process ${(await runner.status()).pid}. Ctrl-C ends it after the batch in hand`);
    const interrupted = signal.aborted ? Promise.resolve() : once(signal, 'abort');
    const asked = await Promise.race([runner.asked, interrupted.then(() => null)]);
    if (asked !== null) write(`Leaving: ${asked}`);
  } finally {
    await runner.close();
  }
  return { exit: 0 };
}

/** Starts the runner as a process of its own and returns once it watches. */
async function detach({ terminal, options, say }: Call<WatchOptions>): Promise<Result> {
  const { statePath } = await openRepository(terminal.cwd, terminal.env);
  const log = options.log === undefined ? join(statePath, 'watch.log') : resolvePath(terminal.cwd, options.log);
  await putAside(log);
  const [program, ...args] = terminal.runtime.command;
  const rows = options.rows === undefined ? [] : ['--rows', String(options.rows / 1000)];
  const child = spawn(program, [...args, 'watch', '--json', '--log', log, ...rows], {
    cwd: terminal.cwd,
    env: terminal.env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // With --json, standard output is for the document of a failure.
  let document = '';
  let told = '';
  const { promise: ready, resolve } = Promise.withResolvers<boolean>();
  child.stdout.on('data', (data: Buffer) => (document += String(data)));
  child.stderr.on('data', (data: Buffer) => {
    told += String(data);
    if (told.includes(WATCHING)) resolve(true);
  });
  child.once('close', () => resolve(false));
  if (!(await ready)) {
    if (document !== '') throw parseFailure(document);
    throw new SyncError('IO', 'The runner did not start', { details: told.trim().split('\n') });
  }
  for (const stream of [child.stdout, child.stderr]) stream.destroy();
  child.unref();
  say(`Watching in the background: process ${child.pid}, log "${log}"`);
  return { exit: 0, document: { command: 'watch', pid: child.pid, log } };
}

async function putAside(log: string): Promise<void> {
  try {
    if ((await stat(log)).size > LOG_SIZE) await rename(log, `${log}.1`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
