import type { Operation } from '../git/busy.ts';
import type { Clock } from '../watch/clock.ts';
import type { Pass } from './pass.ts';
import { livePass } from './pass.ts';
import type { Pause } from './pause.ts';

/** One thing that keeps the gate closed. */
export interface Reason {
  /** `unknown`: what git does, or whether there is a pause, cannot be read. */
  kind: 'git' | 'quiet' | 'lease' | 'pause' | 'unknown';
  who: string;
  why: string;
  /** Milliseconds since the epoch. */
  since: number;
}

export interface PastReason extends Reason {
  until: number;
}

/** The gate closed under a batch that had begun. It is put back: to wait with it would keep those from running who may pass. */
export class GateClosed extends Error {
  override readonly name = 'GateClosed';
  readonly reasons: Reason[];
  constructor(reasons: Reason[]) {
    super(`The gate is closed: ${reasons.map(({ who, why }) => `${who}: ${why}`).join('; ')}`);
    this.reasons = reasons;
  }
}

export interface GateOptions {
  clock: Clock;
  /** Git's operations under way, looked up afresh; a bisect does not count. */
  busy(): Promise<Operation[]>;
  /** The durable pause, looked up afresh. */
  paused(): Promise<Pause | null>;
  /** Milliseconds after git's last sign of life. */
  quiet?: number;
  /** Milliseconds until a closed gate is looked at although nothing was told; a lost notification only opens it late. */
  recheck?: number;
}

/** A point in time as the gate counts it; see `stayedOpen`. */
export interface Mark {
  readonly count: number;
  readonly pass: Pass;
}

/** Whether live work may proceed: not while git is busy, nor for a quiet time after, nor while anyone holds a pause. */
export interface Gate {
  /** Something changed in the git dir, or the pause file did. */
  hint(): void;
  /** Looks afresh; what is left after `pass` keeps the gate closed for its bearer. */
  look(pass: Pass): Promise<Reason[]>;
  /** @throws {GateClosed} unless the gate is open for the bearer of `pass` */
  requireOpen(pass: Pass): Promise<void>;
  /** Holds the gate closed until the returned function is called; calling that again does nothing. */
  hold(holder: { who: string; why: string }): () => void;
  mark(pass: Pass): Mark;
  /** Whether git did nothing since `mark` but what its pass ignores. */
  stayedOpen(mark: Mark): Promise<boolean>;
  /** As last seen. */
  reasons(pass?: Pass): Reason[];
  /** What held the gate before, newest first; at most 50. */
  past(): PastReason[];
  /** Told whenever the gate opens or closes for live work, and once more when the reasons change. */
  onChange(listener: (reasons: Reason[]) => void): () => void;
  close(): void;
}

const PAST = 50;

/** Stands among git's operations for what cannot be told. */
const UNKNOWN = 'unknown';

