import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { SyncError } from '../../core/errors.ts';
import { openRepository } from '../../git/repository.ts';
import { packageVersion } from '../../runner/package-version.ts';
import { reachRunner } from '../../runner/reach.ts';
import { type Runner, startRunner } from '../../runner/runner.ts';
import type { Call, Result } from '../call.ts';
import { surroundingsOf } from '../surroundings.ts';

/** In milliseconds: how long what waited may take to begin once the pause is over. */
const PATIENCE = 2_000;

/** Runs a command while watcher and post-hooks pause; ends with its exit code. The pause ends with this process, however it ends. */
export async function holdCommand({ terminal, args }: Call): Promise<Result> {
  const [program, ...rest] = args;
  if (program === undefined) throw new SyncError('USAGE', 'There is no command to run', { hint: 'npx sync-run hold -- git rebase main' });
  const release = await keepLease(terminal, `\`${args.join(' ')}\` runs`);
  try {
    const child = spawn(program, rest, { cwd: terminal.cwd, env: terminal.env, stdio: 'inherit' });
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    return { exit: code ?? 128 + (signal ? constants.signals[signal] : 0) };
  } catch (cause) {
    throw new SyncError('USAGE', `The command "${program}" could not be started`, { cause });
  } finally {
    await release();
  }
}

interface Lease {
  /** Resolves when it is over, released or not. */
  over: Promise<void>;
  release(): Promise<void>;
}

/** A lease that is taken anew where the runner that gave it ends. */
async function keepLease(terminal: Call['terminal'], why: string): Promise<() => Promise<void>> {
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
async function takeLease(terminal: Call['terminal'], why: string): Promise<Lease> {
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
