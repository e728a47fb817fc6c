import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SyncError } from '../../src/core/errors.ts';
import type { Disk } from '../../src/tree/disk.ts';
import { asyncDisk } from '../../src/tree/disk-async.ts';
import { syncDisk } from '../../src/tree/disk-sync.ts';
import { type Executor, inline } from '../../src/tree/executor.ts';
import { place, rollForward } from '../../src/tree/place.ts';
import { discard, settle } from '../../src/tree/settle.ts';
import { stage } from '../../src/tree/stage.ts';
import { type Call, onFailingDisk } from '../helpers/failing-disk.ts';
import { changesOf, type Edit, memory, type ScratchTree, scratchTree } from '../helpers/scratch-tree.ts';

const before = { 'db/a': 'A', 'db/b': 'B', 'db/old/c': 'C', 'db/old/d': 'D', 'db/keep': 'K' };
const edits: Edit[] = [
  ['db/a', 'A', 'B'],
  ['db/b', 'B', 'A'],
  ['db/old/c', 'C', null],
  ['db/new/c', null, 'C'],
  ['db/old/d', 'D', null],
  ['db/e', null, 'E'],
];
const after = { 'db/a': 'B', 'db/b': 'A', 'db/e': 'E', 'db/keep': 'K', 'db/new/c': 'C' };

/**
 * Runs a trial on a tree of its own for every call of the file system, until it says that all were made.
 *
 * @param stride more than 1 for a sample where another test takes every call
 */
async function atEveryCall(trial: (tree: ScratchTree, index: number) => Promise<'reached' | 'over'>, stride = 1): Promise<number> {
  for (let index = 0; ; index += stride) {
    const tree = await scratchTree(null, before, memory());
    try {
      if ((await trial(tree, index)) === 'over') return index;
    } finally {
      await tree.remove();
    }
  }
}

const crashAt =
  (at: number) =>
  ({ index }: { index: number }): string | null =>
    index >= at ? 'EIO' : null;
const failOnce =
  (at: number, code: string) =>
  ({ index }: { index: number }): string | null =>
    index === at ? code : null;

const ways = [
  { how: '', links: true, disk: asyncDisk, stride: 1 },
  { how: ', without hard links', links: false, disk: asyncDisk, stride: 4 },
  { how: ', as in a thread', links: true, disk: syncDisk, stride: 3 },
];

