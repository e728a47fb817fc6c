import { randomUUID } from 'node:crypto';
import { SyncError } from '../core/errors.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { Manifest } from '../core/manifest.ts';
import type { Clock } from '../watch/clock.ts';
import { createAway } from './away.ts';
import type { AwayStatus } from './away.ts';
import type { Deferral } from './deferral.ts';
import type { BatchFigures, Events } from './events.ts';
import { type Gate, GateClosed, type Reason } from './gate.ts';
import { livePass, passOf } from './pass.ts';
import type { Pass } from './pass.ts';
import { createPending, isLive } from './pending.ts';
import type { Group, Options } from './pending.ts';

/** Runs one batch. */
export type Apply<R> = (
  manifest: Manifest,
  context: { options: Options; pass: Pass; signal: AbortSignal; onProgress(progress: unknown): void },
) => Promise<R>;

export interface SubmitOptions {
  options?: Options;
  onProgress?(progress: unknown): void;
  /** Told when the manifest has to wait; a hook takes that for its answer and leaves. */
  onDeferred?(why: Deferral): void;
  /** Takes a typed command back while it waits. What a hook or the watcher sent stays wanted. */
  signal?: AbortSignal;
}

export interface Submission<R> {
  /** Resolves once the queue has taken the manifest; until then the producer should send no more. */
  accepted: Promise<void>;
  /** The report of the batch that covered the manifest. */
  report: Promise<R>;
}

export interface QueueStatus {
  /** Paths that wait, the most there ever were, and how many there may be. */
  depth: number;
  max: number;
  limit: number;
  /** Producers that wait for room. */
  producers: number;
  running: { source: string; hook: string | null; paths: number | null; since: number } | null;
  /** Null while the database answers. */
  database: AwayStatus | null;
}

export interface QueueOptions<R> {
  apply: Apply<R>;
  gate: Pick<Gate, 'look' | 'reasons' | 'onChange'>;
  clock: Clock;
  events: Events;
  /** Figures of a report, for the event stream. */
  figures(report: R): BatchFigures;
  limit?: number;
  /** Between 0 and 1. */
  random?(): number;
}

export interface Queue<R> {
  submit(manifest: Manifest, options?: SubmitOptions): Submission<R>;
  status(): QueueStatus;
  /** Resolves when the batch in hand, if any, is over. */
  inHand(): Promise<void>;
  /** Finishes the batch in hand; everything else is refused with `QueueClosed`. */
  close(): Promise<void>;
}

/** The runner leaves; whoever asked may take the lock and do it. */
export class QueueClosed extends Error {
  override readonly name = 'QueueClosed';
}

/** Failures that show that the database is there. */
const answered: ReadonlySet<ErrorCode> = new Set(['DATABASE', 'VERIFY', 'UNSTABLE', 'MASS_CHANGE', 'WRONG_TARGET']);

interface Submitter<R> {
  resolve(report: R): void;
  reject(error: unknown): void;
  onProgress(progress: unknown): void;
  onDeferred(why: Deferral): void;
}

/**
 * Applies manifests one batch at a time, in order as far as the gate lets each pass. Manifests for the same batch are
 * coalesced; too many paths become "look everywhere"; a batch that fails because the database is away stays and is
 * tried again. Nothing that was accepted is forgotten, but a typed command that was answered with an error.
 */
