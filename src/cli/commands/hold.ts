import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { kill } from 'node:process';
import { SyncError } from '../../core/errors.ts';
import type { Call, Result } from '../call.ts';
import { keepLease } from '../keep-lease.ts';

/** Runs a command while watcher and post-hooks pause; ends with its exit code. The pause ends with this process, however it ends. */
export async function holdCommand({ terminal, args }: Call): Promise<Result> {
  const [program, ...rest] = args;
  if (program === undefined) throw new SyncError('USAGE', 'There is no command to run', { hint: 'npx sync-run hold -- git rebase main' });
  const release = await keepLease(terminal, `\`${args.join(' ')}\` runs`);
  try {
    const child = spawn(program, rest, { cwd: terminal.cwd, env: terminal.env, stdio: 'inherit' });
    // The pause lasts as long as the command. Ctrl+C reaches that, too: the terminal sends it to both.
    const forward = (stop: NodeJS.Signals): void => {
      // By number: Deno takes a child it sent a signal for one that ended by it.
      if (stop === 'SIGTERM' && child.pid !== undefined && child.exitCode === null) kill(child.pid, stop);
    };
    const [code, signal] = await terminal.leaveSignals(forward, async () => {
      return (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    });
    return { exit: code ?? 128 + (signal ? constants.signals[signal] : 0) };
  } catch (cause) {
    throw new SyncError('USAGE', `The command "${program}" could not be started`, { cause });
  } finally {
    await release();
  }
}