export function createGate({ clock, busy, paused, quiet = 200, recheck = 5_000 }: GateOptions): Gate {
  const operations = new Map<string, Reason>();
  const leases = new Set<Reason>();
  const past: PastReason[] = [];
  const listeners = new Set<(reasons: Reason[]) => void>();
  /** Counts git's signs of life, so that `stayedOpen` can tell whether there was one. */
  let count = 0;
  /** By operation; signs without one under ''. */
  const lastSeen = new Map<string, number>();
  let activeAt: number | null = null;
  let activeSince = 0;
  let durable: Reason | null = null;
  let told = JSON.stringify([]);
  let refreshing: Promise<void> | null = null;
  let again: Promise<void> | null = null;
  let cancel = (): void => {};
  let closed = false;

  const reasons = (pass: Pass = livePass): Reason[] => {
    const found: Reason[] = [];
    for (const [operation, reason] of operations) if (!pass.ignores.includes(operation as Operation)) found.push(reason);
    if (pass.quiet && activeAt !== null && operations.size === 0) {
      found.push({ kind: 'quiet', who: 'git', why: 'git was just here', since: activeSince });
    }
    if (pass.pauses) found.push(...leases, ...(durable === null ? [] : [durable]));
    return found;
  };

  const end = (reason: Reason): void => {
    past.unshift({ ...reason, until: clock.wall() });
    past.length = Math.min(past.length, PAST);
  };

  /** Tells the listeners what is new to them. */
  const settle = (): void => {
    const now = reasons();
    const key = JSON.stringify(now);
    if (key === told) return;
    told = key;
    for (const listener of listeners) listener(now);
  };

  const note = (found: ReadonlyMap<string, string>): void => {
    for (const [operation, reason] of operations) {
      if (found.has(operation)) continue;
      operations.delete(operation);
      end(reason);
      // Git may come back at once for its next step (stash, pull): the quiet time begins now.
      activeAt = clock.now();
    }
    for (const [operation, why] of found) {
      const kind = operation === UNKNOWN ? 'unknown' : 'git';
      if (!operations.has(operation)) operations.set(operation, { kind, who: 'git', why, since: clock.wall() });
      lastSeen.set(operation, ++count);
      activeAt = clock.now();
    }
    if (activeAt !== null && operations.size === 0 && clock.now() >= activeAt + quiet) activeAt = null;
    if (activeAt !== null && activeSince === 0) activeSince = clock.wall();
    if (activeAt === null) activeSince = 0;
  };

  const refresh = async (): Promise<void> => {
    let found: Map<string, string>;
    let pause: Pause | null = null;
    try {
      const [all, held] = await Promise.all([busy(), paused()]);
      found = new Map(all.map((operation) => [operation, operation]));
      pause = held;
    } catch (error) {
      // What cannot be told keeps the gate closed, and says so in the reason.
      found = new Map([[UNKNOWN, `the state of git or of the pause cannot be read: ${(error as Error).message}`]]);
      pause = durable === null ? null : { who: durable.who, why: durable.why, since: durable.since };
    }
    if (closed) return;
    note(found);
    const reason: Reason | null = pause === null ? null : { kind: 'pause', ...pause };
    if (durable !== null && durable.since !== reason?.since) end(durable);
    durable = reason;
    schedule();
    settle();
  };

  const schedule = (): void => {
    cancel();
    cancel = (): void => {};
    if (operations.size === 0 && activeAt !== null) cancel = clock.after(Math.max(0, activeAt + quiet - clock.now()), () => void fresh());
    else if (operations.size > 0 || durable !== null) cancel = clock.after(recheck, () => void fresh());
  };

  /** A look that began after the call: one under way may have missed what made the caller ask. */
  const fresh = (): Promise<void> => {
    if (closed) return Promise.resolve();
    if (refreshing === null) {
      refreshing = refresh().finally(() => (refreshing = null));
      return refreshing;
    }
    again ??= refreshing.then(() => {
      again = null;
      return fresh();
    });
    return again;
  };

  return {
    hint() {
      if (closed) return;
      count += 1;
      lastSeen.set('', count);
      activeAt = clock.now();
      if (activeSince === 0) activeSince = clock.wall();
      // At once: a look may take longer than the quiet time, and nobody would learn that the gate was ever closed.
      settle();
      void fresh();
    },
    async look(pass) {
      await fresh();
      return reasons(pass);
    },
    async requireOpen(pass) {
      await fresh();
      const closedFor = reasons(pass);
      if (closedFor.length > 0) throw new GateClosed(closedFor);
    },
    hold({ who, why }) {
      const lease: Reason = { kind: 'lease', who, why, since: clock.wall() };
      leases.add(lease);
      settle();
      return () => {
        if (!leases.delete(lease)) return;
        end(lease);
        settle();
      };
    },
    mark: (pass) => ({ count, pass }),
    async stayedOpen(mark) {
      await fresh();
      for (const [operation, seenAt] of lastSeen) {
        const ignored = operation === '' ? mark.pass.byGit : mark.pass.ignores.includes(operation as Operation);
        if (!ignored && seenAt > mark.count) return false;
      }
      return true;
    },
    reasons,
    past: () => [...past],
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close() {
      closed = true;
      cancel();
    },
  };
}
