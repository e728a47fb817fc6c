import type { Clock } from './clock.ts';
import type { Observation } from './observe.ts';
import { createSettle, DEFAULT_QUIET } from './settle.ts';
import type { Look, SettleOptions, Settled } from './settle.ts';

export interface SettlerOptions extends SettleOptions {
  clock: Clock;
  /** Looks at these paths once. */
  read(paths: readonly string[]): Promise<Map<string, Observation>>;
  onSettled(settled: Settled): void;
}

export interface Settler {
  hint(path: string): void;
  everything(reason: string): void;
  unsettled(): string[];
  close(): void;
}

// Between two rounds of reads, so that files written one after the other are not read one by one.
const ROUND_MS = 5;

/** Drives `createSettle` by a clock and real reads, one round of reads at a time. */
export function startSettler({ clock, read, onSettled, ...options }: SettlerOptions): Settler {
  const settle = createSettle(options);
  const soon = (options.quiet ?? DEFAULT_QUIET) / 2;
  let cancel: (() => void) | null = null;
  let wakesAt = Infinity;
  let reading = false;
  let roundAt = -Infinity;
  let closed = false;

  const turn = (): void => {
    cancel?.();
    cancel = null;
    wakesAt = Infinity;
    if (closed) return;
    if (!reading && clock.now() >= roundAt + ROUND_MS) {
      const due = settle.due(clock.now());
      if (due.length > 0) {
        reading = true;
        roundAt = clock.now();
        void look(due);
      }
    }
    const settled = settle.take(clock.now());
    if (settled !== null) onSettled(settled);
    wake();
  };
  /** Makes sure of a turn in time; a read under way ends in a turn anyway. */
  const wake = (): void => {
    const next = closed || reading ? null : settle.nextAt();
    if (next === null || next >= wakesAt) return;
    cancel?.();
    wakesAt = Math.max(next, roundAt + ROUND_MS);
    cancel = clock.after(Math.max(0, wakesAt - clock.now()), turn);
  };
  const look = async (due: Look[]): Promise<void> => {
    try {
      const seen = await read(due.map(({ path }) => path));
      for (const one of due) {
        settle.observed(one, seen.get(one.path) ?? { kind: 'other', token: 'not read' }, clock.now());
      }
    } catch (error) {
      for (const one of due) settle.observed(one, { kind: 'other', token: 'not read' }, clock.now());
      settle.everything(`reading failed: ${error instanceof Error ? error.message : String(error)}`, clock.now());
    } finally {
      reading = false;
      turn();
    }
  };

  return {
    hint(path) {
      if (closed) return;
      settle.hint(path, clock.now());
      // A turn that comes in time for the first read of this path is enough; asking for the exact time walks all paths.
      if (wakesAt > clock.now() + soon) wake();
    },
    everything(reason) {
      if (closed) return;
      settle.everything(reason, clock.now());
      wake();
    },
    unsettled: () => settle.unsettled(),
    close() {
      closed = true;
      cancel?.();
    },
  };
}
