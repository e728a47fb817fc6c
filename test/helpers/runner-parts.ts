import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Manifest } from '../../src/core/manifest.ts';
import type { Operation } from '../../src/git/busy.ts';
import { createEvents } from '../../src/runner/events.ts';
import type { RunnerEvent } from '../../src/runner/events.ts';
import { createGate } from '../../src/runner/gate.ts';
import { createHandlers } from '../../src/runner/handlers.ts';
import { readPause } from '../../src/runner/pause.ts';
import { createQueue } from '../../src/runner/queue.ts';
import type { Apply } from '../../src/runner/queue.ts';
import { startServer } from '../../src/runner/server.ts';
import type { ServerOptions } from '../../src/runner/server.ts';
import { socketAddress } from '../../src/runner/socket-path.ts';
import { systemClock } from '../../src/watch/clock.ts';
import { createSeen } from './seen.ts';

/** A private scratch folder that goes with the test. */
export async function scratchFolder(t: TestContext): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'sr-')));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A runner whose batches are what the test says; everything else is real. */
export async function startParts(t: TestContext, apply?: Apply<unknown>, more: Partial<ServerOptions> = {}) {
  const scratch = await scratchFolder(t);
  const stateFolder = join(scratch, 'state');
  const runtimeDir = join(scratch, 'run');
  const gitDir = join(scratch, 'git');
  for (const folder of [stateFolder, runtimeDir, gitDir]) await mkdir(folder, { mode: 0o700 });
  const seen = createSeen<RunnerEvent>();
  const applied = createSeen<Manifest>();
  const git = { operations: [] as Operation[] };
  const events = createEvents({ clock: systemClock, onListenerError: (error) => t.diagnostic(String(error)) });
  events.subscribe((event) => seen.add(event));
  const gate = createGate({ clock: systemClock, busy: async () => git.operations, paused: () => readPause(stateFolder), quiet: 1 });
  const queue = createQueue<unknown>({
    apply: (manifest, context) => {
      applied.add(manifest);
      return apply === undefined ? Promise.resolve({ paths: manifest.entries?.map(({ path }) => path) ?? null }) : apply(manifest, context);
    },
    gate,
    clock: systemClock,
    events,
    figures: () => ({ txid: null, items: 0, conflicts: 0, skipped: 0, ms: 0 }),
  });
  const left = createSeen<string>();
  const handlers = createHandlers({
    queue,
    gate,
    events,
    clock: systemClock,
    stateFolder,
    status: async () => ({ queue: queue.status(), gate: gate.reasons() }),
    leave: (why) => {
      left.add(why);
      void close();
    },
  });
  const address = await socketAddress(gitDir, {
    platform: process.platform,
    uid: process.getuid?.() ?? null,
    runtimeDir,
    home: undefined,
    tmpdir: scratch,
  });
  const server = await startServer({
    lock: { holder: { pid: process.pid } },
    stateFolder,
    address: async () => address,
    version: '1.2.3',
    handlers,
    ...more,
  });
  let closing: Promise<unknown> | null = null;
  const close = (): Promise<unknown> => {
    closing ??= server.close(() => queue.close()).finally(() => gate.close());
    return closing;
  };
  t.after(close);
  return { scratch, stateFolder, runtimeDir, gitDir, address, server, queue, gate, events, seen, applied, git, left, close, handlers };
}

export const client = (stateFolder: string, version = '1.2.3') => ({ stateFolder, version, who: 'a test', deadline: 5_000 });

export const manifestOf = (paths: string[] | null, more: Partial<Manifest> = {}): Manifest => ({
  id: 'm1',
  source: 'cli',
  direction: 'import',
  oldHead: null,
  newHead: null,
  entries: paths?.map((path) => ({ path, change: 'changed' as const })) ?? null,
  ...more,
});
