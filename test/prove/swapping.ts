import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** Something in a tree, and what a link in its place leads to. */
export interface Swap {
  path: string;
  /** Where it is kept meanwhile. */
  away: string;
  target: string;
}

/** What to do: 0 swap, 1 pause, 2 end; whether it pauses; how often a link stood there. */
export type SwapOrders = Int32Array<SharedArrayBuffer>;

/** A thread that puts links in place of folders and files, and takes them away again, while others read. */
export interface Swapper extends AsyncDisposable {
  /** Everything is in its place until `resume`. */
  pause(): Promise<void>;
  resume(): void;
  /** How often a link stood there. */
  swapped(): number;
}

/** To be ended before what it swaps is removed. */
export function startSwapper(swaps: readonly Swap[]): Swapper {
  const orders: SwapOrders = new Int32Array(new SharedArrayBuffer(12));
  // What it does is begun paused.
  orders[0] = 1;
  const worker = new Worker(new URL('./swap-child.ts', import.meta.url), { workerData: { swaps, orders } });
  const ended = once(worker, 'exit');
  let failure: unknown = null;
  worker.on('error', (error) => (failure = error));
  const order = (next: number): void => {
    Atomics.store(orders, 0, next);
    Atomics.notify(orders, 0);
  };
  return {
    async pause() {
      order(1);
      const { async: isAsync, value } = Atomics.waitAsync(orders, 1, 0);
      if (isAsync) await Promise.race([value, ended]);
      if (failure !== null) throw failure as Error;
    },
    resume: () => order(0),
    async [Symbol.asyncDispose]() {
      order(2);
      await ended;
    },
    swapped: () => Atomics.load(orders, 2),
  };
}
