import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SyncError } from '../../src/core/errors.ts';
import { place, rollForward } from '../../src/tree/place.ts';
import { discard, settle } from '../../src/tree/settle.ts';
import { stage } from '../../src/tree/stage.ts';
import { cannotFail, onFailingDisk } from '../helpers/failing-disk.ts';
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

for (const links of [true, false]) {
  const how = links ? '' : ', without hard links';
  const stride = links ? 1 : 4;
  const unlinked = (fails: (call: { index: number }) => string | null) => (call: { index: number; name: string }) =>
    fails(call) ?? (links || call.name !== 'link' ? null : 'EPERM');

  test(`a crash anywhere while staging leaves the targets, and discarding leaves nothing else${how}`, { skip: cannotFail }, async () => {
    const calls = await atEveryCall(async (tree, at) => {
      const { changes, textOf } = changesOf(edits);
      const staged = await onFailingDisk(unlinked(crashAt(at)), () => stage(tree, changes, textOf));
      assert.equal(staged.error === null, staged.calls <= at);
      for (const [path, text] of Object.entries(before)) assert.equal(await tree.read(path), text);
      await discard(tree, changes);
      assert.deepEqual(await tree.all(), before);
      return staged.error === null ? 'over' : 'reached';
    }, stride);
    assert.ok(calls > 40, `${calls} calls`);
  });

  test(`a crash anywhere while placing is rolled forward, also when that crashes${how}`, { skip: cannotFail }, async () => {
    const calls = await atEveryCall(async (tree, at) => {
      const { changes, textOf } = changesOf(edits);
      await stage(tree, changes, textOf);
      const placed = await onFailingDisk(unlinked(crashAt(at)), () => place(tree, changes));
      assert.equal(placed.error, null);
      for (const second of [at, at + 7, 3 * at]) await onFailingDisk(unlinked(crashAt(second)), () => rollForward(tree, changes, textOf));
      const outcomes = await rollForward(tree, changes, textOf);
      assert.deepEqual(
        outcomes.filter(({ result }) => result !== 'done'),
        [],
      );
      const settled = await onFailingDisk(unlinked(crashAt(at)), () => settle(tree, changes));
      assert.equal(settled.calls > at, settled.error !== null);
      await settle(tree, changes);
      assert.deepEqual(await tree.all(), after);
      return placed.calls <= at ? 'over' : 'reached';
    }, stride);
    assert.ok(calls > 80, `${calls} calls`);
  });

  test(`a batch is rolled forward from its texts where staged files are gone${how}`, { skip: cannotFail }, async () => {
    await atEveryCall(async (tree, at) => {
      const { changes, textOf } = changesOf(edits);
      const staged = await onFailingDisk(unlinked(crashAt(at)), () => stage(tree, changes, textOf));
      const { result } = await onFailingDisk(
        unlinked(() => null),
        () => rollForward(tree, changes, textOf),
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

  test(`whoever edits after a crash loses nothing${how}`, { skip: cannotFail }, async () => {
    for (const edited of ['db/a', 'db/old/c', 'db/new/c', 'db/e']) {
      await atEveryCall(async (tree, at) => {
        const { changes, textOf } = changesOf(edits);
        await stage(tree, changes, textOf);
        const placed = await onFailingDisk(unlinked(crashAt(at)), () => place(tree, changes));
        await tree.write(edited, 'mine');
        const { result } = await onFailingDisk(
          unlinked(() => null),
          () => rollForward(tree, changes, textOf),
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

test('discarding can crash anywhere', { skip: cannotFail }, async () => {
  await atEveryCall(async (tree, at) => {
    const { changes, textOf } = changesOf(edits);
    await stage(tree, changes, textOf);
    const discarded = await onFailingDisk(crashAt(at), () => discard(tree, changes));
    await discard(tree, changes);
    assert.deepEqual(await tree.all(), before);
    return discarded.calls <= at ? 'over' : 'reached';
  });
});

for (const code of ['EIO', 'ENOSPC', 'EACCES']) {
  const stride = code === 'EIO' ? 1 : 5;
  test(`${code} once anywhere while staging is an error that names a path, and leaves nothing`, { skip: cannotFail }, async () => {
    await atEveryCall(async (tree, at) => {
      const { changes, textOf } = changesOf(edits);
      const { error, calls } = await onFailingDisk(failOnce(at, code), () => stage(tree, changes, textOf));
      if (calls <= at) return 'over';
      assert.ok(error instanceof SyncError && error.code === 'IO' && error.message.includes(code), String(error));
      assert.match(error.message, /"(db|\/)/);
      assert.deepEqual(await tree.all(), before);
      return 'reached';
    }, stride);
  });

  test(`${code} once anywhere while placing fails what it hits and no other, and is rolled forward`, { skip: cannotFail }, async () => {
    await atEveryCall(async (tree, at) => {
      const { changes, textOf } = changesOf(edits);
      await stage(tree, changes, textOf);
      const { result, calls } = await onFailingDisk(failOnce(at, code), () => place(tree, changes));
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

test('a file whose fsync failed is not fsynced again', { skip: cannotFail }, async () => {
  const tree = await scratchTree(null, before);
  try {
    const { changes, textOf } = changesOf([['db/e', null, 'E']]);
    let syncs = 0;
    const { error } = await onFailingDisk(
      ({ name }) => (name === 'sync' && syncs++ === 0 ? 'EIO' : null),
      () => stage(tree, changes, textOf),
    );
    assert.ok(error instanceof SyncError && error.code === 'IO');
    assert.equal(syncs, 1);
    assert.deepEqual(await tree.all(), before);
  } finally {
    await tree.remove();
  }
});
