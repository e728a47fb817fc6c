import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BaseEntry } from '../../src/core/model.ts';
import type { Hold, OpenConflict, Tombstone } from '../../src/state/state.ts';
import { batch, completion, digestOf, entry, scratchState, txid } from './samples.ts';

test('base entries are known by mapping and primary key', async (t) => {
  const state = await scratchState(t);
  const a = entry('a', 'text', '1');
  const odd: BaseEntry = { ...entry('o', 'x', '2'), key: { lang: null, slug: 'Ä "\u0000\\ \ud83d\ude00' }, pk: '[{"x":"00ff"},"\\u0000"]' };
  const other: BaseEntry = { ...a, mapping: 'other' };
  await state.finish(completion(batch(1, []), { set: [a, odd, other] }));
  assert.deepEqual(await state.base(), [a, odd, other]);

  const renamed: BaseEntry = { ...entry('b', 'new text', '1') };
  await state.finish(completion(batch(2, []), { set: [renamed], drop: [other] }));
  assert.deepEqual(await state.base(), [renamed, odd]);

  const again = entry('b', 'new text', '3');
  await state.finish(completion(batch(3, []), { set: [again, odd], drop: [renamed, odd] }));
  assert.deepEqual(new Set(await state.base()), new Set([again, odd]));
});

test('holds and tombstones are known by mapping and key, conflicts by their texts too, whatever the order of the columns', async (t) => {
  const state = await scratchState(t);
  const key = { lang: 'en', slug: 'a' };
  const yek = { slug: 'a', lang: 'en' };
  const conflict: OpenConflict = { mapping: 'pages', key, path: 'db/a', file: digestOf('f'), row: null };
  const hold: Hold = { mapping: 'pages', key, file: null, row: digestOf('r') };
  const stone: Tombstone = { mapping: 'pages', key, table: 'pages', image: { id: { n: 1 } }, text: digestOf('t'), txid: txid(1) };
  const nobody: Hold = { ...hold, key: { lang: null, slug: 'a' } };
  await state.finish(
    completion(batch(1, []), {
      conflicts: { set: [conflict], drop: [] },
      holds: { set: [hold, nobody], drop: [] },
      tombstones: { set: [stone], drop: [] },
    }),
  );
  assert.deepEqual(await state.conflicts(), [conflict]);
  assert.deepEqual(new Set(await state.holds()), new Set([hold, nobody]));
  assert.deepEqual(await state.tombstones(), [stone]);

  await state.finish(
    completion(batch(2, []), {
      conflicts: { set: [{ ...conflict, key: yek, row: digestOf('r') }], drop: [{ ...conflict, key: yek }] },
      holds: { set: [], drop: [{ ...hold, key: yek }] },
      tombstones: { set: [], drop: [stone] },
    }),
  );
  assert.deepEqual(await state.conflicts(), [{ ...conflict, row: digestOf('r') }]);
  assert.deepEqual(await state.holds(), [nobody]);
  assert.deepEqual(await state.tombstones(), []);
});

test('single values are set and forgotten, also with a batch', async (t) => {
  const state = await scratchState(t);
  await state.setMeta({ head: 'one', target: 'x' });
  await state.finish(completion(batch(1, []), { meta: { head: 'two', target: null, rowTxid: txid(1) } }));
  assert.deepEqual(await state.meta(), { head: 'two', rowTxid: txid(1) });
});

test('a batch that cannot be recorded changes nothing else', async (t) => {
  const state = await scratchState(t);
  await state.finish(completion(batch(1, []), { set: [entry('a', 'a')], meta: { head: 'one' } }));
  const twice = completion(batch(1, []), { set: [entry('b', 'b')], drop: [entry('a', 'a')], meta: { head: 'two' } });
  await assert.rejects(state.finish(twice), { code: 'INTERNAL' });
  assert.deepEqual(await state.base(), [entry('a', 'a')]);
  assert.deepEqual(await state.meta(), { head: 'one' });
});

test('forgetting the base forgets the rows that were deleted, too, and leaves history and trust', async (t) => {
  const state = await scratchState(t);
  const key = { slug: 'a' };
  await state.trust(digestOf('{}'), '{}', 1);
  await state.finish(
    completion(batch(1, []), {
      set: [entry('a', 'a')],
      conflicts: { set: [{ mapping: 'pages', key, path: 'p', file: null, row: null }], drop: [] },
      holds: { set: [{ mapping: 'pages', key, file: null, row: null }], drop: [] },
      tombstones: { set: [{ mapping: 'pages', key, table: 'pages', image: {}, text: digestOf('t'), txid: txid(1) }], drop: [] },
    }),
  );
  await state.forgetBase();
  assert.deepEqual([await state.base(), await state.conflicts(), await state.holds(), await state.tombstones()], [[], [], [], []]);
  assert.equal((await state.history()).length, 1);
  assert.equal((await state.trusted()).size, 1);
});

test('the configuration trusted last is known', async (t) => {
  const state = await scratchState(t);
  assert.equal(await state.lastTrusted(), null);
  await state.trust('d1', 'one', 5);
  await state.trust('d2', 'two', 5);
  assert.deepEqual(await state.trusted(), new Set(['d1', 'd2']));
  assert.equal(await state.lastTrusted(), 'two');
  await state.trust('d1', 'one', 6);
  assert.equal(await state.lastTrusted(), 'one');
  assert.equal((await state.trusted()).size, 2);
});
