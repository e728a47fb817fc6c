import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { SyncError } from '../core/errors.ts';
import { openRepository } from '../git/repository.ts';
import type { RunnerEvent } from '../runner/events.ts';
import { packageVersion } from '../runner/package-version.ts';
import { reachRunner } from '../runner/reach.ts';
import { defaultRequest } from '../runner/request.ts';
import { type Runner, startRunner } from '../runner/runner.ts';
import { textOf } from './render/event.ts';
import { surroundingsOf } from './surroundings.ts';
import type { Terminal } from './terminal.ts';

/** In milliseconds: how long what waited may take to begin once the pause is over. */
const PATIENCE = 2_000;

/** In milliseconds: how soon a lease that could not be taken is tried again. Nobody tells when a lock is free. */
const RETRY = 200;

const goesWrong: ReadonlySet<RunnerEvent['type']> = new Set(['batch-failed', 'conflict', 'database-away', 'warning']);

interface Lease {
  /** Resolves when the runner that gave it has left. */
  over: Promise<void>;
  release(): Promise<void>;
}

/**
 * Takes a lease, and takes it anew where the runner that gave it ends. Resolves to what releases it.
 *
 * @throws {SyncError} `LOCKED` if another run held the lock for too long
 */
export async function keepLease(terminal: Terminal, why: string): Promise<() => Promise<void>> {
  const release = new AbortController();
  const released = once(release.signal, 'abort');
  let lease = await takeOnceFree(terminal, why);
  const keep = async (): Promise<void> => {
    for (;;) {
      await Promise.race([lease.over, released]);
      if (release.signal.aborted) return;
      terminal.err('sync-run: The runner has left; the pause is taken anew\n');
      lease = await takeAnew(terminal, why, release.signal);
    }
  };
  const keeping = keep();
  return async () => {
    release.abort();
    await keeping;
    await lease.release();
  };
}

/** A run that is at work with the lock is waited for. */
async function takeOnceFree(terminal: Terminal, why: string): Promise<Lease> {
  const end = performance.now() + defaultRequest.lockTimeout;
  for (;;) {
    try {
      return await takeLease(terminal, why);
    } catch (error) {
      if (!(error instanceof SyncError && error.code === 'LOCKED') || performance.now() >= end) throw error;
    }
    await setTimeout(RETRY, undefined, { signal: terminal.signal });
  }
}

/** The command runs on whatever happens, so this is tried until there is a lease or the command is over. */
async function takeAnew(terminal: Terminal, why: string, isOver: AbortSignal): Promise<Lease> {
  let told = false;
  while (!isOver.aborted) {
    try {
      return await takeLease(terminal, why);
    } catch (error) {
      // A runner that leaves has the lock until its batch is done, and a new one has no socket at first.
      if (!told) terminal.err(`sync-run: There is no pause at this moment; it is tried again. ${reasonOf(error)}\n`);
      told = true;
    }
    await Promise.race([setTimeout(RETRY), once(isOver, 'abort')]);
  }
  return { over: Promise.resolve(), release: async () => {} };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A lease of the runner; where there is none, this process is the runner for as long as the command runs. */
async function takeLease(terminal: Terminal, why: string): Promise<Lease> {
  const { statePath } = await openRepository(terminal.cwd, terminal.env);
  const connection = await reachRunner({ stateFolder: statePath, version: await packageVersion(), who: 'sync-run hold' });
  if (connection) {
    try {
      await connection.hold(why);
    } catch (error) {
      connection.close();
      throw error;
    }
    return { over: connection.closed, release: async () => connection.close() };
  }
  const runner = await startRunner({
    cwd: terminal.cwd,
    env: terminal.env,
    signal: new AbortController().signal,
    mode: 'write',
    surroundings: surroundingsOf(terminal),
    command: 'hold',
    live: false,
    rows: null,
  });
  const release = runner.gate.hold({ who: 'sync-run hold', why });
  // Whoever left their work here is gone, and nobody else tells what becomes of it.
  runner.events.subscribe((event) => {
    if (goesWrong.has(event.type)) terminal.err(`sync-run: ${textOf(event)}\n`);
  });
  return {
    over: new Promise(() => {}),
    async release() {
      release();
      await finishWhatWaited(runner);
      if (waits(runner)) terminal.err('sync-run: What git changed meanwhile is not imported yet; `npx sync-run import` does it\n');
      await runner.close();
    },
  };
}

const waits = ({ queue }: Runner): boolean => queue.status().depth > 0 || queue.status().running !== null;

/** Hooks that came during the pause left their work with this runner; it is done before the runner leaves. */
async function finishWhatWaited(runner: Runner): Promise<void> {
  const { queue, events } = runner;
  while (waits(runner)) {
    const told = new AbortController();
    const late = AbortSignal.timeout(PATIENCE);
    events.subscribe(() => told.abort(), told.signal);
    await Promise.race([once(told.signal, 'abort'), once(late, 'abort')]);
    await queue.inHand();
    if (late.aborted && queue.status().running === null) return;
  }
}
