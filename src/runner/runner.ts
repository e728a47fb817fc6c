import { join } from 'node:path';
import { SyncError } from '../core/errors.ts';
import { isEditorFile } from '../core/editor-files.ts';
import type { Manifest } from '../core/manifest.ts';
import { OWN_PREFIX } from '../core/safe-path.ts';
import { type Lock, lockHolder, tryLock } from '../state/lock.ts';
import { type Clock, systemClock } from '../watch/clock.ts';
import { operations } from '../git/busy.ts';
import type { Context } from './context.ts';
import { createEvents, type Events } from './events.ts';
import { createGate, type Gate, GateClosed } from './gate.ts';
import { createHandlers } from './handlers.ts';
import { type HookCall, hookFailure, hookRequest, type HookResult, hookResult } from './hook.ts';
import { insists } from './run-hook.ts';
import { createLiveRoot, type LiveRoot } from './live-root.ts';
import { startLive } from './live.ts';
import { createMetrics } from './metrics.ts';
import type { OpenOptions } from './open-context.ts';
import { packageVersion } from './package-version.ts';
import { readPause } from './pause.ts';
import { type Apply, createQueue, type Queue } from './queue.ts';
import type { Report } from './report.ts';
import { defaultRequest, type Request } from './request.ts';
import { run } from './run.ts';
import { startServer } from './server.ts';
import { socketAddress, type Surroundings } from './socket-path.ts';
import { stayFound } from './stay-found.ts';
import { performTask, type Task } from './task.ts';
import { keepContextWarm, type WarmContext } from './warm-context.ts';
import { asTold } from './unstable.ts';

export interface RunnerOptions extends OpenOptions {
  /** What decides where the socket goes. */
  surroundings: Surroundings;
  /** Who the runner is, for those who find it: `watch`, `hold`. */
  command: string;
  /** Whether it watches files. A runner that does not only serves others. */
  live: boolean;
  /** In milliseconds, between two looks for changed rows; null does not look for them. */
  rows: number | null;
  /** In milliseconds; see `createSettle`. */
  quiet?: number;
  /** In milliseconds, between two looks everywhere; see `startLive`. */
  every?: number;
  clock?: Clock;
  /** A listener of the event stream threw. */
  onListenerError?: (error: unknown) => void;
}

export interface Runner {
  readonly events: Events;
  readonly gate: Gate;
  readonly queue: Queue<Answer>;
  /** Resolves when somebody has asked it to leave. */
  readonly asked: Promise<string>;
  /** What `status` tells of it. */
  status(): Promise<RunnerStatus>;
  /** Finishes the batch in hand and leaves no socket; then the lock is free. */
  close(): Promise<void>;
}

/** What a batch answers: a report, or to a hook what it means for git. */
export type Answer = Report | HookResult;

export interface RunnerStatus {
  pid: number;
  version: string;
  command: string;
  since: number;
  queue: ReturnType<Queue<Answer>['status']>;
  gate: { closed: ReturnType<Gate['reasons']>; past: ReturnType<Gate['past']> };
  figures: ReturnType<ReturnType<typeof createMetrics>['figures']>;
  events: ReturnType<Events['history']>;
}

/**
 * Becomes the one runner of this working tree: takes the lock, then the socket, then watches.
 *
 * @throws {SyncError} `LOCKED` if somebody else is; and whatever keeps a context from being opened
 */
export async function startRunner(options: RunnerOptions): Promise<Runner> {
  const clock = options.clock ?? systemClock;
  const warm = keepContextWarm(options, () => clock.now());
  let lock: Lock | null = null;
  try {
    const { repository, state } = await warm.take();
    lock = await tryLock(state.folder, { holder: { command: options.command } });
    if (!lock) throw await alreadyRunning(state.folder);
    return await assemble(options, clock, warm, lock, { ...repository, stateFolder: state.folder });
  } catch (error) {
    await warm.close();
    await lock?.release();
    throw error;
  }
}

