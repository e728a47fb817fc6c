import type { Clock } from './clock.ts';

export interface ClockJumpOptions {
  clock: Clock;
  /** Milliseconds between two looks. */
  every?: number;
  /** Milliseconds of drift that are taken for a jump. */
  tolerance?: number;
  /** Called with the milliseconds the wall clock went further (or, negative, back) than the time between two looks. */
  onJump(drift: number): void;
}

/**
 * Notices that the machine slept or its time was set: the wall clock drifts from the time between two looks.
 * Nothing was watched meanwhile, so whoever listens looks everywhere.
 */
export function watchClock({ clock, every = 5_000, tolerance = 5_000, onJump }: ClockJumpOptions): { close(): void } {
  let last = clock.wall();
  let cancel = clock.after(every, look);

  function look(): void {
    const wall = clock.wall();
    const drift = wall - last - every;
    last = wall;
    cancel = clock.after(every, look);
    if (Math.abs(drift) > tolerance) onJump(drift);
  }

  return { close: () => cancel() };
}
