import assert from 'node:assert/strict';
import { closeSync, openSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import { giveBack } from '../../src/tree/give-back.ts';
import { place } from '../../src/tree/place.ts';
import { settle } from '../../src/tree/settle.ts';
import { stage } from '../../src/tree/stage.ts';
import { onFailingDisk } from '../helpers/failing-disk.ts';
import { changesOf, memory, type ScratchTree, scratchTree } from '../helpers/scratch-tree.ts';

/** Replaces a file, in whose old inode somebody writes right after the rename. */
async function writtenLate(tree: ScratchTree) {
  const { changes, textOf } = changesOf([['db/a', 'old', 'new']]);
  await stage(tree, changes, textOf);
  const editor = openSync(tree.at('db/a'), 'r+');
  const { result } = await onFailingDisk(
    ({ name }) => {
      if (name === 'sync') writeSync(editor, 'late', 0);
      return null;
    },
    (executor) => place({ ...tree, executor }, changes),
  );
  closeSync(editor);
  assert.equal(result?.[0]?.result, 'late-write');
  return changes;
}

test('what was written late is where its writer left it, durably', async () => {
  const tree = await scratchTree(null, { 'db/a': 'old' }, memory());
  try {
    const changes = await writtenLate(tree);
    const calls: string[] = [];
    const { error } = await onFailingDisk(
      ({ name }) => {
        calls.push(name);
        return null;
      },
      (executor) => giveBack({ ...tree, executor }, changes[0]!),
    );
    assert.equal(error, null);
    assert.equal(await tree.read('db/a'), 'late');
    assert.ok(calls.lastIndexOf('sync') > calls.indexOf('rename'), `the name that was given back is durable: ${calls.join(' ')}`);
    await settle(tree, changes);
    assert.deepEqual(await tree.all(), { 'db/a': 'late' });
  } finally {
    await tree.remove();
  }
});

test('a file that was saved once more since keeps what it has', async () => {
  const tree = await scratchTree(null, { 'db/a': 'old' }, memory());
  try {
    const changes = await writtenLate(tree);
    await tree.write('db/a', 'saved once more');
    await giveBack(tree, changes[0]!);
    assert.equal(await tree.read('db/a'), 'saved once more', 'what was saved once more is not replaced');
  } finally {
    await tree.remove();
  }
});