async function assemble(
  options: RunnerOptions,
  clock: Clock,
  warm: WarmContext,
  lock: Lock,
  tree: { top: string; gitDir: string; stateFolder: string },
): Promise<Runner> {
  const { stateFolder, gitDir } = tree;
  const version = await packageVersion();
  const since = clock.wall();
  const events = createEvents({ clock, onListenerError: options.onListenerError ?? (() => {}) });
  const metrics = createMetrics({ clock, events });
  const gate = createGate({
    clock,
    busy: async () => (await operations(tree)).map(({ operation }) => operation).filter((operation) => operation !== 'bisect'),
    paused: () => readPause(stateFolder),
  });
  const live = createLiveRoot((root) =>
    startLive({
      folder: tree.top,
      root: join(tree.top, root),
      gitDir,
      stateFolder,
      ignored: (name) => isEditorFile(name) || name.startsWith(OWN_PREFIX),
      clock,
      gate,
      queue,
      events,
      ...(options.quiet === undefined ? {} : { quiet: options.quiet }),
      ...(options.every === undefined ? {} : { every: options.every }),
    }),
  );
  const queue = createQueue<Answer>({
    apply: (manifest, call) => applyManifest({ options, warm, gate, events, live }, manifest, call),
    gate,
    clock,
    events,
    figures,
  });
  const { promise: asked, resolve: ask } = Promise.withResolvers<string>();
  const status = async (): Promise<RunnerStatus> => ({
    pid: process.pid,
    version,
    command: options.command,
    since,
    queue: queue.status(),
    gate: { closed: gate.reasons(), past: gate.past() },
    figures: metrics.figures(),
    events: events.history(),
  });
  const handlers = createHandlers({ queue, gate, events, clock, stateFolder, status, leave: ask });
  const address = (): Promise<string> => socketAddress(gitDir, options.surroundings);
  const server = await startServer({ lock, stateFolder, address, version, handlers });
  const found = await stayFound({ server, stateFolder, clock, events, leave: ask });
  const stopRows = options.rows === null ? () => {} : lookForRows(clock, options.rows, queue);
  const close = async (): Promise<void> => {
    stopRows();
    found.close();
    await live.close();
    // Once the socket is gone, and before whoever asked is told: then the next one can take the lock at once.
    await server.close(async () => {
      await queue.close();
      await warm.close();
      await lock.release();
    });
    gate.close();
    metrics.close();
  };
  try {
    if (options.live) await live.follow((await warm.take()).config.root);
  } catch (error) {
    // It listens already, and must not go on without its lock.
    await close();
    throw error;
  }
  return { events, gate, queue, asked, status, close };
}

interface Parts {
  options: Pick<RunnerOptions, 'cwd' | 'env' | 'live'>;
  warm: WarmContext;
  gate: Gate;
  events: Events;
  live: LiveRoot;
}

/** Does what a manifest asks for, with the code that a typed command runs without a runner. */
async function applyManifest(parts: Parts, manifest: Manifest, call: Parameters<Apply<Answer>>[1]): Promise<Answer> {
  const { options, warm, gate, events, live } = parts;
  try {
    // From here on it is this one's turn. A commit waits for the end of that, since the end may keep it from being made.
    if (manifest.hook === 'pre-commit') call.onProgress({ step: 'scan', done: 0, total: 0 });
    const opened = await warm.take();
    if (options.live) await live.follow(opened.config.root);
    const context: Context = { ...opened, holdsLock: true, gate: passing(gate, call), progress: call.onProgress };
    if (manifest.source === 'hook') return await applyHook(parts, context, hookCallOf(manifest, call), call.pass.byGit);
    if (manifest.source === 'watcher') return tellConflicts(events, await run(context, watchRequest(manifest, live.unsettled)));
    // Nothing live may write while files are being written: what is edited meanwhile is caught up with afterwards.
    const release = gate.hold({ who: `sync-run ${manifest.direction}`, why: 'a batch writes files' });
    try {
      // From here on it is at work, and whoever asked does not wait for its turn any more.
      call.onProgress({ step: 'scan', done: 0, total: 0 });
      return tellConflicts(events, await performTask(context, call.options as Task));
    } finally {
      release();
    }
  } catch (cause) {
    if (cause instanceof GateClosed) throw cause;
    const error = asTold(cause);
    await warm.spoil();
    // A commit that has to wait for the database cannot leave its work here and go on.
    const blocked = manifest.hook === 'pre-commit' && (await insists(options, error));
    if (blocked) return hookFailure(error, hookCallOf(manifest, call), true);
    throw error;
  }
}

