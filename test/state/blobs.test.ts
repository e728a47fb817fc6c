import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { digest, EMPTY_DIGEST } from '../../src/core/digest.ts';
import { openSqlite } from '../../src/sqlite/thread.ts';
import { openState } from '../../src/state/open.ts';
import { batch, blobsOf, bytes, completion, digestOf, operation, scratchFolder, scratchState } from './samples.ts';

test('texts of any size come back byte for byte, and stay the caller’s', async (t) => {
  const state = await scratchState(t);
  const pool = Buffer.from('xx a part of a larger buffer xx');
  const texts = [
    new Uint8Array(0),
    new Uint8Array([0]),
    new Uint8Array(256).map((_, i) => i),
    pool.subarray(3, 10),
    new Uint8Array(5 * 1024 * 1024).map((_, i) => i * 31),
    ...Array.from({ length: 300 }, (_, i) => new Uint8Array(20_000).fill(i).fill(i >> 8, 0, 1)),
  ];
  const blobs = new Map(texts.map((text) => [digest(text), text]));
  await state.begin(batch(1, []), blobs);
  assert.equal(texts[4]?.byteLength, 5 * 1024 * 1024, 'not moved away from the caller');
  const found = await state.blobs([...blobs.keys(), digestOf('unknown')]);
  assert.equal(found.size, blobs.size);
  for (const [name, text] of blobs) assert.deepEqual(found.get(name), new Uint8Array(text));
  assert.deepEqual(await state.blob(EMPTY_DIGEST), new Uint8Array(0));
  assert.equal(await state.blob(digestOf('unknown')), null);
  assert.equal((await state.blobs([])).size, 0);
});

test('a text is stored once', async (t) => {
  const folder = await scratchFolder(t);
  const state = await openState(folder, { mode: 'write' });
  await state.begin(batch(1, [operation('a', null, 'same')]), blobsOf('same', 'one'));
  await state.finish(completion(batch(1, [operation('a', null, 'same')]), { blobs: blobsOf('same') }));
  await state.begin(batch(2, [operation('b', null, 'same')]), blobsOf('same', 'two'));
  await state.close();
  const raw = await openSqlite(join(folder, 'state.db'));
  t.after(() => raw.close());
  assert.deepEqual(await raw.all('SELECT digest, size FROM blobs ORDER BY digest'), [
    ...['same', 'one', 'two'].map((text) => ({ digest: digestOf(text), size: text.length })).sort((a, b) => (a.digest < b.digest ? -1 : 1)),
  ]);
});

test('a text that was tampered with is never handed out', async (t) => {
  const folder = await scratchFolder(t);
  const state = await openState(folder, { mode: 'write' });
  t.after(() => state.close());
  await state.begin(batch(1, []), blobsOf('good', 'bad'));
  const raw = await openSqlite(join(folder, 'state.db'));
  await raw.run('UPDATE blobs SET bytes = ? WHERE digest = ?', [bytes('evil'), digestOf('bad')]);
  await raw.close();
  const damaged = { code: 'STATE', message: new RegExp(`is corrupt: the text "${digestOf('bad')}" is not what was stored$`) };
  await assert.rejects(state.blob(digestOf('bad')), damaged, 'a text that is not what was stored is not handed out');
  await assert.rejects(state.blobs([digestOf('good'), digestOf('bad')]), damaged);
  assert.deepEqual(await state.blob(digestOf('good')), bytes('good'));
});