export function createQueue<R>({ apply, gate, clock, events, figures, limit = 10_000, random = Math.random }: QueueOptions<R>): Queue<R> {
  const pending = createPending<Submitter<R>>(limit);
  const producers: { group: Group<Submitter<R>>; accepted(): void }[] = [];
  const away = createAway({ clock, events, random, onRetry: () => wake() });
  const abort = new AbortController();
  let max = 0;
  let highTold = false;
  let running: { group: Group<Submitter<R>>; since: number; over: Promise<void> } | null = null;
  let closed = false;
  let wanted = false;
  let looking: Promise<void> | null = null;

  const tellHigh = (degraded: boolean): void => {
    const depth = pending.depth();
    const above = degraded || depth >= limit * 0.8;
    if (above && (!highTold || degraded)) events.emit({ type: 'queue-high', depth, limit, degraded });
    highTold = above;
  };
  const take = (group: Group<Submitter<R>>): boolean => {
    const added = pending.add(group);
    if (added === 'full') return false;
    max = Math.max(max, pending.depth());
    tellHigh(added === 'degraded');
    return true;
  };
  const admit = (): void => {
    while (producers[0] !== undefined && take(producers[0].group)) producers.shift()?.accepted();
  };
  const withdraw = (group: Group<Submitter<R>>, submitter: Submitter<R>): void => {
    const holder = [...pending.groups(), ...producers.map((one) => one.group), running?.group ?? group].find((one) =>
      one.submitters.includes(submitter),
    );
    if (holder === undefined) return;
    holder.submitters = holder.submitters.filter((one) => one !== submitter);
    if (holder.submitters.length > 0 || isLive(holder.manifest)) return;
    pending.remove(holder);
    const place = producers.findIndex((one) => one.group === holder);
    if (place >= 0) producers.splice(place, 1)[0]?.accepted();
    wake();
  };

  const wake = (): void => {
    wanted = true;
    looking ??= loop().finally(() => {
      looking = null;
      if (wanted && !closed) wake();
    });
  };
  const loop = async (): Promise<void> => {
    while (wanted && !closed) {
      wanted = false;
      admit();
      if (pending.groups().length === 0) return;
      await gate.look(livePass);
      // The gate may have closed, and submissions come, since; both set `wanted`.
      const group = next();
      if (group === null) continue;
      wanted = true;
      const over = run(group);
      running = { group, since: clock.wall(), over };
      await over;
      running = null;
    }
  };
  /** The first group that may run now; those before it are told why not. */
  const next = (): Group<Submitter<R>> | null => {
    if (closed) return null;
    for (const group of pending.groups()) {
      // What is new since the database was found away is tried at once: it may be back, and somebody waits.
      if (away.waits() && (group.tried || group.manifest.source === 'watcher')) continue;
      const reasons = gate.reasons(passFor(group));
      if (reasons.length === 0) return group;
      defer(group, { kind: 'gate', reasons });
    }
    return null;
  };

  const run = async (group: Group<Submitter<R>>): Promise<void> => {
    const { manifest, options } = group;
    pending.remove(group);
    admit();
    const paths = manifest.entries?.length ?? null;
    events.emit({ type: 'batch-started', manifest: manifest.id, source: manifest.source, hook: manifest.hook ?? null, paths });
    try {
      const report = await apply(manifest, {
        options,
        pass: passFor(group),
        signal: abort.signal,
        onProgress: (progress) => {
          for (const submitter of group.submitters) submitter.onProgress(progress);
        },
      });
      away.over();
      events.emit({ type: 'batch-applied', manifest: manifest.id, ...figures(report) });
      for (const submitter of group.submitters) submitter.resolve(report);
    } catch (error) {
      fail(group, error);
    }
  };
  const fail = (group: Group<Submitter<R>>, error: unknown): void => {
    if (error instanceof GateClosed) {
      putOff(group, error.reasons);
      return;
    }
    const known = error instanceof SyncError ? error : null;
    const kept = !closed && known?.exitCode === 3 && group.manifest.source !== 'cli' && group.manifest.source !== 'mcp';
    const code = known?.code ?? 'INTERNAL';
    const message = error instanceof Error ? error.message : String(error);
    events.emit({ type: 'batch-failed', manifest: group.manifest.id, code, message, kept });
    if (known?.exitCode === 3) away.failed(known, !group.tried);
    else if (known !== null && answered.has(known.code)) away.over();
    if (!kept) {
      for (const submitter of group.submitters) submitter.reject(error);
      return;
    }
    group.tried = true;
    // The commit is over by the next attempt: what it staged is by then just what the files are.
    if (!isLive(group.manifest)) group.manifest = { ...group.manifest, source: 'watcher', hook: undefined };
    if (group.manifest.source === 'watcher') group.options = null;
    pending.putBack(group);
    defer(group, { kind: 'database', code, message, retryInMs: away.status()?.retryInMs ?? 0 });
  };
  const putOff = (group: Group<Submitter<R>>, reasons: Reason[]): void => {
    events.emit({ type: 'batch-put-off', manifest: group.manifest.id, reasons });
    if (closed) for (const submitter of group.submitters) submitter.reject(new QueueClosed('The runner is leaving'));
    if (closed || (group.submitters.length === 0 && !isLive(group.manifest))) return;
    pending.putBack(group);
    defer(group, { kind: 'gate', reasons });
  };
  /** Tells each submitter once: who joined later is told with the next reason at the latest. */
  const defer = (group: Group<Submitter<R>>, why: Deferral): void => {
    const told = `${group.submitters.length} ${why.kind === 'gate' ? JSON.stringify(why.reasons) : why.message}`;
    if (told === group.told) return;
    group.told = told;
    for (const submitter of group.submitters) submitter.onDeferred(why);
  };

  const unlisten = gate.onChange(() => wake());
  return {
    submit(manifest, { options = null, onProgress = () => {}, onDeferred = () => {}, signal } = {}) {
      if (closed) {
        const refused = Promise.reject<R>(new QueueClosed('The runner is leaving'));
        refused.catch(() => {});
        return { accepted: Promise.resolve(), report: refused };
      }
      const { promise: report, resolve, reject } = Promise.withResolvers<R>();
      // A failure is told by the event stream too: who does not wait for the report does not have to catch it.
      report.catch(() => {});
      const submitter: Submitter<R> = { resolve, reject, onProgress, onDeferred };
      const copy: Manifest = { ...manifest, id: manifest.id === '' ? randomUUID() : manifest.id };
      const group: Group<Submitter<R>> = { manifest: copy, options, submitters: [submitter], tried: false, told: '' };
      if (signal !== undefined) {
        const giveUp = (): void => {
          withdraw(group, submitter);
          reject(signal.reason);
        };
        if (signal.aborted) {
          reject(signal.reason);
          if (!isLive(copy)) return { accepted: Promise.resolve(), report };
        }
        const forget = (): void => signal.removeEventListener('abort', giveUp);
        signal.addEventListener('abort', giveUp, { once: true });
        report.then(forget, forget);
      }
      // Nobody overtakes a producer that waits, except the watcher, which waits for nobody.
      const taken = (producers.length === 0 || copy.source === 'watcher') && take(group);
      const accepted = taken ? Promise.resolve() : new Promise<void>((done) => producers.push({ group, accepted: done }));
      wake();
      return { accepted, report };
    },
    status: () => ({
      depth: pending.depth(),
      max,
      limit,
      producers: producers.length,
      running:
        running === null
          ? null
          : {
              source: running.group.manifest.source,
              hook: running.group.manifest.hook ?? null,
              paths: running.group.manifest.entries?.length ?? null,
              since: running.since,
            },
      database: away.status(),
    }),
    async inHand() {
      await running?.over;
    },
    async close() {
      closed = true;
      unlisten();
      away.close();
      const left = [...pending.groups(), ...producers.map(({ group }) => group)];
      for (const { accepted } of producers.splice(0)) accepted();
      for (const group of left) {
        pending.remove(group);
        for (const submitter of group.submitters) submitter.reject(new QueueClosed('The runner is leaving'));
      }
      await running?.over;
      await looking;
    },
  };
}

/** Git waits for a hook no longer once that has left its work here: then it is live work like any other. */
function passFor({ manifest, submitters }: Pick<Group<unknown>, 'manifest' | 'submitters'>): Pass {
  return manifest.source === 'hook' && submitters.length === 0 ? livePass : passOf(manifest);
}