for (const { how, links, disk, stride } of ways) {
  const on = <T>(fails: (call: Call) => string | null, work: (executor: Executor) => Promise<T>) => onFailingDisk(fails, work, disk);
  const unlinked = (fails: (call: { index: number }) => string | null) => (call: { index: number; name: string }) =>
    fails(call) ?? (links || call.name !== 'link' ? null : 'EPERM');

  test(`a crash anywhere while staging leaves the targets, and discarding leaves nothing else${how}`, async () => {
    const calls = await atEveryCall(async (tree, at) => {
      const { changes, textOf } = changesOf(edits);
      const staged = await on(unlinked(crashAt(at)), (executor) => stage({ ...tree, executor }, changes, textOf));
      assert.equal(staged.error === null, staged.calls <= at);
      for (const [path, text] of Object.entries(before)) assert.equal(await tree.read(path), text);
      await discard(tree, changes);
      assert.deepEqual(await tree.all(), before);
      return staged.error === null ? 'over' : 'reached';
    }, stride);
    assert.ok(calls > 25, `${calls} calls`);
  });

  test(`a crash anywhere while placing is rolled forward, also when that crashes${how}`, async () => {
    const calls = await atEveryCall(async (tree, at) => {
      const { changes, textOf } = changesOf(edits);
      await stage(tree, changes, textOf);
      const placed = await on(unlinked(crashAt(at)), (executor) => place({ ...tree, executor }, changes));
      assert.equal(placed.error, null);
      for (const second of [at, at + 7, 3 * at])
        await on(unlinked(crashAt(second)), (executor) => rollForward({ ...tree, executor }, changes, textOf));
      const outcomes = await rollForward(tree, changes, textOf);
      assert.deepEqual(
        outcomes.filter(({ result }) => result !== 'done'),
        [],
      );
      const settled = await on(unlinked(crashAt(at)), (executor) => settle({ ...tree, executor }, changes));
      assert.equal(settled.calls > at, settled.error !== null);
      await settle(tree, changes);
      assert.deepEqual(await tree.all(), after);
      return placed.calls <= at ? 'over' : 'reached';
    }, stride);
    assert.ok(calls > 80, `${calls} calls`);
  });

  test(`a batch is rolled forward from its texts where staged files are gone${how}`, async () => {
    await atEveryCall(async (tree, at) => {
      const { changes, textOf } = changesOf(edits);
      const staged = await on(unlinked(crashAt(at)), (executor) => stage({ ...tree, executor }, changes, textOf));
      const { result } = await on(
        unlinked(() => null),
        (executor) => rollForward({ ...tree, executor }, changes, textOf),
      );
      assert.deepEqual(
        result?.filter((outcome) => outcome.result !== 'done'),
        [],
      );
      await settle(tree, changes);
      assert.deepEqual(await tree.all(), after);
      return staged.error === null ? 'over' : 'reached';
    }, stride);
  });

  test(`whoever edits after a crash loses nothing${how}`, async () => {
    for (const edited of ['db/a', 'db/old/c', 'db/new/c', 'db/e']) {
      await atEveryCall(async (tree, at) => {
        const { changes, textOf } = changesOf(edits);
        await stage(tree, changes, textOf);
        const placed = await on(unlinked(crashAt(at)), (executor) => place({ ...tree, executor }, changes));
        await tree.write(edited, 'mine');
        const { result } = await on(
          unlinked(() => null),
          (executor) => rollForward({ ...tree, executor }, changes, textOf),
        );
        for (const outcome of result ?? []) {
          assert.equal(outcome.result, outcome.change.path === edited ? 'target-changed' : 'done', outcome.change.path);
        }
        await settle(tree, changes);
        assert.deepEqual(
          await tree.all(),
          Object.fromEntries(Object.entries({ ...after, [edited]: 'mine' }).sort(([a], [b]) => (a < b ? -1 : 1))),
        );
        return placed.calls <= at ? 'over' : 'reached';
      }, 5);
    }
  });
}

test('discarding can crash anywhere', async () => {
  await atEveryCall(async (tree, at) => {
    const { changes, textOf } = changesOf(edits);
    await stage(tree, changes, textOf);
    const discarded = await onFailingDisk(crashAt(at), (executor) => discard({ ...tree, executor }, changes));
    await discard(tree, changes);
    assert.deepEqual(await tree.all(), before);
    return discarded.calls <= at ? 'over' : 'reached';
  });
});

