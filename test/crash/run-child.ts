import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { Worker } from 'node:worker_threads';
import type { Context } from '../../src/runner/context.ts';
import { openContext } from '../../src/runner/open-context.ts';
import type { Report } from '../../src/runner/report.ts';
import { defaultRequest, type Request } from '../../src/runner/request.ts';
import { run } from '../../src/runner/run.ts';
import { undo } from '../../src/runner/undo.ts';

/** What `startRun` tells this process. */
export interface ChildOptions {
  cwd: string;
  env: Record<string, string>;
  /** What to run; `undo` takes back the last batch. */
  request: Omit<Partial<Request>, 'direction'> & { direction: Request['direction'] | 'undo' };
  /** The step, counted from 1, before which the process kills itself; 0 for none. */
  killAt: number;
  /** The step before which it says `paused` and waits for a line; 0 for none. */
  pauseAt: number;
  /** Whether it says how the run ended and then `paused`, before anything is closed. */
  pauseAtEnd?: boolean;
}

const { cwd, env, request, killAt, pauseAt, pauseAtEnd } = JSON.parse(process.argv[2] ?? '') as ChildOptions;

let steps = 0;
let counting = false;
const names: string[] = [];

/** A boundary between two things that change a file, the state or the database. */
function step(name: string): void {
  if (!counting) return;
  steps += 1;
  names.push(name);
  if (steps === killAt) process.kill(process.pid, 'SIGKILL');
  if (steps === pauseAt) {
    counting = false;
    pause();
    counting = true;
  }
}

/** Stops this thread until it is told to go on. */
function pause(): void {
  fs.writeSync(1, 'paused\n');
  while (!isResumed()) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
}

/** The pipe does not block, but this thread has to. */
function isResumed(): boolean {
  try {
    return fs.readSync(0, Buffer.alloc(1)) === 1;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return false;
    throw error;
  }
}

type Functions = Record<string, (this: unknown, ...args: unknown[]) => unknown>;

function count(owner: Functions, wanted: readonly string[], counts: (self: unknown, args: unknown[]) => boolean = () => true): void {
  for (const name of wanted) {
    const real = owner[name]!;
    owner[name] = function (...args) {
      if (counts(this, args)) step(name);
      return real.apply(this, args);
    };
  }
}

/** Deno does not let functions of built-in modules be replaced; there only the moment of a kill can be chosen. */
function countSteps(): void {
  const creates = (_: unknown, [, flags]: unknown[]): boolean => typeof flags === 'number' && (flags & fs.constants.O_CREAT) !== 0;
  const changing = ['link', 'rename', 'unlink', 'mkdir', 'rmdir', 'copyFile'];
  for (const calls of [fs, fs.promises] as unknown as Functions[]) {
    count(calls, changing);
    count(calls, ['open'], creates);
  }
  count(fs as unknown as Functions, ['write', 'fchmod', 'fsync']);
  count(Worker.prototype as unknown as Functions, ['postMessage'], (_, [message]) => (message as { kind?: string }).kind !== 'all');
  count(net.Socket.prototype as unknown as Functions, ['write'], (socket) => (socket as net.Socket).remotePort !== undefined);
  syncBuiltinESMExports();
}

if (killAt + pauseAt > 0) countSteps();
const lines = createInterface({ input: process.stdin });
process.stdout.write('ready\n');
await new Promise((resolve) => lines.once('line', resolve));
lines.close();
process.stdin.pause();

counting = true;
const result = await outcome();
if (!pauseAtEnd) process.stdout.write(said(result));
process.exit(result.exit);

interface Outcome {
  exit: number;
  report: Report | null;
  code: string | null;
  message: string;
}

function said(outcome: Outcome): string {
  return `${JSON.stringify({ ...outcome, steps, names })}\n`;
}

async function outcome(): Promise<Outcome> {
  const opened: (Context & AsyncDisposable)[] = [];
  try {
    const ended = await perform(opened);
    counting = false;
    if (pauseAtEnd) {
      fs.writeSync(1, said(ended));
      pause();
    }
    return ended;
  } finally {
    await opened[0]?.[Symbol.asyncDispose]();
  }
}

async function perform(opened: (Context & AsyncDisposable)[]): Promise<Outcome> {
  try {
    const context = await openContext({ cwd, env, mode: 'write', signal: new AbortController().signal });
    opened.push(context);
    const { direction, ...rest } = request;
    const report =
      direction === 'undo'
        ? await undo(context, { txid: null, dryRun: false, lockTimeout: 30_000 })
        : await run(context, { ...defaultRequest, command: direction, direction, ...rest });
    return { exit: report.conflicts.length > 0 ? 1 : 0, report, code: null, message: '' };
  } catch (error) {
    const { exitCode = 70, code = null, message } = error as { exitCode?: number; code?: string | null; message: string };
    return { exit: exitCode, report: null, code, message };
  }
}
