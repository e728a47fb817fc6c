import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SyncError } from '../../src/core/errors.ts';
import type { Manifest } from '../../src/core/manifest.ts';
import { createEvents } from '../../src/runner/events.ts';
import type { RunnerEvent } from '../../src/runner/events.ts';
import { createGate, GateClosed } from '../../src/runner/gate.ts';
import type { Operation } from '../../src/git/busy.ts';
import { livePass } from '../../src/runner/pass.ts';
import { createQueue, QueueClosed } from '../../src/runner/queue.ts';
import type { Apply, Queue } from '../../src/runner/queue.ts';
import type { Deferral } from '../../src/runner/deferral.ts';
import { fakeClock } from '../helpers/fake-clock.ts';

interface Report {
  txid: string | null;
  paths: string[] | null;
}

let ids = 0;
const manifest = (paths: string[] | null, more: Partial<Manifest> = {}): Manifest => ({
  id: `m${++ids}`,
  source: 'watcher',
  direction: 'import',
  oldHead: null,
  newHead: null,
  entries: paths?.map((path) => ({ path, change: 'changed' as const })) ?? null,
  ...more,
});
const away = (): SyncError => new SyncError('UNREACHABLE', 'Cannot reach the database');

function setUp(apply: (applied: Manifest, context: Parameters<Apply<Report>>[1]) => Promise<Report>, limit?: number) {
  const clock = fakeClock();
  const git = { operations: [] as Operation[] };
  const events = createEvents({ clock, onListenerError: (error) => assert.fail(String(error)) });
  const gate = createGate({ clock, busy: async () => git.operations, paused: async () => null, quiet: 100 });
  const applied: Manifest[] = [];
  const queue: Queue<Report> = createQueue<Report>({
    apply: (one, context) => {
      applied.push(one);
      return apply(one, context);
    },
    gate,
    clock,
    events,
    random: () => 1,
    figures: (report) => ({ txid: report.txid, items: report.paths?.length ?? 0, conflicts: 0, skipped: 0, ms: 1 }),
    ...(limit === undefined ? {} : { limit }),
  });
  const told = (type: RunnerEvent['type']): RunnerEvent[] => events.history().filter((event) => event.type === type);
  return { clock, git, gate, events, queue, applied, told };
}
const done = async (one: Manifest): Promise<Report> => ({ txid: one.id, paths: one.entries?.map(({ path }) => path) ?? null });
const paths = (applied: Manifest[]): (string[] | null)[] => applied.map(({ entries }) => entries?.map(({ path }) => path) ?? null);

/** An apply that waits until the test lets it go on. */
function stepped() {
  const waiting: { manifest: Manifest; go(): void; fail(error: Error): void }[] = [];
  return {
    waiting,
    apply: (one: Manifest) =>
      new Promise<Report>((resolve, reject) => waiting.push({ manifest: one, go: () => void done(one).then(resolve), fail: reject })),
  };
}

test('what comes during a batch is one batch after it, and every submitter gets the report that covers it', async () => {
  const { waiting, apply } = stepped();
  const { clock, queue, applied } = setUp(apply);
  const first = queue.submit(manifest(['a']));
  await clock.run(0);
  const second = queue.submit(manifest(['b']));
  const third = queue.submit(manifest(['c', 'b']));
  await clock.run(0);
  assert.deepEqual(paths(applied), [['a']]);
  waiting[0]?.go();
  assert.deepEqual((await first.report).paths, ['a']);
  await clock.run(0);
  waiting[1]?.go();
  assert.deepEqual((await second.report).paths, ['b', 'c']);
  assert.deepEqual(await third.report, await second.report);
});

test('while git is busy the watcher waits, a hook that may pass does not, and the rest runs once git is done', async () => {
  const { clock, git, gate, queue, applied } = setUp(done);
  git.operations = ['index.lock'];
  gate.hint();
  const deferrals: Deferral[] = [];
  const watcher = queue.submit(manifest(['a']), { onDeferred: (why) => deferrals.push(why) });
  const checkout = queue.submit(manifest(['b'], { source: 'hook', hook: 'post-checkout' }));
  const commit = queue.submit(manifest(['c'], { source: 'hook', hook: 'pre-commit' }));
  await commit.report;
  await clock.run(1_000);
  assert.deepEqual(paths(applied), [['c']]);
  assert.equal(deferrals.length, 1);
  assert.ok(deferrals[0]?.kind === 'gate' && deferrals[0].reasons[0]?.why === 'index.lock');
  git.operations = [];
  gate.hint();
  await checkout.report;
  assert.deepEqual(paths(applied), [['c'], ['b']]);
  await clock.run(100);
  await watcher.report;
  assert.deepEqual(paths(applied), [['c'], ['b'], ['a']]);
});

