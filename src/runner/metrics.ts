import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Clock } from '../watch/clock.ts';
import type { Events, RunnerEvent } from './events.ts';

export interface Figures {
  /** In milliseconds. */
  uptime: number;
  batches: number;
  failed: number;
  items: number;
  conflicts: number;
  /** Attempts put off because the database was away. */
  retries: number;
  /** Times the gate was closed, and for how long in all, in milliseconds. */
  gate: { closed: number; ms: number };
  /** Pauses and leases, and for how long in all, in milliseconds; those that last are counted up to now. */
  pauses: { count: number; ms: number };
  /** How late the event loop was, in milliseconds; null where the runtime cannot tell. */
  eventLoop: { p50: number; p99: number; max: number } | null;
}

export interface Metrics {
  figures(): Figures;
  close(): void;
}

const RESOLUTION_MS = 10;

/** Counts what the event stream tells. */
export function createMetrics({ clock, events }: { clock: Clock; events: Events }): Metrics {
  const startedAt = clock.now();
  const stop = new AbortController();
  const counts = { batches: 0, failed: 0, items: 0, conflicts: 0, retries: 0 };
  const gate = createSpan(clock);
  const pauses = { count: 0, ms: 0 };
  const open = new Map<string, number[]>();
  const delay = startDelay();

  events.subscribe((event) => {
    count(counts, event);
    if (event.type === 'gate-closed') gate.begin();
    if (event.type === 'gate-open') gate.end();
    const key = event.type === 'paused' || event.type === 'resumed' ? JSON.stringify([event.who, event.why]) : '';
    if (event.type === 'paused') {
      pauses.count += 1;
      open.set(key, [...(open.get(key) ?? []), clock.now()]);
    }
    if (event.type === 'resumed') {
      pauses.ms += event.ms;
      const [, ...rest] = open.get(key) ?? [];
      if (rest.length > 0) open.set(key, rest);
      else open.delete(key);
    }
  }, stop.signal);

  return {
    figures: () => ({
      uptime: Math.round(clock.now() - startedAt),
      ...counts,
      gate: gate.figures(),
      pauses: {
        count: pauses.count,
        ms: Math.round([...open.values()].flat().reduce((sum, since) => sum + clock.now() - since, pauses.ms)),
      },
      eventLoop: delay.figures(),
    }),
    close() {
      stop.abort();
      delay.close();
    },
  };
}

function count(counts: Omit<Figures, 'uptime' | 'gate' | 'pauses' | 'eventLoop'>, event: RunnerEvent): void {
  if (event.type === 'batch-applied') {
    counts.batches += 1;
    counts.items += event.items;
    counts.conflicts += event.conflicts;
  }
  if (event.type === 'batch-failed') counts.failed += 1;
  if (event.type === 'database-away') counts.retries += 1;
}

function createSpan(clock: Clock): { begin(): void; end(): void; figures(): { closed: number; ms: number } } {
  let times = 0;
  let sum = 0;
  let since: number | null = null;
  return {
    begin() {
      if (since !== null) return;
      since = clock.now();
      times += 1;
    },
    end() {
      if (since !== null) sum += clock.now() - since;
      since = null;
    },
    figures: () => ({ closed: times, ms: Math.round(sum + (since === null ? 0 : clock.now() - since)) }),
  };
}

function startDelay(): { figures(): Figures['eventLoop']; close(): void } {
  const none = { figures: () => null, close: () => {} };
  // Deno has the function, but it does not see a loop that is blocked (2.9).
  if ('Deno' in globalThis) return none;
  try {
    const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    histogram.enable();
    // What is counted is the time between two ticks.
    const ms = (nanoseconds: number): number => Math.max(0, Math.round(nanoseconds / 1e4 - RESOLUTION_MS * 100) / 100);
    return {
      figures: () =>
        histogram.count === 0 ? null : { p50: ms(histogram.percentile(50)), p99: ms(histogram.percentile(99)), max: ms(histogram.max) },
      close: () => void histogram.disable(),
    };
  } catch {
    // A runtime without it: the figure is left out, everything else goes on.
    return none;
  }
}