for (const code of ['EIO', 'ENOSPC', 'EACCES']) {
  const stride = code === 'EIO' ? 1 : 5;
  test(`${code} once anywhere while staging is an error that names a path, and leaves nothing`, async () => {
    await atEveryCall(async (tree, at) => {
      const { changes, textOf } = changesOf(edits);
      const { error, calls } = await onFailingDisk(failOnce(at, code), (executor) => stage({ ...tree, executor }, changes, textOf));
      if (calls <= at) return 'over';
      assert.ok(error instanceof SyncError && error.code === 'IO' && error.message.includes(code), String(error));
      assert.match(error.message, /"(db|\/)/);
      assert.deepEqual(await tree.all(), before);
      return 'reached';
    }, stride);
  });

  test(`${code} once anywhere while placing fails what it hits and no other, and is rolled forward`, async () => {
    await atEveryCall(async (tree, at) => {
      const { changes, textOf } = changesOf(edits);
      await stage(tree, changes, textOf);
      const { result, calls } = await onFailingDisk(failOnce(at, code), (executor) => place({ ...tree, executor }, changes));
      const all: Record<string, string> = await tree.all();
      for (const outcome of result ?? []) {
        const { path } = outcome.change;
        assert.ok(outcome.result === 'done' || outcome.result === 'failed', `${path} ${outcome.result}`);
        assert.equal(outcome.result === 'failed', outcome.error !== undefined);
        if (outcome.result === 'done') assert.equal(all[path], edits.find(([edited]) => edited === path)?.[2] ?? undefined);
      }
      assert.ok((await rollForward(tree, changes, textOf)).every((outcome) => outcome.result === 'done'));
      await settle(tree, changes);
      assert.deepEqual(await tree.all(), after);
      return calls <= at ? 'over' : 'reached';
    }, stride);
  });
}

test('a file whose fsync failed is not fsynced again', async () => {
  const tree = await scratchTree(null, before);
  try {
    const { changes, textOf } = changesOf([['db/e', null, 'E']]);
    let syncs = 0;
    const { error } = await onFailingDisk(
      ({ name }) => (name === 'sync' && syncs++ === 0 ? 'EIO' : null),
      (executor) => stage({ ...tree, executor }, changes, textOf),
    );
    assert.ok(error instanceof SyncError && error.code === 'IO');
    assert.equal(syncs, 1);
    assert.deepEqual(await tree.all(), before);
  } finally {
    await tree.remove();
  }
});

test('a disk that stores something else, or less, is noticed while staging', async () => {
  const flip = (bytes: Uint8Array): Uint8Array => bytes.map((byte, index) => (index === 0 ? byte ^ 1 : byte));
  const liars: Disk[] = [
    { ...asyncDisk, write: (fd, bytes, ...rest) => asyncDisk.write(fd, flip(bytes), ...rest) },
    { ...asyncDisk, write: (_fd, _bytes, _offset, length) => length },
  ];
  for (const disk of liars) {
    const tree = await scratchTree(null, before);
    try {
      const { changes, textOf } = changesOf(edits);
      await assert.rejects(
        stage({ ...tree, executor: inline(disk) }, changes, textOf),
        (error) => error instanceof SyncError && error.code === 'VERIFY' && /read back/.test(error.message),
        'what is staged is what was to be written',
      );
      assert.deepEqual(await tree.all(), before);
    } finally {
      await tree.remove();
    }
  }
});

test('a file is durable before its name is, and both before anything is placed', async () => {
  const tree = await scratchTree(null, before);
  try {
    const { changes, textOf } = changesOf(edits);
    const order: string[] = [];
    const { error } = await onFailingDisk(
      ({ name }) => {
        order.push(name);
        return null;
      },
      async (executor) => {
        await stage({ ...tree, executor }, changes, textOf);
        const staged = order.splice(0);
        // Four files, the directory made, the one it is in, and both that hold new names.
        assert.equal(staged.filter((name) => name === 'sync').length, 4 + 1 + 2, 'every file and every folder with a new name');
        await place({ ...tree, executor }, changes);
        assert.equal(order.filter((name) => name === 'sync').length, 3, 'every directory with a changed name');
        assert.ok(order.lastIndexOf('rename') < order.indexOf('sync') && order.lastIndexOf('link') < order.indexOf('sync'));
        assert.ok(order.lastIndexOf('read') > order.lastIndexOf('sync'), 'read back last');
      },
    );
    assert.equal(error, null);
  } finally {
    await tree.remove();
  }
});

test('without hard links the copy of an old file is durable before anything takes its place', async () => {
  const tree = await scratchTree(null, before);
  try {
    const { changes, textOf } = changesOf([['db/a', 'A', 'new']]);
    await stage(tree, changes, textOf);
    const order: string[] = [];
    const { error } = await onFailingDisk(
      ({ name }) => {
        order.push(name);
        return name === 'link' ? 'EPERM' : null;
      },
      (executor) => place({ ...tree, executor }, changes),
    );
    assert.equal(error, null);
    assert.ok(
      order.slice(order.indexOf('copyFile'), order.indexOf('rename')).includes('sync'),
      `the copy is durable before the rename: ${order.join(' ')}`,
    );
  } finally {
    await tree.remove();
  }
});
