import type { Clock } from '../../src/watch/clock.ts';

export interface FakeClock extends Clock {
  /** Moves time on, running what falls due in order. */
  advance(ms: number): void;
  /** The same, letting promises settle before and after every timer. */
  run(ms: number): Promise<void>;
  /** Moves the wall clock only, as a sleeping machine does. */
  jump(ms: number): void;
  pending(): number;
}

export function fakeClock(): FakeClock {
  let now = 1_000;
  let offset = 1_700_000_000_000;
  let order = 0;
  const timers = new Map<number, { at: number; work: () => void }>();

  const next = (until: number): [number, { at: number; work: () => void }] | null => {
    let first: [number, { at: number; work: () => void }] | null = null;
    for (const timer of timers) if (timer[1].at <= until && (first === null || timer[1].at < first[1].at)) first = timer;
    return first;
  };
  const fire = ([id, { at, work }]: [number, { at: number; work: () => void }]): void => {
    timers.delete(id);
    now = Math.max(now, at);
    work();
  };
  const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  return {
    now: () => now,
    wall: () => now + offset,
    after(ms, work) {
      const id = ++order;
      timers.set(id, { at: now + ms, work });
      return () => void timers.delete(id);
    },
    advance(ms) {
      const until = now + ms;
      for (let timer = next(until); timer !== null; timer = next(until)) fire(timer);
      now = until;
    },
    async run(ms) {
      const until = now + ms;
      await breathe();
      for (let timer = next(until); timer !== null; timer = next(until)) {
        fire(timer);
        await breathe();
      }
      now = until;
    },
    jump(ms) {
      offset += ms;
    },
    pending: () => timers.size,
  };
}
