import type { Live } from './live.ts';

/** Live watching of the root that the configuration names, which may be another one by the next batch. */
export interface LiveRoot {
  /** Watches this root from now on. Calls are served one after the other; those after `close` do nothing. */
  follow(root: string): Promise<void>;
  /** Paths in motion right now. */
  unsettled(): string[];
  close(): Promise<void>;
}

export function createLiveRoot(start: (root: string) => Promise<Live>): LiveRoot {
  let live: Live | null = null;
  let watched: string | null = null;
  let closing = false;
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const next = last.then(work);
    // Whoever asked is told.
    last = next.catch(() => {});
    return next;
  };
  return {
    follow: (root) =>
      inTurn(async () => {
        if (closing || root === watched) return;
        await live?.close();
        [live, watched] = [null, null];
        live = await start(root);
        watched = root;
      }),
    unsettled: () => live?.unsettled() ?? [],
    close() {
      closing = true;
      return inTurn(async () => live?.close());
    },
  };
}
