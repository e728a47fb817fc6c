import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RETENTION } from '../../src/state/prune.ts';
import type { State } from '../../src/state/state.ts';
import { batch, blobsOf, completion, digestOf, entry, operation, scratchState, txid } from './samples.ts';

const day = 24 * 60 * 60 * 1000;
const now = 1_800_000_000_000;

async function kept(state: State): Promise<string[]> {
  return (await state.history()).map((one) => one.txid);
}

test('history goes after 30 days, its texts with it', async (t) => {
  const state = await scratchState(t, { retention: { newest: 1 } });
  const old = batch(1, [operation('a', 'lost', 'shared')]);
  await state.finish(completion(old, { finishedAt: now - 30 * day - 1, blobs: blobsOf('lost', 'shared', 'extra') }));
  const young = batch(2, [operation('a', 'shared', 'young')]);
  await state.finish(completion(young, { finishedAt: now - 30 * day, blobs: blobsOf('young') }));
  await state.prune(now - 1);
  assert.deepEqual(await kept(state), [txid(2), txid(1)]);
  await state.prune(now);
  assert.deepEqual(await kept(state), [txid(2)]);
  assert.equal(await state.batch(txid(1)), null);
  assert.deepEqual((await state.history({ path: 'db/pages/en/a.html' })).length, 1);
  const texts = await state.blobs(['lost', 'shared', 'extra', 'young'].map(digestOf));
  assert.deepEqual([...texts.keys()].sort(), [digestOf('shared'), digestOf('young')].sort());
  await state.prune(now + 365 * day);
  assert.deepEqual(await kept(state), [txid(2)]);
});

test('the newest stay whatever their age, so that a clock that is wrong for a run costs no text', async (t) => {
  const state = await scratchState(t, { retention: { newest: 3 } });
  for (let n = 1; n <= 5; n++) {
    await state.finish(completion(batch(n, [operation('a', null, `${n}`)]), { finishedAt: now + n, blobs: blobsOf(`${n}`) }));
  }
  // One that is not over does not count.
  await state.begin(batch(6, []), new Map());
  await state.prune(now + 10);
  assert.equal((await kept(state)).length, 6);
  await state.prune(now + 365 * day);
  assert.deepEqual(await kept(state), [txid(6), txid(5), txid(4), txid(3)]);
  assert.deepEqual([...(await state.blobs(['2', '3'].map(digestOf))).keys()], [digestOf('3')]);
});

test('what base, open conflicts, tombstones or the intent need stays whatever its age', async (t) => {
  const state = await scratchState(t, { retention: { newest: 0 } });
  const key = { slug: 'x' };
  const conflict = { mapping: 'pages', key, path: 'p', file: digestOf('conflict file'), row: digestOf('conflict row') };
  const stone = { mapping: 'pages', key, table: 'pages', image: {}, text: digestOf('tombstone'), txid: txid(1) };
  const differing = { ...entry('a', 'base text'), file: digestOf('base file'), row: digestOf('base row') };
  const texts = ['base text', 'base file', 'base row', 'conflict file', 'conflict row', 'tombstone', 'intent', 'loose'];
  await state.finish(
    completion(
      batch(
        1,
        texts.map((text, i) => operation(`item${i}`, null, text)),
      ),
      {
        finishedAt: 1,
        blobs: blobsOf(...texts),
        set: [differing],
        conflicts: { set: [conflict], drop: [] },
        tombstones: { set: [stone], drop: [] },
      },
    ),
  );
  await state.begin(batch(2, [operation('b', 'intent', 'intent after')]), blobsOf('intent after'));
  await state.prune(now);
  assert.deepEqual(await kept(state), [txid(2)]);
  assert.equal((await state.intent())?.txid, txid(2));
  const found = await state.blobs([...texts, 'intent after'].map(digestOf));
  assert.equal(found.size, 8);
  assert.equal(await state.blob(digestOf('loose')), null);
  assert.deepEqual(await state.tombstones(), [stone]);

  await state.finish(
    completion(batch(2, []), { finishedAt: 2, conflicts: { set: [], drop: [conflict] }, tombstones: { set: [], drop: [stone] } }),
  );
  await state.prune(now);
  assert.deepEqual(new Set((await state.blobs(texts.map(digestOf))).keys()), new Set(['base text', 'base file', 'base row'].map(digestOf)));
});

test('the oldest history goes while there is too much of it, and only then', async (t) => {
  const state = await scratchState(t, { retention: { bytes: 500_000 } });
  const text = (n: number): string => `${n}`.padEnd(100_000, 'x');
  for (let n = 1; n <= 4; n++) {
    await state.finish(completion(batch(n, [operation('a', null, text(n))]), { finishedAt: now + n, blobs: blobsOf(text(n)) }));
  }
  await state.prune(now + 10);
  assert.equal((await kept(state)).length, 4);
  for (let n = 5; n <= 8; n++) {
    await state.finish(completion(batch(n, [operation('a', null, text(n))]), { finishedAt: now + n, blobs: blobsOf(text(n)) }));
  }
  await state.prune(now + 10);
  assert.deepEqual(await kept(state), [txid(8), txid(7), txid(6), txid(5)]);
  assert.equal(await state.blob(digestOf(text(4))), null);
  assert.ok(await state.blob(digestOf(text(5))));
});

test('texts the base needs do not count as history', async (t) => {
  const state = await scratchState(t, { retention: { bytes: 200_000 } });
  const texts = Array.from({ length: 10 }, (_, n) => `${n}`.padEnd(100_000, 'x'));
  const set = texts.map((text, n) => entry(`item${n}`, text));
  await state.finish(completion(batch(1, []), { finishedAt: now, set, blobs: blobsOf(...texts) }));
  await state.finish(completion(batch(2, [operation('b', null, 'small')]), { finishedAt: now, blobs: blobsOf('small') }));
  await state.prune(now);
  assert.deepEqual(await kept(state), [txid(2), txid(1)]);
});

test('the newest batch stays however large it is, since it may hold the only copy of a text', async (t) => {
  const state = await scratchState(t, { retention: { bytes: 1000 } });
  const large = 'x'.repeat(300_000);
  await state.finish(completion(batch(1, []), { finishedAt: now }));
  await state.finish(completion(batch(2, [operation('a', large, 'b')]), { finishedAt: now, blobs: blobsOf(large, 'b') }));
  await state.begin(batch(3, []), new Map());
  await state.prune(now);
  assert.deepEqual(await kept(state), [txid(3), txid(2)], 'the newest batch that is finished stays');
  assert.ok(await state.blob(digestOf(large)));
  await state.finish(completion(batch(3, []), { finishedAt: now }));
  await state.prune(now);
  assert.deepEqual(await kept(state), [txid(3)]);
  assert.equal(await state.blob(digestOf(large)), null);
});

test('30 days, 100 batches and 500 MB unless told otherwise', () => {
  assert.deepEqual(RETENTION, { age: 30 * day, newest: 100, bytes: 500 * 1024 * 1024 });
});
