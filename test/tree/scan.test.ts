import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, rename, symlink, unlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { digest } from '../../src/core/digest.ts';
import { SyncError } from '../../src/core/errors.ts';
import { readBytes, readFileSeen } from '../../src/tree/read.ts';
import { scanTree } from '../../src/tree/scan.ts';
import { scratchTree } from '../helpers/scratch-tree.ts';

const of = (text: string): string => digest(new TextEncoder().encode(text));

test('sees every file below the root with what its bytes are', async (t) => {
  const tree = await scratchTree(t, {
    'db/b.html': 'two\r\n',
    'db/.hidden/[x] {y}*.html': 'three\n',
    'db/a/ü 💥.html': '',
    'db/a/back\\slash': 'x',
    'outside.html': 'no',
    'dbx/no': '',
  });
  await chmod(tree.at('db/b.html'), 0o750);
  await mkdir(tree.at('db/empty'));
  const { files, skips, folders, leftovers } = await scanTree(tree);
  assert.deepEqual([...folders].sort(), ['db/.hidden', 'db/a', 'db/empty']);
  assert.deepEqual(files, [
    { path: 'db/.hidden/[x] {y}*.html', digest: of('three\n'), lfDigest: of('three\n'), size: 6, mode: 0o644 },
    { path: 'db/a/back\\slash', digest: of('x'), lfDigest: of('x'), size: 1, mode: 0o644 },
    { path: 'db/a/ü 💥.html', digest: of(''), lfDigest: of(''), size: 0, mode: 0o644 },
    { path: 'db/b.html', digest: of('two\r\n'), lfDigest: of('two\n'), size: 5, mode: 0o750 },
  ]);
  assert.deepEqual(skips, []);
  assert.deepEqual(leftovers, []);
});

test('takes a root of several segments, and the top itself', async (t) => {
  const tree = await scratchTree(t, { 'db/sub/x': '', 'db/y': '', '.git/config': '', 'db/nested/.git/config': '' });
  assert.deepEqual(
    (await scanTree({ top: tree.top, root: 'db/sub' })).files.map((file) => file.path),
    ['db/sub/x'],
  );
  assert.deepEqual(
    (await scanTree({ top: tree.top, root: '' })).files.map((file) => file.path),
    ['db/sub/x', 'db/y'],
  );
});

test('a missing root is empty', async (t) => {
  const tree = await scratchTree(t);
  assert.deepEqual(await scanTree(tree), { files: [], skips: [], folders: new Set(), leftovers: [] });
});

test('names links, sockets and FIFOs, and follows none', async (t) => {
  const tree = await scratchTree(t, { 'db/x': '', 'outside/secret': 's' });
  await symlink(tree.at('outside'), tree.at('db/folder'));
  await symlink(tree.at('outside/secret'), tree.at('db/file'));
  await symlink('nowhere', tree.at('db/dangling'));
  await promisify(execFile)('mkfifo', [tree.at('db/fifo')]);
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(tree.at('db/socket'), resolve));
  t.after(() => void server.close());
  const { files, skips } = await scanTree(tree);
  assert.deepEqual(
    files.map((file) => file.path),
    ['db/x'],
  );
  assert.deepEqual(
    skips.map(({ path, code }) => [path, code]),
    [
      ['db/dangling', 'SYMLINK'],
      ['db/fifo', 'NOT_A_FILE'],
      ['db/file', 'SYMLINK'],
      ['db/folder', 'SYMLINK'],
      ['db/socket', 'NOT_A_FILE'],
    ],
  );
});

for (const path of ['db', 'db/sub']) {
  test(`a root that is or leads through a link ("${path}") is an error`, async (t) => {
    const tree = await scratchTree(t, { 'outside/sub/x': '' });
    await symlink('outside', tree.at('db'));
    await assert.rejects(
      scanTree({ top: tree.top, root: path }),
      (error) => error instanceof SyncError && error.code === 'IO' && /"db" is a symbolic link/.test(error.message),
    );
  });
}

