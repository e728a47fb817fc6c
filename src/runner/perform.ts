import { randomUUID } from 'node:crypto';
import type { Direction } from '../core/batch.ts';
import { RunnerLeft } from './client.ts';
import type { Context, Progress } from './context.ts';
import { packageVersion } from './package-version.ts';
import { reachRunner } from './reach.ts';
import type { Report } from './report.ts';
import { performTask, type Task } from './task.ts';

/**
 * Does a typed task: through the runner of this working tree if there is one, else here, under the lock. Either way it is the same code
 * that does it, and the same report that comes back.
 *
 * @throws {SyncError} what the task throws, also where the runner did it
 */
export async function perform(context: Context, task: Task): Promise<Report> {
  if (task.dryRun) return performTask(context, task);
  const options = { stateFolder: context.state.folder, version: await packageVersion(), who: `sync-run ${nameOf(task)}`, patience: task.lockTimeout };
  for (;;) {
    const runner = await reachRunner(options);
    if (!runner) return performTask(context, task);
    try {
      const direction: Direction = task.kind === 'run' ? task.direction : 'sync';
      const manifest = { id: randomUUID(), source: 'cli' as const, direction, oldHead: null, newHead: null, entries: null };
      return (await runner.submit(manifest, {
        options: { ...task },
        onProgress: (step) => context.progress(step as Progress),
        signal: context.signal,
      })) as Report;
    } catch (error) {
      // Whoever comes after it does the work, or we do.
      if (!(error instanceof RunnerLeft)) throw error;
    } finally {
      runner.close();
    }
  }
}

function nameOf(task: Task): string {
  return task.kind === 'run' ? task.command : task.kind;
}
