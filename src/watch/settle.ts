import type { Observation } from './observe.ts';

/** In milliseconds. */
export const DEFAULT_QUIET = 60;

export interface SettleOptions {
  /** Milliseconds without an event before a file is believed. */
  quiet?: number;
  /** The same for a file that is empty, gone or no regular file: an editor may be about to write it. */
  slow?: number;
  /** Milliseconds a settled path waits at most for others that are still in motion. */
  patience?: number;
  /** Paths in motion at once; beyond that they are forgotten in favour of "look everywhere". */
  limit?: number;
}

/** What came to rest: paths, or everything with the reasons for it. */
export interface Settled {
  paths: string[];
  everything: string[] | null;
}

/** One read to do; `look` goes back with its answer, so that an answer overtaken by an event is dropped. */
export interface Look {
  path: string;
  look: number;
}

interface Entry {
  /** Of the last event, or of a read that differed from the one before. */
  movedAt: number;
  seen: Observation | null;
  seenAt: number;
  /** Number of the read under way, 0 where there is none. */
  look: number;
}

/**
 * Decides when a changed file may be believed: after a quiet time, and when two reads at both ends of its second half
 * are equal. Pure: no clock, no reads; the caller tells the time and what it read. What comes out was read twice alike
 * with no event in between, and comes out in as few batches as the quiet time allows.
 */
export interface Settle {
  /** Something happened to this path. */
  hint(path: string, now: number): void;
  /** Something may have happened anywhere. */
  everything(reason: string, now: number): void;
  /** The reads that are due; each is asked for once. */
  due(now: number): Look[];
  observed(look: Look, seen: Observation, now: number): void;
  /** What can be handed on now, if anything. */
  take(now: number): Settled | null;
  /** When `due` or `take` will next have something; null while that depends on an event or a read under way. */
  nextAt(): number | null;
  /** Paths that are still in motion: whoever looks everywhere leaves them alone, they follow on their own. */
  unsettled(): string[];
}

export function createSettle({ quiet = DEFAULT_QUIET, slow = 2_000, patience = 1_000, limit = 10_000 }: SettleOptions = {}): Settle {
  const moving = new Map<string, Entry>();
  /** Path to the time it settled, oldest first. */
  const ready = new Map<string, number>();
  let looks = 0;
  let reasons: string[] | null = null;
  let reasonAt = 0;
  /** Set while so much is in motion that single paths are no longer followed. */
  let flood: { since: number; movedAt: number } | null = null;

  const isSlow = (entry: Entry): boolean => entry.seen !== null && entry.seen.kind !== 'content';
  const lookAt = (entry: Entry): number => {
    if (entry.seen === null) return entry.movedAt + quiet / 2;
    return Math.max(entry.movedAt + (isSlow(entry) ? slow : quiet), entry.seenAt + quiet / 2);
  };
  const inMotion = (): boolean => {
    for (const entry of moving.values()) if (!isSlow(entry)) return true;
    return false;
  };
  /** When everything there is may go out even if other paths still move. */
  const patienceEnds = (): number | null => {
    const [oldest] = ready.values();
    if (oldest === undefined && reasons === null) return null;
    return Math.min(oldest ?? Infinity, reasons === null ? Infinity : reasonAt) + patience;
  };
  const floodEnds = (since: { since: number; movedAt: number }): number => Math.min(since.movedAt + slow, since.since + 5 * slow);

  const because = (reason: string, now: number): void => {
    if (reasons === null) {
      reasons = [];
      reasonAt = now;
    }
    if (!reasons.includes(reason)) reasons.push(reason);
  };

  const hint = (path: string, now: number): void => {
    if (flood !== null) {
      flood.movedAt = now;
      return;
    }
    ready.delete(path);
    moving.set(path, { movedAt: now, seen: null, seenAt: 0, look: 0 });
    if (moving.size + ready.size <= limit) return;
    moving.clear();
    ready.clear();
    flood = { since: now, movedAt: now };
    because('more changes at once than are followed one by one', now);
  };

  return {
    hint,
    everything: because,
    due(now) {
      const looksDue: Look[] = [];
      for (const [path, entry] of moving) {
        if (entry.look !== 0 || lookAt(entry) > now) continue;
        entry.look = ++looks;
        looksDue.push({ path, look: entry.look });
      }
      return looksDue;
    },
    observed({ path, look }, seen, now) {
      const entry = moving.get(path);
      if (entry === undefined || entry.look !== look) return;
      entry.look = 0;
      const { seen: before } = entry;
      entry.seen = seen;
      entry.seenAt = now;
      if (before === null) return;
      if (before.kind !== seen.kind || before.token !== seen.token) {
        entry.movedAt = now;
        return;
      }
      moving.delete(path);
      ready.set(path, now);
    },
    take(now) {
      if (flood !== null) {
        if (floodEnds(flood) > now) return null;
        flood = null;
      } else {
        const ends = patienceEnds();
        if (ends === null || (ends > now && inMotion())) return null;
      }
      const settled: Settled = { paths: [...ready.keys()], everything: reasons };
      ready.clear();
      reasons = null;
      return settled;
    },
    nextAt() {
      if (flood !== null) return floodEnds(flood);
      let next = Infinity;
      for (const entry of moving.values()) if (entry.look === 0) next = Math.min(next, lookAt(entry));
      const ends = patienceEnds();
      if (ends !== null) next = Math.min(next, inMotion() ? ends : -Infinity);
      return next === Infinity ? null : Math.max(next, 0);
    },
    unsettled: () => [...moving.keys()],
  };
}
