import assert from 'node:assert/strict';
import { link, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { SyncError } from '../../src/core/errors.ts';
import { openChecked, openDir } from '../../src/tree/dir.ts';
import { asyncDisk } from '../../src/tree/disk-async.ts';
import { errnoOf } from '../../src/tree/io-error.ts';
import { scratchTree } from '../helpers/scratch-tree.ts';

for (const [how, open] of [
  ['as this system does', openDir],
  ['by names', openChecked],
] as const) {
  test(`opens a directory and reaches its children, ${how}`, async (t) => {
    const tree = await scratchTree(t, { 'db/a/x': 'text' });
    const dir = await open(asyncDisk, tree.top, 'db/a', {});
    try {
      assert.equal(dir.relative, 'db/a');
      assert.deepEqual(dir.created, []);
      assert.equal(await readFile(dir.path('x'), 'utf8'), 'text');
      await link(dir.path('x'), dir.path('y'));
      await dir.sync();
      await dir.check();
    } finally {
      await dir.close();
    }
    assert.deepEqual(await tree.all(), { 'db/a/x': 'text', 'db/a/y': 'text' });
  });

  test(`makes missing directories and names them, ${how}`, async (t) => {
    const tree = await scratchTree(t, { 'db/x': '' });
    const told: string[] = [];
    const dir = await open(asyncDisk, tree.top, 'db/a/b', { create: true, onCreated: (path) => told.push(path) });
    await dir.close();
    assert.deepEqual(dir.created, ['db/a', 'db/a/b']);
    assert.deepEqual(told, ['db/a', 'db/a/b']);
    assert.deepEqual(await tree.all(), { 'db/a/b/': '', 'db/x': '' });
  });

  test(`says that a directory is missing, ${how}`, async (t) => {
    const tree = await scratchTree(t);
    await assert.rejects(
      open(asyncDisk, tree.top, 'db/a', {}),
      (error) => error instanceof SyncError && error.code === 'IO' && errnoOf(error) === 'ENOENT',
    );
  });

  for (const [what, path] of [
    ['a symbolic link', 'db/link'],
    ['a symbolic link', 'db/link/deeper'],
    ['not a directory', 'db/file'],
    ['not a directory', 'db/file/deeper'],
  ] as const) {
    test(`refuses "${path}", ${how}`, async (t) => {
      const tree = await scratchTree(t, { 'db/file': '', 'outside/deeper/x': '' });
      await symlink(tree.at('outside'), tree.at('db/link'));
      await assert.rejects(
        open(asyncDisk, tree.top, path, { create: true }),
        (error) => error instanceof SyncError && error.code === 'IO' && error.message.includes(what) && errnoOf(error) === 'ENOTDIR',
      );
      assert.deepEqual(Object.keys(await tree.all()), ['db/file', 'db/link', 'outside/deeper/x']);
    });
  }

  for (const path of ['..', 'db/../..', './db', 'db//a', '/']) {
    test(`refuses the path "${path}", ${how}`, async (t) => {
      const tree = await scratchTree(t, { 'db/x': '' });
      await assert.rejects(open(asyncDisk, tree.top, path, {}), (error) => error instanceof SyncError && error.code === 'INTERNAL');
    });
  }

  test(`a directory swapped for a link after it was opened redirects nothing, ${how}`, async (t) => {
    const tree = await scratchTree(t, { 'db/a/x': '', 'outside/x': 'theirs' });
    const dir = await open(asyncDisk, tree.top, 'db/a', {});
    try {
      await rename(tree.at('db/a'), tree.at('db/moved'));
      await symlink(tree.at('outside'), tree.at('db/a'));
      if (open === openChecked || process.platform !== 'linux') {
        await assert.rejects(dir.check(), /is a symbolic link/);
      } else {
        await dir.check();
        await writeFile(dir.path('x'), 'ours');
        assert.equal(await tree.read('db/moved/x'), 'ours');
      }
    } finally {
      await dir.close();
    }
    assert.equal(await tree.read('outside/x'), 'theirs');
  });
}

test('by names, a directory replaced by another one is noticed', async (t) => {
  const tree = await scratchTree(t, { 'db/a/x': '' });
  const dir = await openChecked(asyncDisk, tree.top, 'db/a', {});
  await rename(tree.at('db/a'), tree.at('db/moved'));
  await mkdir(tree.at('db/a'));
  await assert.rejects(dir.check(), /was replaced/);
});
