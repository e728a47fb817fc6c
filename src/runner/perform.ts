import { randomUUID } from 'node:crypto';
import type { Direction } from '../core/batch.ts';
import { SyncError } from '../core/errors.ts';
import { RunnerLeft } from './client.ts';
import type { Context, Progress } from './context.ts';
import { type Deferral, wordsOf } from './deferral.ts';
import { packageVersion } from './package-version.ts';
import { reachRunner } from './reach.ts';
import type { Report } from './report.ts';
import { checkTarget } from './target.ts';
import { performTask, type Task } from './task.ts';
import { lastBatch, nextToUndo, type UndoOptions } from './undo.ts';

/**
 * Does a typed task: through the runner of this working tree if there is one, else here, under the lock. Either way it is the same code
 * that does it, and the same report that comes back.
 *
 * @throws {SyncError} what the task throws, also where the runner did it
 */
export async function perform(context: Context, asked: Task): Promise<Report> {
  if (asked.dryRun) return performTask(context, asked);
  const task = asked.kind === 'undo' ? await pinned(context, asked) : asked;
  const options = {
    stateFolder: context.state.folder,
    version: await packageVersion(),
    who: `sync-run ${nameOf(task)}`,
    patience: task.lockTimeout,
  };
  for (;;) {
    const runner = await reachRunner(options);
    if (!runner) return performTask(context, task);
    const patience = createPatience(task.lockTimeout, runner.pid);
    try {
      // The runner knows its own database only, and the caller may mean another one.
      await checkTarget(context);
      const direction: Direction = task.kind === 'run' ? task.direction : 'sync';
      const manifest = { id: randomUUID(), source: 'cli' as const, direction, oldHead: null, newHead: null, entries: null };
      return (await runner.submit(manifest, {
        options: { ...task },
        onProgress(step) {
          patience.stop();
          context.progress(step as Progress);
        },
        onDeferred: (why) => patience.start(wordsOf(why as Deferral)),
        signal: AbortSignal.any([context.signal, patience.signal]),
      })) as Report;
    } catch (error) {
      // Whoever comes after it does the work, or we do.
      if (!(error instanceof RunnerLeft)) throw error;
    } finally {
      patience.stop();
      runner.close();
    }
  }
}

/** What "the last batch" was when this was typed, not when its turn comes. Only the end of an unfinished one tells whether it is the last. */
async function pinned<T extends UndoOptions>(context: Context, asked: T): Promise<T> {
  const isOpen = asked.txid === null && (await context.state.intent()) !== null;
  return { ...asked, last: await lastBatch(context), txid: isOpen ? null : (asked.txid ?? (await nextToUndo(context))) };
}

/** Waiting for the runner is bounded; once the batch is at work it is not waiting any more. */
function createPatience(ms: number, pid: number) {
  const late = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let waitsFor = 'it has other work in hand';
  const start = (why: string): void => {
    waitsFor = why;
    timer ??= setTimeout(() => {
      const hint = 'Wait longer with --lock-timeout, or see what it does: npx sync-run status';
      late.abort(new SyncError('LOCKED', `Waited ${ms / 1000} s for the runner, process ${pid}: ${waitsFor}`, { hint }));
    }, ms);
  };
  start(waitsFor);
  return {
    signal: late.signal,
    start,
    stop() {
      clearTimeout(timer);
      timer = undefined;
    },
  };
}

function nameOf(task: Task): string {
  return task.kind === 'run' ? task.command : task.kind;
}
