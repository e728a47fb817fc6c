import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { ManifestEntry } from '../../src/core/manifest.ts';
import { changesBetween } from '../../src/git/changes.ts';
import { openRepository, type Repository } from '../../src/git/repository.ts';
import { createRepository, type ScratchRepository } from '../helpers/repository.ts';

let scratch: ScratchRepository;
let repo: Repository;
let first: string;
const text = (name: string) => Array.from({ length: 30 }, (_, line) => `${name} ${line}\n`).join('');

beforeEach(async () => {
  scratch = await createRepository();
  repo = await openRepository(scratch.path, scratch.env);
  for (const name of ['a', 'b', 'c']) await scratch.write(`db/${name}.html`, text(name));
  await scratch.write('src/app.js', 'app\n');
  first = await scratch.commit('First');
});
afterEach(() => scratch.cleanup());

const changes = (from: string | null = first, root = 'db') => changesBetween(repo, from, root);
const entry = (change: ManifestEntry['change'], path: string, from?: string): ManifestEntry => ({ path, change, ...(from && { from }) });

test('nothing changed, nothing listed', async () => {
  assert.deepEqual(await changes(), []);
});

test('committed, staged, unstaged and untracked changes below the root', async () => {
  await scratch.write('db/a.html', 'committed\n');
  await scratch.commit();
  await scratch.write('db/b.html', 'staged\n');
  await scratch.git('add', 'db/b.html');
  await scratch.remove('db/c.html');
  await scratch.write('db/sub/new file.html', 'untracked\n');
  await scratch.write('src/app.js', 'outside\n');
  assert.deepEqual(await changes(), [
    entry('changed', 'db/a.html'),
    entry('changed', 'db/b.html'),
    entry('deleted', 'db/c.html'),
    entry('added', 'db/sub/new file.html'),
  ]);
  assert.deepEqual(await changes(first, 'src'), [entry('changed', 'src/app.js')]);
});

test('a committed rename, seen from the commit before', async () => {
  await scratch.git('mv', 'db/a.html', 'db/z.html');
  await scratch.commit();
  assert.deepEqual(await changes(), [entry('renamed', 'db/z.html', 'db/a.html')]);
});

test('a staged rename, with names git would quote', async () => {
  await scratch.git('mv', 'db/a.html', 'db/"ü"\n.html');
  assert.deepEqual(await changes(), [entry('renamed', 'db/"ü"\n.html', 'db/a.html')]);
});

test('a staged rename whose file was rewritten afterwards stays a rename', async () => {
  await scratch.git('mv', 'db/a.html', 'db/z.html');
  await scratch.write('db/z.html', 'something else entirely\n');
  assert.deepEqual(await changes(), [entry('renamed', 'db/z.html', 'db/a.html')]);
});

test('a plain move of a file is a deletion and an addition', async () => {
  await scratch.move('db/a.html', 'db/z.html');
  assert.deepEqual(await changes(), [entry('deleted', 'db/a.html'), entry('added', 'db/z.html')]);
});

test('renamed in a commit and staged under a third name, seen from the first commit', async () => {
  await scratch.git('mv', 'db/a.html', 'db/m.html');
  await scratch.commit();
  await scratch.git('mv', 'db/m.html', 'db/z.html');
  assert.deepEqual(await changes(), [entry('renamed', 'db/z.html', 'db/a.html')]);
});

test('renamed in a commit and staged back names no rename from a path the first commit lacks', async () => {
  await scratch.git('mv', 'db/a.html', 'db/m.html');
  await scratch.commit();
  await scratch.git('mv', 'db/m.html', 'db/a.html');
  assert.deepEqual(await changes(), [entry('changed', 'db/a.html')]);
});

test('removed from the index and still there', async () => {
  await scratch.git('rm', '--quiet', '--cached', 'db/a.html');
  assert.deepEqual(await changes(), [entry('changed', 'db/a.html')]);
});

test('added to the index and gone again', async () => {
  await scratch.write('db/new.html', 'new\n');
  await scratch.git('add', 'db/new.html');
  await scratch.remove('db/new.html');
  assert.deepEqual(await changes(), [entry('deleted', 'db/new.html')]);
});

test('a rename out of the root is a deletion', async () => {
  await scratch.git('mv', 'db/a.html', 'src/a.html');
  assert.deepEqual(await changes(), [entry('deleted', 'db/a.html')]);
});

test('no commit: everything is added, on an unborn branch too', async () => {
  await scratch.write('db/new.html', 'new\n');
  const all = ['a', 'b', 'c', 'new'].map((name) => entry('added', `db/${name}.html`));
  assert.deepEqual(await changes(null), all);
  await scratch.git('switch', '--quiet', '--orphan', 'unborn');
  assert.deepEqual(await changes(null), [entry('added', 'db/new.html')]);
});

test('a conflicted path is listed once', async () => {
  await scratch.git('switch', '--quiet', '--create', 'feature');
  await scratch.write('db/a.html', 'feature\n');
  await scratch.commit();
  await scratch.git('switch', '--quiet', 'main');
  await scratch.write('db/a.html', 'main\n');
  await scratch.commit();
  await assert.rejects(scratch.git('merge', 'feature'));
  assert.deepEqual(await changes(), [entry('changed', 'db/a.html')]);
});

test("a user's own diff settings change nothing", async () => {
  for (const [key, value] of [
    ['diff.renames', 'copies'],
    ['diff.external', 'false'],
    ['status.showUntrackedFiles', 'no'],
    ['status.renames', 'false'],
    ['diff.relative', 'true'],
    ['core.quotePath', 'true'],
  ] as const) {
    await scratch.git('config', key, value);
  }
  await scratch.git('mv', 'db/a.html', 'db/ä.html');
  await scratch.write('db/untracked.html', 'u\n');
  assert.deepEqual(await changes(), [entry('added', 'db/untracked.html'), entry('renamed', 'db/ä.html', 'db/a.html')]);
});

test('a repository nested in the root is not entered', async () => {
  await scratch.write('db/nested/x.html', 'x\n');
  await scratch.gitWith({ cwd: 'db/nested' }, 'init', '--quiet');
  assert.deepEqual(await changes(), []);
});
