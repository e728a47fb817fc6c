import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Operation } from '../../src/git/busy.ts';
import { createGate, GateClosed } from '../../src/runner/gate.ts';
import { livePass, passOf, typedPass } from '../../src/runner/pass.ts';
import type { Pass } from '../../src/runner/pass.ts';
import type { Pause } from '../../src/runner/pause.ts';
import { fakeClock } from '../helpers/fake-clock.ts';

function setUp(quiet = 200) {
  const clock = fakeClock();
  const state = { operations: [] as Operation[], pause: null as Pause | null, failure: null as Error | null };
  const gate = createGate({
    clock,
    busy: async () => {
      if (state.failure !== null) throw state.failure;
      return state.operations;
    },
    paused: async () => state.pause,
    quiet,
  });
  const told: string[] = [];
  gate.onChange((reasons) => told.push(reasons.map(({ kind, why }) => (kind === 'git' ? why : kind)).join('+') || 'open'));
  const set = async (...operations: Operation[]): Promise<void> => {
    state.operations = operations;
    gate.hint();
    await clock.run(0);
  };
  return { clock, state, gate, told, set };
}
const hook = (name: string): Pass => passOf({ source: 'hook', hook: name });

test('it closes while git is busy and opens a quiet time after, telling each change once', async () => {
  const { clock, gate, told, set } = setUp();
  assert.deepEqual(await gate.look(livePass), []);
  await set('index.lock');
  await set('index.lock', 'HEAD.lock');
  await set();
  await clock.run(199);
  assert.equal(gate.reasons().length, 1);
  await clock.run(1);
  assert.deepEqual(gate.reasons(), []);
  assert.deepEqual(told, ['quiet', 'index.lock', 'index.lock+HEAD.lock', 'quiet', 'open']);
  assert.deepEqual(
    gate.past().map(({ why }) => why),
    ['HEAD.lock', 'index.lock'],
  );
  assert.equal(clock.pending(), 0);
});

test('a sign of git without a marker closes it for the quiet time; each further one prolongs it', async () => {
  const { clock, gate, told, set } = setUp();
  await set();
  await clock.run(150);
  await set();
  await clock.run(199);
  assert.notDeepEqual(gate.reasons(), []);
  await clock.run(1);
  assert.deepEqual(told, ['quiet', 'open']);
});

test('an operation that is over before a look at git ends is told all the same', async () => {
  const clock = fakeClock();
  const look = Promise.withResolvers<Operation[]>();
  const gate = createGate({ clock, busy: () => look.promise, paused: async () => null });
  const told: number[] = [];
  gate.onChange((reasons) => told.push(reasons.length));
  gate.hint();
  await clock.run(1_000);
  look.resolve([]);
  await clock.run(0);
  assert.deepEqual(told, [1, 0]);
  gate.close();
});

test('steps of one operation, with gaps shorter than the quiet time, open it once', async () => {
  const { clock, told, set } = setUp();
  for (let n = 0; n < 5; n += 1) {
    await set('index.lock');
    await clock.run(10);
    await set();
    await clock.run(100);
  }
  await clock.run(1_000);
  assert.deepEqual(
    told.filter((one) => one === 'open'),
    ['open'],
  );
});

const passes: [string, Pass, Operation[], boolean][] = [
  ['the watcher', livePass, ['merge'], false],
  ['a typed command', typedPass, ['rebase', 'merge', 'cherry-pick', 'revert', 'sequencer', 'am'], true],
  ['a typed command', typedPass, ['index.lock'], false],
  ['a typed command', typedPass, ['HEAD.lock'], false],
  ['pre-commit', hook('pre-commit'), ['index.lock'], true],
  ['pre-commit', hook('pre-commit'), ['index.lock', 'merge'], true],
  ['pre-commit', hook('pre-commit'), ['HEAD.lock'], false],
  ['post-merge', hook('post-merge'), ['merge'], true],
  ['post-merge', hook('post-merge'), ['rebase'], false],
  ['post-rewrite', hook('post-rewrite'), ['rebase'], true],
  ['post-rewrite', hook('post-rewrite'), ['index.lock'], false],
  ['post-checkout', hook('post-checkout'), [], true],
  ['post-checkout', hook('post-checkout'), ['rebase'], false],
  ['an unknown hook', hook('post-index-change'), ['merge'], false],
];
for (const [name, pass, operations, open] of passes) {
  test(`${name} ${open ? 'passes' : 'waits for'} ${operations.join(', ') || 'the quiet time'}`, async () => {
    const { gate, set } = setUp();
    await set(...operations);
    assert.equal((await gate.look(pass)).length === 0, open);
    assert.notDeepEqual(await gate.look(livePass), []);
  });
}

