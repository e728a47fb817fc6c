import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { SyncError } from '../../src/core/errors.ts';
import { busy, operations } from '../../src/git/busy.ts';
import { waitForLocks } from '../../src/git/locks.ts';
import { openRepository, type Repository } from '../../src/git/repository.ts';
import { createRepository, type ScratchRepository } from '../helpers/repository.ts';

let scratch: ScratchRepository;
let repo: Repository;
beforeEach(async () => {
  scratch = await createRepository();
  await scratch.write('db/page.html', 'one\n');
  await scratch.commit('One');
  repo = await openRepository(scratch.path, scratch.env);
});
afterEach(() => scratch.cleanup());

/** Two branches that change the same line; `main` is checked out. */
async function diverge(): Promise<void> {
  await scratch.git('switch', '--quiet', '--create', 'feature');
  await scratch.write('db/page.html', 'feature\n');
  await scratch.commit('Feature');
  await scratch.git('switch', '--quiet', 'main');
  await scratch.write('db/page.html', 'main\n');
  await scratch.commit('Main');
}
const stopped = (...args: string[]) => assert.rejects(scratch.git(...args));
const operation = async (options?: Parameters<typeof busy>[1]) => (await busy(repo, options))?.operation ?? null;

test('a settled tree is not busy', async () => {
  assert.equal(await busy(repo), null);
});

test('a stopped merge', async () => {
  await diverge();
  await stopped('merge', 'feature');
  assert.deepEqual(await busy(repo), { operation: 'merge', path: join(repo.gitDir, 'MERGE_HEAD') });
  assert.equal(await operation({ ignore: ['merge'] }), null);
});

test('a stopped rebase, with either backend', async () => {
  await diverge();
  for (const backend of ['--merge', '--apply']) {
    await stopped('rebase', backend, 'feature');
    assert.equal(await operation(), 'rebase', backend);
    await scratch.git('rebase', '--abort');
    assert.equal(await operation(), null, backend);
  }
});

test('a stopped cherry-pick of several commits, and a stopped revert', async () => {
  await diverge();
  await stopped('cherry-pick', 'main~1..feature', 'main');
  assert.equal(await operation(), 'cherry-pick');
  assert.equal(await operation({ ignore: ['cherry-pick'] }), 'sequencer');
  await scratch.git('cherry-pick', '--abort');
  await scratch.write('db/page.html', 'later\n');
  await scratch.commit('Later');
  await stopped('revert', 'HEAD~1');
  assert.equal(await operation(), 'revert');
});

test('a stopped am is not taken for a rebase', async () => {
  await diverge();
  await scratch.git('format-patch', '-1', 'feature', '--output', '.git/feature.patch');
  await stopped('am', '.git/feature.patch');
  assert.equal(await operation(), 'am');
});

test('a bisect is under way and does not close the gate', async () => {
  await scratch.git('bisect', 'start');
  assert.deepEqual(
    (await operations(repo)).map((found) => found.operation),
    ['bisect'],
  );
  assert.equal(await busy(repo), null);
});

test('a linked worktree has its own markers', async () => {
  const tree = scratch.beside('linked');
  await scratch.git('worktree', 'add', '--quiet', tree);
  const linked = await openRepository(tree, scratch.env);
  await writeFile(join(linked.gitDir, 'index.lock'), '');
  assert.deepEqual(await busy(linked), { operation: 'index.lock', path: join(linked.gitDir, 'index.lock') });
  assert.equal(await busy(repo), null);
});

test('waiting ends when the last lock goes', async () => {
  await writeFile(join(repo.gitDir, 'index.lock'), '');
  await writeFile(join(repo.gitDir, 'HEAD.lock'), '');
  let free = false;
  const waiting = waitForLocks(repo, { timeoutMs: 60_000 }).then(() => (free = true));
  await rm(join(repo.gitDir, 'index.lock'));
  assert.equal((await busy(repo))?.operation, 'HEAD.lock');
  assert.equal(free, false);
  await rm(join(repo.gitDir, 'HEAD.lock'));
  await waiting;
  assert.equal(await busy(repo), null);
});

test('a lock that stays is named, with exit code 6', async () => {
  const lock = join(repo.gitDir, 'index.lock');
  await writeFile(lock, '');
  await assert.rejects(waitForLocks(repo, { timeoutMs: 20 }), (error) => {
    assert.ok(error instanceof SyncError);
    assert.equal(error.code, 'LOCKED');
    assert.equal(error.exitCode, 6);
    assert.ok(error.message.includes(`"${lock}"`), error.message);
    return true;
  });
});

test('waiting can be given up', async () => {
  await writeFile(join(repo.gitDir, 'HEAD.lock'), '');
  const controller = new AbortController();
  const waiting = waitForLocks(repo, { timeoutMs: 60_000, signal: controller.signal });
  const reason = new Error('stop');
  controller.abort(reason);
  await assert.rejects(waiting, reason);
});