test('with the database away a batch stays, is retried later and later, and all is applied once it is back', async () => {
  let there = false;
  const { clock, queue, applied, told } = setUp((one) => (there ? done(one) : Promise.reject(away())));
  const first = queue.submit(manifest(['a']));
  await clock.run(0);
  const second = queue.submit(manifest(['b']));
  await clock.run(499);
  assert.equal(applied.length, 1);
  assert.equal(queue.status().database?.attempts, 1);
  await clock.run(2);
  assert.deepEqual(paths(applied), [['a'], ['a', 'b']]);
  await clock.run(997);
  assert.equal(applied.length, 2);
  await clock.run(5);
  assert.equal(applied.length, 3);
  await clock.run(3_600_000);
  const gaps = told('database-away').map((event) => (event.type === 'database-away' ? event.retryInMs : 0));
  assert.equal(Math.max(...gaps), 30_000);
  there = true;
  await clock.run(30_000);
  assert.deepEqual((await first.report).paths, ['a', 'b']);
  await second.report;
  assert.equal(queue.status().database, null);
  assert.equal(told('database-back').length, 1);
  assert.equal(clock.pending(), 0);
});

test("with the database away a command fails at once and is not applied later; a commit's files are, as the watcher's", async () => {
  let there = false;
  const { clock, queue, applied } = setUp((one) => (there ? done(one) : Promise.reject(away())));
  await assert.rejects(queue.submit(manifest(['typed'], { source: 'cli' })).report, { code: 'UNREACHABLE' });
  const deferrals: Deferral[] = [];
  const commit = queue.submit(manifest(['staged'], { source: 'hook', hook: 'pre-commit' }), { onDeferred: (why) => deferrals.push(why) });
  await clock.run(0);
  assert.equal(deferrals[0]?.kind, 'database');
  there = true;
  await clock.run(60_000);
  await commit.report;
  assert.deepEqual(
    applied.map(({ source, hook }) => hook ?? source),
    ['cli', 'pre-commit', 'watcher'],
  );
});

test('a new hook tries a database that is away at once, and finding it back brings the rest', async () => {
  let there = false;
  const { clock, queue, applied } = setUp((one) => (there ? done(one) : Promise.reject(away())));
  queue.submit(manifest(['a']));
  await clock.run(0);
  there = true;
  await queue.submit(manifest(['b'], { source: 'hook', hook: 'post-merge' })).report;
  await clock.run(0);
  assert.deepEqual(paths(applied), [['a'], ['b'], ['a']]);
});

test('another failure goes to the submitters and the queue goes on', async () => {
  const { queue, told } = setUp((one) => (one.entries === null ? done(one) : Promise.reject(new SyncError('VERIFY', 'no'))));
  await assert.rejects(queue.submit(manifest(['a'])).report, { code: 'VERIFY' });
  await queue.submit(manifest(null)).report;
  assert.equal(told('batch-failed').length, 1);
});

test('a full queue makes a command wait, and tells the watcher\'s paths as "look everywhere"', async () => {
  const { waiting, apply } = stepped();
  const { clock, queue, told } = setUp(apply, 3);
  queue.submit(manifest(['run'], { source: 'cli' }));
  await clock.run(0);
  queue.submit(manifest(['a', 'b'], { source: 'cli' }));
  let accepted = false;
  const late = queue.submit(manifest(['c', 'd'], { source: 'cli' }));
  void late.accepted.then(() => (accepted = true));
  queue.submit(manifest(['e', 'f']));
  await clock.run(0);
  assert.equal(accepted, false);
  assert.deepEqual({ ...queue.status(), running: null }, { depth: 3, max: 3, limit: 3, producers: 1, running: null, database: null });
  assert.ok(told('queue-high').some((event) => event.type === 'queue-high' && event.degraded));
  for (let n = 0; n < 4; n += 1) {
    waiting[n]?.go();
    await clock.run(0);
  }
  assert.equal(accepted, true);
  assert.deepEqual(paths(waiting.map((one) => one.manifest)), [['run'], ['a', 'b'], null, ['c', 'd']]);
  await late.report;
});

test("a command taken back while it waits is not applied; a hook's manifest is", async () => {
  const { waiting, apply } = stepped();
  const { clock, queue } = setUp(apply);
  queue.submit(manifest(['run']));
  await clock.run(0);
  const stop = new AbortController();
  const typed = queue.submit(manifest(['typed'], { source: 'cli' }), { signal: stop.signal });
  const hook = queue.submit(manifest(['hook'], { source: 'hook', hook: 'post-merge' }), { signal: stop.signal });
  stop.abort(new Error('gone'));
  await assert.rejects(typed.report, /gone/);
  await assert.rejects(hook.report, /gone/);
  waiting[0]?.go();
  await clock.run(0);
  waiting[1]?.go();
  await clock.run(0);
  assert.deepEqual(paths(waiting.map((one) => one.manifest)), [['run'], ['hook']]);
});

