import assert from 'node:assert/strict';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { openRepository, type Repository } from '../../src/git/repository.ts';
import { readStaged } from '../../src/git/staged.ts';
import { trackedArgs } from '../../src/git/status.ts';
import { createRepository, type ScratchRepository } from '../helpers/repository.ts';

let scratch: ScratchRepository;
let repo: Repository;
beforeEach(async () => {
  scratch = await createRepository();
  repo = await openRepository(scratch.path, scratch.env);
  for (const name of ['a', 'b', 'c']) await scratch.write(`db/${name}.html`, `${name}\n`.repeat(20));
  await scratch.commit();
});
afterEach(() => scratch.cleanup());

test('what is staged against HEAD, renames included', async () => {
  await scratch.git('mv', 'db/a.html', 'db/z.html');
  await scratch.git('rm', '--quiet', 'db/b.html');
  await scratch.write('db/c.html', 'unstaged\n');
  await scratch.write('other.html', 'outside\n');
  await scratch.git('add', 'other.html');
  assert.deepEqual((await readStaged(repo, 'db')).entries, [
    { path: 'db/b.html', change: 'deleted' },
    { path: 'db/z.html', change: 'renamed', from: 'db/a.html' },
  ]);
});

test('the first commit: all that is staged is added', async () => {
  await scratch.git('switch', '--quiet', '--orphan', 'unborn');
  await scratch.write('db/first.html', 'first\n');
  await scratch.git('add', '--all');
  assert.deepEqual((await readStaged(repo, 'db')).entries, [{ path: 'db/first.html', change: 'added' }]);
  assert.equal((await readStaged(repo, 'db')).partly.size, 0);
});

test('partly staged: changed again, deleted since, or kept as a file while its deletion is staged', async () => {
  await scratch.write('db/a.html', 'staged\n');
  await scratch.write('db/new.html', 'staged\n');
  await scratch.write('db/whole.html', 'staged\n');
  await scratch.git('add', '--all');
  await scratch.write('db/a.html', 'and again\n');
  await scratch.remove('db/new.html');
  await scratch.git('rm', '--quiet', '--cached', 'db/b.html');
  await scratch.write('db/c.html', 'only unstaged\n');
  assert.deepEqual([...(await readStaged(repo, 'db')).partly].toSorted(), ['db/a.html', 'db/b.html', 'db/new.html']);
});

test('a file that a folder took the place of is deleted', async () => {
  await scratch.git('rm', '--quiet', 'db/b.html');
  await scratch.write('db/b.html/inside.html', 'inside\n');
  await scratch.git('add', '--all');
  assert.deepEqual(await readStaged(repo, 'db'), {
    entries: [
      { path: 'db/b.html', change: 'deleted' },
      { path: 'db/b.html/inside.html', change: 'added' },
    ],
    partly: new Set(),
  });
});

test('a deletion is partly staged where the file is kept, also where git ignores it', async () => {
  await scratch.write('.gitignore', 'b.html\n');
  await scratch.git('rm', '--quiet', '--cached', 'db/b.html');
  assert.deepEqual([...(await readStaged(repo, 'db')).partly], ['db/b.html']);
});

/** What a pre-commit hook sees as GIT_INDEX_FILE, recorded with a copy of that index. */
async function indexDuring(...commit: string[]): Promise<string> {
  const hook = '#!/bin/sh\nprintf %s "$GIT_INDEX_FILE" >.git/name\ncp "$GIT_INDEX_FILE" .git/copy\n';
  await scratch.write('.git/hooks/pre-commit', hook);
  await chmod(join(scratch.path, '.git/hooks/pre-commit'), 0o755);
  await scratch.git('commit', '--quiet', '--message', 'Commit', ...commit);
  await scratch.git('reset', '--quiet', '--soft', 'HEAD~1');
  return scratch.read('.git/name');
}

test('the index of a plain commit is named from the top', async () => {
  await scratch.write('db/a.html', 'staged\n');
  await scratch.git('add', '--all');
  const indexFile = await indexDuring();
  assert.equal(indexFile, '.git/index');
  assert.deepEqual((await readStaged(repo, 'db', { indexFile })).entries, [{ path: 'db/a.html', change: 'changed' }]);
});

test('the index of a commit of one path is not the index of the repository', async () => {
  await scratch.write('db/a.html', 'staged\n');
  await scratch.git('add', 'db/a.html');
  await scratch.write('db/b.html', 'committed by name\n');
  assert.match(await indexDuring('db/b.html'), /next-index-\d+\.lock$/);
  const indexFile = '.git/copy';
  assert.deepEqual((await readStaged(repo, 'db', { indexFile })).entries, [{ path: 'db/b.html', change: 'changed' }]);
  assert.equal((await readStaged(repo, 'db', { indexFile })).partly.size, 0);
  await scratch.write('db/b.html', 'changed meanwhile\n');
  assert.deepEqual([...(await readStaged(repo, 'db', { indexFile })).partly], ['db/b.html']);
});

test('the index of "commit -a" is the lock file', async () => {
  await scratch.write('db/a.html', 'unstaged\n');
  const name = await indexDuring('--all');
  assert.equal(name, join(repo.gitDir, 'index.lock'));
  assert.deepEqual((await readStaged(repo, 'db', { indexFile: '.git/copy' })).entries, [{ path: 'db/a.html', change: 'changed' }]);
});

test('what git told already is taken for it, if it is of the same folder', async () => {
  await scratch.git('mv', 'db/a.html', 'db/z.html');
  const known = { root: 'db', output: await scratch.git(...trackedArgs, '--', 'db') };
  await scratch.write('db/b.html', 'staged later\n');
  await scratch.git('add', '--all');
  const moved = { path: 'db/z.html', change: 'renamed', from: 'db/a.html' };
  assert.deepEqual((await readStaged(repo, 'db', { known })).entries, [moved]);
  const now = [{ path: 'db/b.html', change: 'changed' }, moved];
  assert.deepEqual((await readStaged(repo, 'db', { known: { ...known, root: 'pages' } })).entries, now);
  assert.deepEqual((await readStaged(repo, 'db', { known: null })).entries, now);
});

test('a GIT_INDEX_FILE that is only inherited is not used', async () => {
  await scratch.git('read-tree', '--index-output=.git/stale', 'HEAD');
  await scratch.write('db/a.html', 'staged\n');
  await scratch.git('add', '--all');
  const inherited = await openRepository(scratch.path, { ...scratch.env, GIT_INDEX_FILE: join(repo.gitDir, 'stale') });
  assert.equal((await readStaged(inherited, 'db')).entries.length, 1);
  assert.equal((await readStaged(inherited, 'db', { indexFile: '.git/stale' })).entries.length, 0);
});
