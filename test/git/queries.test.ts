import assert from 'node:assert/strict';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { fingerprint } from '../../src/git/fingerprint.ts';
import { commitExists, head, headPaths, trackedPaths } from '../../src/git/queries.ts';
import { openRepository, type Repository } from '../../src/git/repository.ts';
import { isUnmerged, trackedStatus } from '../../src/git/status.ts';
import { createRepository, type ScratchRepository } from '../helpers/repository.ts';

let scratch: ScratchRepository;
let repo: Repository;
beforeEach(async () => {
  scratch = await createRepository();
  repo = await openRepository(scratch.path, scratch.env);
});
afterEach(() => scratch.cleanup());

const odd = ['db/ leading space.html', 'db/"quoted".html', 'db/new\nline.html', 'db/tab\there.html', 'db/ünïcode 漢字.html'];

test('an unborn branch has no head, no tracked paths and no conflicts', async () => {
  assert.equal(await head(repo), null);
  assert.equal((await trackedPaths(repo, 'db')).size, 0);
  assert.deepEqual(await trackedStatus(repo, 'db'), []);
  assert.match(await fingerprint(repo), / none none$/, 'neither log nor index');
});

test('head and commitExists', async () => {
  const commit = await scratch.commit();
  assert.equal(await head(repo), commit);
  assert.equal(await commitExists(repo, commit), true);
  assert.equal(await commitExists(repo, '1'.repeat(40)), false);
  assert.equal(await commitExists(repo, (await scratch.git('rev-parse', 'HEAD^{tree}')).trim()), false);
  assert.equal(await commitExists(repo, 'HEAD'), false);
  assert.equal(await commitExists(repo, '--help'), false);
});

test('index and commit list the same odd names and contents below the root only', async () => {
  for (const [number, path] of odd.entries()) await scratch.write(path, `${number}\n`);
  await scratch.write('dbx/other.html', 'no\n');
  const commit = await scratch.commit();
  const tracked = await trackedPaths(repo, 'db');
  const committed = await headPaths(repo, commit, 'db/');
  assert.deepEqual([...tracked.keys()].toSorted(), odd.toSorted());
  assert.deepEqual([...committed.keys()].toSorted(), odd.toSorted());
  const blob = (await scratch.git('hash-object', 'db/new\nline.html')).trim();
  assert.deepEqual(tracked.get('db/new\nline.html'), { blob, mode: '100644', skipWorktree: false, stage: 0 });
  assert.equal(committed.get('db/new\nline.html'), blob);
  assert.equal((await trackedPaths(repo, '')).size, odd.length + 1);
  assert.equal((await headPaths(repo, commit, '.')).size, odd.length + 1);
});

test('a root is a name, not a pattern', async () => {
  await scratch.write('a[b]*/x.html', '1\n');
  await scratch.write('ab/x.html', '2\n');
  await scratch.commit();
  assert.deepEqual([...(await trackedPaths(repo, 'a[b]*')).keys()], ['a[b]*/x.html']);
});

test('a commit lists regular files only', async () => {
  await scratch.write('db/file.html', '1\n');
  await symlink('file.html', join(scratch.path, 'db/link.html'));
  assert.deepEqual([...(await headPaths(repo, await scratch.commit(), 'db')).keys()], ['db/file.html']);
  assert.equal((await trackedPaths(repo, 'db')).get('db/link.html')?.mode, '120000');
});

test('paths outside of a sparse checkout are marked', async () => {
  await scratch.write('db/in/a.html', 'a\n');
  await scratch.write('db/out/b.html', 'b\n');
  await scratch.commit();
  await scratch.git('sparse-checkout', 'set', 'db/in');
  const tracked = await trackedPaths(repo, 'db');
  assert.equal(tracked.get('db/in/a.html')?.skipWorktree, false);
  assert.equal(tracked.get('db/out/b.html')?.skipWorktree, true);
});

test('paths a merge left open', async () => {
  await scratch.write('db/both.html', 'one\n');
  await scratch.write('db/calm.html', 'one\n');
  await scratch.commit();
  await scratch.git('switch', '--quiet', '--create', 'feature');
  await scratch.write('db/both.html', 'feature\n');
  await scratch.commit();
  await scratch.git('switch', '--quiet', 'main');
  await scratch.write('db/both.html', 'main\n');
  await scratch.commit();
  await assert.rejects(scratch.git('merge', 'feature'));
  assert.deepEqual(await unmerged('db'), ['db/both.html']);
  assert.deepEqual(await unmerged('elsewhere'), []);
  const tracked = await trackedPaths(repo, 'db');
  assert.equal(tracked.get('db/both.html')?.stage, 1);
  assert.equal(tracked.get('db/calm.html')?.stage, 0);
});

test('the fingerprint moves with HEAD and with the index, and stays when only files change', async () => {
  await scratch.write('db/page.html', 'one\n');
  await scratch.commit();
  const first = await fingerprint(repo);
  await scratch.write('db/page.html', 'two, and longer\n');
  assert.equal(await fingerprint(repo), first);
  await scratch.git('add', '--all');
  const staged = await fingerprint(repo);
  assert.notEqual(staged, first);
  await scratch.git('commit', '--quiet', '--message', 'Two');
  assert.notEqual(await fingerprint(repo), staged);
});

async function unmerged(root: string): Promise<string[]> {
  return (await trackedStatus(repo, root)).filter(isUnmerged).map(({ path }) => path);
}