test('leases and the durable pause hold the watcher and the hooks after, not commands and commits', async () => {
  const { state, gate } = setUp();
  const release = gate.hold({ who: 'export', why: 'a' });
  const other = gate.hold({ who: 'export', why: 'a' });
  state.pause = { who: 'me', why: 'lunch', since: 5 };
  const kinds = async (pass: Pass): Promise<string[]> => (await gate.look(pass)).map(({ kind }) => kind);
  assert.deepEqual(await kinds(livePass), ['lease', 'lease', 'pause']);
  assert.deepEqual(await kinds(hook('post-merge')), ['lease', 'lease', 'pause']);
  assert.deepEqual(await kinds(hook('pre-commit')), []);
  assert.deepEqual(await kinds(typedPass), []);
  release();
  release();
  assert.deepEqual(await kinds(livePass), ['lease', 'pause']);
  other();
  state.pause = null;
  assert.deepEqual(await kinds(livePass), []);
  assert.deepEqual(
    gate.past().map(({ kind }) => kind),
    ['pause', 'lease', 'lease'],
  );
  gate.close();
});

test('whoever needs it open is told why it is not', async () => {
  const { gate, set } = setUp(0);
  const release = gate.hold({ who: 'x', why: 'y' });
  await assert.rejects(gate.requireOpen(livePass), (error: GateClosed) => error instanceof GateClosed && error.reasons[0]?.why === 'y');
  await gate.requireOpen(typedPass);
  release();
  await gate.requireOpen(livePass);
  await set('index.lock');
  await assert.rejects(gate.requireOpen(typedPass), { message: 'The gate is closed: git: index.lock' });
  await gate.requireOpen(hook('pre-commit'));
  gate.close();
});

test('a lost notification only opens it late', async () => {
  const { clock, state, gate, set } = setUp();
  await set('index.lock');
  state.operations = [];
  await clock.run(5_300);
  assert.deepEqual(gate.reasons(), []);
});

test('a look that fails keeps it closed and says why', async () => {
  const { clock, state, gate } = setUp();
  state.failure = new Error('EIO');
  assert.match((await gate.look(livePass))[0]?.why ?? '', /EIO/);
  state.failure = null;
  await clock.run(10_000);
  assert.deepEqual(gate.reasons(), []);
});

test('a batch learns whether git did anything since it began', async () => {
  const { clock, gate, set } = setUp();
  let mark = gate.mark(livePass);
  assert.equal(await gate.stayedOpen(mark), true);
  await set('index.lock');
  await set();
  await clock.run(1_000);
  assert.equal(await gate.stayedOpen(mark), false);
  mark = gate.mark(livePass);
  assert.equal(await gate.stayedOpen(mark), true);
  // Shorter than any look: only the sign is left.
  await set();
  assert.equal(await gate.stayedOpen(mark), false);
});

test('a hook is not disturbed by the command that runs it, but by any other', async () => {
  const { gate, set } = setUp();
  await set('index.lock');
  const mark = gate.mark(hook('pre-commit'));
  await set('index.lock');
  assert.equal(await gate.stayedOpen(mark), true);
  await set('index.lock', 'HEAD.lock');
  assert.equal(await gate.stayedOpen(mark), false);
  gate.close();
});
