import assert from 'node:assert/strict';
import { open, readdir, symlink } from 'node:fs/promises';
import { test } from 'node:test';
import { SyncError } from '../../src/core/errors.ts';
import type { Executor } from '../../src/tree/executor.ts';
import { errnoOf } from '../../src/tree/io-error.ts';
import { place } from '../../src/tree/place.ts';
import { scanTree } from '../../src/tree/scan.ts';
import { discard, settle } from '../../src/tree/settle.ts';
import { stage } from '../../src/tree/stage.ts';
import { createThreads } from '../../src/tree/threads.ts';
import { fromWire, toWire } from '../../src/tree/wire.ts';
import { changesOf, type Edit, type ScratchTree, scratchTree } from '../helpers/scratch-tree.ts';

async function inThreads<T>(tree: ScratchTree, work: (on: ScratchTree & { executor: Executor }) => Promise<T>, threads = 2): Promise<T> {
  const executor = createThreads({ from: 1, threads });
  try {
    return await work({ ...tree, executor });
  } finally {
    await executor.close();
  }
}

test('a batch of many files in several directories goes through threads', async (t) => {
  const before: Record<string, string> = {};
  const after: Record<string, string> = {};
  const edits: Edit[] = [];
  for (let index = 0; index < 1500; index++) {
    const path = `db/d${index % 3}/f${String(index).padStart(4, '0')}`;
    const was = index % 4 === 0 ? null : `was ${index}`;
    const becomes = index % 4 === 1 ? null : `becomes ${index}\n`.repeat(index % 7);
    if (was !== null) before[path] = was;
    if (becomes !== null) after[path] = becomes;
    edits.push([path, was, becomes]);
  }
  const tree = await scratchTree(t, before);
  await inThreads(tree, async (on) => {
    const { changes, textOf } = changesOf(edits, 0o640);
    await stage(on, changes, textOf);
    const outcomes = await place(on, changes);
    assert.deepEqual(
      outcomes.map(({ change, result }) => [change.path, result]),
      edits.map(([path]) => [path, 'done']),
    );
    await settle(on, changes);
    assert.deepEqual(
      (await scanTree(on)).files.map(({ path, mode }) => [path, mode]),
      Object.keys(after)
        .sort()
        .map((path) => [path, 0o640]),
    );
  });
  assert.deepEqual(await tree.all(), Object.fromEntries(Object.entries(after).sort(([a], [b]) => (a < b ? -1 : 1))));
});

test('what someone wrote comes back from a thread with its bytes', async (t) => {
  const tree = await scratchTree(t, { 'db/a': 'A', 'db/b': 'B', 'db/c': 'C' });
  const { changes, textOf } = changesOf([
    ['db/a', 'A', 'A2'],
    ['db/b', 'B', 'B2'],
    ['db/c', 'C', null],
  ]);
  await inThreads(tree, async (on) => {
    await stage(on, changes, textOf);
    await tree.write('db/a', 'mine, longer');
    await tree.write('db/c', '');
    const found = (await place(on, changes)).map(({ result, found: bytes }) => [result, bytes && new TextDecoder().decode(bytes)]);
    assert.deepEqual(found, [
      ['target-changed', 'mine, longer'],
      ['done', null],
      ['target-changed', ''],
    ]);
  });
});

test('a failure in a thread takes back what every share had staged', async (t) => {
  const edits = Array.from({ length: 1200 }, (_, index): Edit => [`db/n/f${index}`, null, `text ${index}`]);
  const tree = await scratchTree(t, { 'db/n/.sync-run-01234567-1100.new': 'taken' });
  await inThreads(tree, async (on) => {
    const { changes, textOf } = changesOf([...edits, ['db/m/x', null, 'x']]);
    await assert.rejects(
      stage(on, changes, textOf),
      (error) => error instanceof SyncError && error.code === 'IO' && errnoOf(error) === 'EEXIST' && /"db\/n\/f1100"/.test(error.message),
    );
    assert.deepEqual(await tree.all(), { 'db/n/.sync-run-01234567-1100.new': 'taken' });
  });
});

test('a thread follows no link, and a damaged text is not written', async (t) => {
  const tree = await scratchTree(t, { 'outside/a': 'theirs' });
  await symlink(tree.at('outside'), tree.at('db'));
  const { changes, textOf } = changesOf([['db/a', null, 'A']]);
  await inThreads(tree, async (on) => {
    await assert.rejects(stage(on, changes, textOf), /"db" is a symbolic link/);
    await assert.rejects(
      stage(on, changesOf([['other/a', null, 'A']]).changes, () => new Uint8Array([1])),
      (error) => error instanceof SyncError && error.code === 'VERIFY',
    );
    await discard(on, changes);
  });
  assert.deepEqual(await readdir(tree.top), ['db', 'outside']);
  assert.equal(await tree.read('outside/a'), 'theirs');
});

test('a few files start no thread, and closing waits for what is under way', async (t) => {
  const tree = await scratchTree(t);
  const executor = createThreads();
  const few = executor.lanes(1);
  const many = executor.lanes(10_000);
  assert.notEqual(few, many);
  const { changes, textOf } = changesOf(Array.from({ length: 100 }, (_, index): Edit => [`db/f${index}`, null, 'x']));
  const staged = stage({ ...tree, executor }, changes, textOf);
  while (!(await readdir(tree.at('db')).catch(() => [])).length) await (await open(tree.top)).close();
  await executor.close();
  await staged;
  assert.equal((await readdir(tree.at('db'))).length, 100);
});

test('bytes and errors cross between threads', () => {
  const value = {
    nothing: null,
    list: [new Uint8Array([1, 2, 3]).subarray(1), new Uint8Array(), 'text', 7],
    inner: { error: new SyncError('IO', 'Cannot write', { details: ['one'], cause: Object.assign(new Error('x'), { code: 'ENOSPC' }) }) },
    plain: Object.assign(new Error('plain'), { code: 'EIO' }),
  };
  const back = fromWire(structuredClone(toWire(value))) as typeof value;
  assert.deepEqual(back.list, value.list);
  assert.equal(back.nothing, null);
  assert.ok(back.inner.error instanceof SyncError && back.inner.error.code === 'IO');
  assert.deepEqual(back.inner.error.details, ['one']);
  assert.equal(errnoOf(back.inner.error), 'ENOSPC');
  assert.equal(errnoOf(back.plain), 'EIO');
});
