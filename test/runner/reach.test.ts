import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { reachRunner } from '../../src/runner/reach.ts';
import { client, manifestOf, startParts } from '../helpers/runner-parts.ts';

test('an older runner finishes what it has in hand and leaves before the newcomer is told that nobody is there', async (t) => {
  const { promise: gone, resolve: go } = Promise.withResolvers<void>();
  const parts = await startParts(t, () => gone.then(() => 'report'));
  const inHand = parts.queue.submit(manifestOf(['a'])).report;
  await parts.applied.until((all) => all.length === 1);
  let answered = false;
  const newcomer = reachRunner(client(parts.stateFolder, '1.3.0')).finally(() => (answered = true));
  await parts.left.until((all) => all.length === 1);
  // All that it takes to leave is done but the batch: were the end told too early, it would be by now.
  while ((await readdir(join(parts.runtimeDir, 'sync-run'))).length > 0);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(answered, false);
  go();
  assert.equal(await newcomer, null);
  assert.equal(await inHand, 'report');
  assert.deepEqual(await readdir(join(parts.runtimeDir, 'sync-run')), []);
});

test('an older runner that does not leave in time is named', async (t) => {
  const { promise: gone, resolve: go } = Promise.withResolvers<void>();
  const parts = await startParts(t, () => gone);
  parts.queue.submit(manifestOf(['a']));
  await parts.applied.until((all) => all.length === 1);
  try {
    await assert.rejects(reachRunner({ ...client(parts.stateFolder, '1.3.0'), patience: 30 }), {
      code: 'LOCKED',
      message: new RegExp(`version 1.2.3, process ${process.pid}`),
    });
  } finally {
    go();
  }
});

for (const version of ['1.2.3', '1.0.0']) {
  test(`version ${version} works with a runner of version 1.2.3`, async (t) => {
    const parts = await startParts(t);
    const runner = await reachRunner(client(parts.stateFolder, version));
    assert.ok(runner);
    assert.deepEqual(await runner.submit(manifestOf(['a'])), { paths: ['a'] });
    runner.close();
  });
}

test('twenty clients at once are all answered, and what they ask alike is one batch', async (t) => {
  const parts = await startParts(t);
  parts.git.operations = ['index.lock'];
  const runners = await Promise.all(Array.from({ length: 20 }, () => reachRunner(client(parts.stateFolder))));
  let waiting = 0;
  const { promise: all, resolve } = Promise.withResolvers<void>();
  const reports = runners.map((runner) => {
    assert.ok(runner);
    return runner.submit(manifestOf(null), { onAccepted: () => ++waiting === 20 && resolve() });
  });
  await all;
  parts.git.operations = [];
  parts.gate.hint();
  for (const report of reports) assert.deepEqual(await report, { paths: null });
  assert.equal(parts.applied.all.length, 1);
  for (const runner of runners) runner?.close();
});
