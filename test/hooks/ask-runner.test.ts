import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { askRunner } from '../../hooks/ask-runner.ts';
import { connectRunner } from '../../src/runner/client.ts';
import type { Apply } from '../../src/runner/queue.ts';
import { client, manifestOf, startParts } from '../helpers/runner-parts.ts';
import { createSeen } from '../helpers/seen.ts';

const scan = { step: 'scan', done: 0, total: 0 };
const callOf = (hook: string) => ({ hook, args: [], indexFile: null, status: Promise.resolve(null) });

/** A runner whose batches begin, and end with the test. */
async function stuck(t: TestContext, begin: Apply<unknown>) {
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  // Before those of the parts, which wait for the batch.
  t.after(() => end());
  return startParts(t, (manifest, context) => begin(manifest, context).then(() => over), { aliveMs: 60_000 });
}

test('a hook that has not got its turn in time says so, and git goes on', async (t) => {
  const { stateFolder } = await stuck(t, async () => {});
  const limits = { patience: 50, silence: 60_000 };
  assert.deepEqual(await askRunner(callOf('pre-commit'), stateFolder, limits), {
    exit: 0,
    lines: ['The runner has had other work in hand for 0.05 s: this commit was not checked; `npx sync-run import` brings it'],
  });
  assert.deepEqual(await askRunner(callOf('post-merge'), stateFolder, limits), {
    exit: 0,
    lines: ['The runner has had other work in hand for 0.05 s; this comes next'],
  });
});

test('a runner that falls silent in the middle of its work is named, with what to do, and git goes on', async (t) => {
  const limits = { patience: 60_000, silence: 50 };
  const end = `the batch goes on when it does. If it hangs: kill -9 ${process.pid}, then \`npx sync-run import\``;
  const silent = `The runner, process ${process.pid}, has been silent for 0.05 s in the middle of its work`;
  for (const [hook, what] of [
    ['pre-commit', 'this commit was not checked'],
    ['post-merge', 'what git changed is not imported yet'],
  ] as const) {
    const { stateFolder } = await stuck(t, async (_manifest, { onProgress }) => onProgress(scan));
    assert.deepEqual(await askRunner(callOf(hook), stateFolder, limits), { exit: 0, lines: [`${silent}: ${what}; ${end}`] });
  }
});

test('a runner tells of a long step again and again, until the work is over', async (t) => {
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  const { stateFolder } = await startParts(t, (_manifest, { onProgress }) => Promise.resolve(onProgress(scan)).then(() => over), {
    aliveMs: 5,
  });
  const runner = await connectRunner(client(stateFolder));
  assert.ok(runner);
  const told = createSeen<unknown>();
  const report = runner.submit(manifestOf(null), { onProgress: (progress) => told.add(progress) });
  await told.until((all) => all.length > 3);
  end();
  await report;
  const { length } = told.all;
  // Whatever was sent before this answer has come.
  await runner.status();
  await new Promise((resolve) => setTimeout(resolve, 50));
  await runner.status();
  assert.deepEqual(
    told.all,
    Array.from({ length }, () => scan),
  );
  runner.close();
});