test(
  'a name that is not UTF-8 is refused, also beside one that looks like it',
  { skip: process.platform !== 'linux' || 'Deno' in globalThis },
  async (t) => {
    const tree = await scratchTree(t, { 'db/ok': '' });
    const raw = (name: string, ...more: number[]): Buffer => Buffer.concat([Buffer.from(tree.at(`db/${name}`)), Buffer.from(more)]);
    await writeFile(raw('x', 0xff), 'hidden');
    await writeFile(tree.at('db/y\uFFFD'), 'plain');
    await mkdir(raw('folder', 0xc3));
    const { files, skips } = await scanTree(tree);
    assert.deepEqual(
      files.map((file) => file.path),
      ['db/ok'],
    );
    assert.deepEqual(
      skips.map(({ path, code }) => [path, code]),
      [
        ['db/folder\uFFFD', 'UNSAFE_PATH'],
        ['db/x\uFFFD', 'UNSAFE_PATH'],
        ['db/y\uFFFD', 'UNSAFE_PATH'],
      ],
    );
  },
);

test('overlooks what editors leave, and tells its own files apart', async (t) => {
  const tree = await scratchTree(t, {
    'db/a.html': '',
    'db/a.html~': '',
    'db/.a.html.swp': '',
    'db/4913': '',
    'db/.sync-run-01234567-0.new': '',
    'db/s/.sync-run-01234567-1.old': '',
  });
  const { files, skips, leftovers } = await scanTree(tree);
  assert.deepEqual(
    files.map((file) => file.path),
    ['db/a.html'],
  );
  assert.deepEqual(skips, []);
  assert.deepEqual(leftovers.sort(), ['db/.sync-run-01234567-0.new', 'db/s/.sync-run-01234567-1.old']);
});

test('stops when it is told to', async (t) => {
  const tree = await scratchTree(t, { 'db/x': '' });
  await assert.rejects(scanTree({ ...tree, signal: AbortSignal.abort(new Error('enough')) }), /enough/);
});

test('files that come and go meanwhile stop nothing, and no file that stays is missed', async (t) => {
  const stays = Array.from({ length: 300 }, (_, index) => `db/d${index % 10}/stay${index}`);
  const tree = await scratchTree(t, Object.fromEntries(stays.map((path) => [path, path])));
  let running = true;
  const churn = (async () => {
    for (let round = 0; running; round++) {
      const path = tree.at(`db/d${round % 10}/come${round}`);
      await writeFile(path, 'x');
      await rename(path, `${path}.moved`);
      await unlink(`${path}.moved`);
    }
  })();
  try {
    for (let round = 0; round < 10; round++) {
      const { files, skips } = await scanTree(tree);
      assert.deepEqual(skips, []);
      assert.deepEqual(
        files
          .filter((file) => file.path.includes('stay'))
          .map((file) => file.path)
          .sort(),
        [...stays].sort(),
      );
    }
  } finally {
    running = false;
    await churn;
  }
});

test('reads single files, and nothing through links', async (t) => {
  const tree = await scratchTree(t, { 'db/x': 'text', 'outside/x': 'secret' });
  await symlink(tree.at('outside'), tree.at('db/folder'));
  await symlink(tree.at('outside/x'), tree.at('db/link'));
  const read = await readFileSeen(tree.top, 'db/x');
  assert.deepEqual(read?.seen, { path: 'db/x', digest: of('text'), lfDigest: of('text'), size: 4, mode: 0o644 });
  assert.equal(await readFileSeen(tree.top, 'db/none'), null);
  assert.equal(await readFileSeen(tree.top, 'db/none/x'), null);
  await assert.rejects(readFileSeen(tree.top, 'db/link'), /"db\/link": it is a symbolic link/);
  await assert.rejects(readFileSeen(tree.top, 'db/folder/x'), /"db\/folder" is a symbolic link/);
  const bytes = await readBytes(tree.top, ['db/x', 'db/none', 'db/link', 'db/folder/x', 'db', 'none/x']);
  assert.deepEqual(
    [...bytes].map(([path, text]) => [path, new TextDecoder().decode(text)]),
    [['db/x', 'text']],
  );
});
