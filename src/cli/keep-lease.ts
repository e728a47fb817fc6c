import { once } from 'node:events';
import { openRepository } from '../git/repository.ts';
import { packageVersion } from '../runner/package-version.ts';
import { reachRunner } from '../runner/reach.ts';
import { type Runner, startRunner } from '../runner/runner.ts';
import { surroundingsOf } from './surroundings.ts';
import type { Terminal } from './terminal.ts';

/** In milliseconds: how long what waited may take to begin once the pause is over. */
const PATIENCE = 2_000;

interface Lease {
  /** Resolves when it is over, released or not. */
  over: Promise<void>;
  release(): Promise<void>;
}

/** Takes a lease, and takes it anew where the runner that gave it ends. Resolves to what releases it. */
export async function keepLease(terminal: Terminal, why: string): Promise<() => Promise<void>> {
  let isReleased = false;
  let lease = await takeLease(terminal, why);
  const keep = async (): Promise<void> => {
    for (;;) {
      await lease.over;
      if (isReleased) return;
      terminal.err('sync-run: The runner has left; the pause is taken anew\n');
      lease = await takeLease(terminal, why);
      if (isReleased) await lease.release();
    }
  };
  const keeping = keep().catch((error: unknown) => {
    terminal.err(
      `sync-run: The pause is over although the command still runs: ${error instanceof Error ? error.message : String(error)}\n`,
    );
  });
  return async () => {
    isReleased = true;
    await lease.release();
    await keeping;
  };
}

/** A lease of the runner; where there is none, this process is the runner for as long as the command runs. */
async function takeLease(terminal: Terminal, why: string): Promise<Lease> {
  const { statePath } = await openRepository(terminal.cwd, terminal.env);
  const connection = await reachRunner({ stateFolder: statePath, version: await packageVersion(), who: 'sync-run hold' });
  if (connection) {
    await connection.hold(why);
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
  const over = Promise.withResolvers<void>();
  return {
    over: over.promise,
    async release() {
      release();
      await finishWhatWaited(runner);
      await runner.close();
      over.resolve();
    },
  };
}

/** Hooks that came during the pause left their work with this runner; it is done before the runner leaves. */
async function finishWhatWaited({ queue, events }: Runner): Promise<void> {
  const isBusy = (): boolean => queue.status().depth > 0 || queue.status().running !== null;
  while (isBusy()) {
    const told = new AbortController();
    const late = AbortSignal.timeout(PATIENCE);
    events.subscribe(() => told.abort(), told.signal);
    await Promise.race([once(told.signal, 'abort'), once(late, 'abort')]);
    await queue.inHand();
    if (late.aborted && queue.status().running === null) return;
  }
}
