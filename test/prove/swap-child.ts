import { mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import type { Swap, SwapOrders } from './swapping.ts';

/** Does it also where others make or remove something in that place at the same moment. */
function insist(work: () => void, clear: () => void): void {
  for (;;) {
    try {
      return work();
    } catch {
      try {
        clear();
      } catch {
        // Somebody was faster once more.
      }
    }
  }
}

/** Swaps until it is told to end, as fast as it can; paused, everything is in its place. */
const { swaps, orders } = workerData as { swaps: Swap[]; orders: SwapOrders };
for (;;) {
  const order = Atomics.load(orders, 0);
  if (order === 2) break;
  if (order === 1) {
    Atomics.store(orders, 1, 1);
    Atomics.notify(orders, 1);
    Atomics.wait(orders, 0, 1);
    Atomics.store(orders, 1, 0);
    continue;
  }
  for (const { path, away, target } of swaps) {
    const remove = (): void => rmSync(path, { recursive: true, force: true });
    insist(
      () => renameSync(path, away),
      () => mkdirSync(path),
    );
    insist(() => symlinkSync(target, path), remove);
    Atomics.add(orders, 2, 1);
    remove();
    insist(() => renameSync(away, path), remove);
  }
}
