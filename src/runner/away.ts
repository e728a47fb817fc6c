import type { SyncError } from '../core/errors.ts';
import type { Clock } from '../watch/clock.ts';
import type { Events } from './events.ts';

export interface AwayStatus {
  code: string;
  message: string;
  hint: string | null;
  /** Milliseconds since the epoch. */
  since: number;
  attempts: number;
  retryInMs: number;
}

/** Keeps account of a database that does not answer: since when, and when to try again. */
export interface Away {
  /** @param probe somebody's own new manifest was tried out of turn; it does not put off the next turn */
  failed(error: SyncError, probe: boolean): void;
  /** The database answered. */
  over(): void;
  /** Whether it is away and the next turn has not come. */
  waits(): boolean;
  status(): AwayStatus | null;
  close(): void;
}

const FIRST_MS = 500;
const LONGEST_MS = 30_000;

export function createAway({ clock, events, random, onRetry }: { clock: Clock; events: Events; random(): number; onRetry(): void }): Away {
  let state: { error: SyncError; since: number; sinceNow: number; attempts: number; retryAt: number } | null = null;
  let cancel = (): void => {};

  return {
    failed(error, probe) {
      if (state !== null && probe && clock.now() < state.retryAt) {
        state.error = error;
        return;
      }
      const attempts = (state?.attempts ?? 0) + 1;
      // Jitter, so that the runners of many working trees do not come back in step.
      const delay = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempts - 1, 10)) * (0.5 + random() / 2);
      state = {
        error,
        since: state?.since ?? clock.wall(),
        sinceNow: state?.sinceNow ?? clock.now(),
        attempts,
        retryAt: clock.now() + delay,
      };
      cancel();
      cancel = clock.after(delay, onRetry);
      events.emit({ type: 'database-away', code: error.code, message: error.message, retryInMs: Math.round(delay), attempts });
    },
    over() {
      if (state === null) return;
      cancel();
      events.emit({ type: 'database-back', ms: Math.round(clock.now() - state.sinceNow) });
      state = null;
    },
    waits: () => state !== null && clock.now() < state.retryAt,
    status: () =>
      state === null
        ? null
        : {
            code: state.error.code,
            message: state.error.message,
            hint: state.error.hint ?? null,
            since: state.since,
            attempts: state.attempts,
            retryInMs: Math.max(0, Math.round(state.retryAt - clock.now())),
          },
    close: () => cancel(),
  };
}