test('closing finishes the batch in hand and refuses the rest', async () => {
  const { waiting, apply } = stepped();
  const { clock, queue, applied } = setUp(apply);
  const running = queue.submit(manifest(['a']));
  await clock.run(0);
  const waits = queue.submit(manifest(['b'], { source: 'cli' }));
  let closed = false;
  const closing = queue.close().then(() => (closed = true));
  await assert.rejects(waits.report, QueueClosed);
  await clock.run(0);
  assert.equal(closed, false);
  waiting[0]?.go();
  await running.report;
  await closing;
  await assert.rejects(queue.submit(manifest(['c'])).report, QueueClosed);
  assert.deepEqual(paths(applied), [['a']]);
});

test('a lease taken during a batch waits for its end, and nothing begins after', async () => {
  const { waiting, apply } = stepped();
  const { clock, gate, queue, applied } = setUp(apply);
  queue.submit(manifest(['a']));
  await clock.run(0);
  const release = gate.hold({ who: 'export', why: 'test' });
  let over = false;
  const inHand = queue.inHand().then(() => (over = true));
  queue.submit(manifest(['b']));
  await clock.run(0);
  assert.equal(over, false);
  waiting[0]?.go();
  await inHand;
  await clock.run(1_000);
  assert.equal(applied.length, 1);
  release();
  await clock.run(0);
  assert.deepEqual(paths(applied), [['a'], ['b']]);
});

test('no path that was submitted is ever missing from what is applied after it', async () => {
  const source = fc.constantFrom<Partial<Manifest>>(
    {},
    { source: 'hook', hook: 'post-checkout' },
    { source: 'hook', hook: 'pre-commit' },
    { source: 'hook', hook: 'post-merge' },
    { source: 'cli' },
  );
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('submit' as const),
        source,
        paths: fc.option(fc.array(fc.constantFrom(...'abcdefghijkl'), { minLength: 1, maxLength: 6 }), { freq: 12 }),
      }),
    },
    fc.record({ kind: fc.constant('time' as const), ms: fc.nat(3_000) }),
    fc.record({ kind: fc.constant('database' as const), there: fc.boolean() }),
    fc.record({ kind: fc.constant('git' as const), operations: fc.constantFrom<Operation[]>([], ['index.lock'], ['rebase'], ['merge']) }),
    fc.record({ kind: fc.constant('lease' as const) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.constantFrom(4, 10_000), async (steps, limit) => {
      let there = true;
      let order = 0;
      const covered: { order: number; paths: string[] | null }[] = [];
      const { clock, git, gate, queue } = setUp(async (one) => {
        const started = ++order;
        await new Promise((resolve) => setImmediate(resolve));
        if (!there) throw away();
        const report = await done(one);
        covered.push({ order: started, paths: report.paths });
        return report;
      }, limit);
      const submitted: { order: number; path: string | null; failed: { yes: boolean } }[] = [];
      let release: (() => void) | null = null;
      for (const one of steps) {
        if (one.kind === 'submit') {
          const failed = { yes: false };
          for (const path of one.paths ?? [null]) submitted.push({ order: ++order, path, failed });
          queue.submit(manifest(one.paths === null ? null : [...new Set(one.paths)], one.source)).report.catch(() => (failed.yes = true));
        }
        if (one.kind === 'time') await clock.run(one.ms);
        if (one.kind === 'database') there = one.there;
        if (one.kind === 'git') {
          git.operations = one.operations;
          gate.hint();
        }
        if (one.kind === 'lease') {
          release?.();
          release = release === null ? gate.hold({ who: 'x', why: 'y' }) : null;
        }
      }
      there = true;
      git.operations = [];
      gate.hint();
      release?.();
      for (let n = 0; n < 20; n += 1) await clock.run(10_000);
      for (const { order: at, path, failed } of submitted) {
        if (failed.yes) continue;
        assert.ok(
          covered.some((one) => one.order > at && (one.paths === null || (path !== null && one.paths.includes(path)))),
          `${path} is lost`,
        );
      }
      assert.equal(queue.status().depth, 0);
      await queue.close();
      gate.close();
      assert.equal(clock.pending(), 0);
    }),
    { numRuns: 120 },
  );
});

test('a batch under which the gate closes is put back, and the hook git waits for comes first', async () => {
  const { clock, git, gate, queue, applied, told } = setUp(async (one) => {
    if (one.source === 'watcher' && gate.reasons().length === 0 && applied.length === 1) {
      // Git commits: it takes the index and waits for its hook.
      git.operations = ['index.lock'];
      gate.hint();
      throw new GateClosed(await gate.look(livePass));
    }
    return done(one);
  });
  const saved = queue.submit(manifest(['a']));
  await clock.run(0);
  const hook = queue.submit(manifest(['b'], { source: 'hook', hook: 'pre-commit' }));
  await clock.run(0);
  assert.deepEqual((await hook.report).paths, ['b']);
  assert.deepEqual(paths(applied), [['a'], ['b']]);
  git.operations = [];
  gate.hint();
  await clock.run(200);
  assert.deepEqual((await saved.report).paths, ['a']);
  assert.equal(told('batch-failed').length, 0);
  await queue.close();
  gate.close();
});
