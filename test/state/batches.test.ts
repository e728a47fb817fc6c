import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Operation } from '../../src/core/batch.ts';
import { batch, blobsOf, completion, digestOf, entry, operation, scratchState, txid } from './samples.ts';

test('an intent comes back as it was recorded, until the batch ends', async (t) => {
  const state = await scratchState(t);
  assert.equal(await state.intent(), null);
  const one = batch(1, [operation('a', 'old', 'new'), operation('b', null, 'b')], { head: 'abc', repairable: true });
  await state.begin(one, blobsOf('old', 'new', 'b'));
  assert.deepEqual(await state.intent(), one);
  const { operations: _operations, ...head } = one;
  assert.deepEqual(await state.history(), [{ ...head, status: 'pending', finishedAt: null, counts: { files: 0, rows: 2, conflicts: 0 } }]);

  const [first] = one.operations;
  if (first?.row) first.row.pk = '["7"]';
  await state.finish(completion(one, { finishedAt: 42 }));
  assert.equal(await state.intent(), null);
  assert.deepEqual(await state.batch(one.txid), { ...one, status: 'done' });
  assert.equal((await state.history())[0]?.finishedAt, 42);
});

test('a batch without an intent, or without an operation, is kept too', async (t) => {
  const state = await scratchState(t);
  await state.finish(completion(batch(1, []), { set: [entry('a', 'a')] }));
  assert.deepEqual((await state.batch(txid(1)))?.operations, []);
  assert.deepEqual(await state.base(), [entry('a', 'a')]);
});

test('a batch larger than one chunk comes back whole and in order', async (t) => {
  const state = await scratchState(t);
  const names = Array.from({ length: 2000 }, (_, i) => `item${i}`);
  const one = batch(
    1,
    names.map((name) => operation(name, 'old', name)),
  );
  await state.begin(one, blobsOf('old', ...names));
  assert.deepEqual(await state.intent(), one);
  await state.finish(completion(one, { set: names.map((name) => entry(name, name)) }));
  assert.deepEqual((await state.batch(one.txid))?.operations, one.operations);
  assert.deepEqual(
    await state.base(),
    names.map((name) => entry(name, name)),
  );
  assert.equal((await state.blobs(names.map(digestOf))).size, 2000);
});

test('there is one intent at a time, and a batch ends once', async (t) => {
  const state = await scratchState(t);
  const one = batch(1, []);
  await state.begin(one, new Map());
  await assert.rejects(state.begin(batch(2, []), new Map()), { code: 'INTERNAL' });
  await assert.rejects(state.begin(one, new Map()), { code: 'INTERNAL' });
  await state.finish(completion(one));
  await assert.rejects(state.finish(completion(one, { meta: { head: 'again' } })), { code: 'INTERNAL' });
  await assert.rejects(state.begin(one, new Map()), { code: 'INTERNAL' });
  assert.deepEqual(await state.meta(), {});
  assert.equal((await state.history()).length, 1);
});

test('a batch that was fenced stays in the history as void, with its texts', async (t) => {
  const state = await scratchState(t);
  const one = batch(1, [operation('a', 'before', 'after')]);
  await state.begin(one, blobsOf('before', 'after'));
  await state.finish(completion(one, { status: 'void' }));
  assert.equal((await state.batch(one.txid))?.status, 'void');
  assert.ok(await state.blob(digestOf('before')));
});

test('an abandoned intent is gone, with the texts only it needed', async (t) => {
  const state = await scratchState(t);
  await state.finish(completion(batch(1, [operation('a', null, 'shared')]), { blobs: blobsOf('shared') }));
  const forgotten = completion(batch(2, []), { finishedAt: 1, set: [entry('b', 'in base')], blobs: blobsOf('in base') });
  await state.finish(forgotten);
  await state.prune(1_700_000_000_000);
  const three = batch(3, [operation('a', 'shared', 'in base'), operation('c', null, 'own')]);
  await state.begin(three, blobsOf('shared', 'in base', 'own'));
  await state.abandon(txid(1));
  assert.ok(await state.batch(txid(1)), 'only an intent is abandoned');
  await state.abandon(three.txid);
  assert.equal(await state.intent(), null);
  assert.equal(await state.batch(three.txid), null);
  assert.deepEqual(await state.history({ path: 'db/pages/en/c.html' }), []);
  assert.ok(await state.blob(digestOf('shared')));
  assert.ok(await state.blob(digestOf('in base')));
  assert.equal(await state.blob(digestOf('own')), null);
  await state.begin(three, blobsOf('own'));
  assert.deepEqual(await state.intent(), three);
});

test('the history is newest first and can be limited to a file, a folder or a number', async (t) => {
  const state = await scratchState(t);
  const moved: Operation = {
    ...operation('new', 'text', 'text'),
    files: [
      { path: 'db/pages/en/old.html', before: digestOf('text'), after: null, mode: 0o644, temp: null, kept: 'k' },
      { path: 'db/pages/en/new.html', before: null, after: digestOf('text'), mode: 0o644, temp: 't', kept: null },
    ],
  };
  const clash: Operation = { ...operation('clash', 'x', 'y'), outcome: 'conflict' };
  const other: Operation = { ...operation('a', null, 'a'), path: 'db/pages.html', base: { before: null, after: null } };
  await state.finish(completion(batch(1, [operation('old', null, 'text')])));
  await state.finish(completion(batch(2, [moved, clash])));
  await state.finish(completion(batch(3, [other])));

  const found = async (path?: string, limit?: number): Promise<string[]> => {
    const batches = await state.history({ ...(path !== undefined && { path }), ...(limit !== undefined && { limit }) });
    return batches.map((one) => one.txid);
  };
  assert.deepEqual(await found(), [txid(3), txid(2), txid(1)]);
  assert.deepEqual(await found(undefined, 2), [txid(3), txid(2)]);
  assert.deepEqual(await found('db/pages/en/old.html'), [txid(2), txid(1)]);
  assert.deepEqual(await found('db/pages/en/new.html'), [txid(2)]);
  assert.deepEqual(await found('db/pages'), [txid(2), txid(1)]);
  assert.deepEqual(await found('db/pages/'), [txid(2), txid(1)]);
  assert.deepEqual(await found('db/page'), []);
  assert.deepEqual(await found('.'), [txid(3), txid(2), txid(1)]);
  assert.deepEqual((await state.history())[1]?.counts, { files: 1, rows: 1, conflicts: 1 });
});

test('a batch is found by a prefix that is unique', async (t) => {
  const state = await scratchState(t);
  const ids = ['ab'.padEnd(32, '0'), 'ab'.padEnd(32, '1'), 'f'.repeat(32)];
  for (const [i, id] of ids.entries()) await state.finish(completion(batch(i, [], { txid: id })));
  assert.equal((await state.batch('f'))?.txid, ids[2]);
  assert.equal((await state.batch('ab1'))?.txid, ids[1]);
  assert.equal(await state.batch('c'), null);
  assert.equal(await state.batch(''), null);
  assert.equal(await state.batch('%'), null);
  await assert.rejects(state.batch('ab'), {
    code: 'NOT_FOUND',
    message: 'More than one batch begins with "ab"',
    details: [ids[0], ids[1]],
  });
});
