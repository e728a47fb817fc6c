import assert from 'node:assert/strict';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { SyncError } from '../../src/core/errors.ts';
import { runGit } from '../../src/git/command.ts';
import { childEnvironment } from '../../src/git/environment.ts';
import { head, trackedPaths } from '../../src/git/queries.ts';
import { openRepository, read } from '../../src/git/repository.ts';
import { createRepository, type ScratchRepository } from '../helpers/repository.ts';

let scratch: ScratchRepository;
before(async () => {
  scratch = await createRepository();
  await scratch.write('db/page.html', 'one\n');
  await scratch.commit();
});
after(() => scratch.cleanup());

const open = (cwd: string, env: Record<string, string> = {}) => openRepository(cwd, { ...scratch.env, ...env });
const notARepository = (error: unknown) => error instanceof SyncError && error.code === 'NOT_A_REPOSITORY' && error.exitCode === 2;

test('a folder below the top opens the same tree', async () => {
  const repo = await open(join(scratch.path, 'db'));
  assert.equal(repo.top, scratch.path);
  assert.equal(repo.gitDir, join(scratch.path, '.git'));
  assert.equal(repo.commonDir, repo.gitDir);
  assert.equal(repo.hooksDir, join(repo.gitDir, 'hooks'));
  assert.equal(repo.statePath, join(repo.gitDir, 'sync-run'));
  assert.equal(repo.isLinkedWorktree, false);
  assert.equal(await repo.path('info/exclude'), join(repo.gitDir, 'info/exclude'));
});

test('core.hooksPath counts from the top, wherever the command stands', async () => {
  await scratch.git('config', 'core.hooksPath', '.husky/_');
  try {
    assert.equal((await open(join(scratch.path, 'db'))).hooksDir, join(scratch.path, '.husky/_'));
  } finally {
    await scratch.git('config', '--unset', 'core.hooksPath');
  }
});

test('a linked worktree has a git dir, an index and a state of its own and shares the hooks', async () => {
  const tree = scratch.beside('linked');
  await scratch.git('worktree', 'add', '--quiet', tree);
  const repo = await open(tree);
  const own = join(scratch.path, '.git/worktrees/linked');
  assert.equal(repo.top, tree);
  assert.equal(repo.gitDir, own);
  assert.equal(repo.commonDir, join(scratch.path, '.git'));
  assert.equal(repo.statePath, join(own, 'sync-run'));
  assert.equal(repo.hooksDir, join(scratch.path, '.git/hooks'));
  assert.equal(await repo.path('index'), join(own, 'index'));
  assert.equal(repo.isLinkedWorktree, true);
});

test('a submodule is a tree of its own', async () => {
  const outer = await createRepository();
  try {
    await outer.git('submodule', '--quiet', 'add', scratch.path, 'inner');
    const repo = await openRepository(join(outer.path, 'inner/db'), outer.env);
    assert.equal(repo.top, join(outer.path, 'inner'));
    assert.equal(repo.gitDir, join(outer.path, '.git/modules/inner'));
    assert.equal(repo.isLinkedWorktree, false);
    assert.deepEqual([...(await trackedPaths(repo, 'db')).keys()], ['db/page.html']);
  } finally {
    await outer.cleanup();
  }
});

test('a top with a newline, a quote and a space in its name', async () => {
  const odd = scratch.beside('a\n"b" ü');
  await scratch.git('worktree', 'add', '--quiet', '--detach', odd);
  const repo = await open(odd);
  assert.equal(repo.top, odd);
  assert.equal(repo.commonDir, join(scratch.path, '.git'));
  const inner = join(odd, 'inner');
  await mkdir(inner);
  await scratch.gitWith({ cwd: inner }, 'init', '--quiet');
  assert.equal((await open(inner)).statePath, join(inner, '.git/sync-run'));
});

test('GIT_* of another repository does not lead astray', async () => {
  const other = await createRepository();
  try {
    await other.write('other.html', 'other\n');
    await other.commit();
    const inherited = {
      GIT_DIR: join(other.path, '.git'),
      GIT_WORK_TREE: other.path,
      GIT_INDEX_FILE: join(other.path, '.git/index'),
      GIT_PREFIX: 'db/',
      GIT_EDITOR: ':',
      EDITOR: 'vi',
      PAGER: 'less',
    };
    const repo = await open(scratch.path, inherited);
    assert.equal(repo.top, scratch.path);
    assert.deepEqual([...(await trackedPaths(repo, '')).keys()], ['db/page.html'], 'git reads this repository');
  } finally {
    await other.cleanup();
  }
});

test('no working tree: outside, a bare repository, inside the git dir, a missing folder', async () => {
  const outside = scratch.beside('outside');
  await mkdir(outside);
  await assert.rejects(open(outside), (error) => notARepository(error) && /is not in a git working tree/.test(String(error)));
  const bare = scratch.beside('bare.git');
  await scratch.git('init', '--quiet', '--bare', bare);
  await assert.rejects(open(bare), (error) => notARepository(error) && /bare repository/.test(String(error)));
  await assert.rejects(open(join(scratch.path, '.git')), notARepository);
  await assert.rejects(open(scratch.beside('missing')), (error) => notARepository(error) && /does not exist/.test(String(error)));
});

test('children see SYNC_RUN_HOOK and no GIT_DIR', async () => {
  const env = childEnvironment({ PATH: '/bin', GIT_DIR: '/x', git_dir: '/y', EDITOR: 'vi', GIT_CONFIG_NOSYSTEM: '1', HOME: undefined });
  assert.deepEqual(
    env,
    { PATH: '/bin', GIT_CONFIG_NOSYSTEM: '1', SYNC_RUN_HOOK: '1', LC_ALL: 'C' },
    'nothing that names a repository is inherited',
  );
  await scratch.write('.git/hooks/post-checkout', '#!/bin/sh\necho "$SYNC_RUN_HOOK-${GIT_INDEX_FILE-none}" >.git/seen\n');
  await chmod(join(scratch.path, '.git/hooks/post-checkout'), 0o755);
  const repo = await open(scratch.path, { GIT_INDEX_FILE: '/nowhere' });
  await runGit({ cwd: repo.top, env: repo.env, args: ['checkout', '--quiet', 'HEAD'] });
  assert.equal(await scratch.read('.git/seen'), '1-none\n');
  await scratch.remove('.git/hooks/post-checkout');
});

test('reading leaves the index alone even when it is stale', async () => {
  const repo = await open(scratch.path);
  await scratch.write('db/page.html', 'one\n');
  const before = await scratch.read('.git/index');
  await read(repo, ['status', '--porcelain=v2', '-z']);
  assert.equal(await scratch.read('.git/index'), before);
});

test('a failing command names itself and what git said, and leaves others alone', async () => {
  const repo = await open(scratch.path);
  const [failed, fine] = await Promise.allSettled([read(repo, ['ls-tree', '-z', 'no-such-commit']), head(repo)]);
  assert.equal(fine.status, 'fulfilled');
  assert.ok(failed.status === 'rejected' && failed.reason instanceof SyncError);
  assert.equal(failed.reason.code, 'IO');
  assert.match(failed.reason.message, /^Running "git ls-tree" failed: fatal: Not a valid object name no-such-commit/);
});

test('an aborted read ends with the reason of its signal', async () => {
  const repo = await open(scratch.path);
  const reason = new Error('stop');
  await assert.rejects(read(repo, ['ls-files'], { signal: AbortSignal.abort(reason) }), reason);
});
