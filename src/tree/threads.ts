import { Worker } from 'node:worker_threads';
import { SyncError } from '../core/errors.ts';
import { asyncDisk } from './disk-async.ts';
import { type Executor, inline, type Lanes } from './executor.ts';
import type { ResultOf, ShareOf, TaskName } from './tasks.ts';
import { fromWire, toWire, type Wire } from './wire.ts';

export interface Order {
  id: number;
  name: TaskName;
  share: Wire;
}

export interface Answer {
  id: number;
  ok: boolean;
  value: Wire;
}

/** To start a thread takes as long as to write this many files. */
const FROM = 64;
const THREADS = 2;
/** In MiB. Files are read into short-lived buffers; seldom collected they would add up. */
const YOUNG = 4;

/**
 * Works on many files in threads of their own, which start when they are first needed; on a few in the calling thread.
 *
 * @param options.from how many files are many
 */
export function createThreads(options: { from?: number; threads?: number } = {}): Executor & { close(): Promise<void> } {
  const { from = FROM, threads = THREADS } = options;
  const here = inline(asyncDisk);
  const started: Thread[] = [];
  let closed = false;
  const lanes: Lanes = {
    // One share to work on, and one that waits.
    count: threads * 2,
    run: (name, share) => {
      if (closed) return Promise.reject(new SyncError('INTERNAL', 'The threads that work on files are closed'));
      const alive = started.filter((thread) => thread.alive());
      started.splice(0, started.length, ...alive);
      if (started.length < threads && started.every((thread) => thread.waiting() > 0)) started.push(startThread());
      const idlest = started.reduce((a, b) => (b.waiting() < a.waiting() ? b : a));
      return idlest.ask(name, share);
    },
  };
  return {
    disk: asyncDisk,
    lanes: (files) => (files < from ? here.lanes(files) : lanes),
    close: async () => {
      closed = true;
      await Promise.all(started.splice(0).map((thread) => thread.end()));
    },
  };
}

interface Thread {
  ask<N extends TaskName>(name: N, share: ShareOf<N>): Promise<ResultOf<N>>;
  waiting(): number;
  alive(): boolean;
  end(): Promise<void>;
}

function startThread(): Thread {
  // The worker stands beside this file, as .ts in the source and as .js in the package.
  const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
  const worker = new Worker(new URL(file, import.meta.url), { name: 'files', resourceLimits: { maxYoungGenerationSizeMb: YOUNG } });
  const pending = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  const asked = new Set<Promise<unknown>>();
  let next = 1;
  let dead = false;
  const fail = (cause?: unknown): void => {
    dead = true;
    for (const { reject } of pending.values()) reject(new SyncError('IO', 'The thread that works on files ended', { cause }));
    pending.clear();
  };
  worker.on('message', ({ id, ok, value }: Answer) => {
    const asked = pending.get(id);
    pending.delete(id);
    if (ok) asked?.resolve(fromWire(value));
    else asked?.reject(fromWire(value) as Error);
  });
  worker.on('error', fail);
  worker.on('exit', () => fail());
  return {
    ask: <N extends TaskName>(name: N, share: ShareOf<N>) => {
      const answer = new Promise<ResultOf<N>>((resolve, reject) => {
        const id = next++;
        const wire = toWire(share);
        worker.postMessage({ id, name, share: wire } satisfies Order, [wire.bytes]);
        pending.set(id, { resolve: (value) => resolve(value as ResultOf<N>), reject });
      });
      asked.add(answer);
      return answer.finally(() => asked.delete(answer));
    },
    waiting: () => asked.size,
    alive: () => !dead,
    end: async () => {
      // To stop it in the middle would be a crash.
      await Promise.allSettled(asked);
      await worker.terminate();
    },
  };
}
