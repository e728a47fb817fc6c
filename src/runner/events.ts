import type { Clock } from '../watch/clock.ts';
import type { Reason } from './gate.ts';

/** What one finished batch came to, in figures. */
export interface BatchFigures {
  txid: string | null;
  /** Texts and rows written, inserted, deleted or renamed. */
  items: number;
  conflicts: number;
  skipped: number;
  ms: number;
}

/** Everything that is told about a runner while it runs; `at` is in milliseconds since the epoch. */
export type RunnerEvent = { at: number } & (
  | { type: 'batch-started'; manifest: string; source: string; hook: string | null; paths: number | null }
  | ({ type: 'batch-applied'; manifest: string } & BatchFigures)
  | { type: 'batch-failed'; manifest: string; code: string; message: string; kept: boolean }
  | { type: 'batch-put-off'; manifest: string; reasons: Reason[] }
  | { type: 'conflict'; path: string; mapping: string }
  | { type: 'paused'; who: string; why: string }
  | { type: 'resumed'; who: string; why: string; ms: number }
  | { type: 'gate-closed'; reasons: Reason[] }
  | { type: 'gate-open' }
  | { type: 'queue-high'; depth: number; limit: number; degraded: boolean }
  | { type: 'database-away'; code: string; message: string; retryInMs: number; attempts: number }
  | { type: 'database-back'; ms: number }
  | { type: 'warning'; message: string }
);

type WithoutTime<E> = E extends unknown ? Omit<E, 'at'> : never;
export type NewEvent = WithoutTime<RunnerEvent>;

export interface Events {
  emit(event: NewEvent): void;
  /** Told from now on, in order, until the signal is aborted. */
  subscribe(listener: (event: RunnerEvent) => void, signal?: AbortSignal): void;
  /** The latest, oldest first. */
  history(): RunnerEvent[];
}

export interface EventsOptions {
  clock: Clock;
  /** How many are kept. */
  limit?: number;
  /** A listener threw; the others are told nevertheless. */
  onListenerError(error: unknown): void;
}

/** The one stream that log, terminal and socket clients subscribe to. */
export function createEvents({ clock, limit = 200, onListenerError }: EventsOptions): Events {
  const kept: RunnerEvent[] = [];
  const listeners = new Set<(event: RunnerEvent) => void>();
  return {
    emit(event) {
      const full = { at: clock.wall(), ...event } as RunnerEvent;
      kept.push(full);
      if (kept.length > limit) kept.shift();
      for (const listener of listeners) {
        try {
          listener(full);
        } catch (error) {
          onListenerError(error);
        }
      }
    },
    subscribe(listener, signal) {
      if (signal?.aborted === true) return;
      // One listener may be added twice: each addition is told on its own.
      const own = (event: RunnerEvent): void => listener(event);
      listeners.add(own);
      signal?.addEventListener('abort', () => listeners.delete(own), { once: true });
    },
    history: () => [...kept],
  };
}