async function applyHook({ events, gate, live }: Parts, context: Context, call: HookCall, byGit: boolean): Promise<HookResult> {
  const isLeased = gate.reasons().some(({ kind }) => kind === 'lease');
  const request = await hookRequest(context, call, isLeased);
  if ('exit' in request) return request;
  // Git has waited for what it wrote itself; what it left for later is live work like any other.
  const moving = byGit ? () => new Map() : inMotion(live.unsettled);
  const leave: Request['leave'] = () => new Map([...request.leave(), ...moving()]);
  const report = tellConflicts(events, await run(context, { ...request, byGit, leave }));
  return { ...hookResult(report, call, context.config), report };
}

function hookCallOf(manifest: Manifest, { options }: Parameters<Apply<Answer>>[1]): HookCall {
  const { args = [], indexFile = null, status = null } = (options ?? {}) as Partial<HookCall>;
  return { hook: manifest.hook ?? '', args, indexFile, status };
}

function passing(gate: Gate, { pass }: Parameters<Apply<Answer>>[1]): Context['gate'] {
  return {
    requireOpen: () => gate.requireOpen(pass),
    mark() {
      const mark = gate.mark(pass);
      return () => gate.stayedOpen(mark);
    },
  };
}

function watchRequest(manifest: Manifest, unsettled: () => string[]): Request {
  return {
    ...defaultRequest,
    command: 'watch',
    direction: manifest.direction,
    source: 'watcher',
    paths: manifest.entries?.map(({ path }) => path) ?? null,
    leave: inMotion(unsettled),
  };
}

/** What was in motion before it was read, and what is afterwards: in between it may have been read half. It follows by itself. */
function inMotion(unsettled: () => string[]): Request['leave'] {
  const refusal = { code: 'UNSETTLED' as const, message: 'The file is being written' };
  const before = unsettled();
  return () => new Map([...before, ...unsettled()].map((path) => [path, refusal]));
}

/** Rows send no notification: they are looked at every so often. */
function lookForRows(clock: Clock, every: number, queue: Queue<Answer>): () => void {
  let cancel = (): void => {};
  let stopped = false;
  const again = (): void => {
    if (stopped) return;
    cancel = clock.after(every, () => {
      const manifest: Manifest = { id: '', source: 'watcher', direction: 'sync', oldHead: null, newHead: null, entries: null };
      const { report } = queue.submit(manifest);
      report.then(again, again);
    });
  };
  again();
  return () => {
    // A look may be under way.
    stopped = true;
    cancel();
  };
}

function tellConflicts(events: Events, report: Report): Report {
  for (const { path, mapping } of report.conflicts) events.emit({ type: 'conflict', path, mapping });
  return report;
}

function figures(answer: Answer) {
  const report = 'exit' in answer ? answer.report : answer;
  if (!report || report.dryRun) return { txid: null, items: 0, conflicts: 0, skipped: 0, ms: 0 };
  const items = [...Object.values(report.files), ...Object.values(report.rows)].reduce((sum, n) => sum + n, 0);
  return { txid: report.txid, items, conflicts: report.conflicts.length, skipped: report.skipped.length, ms: report.ms };
}

async function alreadyRunning(folder: string): Promise<SyncError> {
  const holder = await lockHolder(folder);
  const who = holder?.pid ? `process ${holder.pid} (${holder.command ?? 'sync-run'})` : 'another process';
  return new SyncError('LOCKED', `This working tree has a runner already: ${who}`, { hint: 'See it: npx sync-run status' });
}
