import assert from 'node:assert/strict';
import { chmod, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { tellStub } from '../../src/git/hooks-facts.ts';
import { openRepository, type Repository } from '../../src/git/repository.ts';
import { trackedArgs } from '../../src/git/status.ts';
import { install, notingRuntime, outcome, type NotingRuntime } from '../helpers/hooked.ts';
import { createRepository, type ScratchRepository } from '../helpers/repository.ts';

let scratch: ScratchRepository;
let repo: Repository;
let runtime: NotingRuntime;
beforeEach(async () => {
  scratch = await createRepository();
  runtime = await notingRuntime(scratch);
  await scratch.write('db/a.html', 'a\n');
  await scratch.write('other.txt', 'other\n');
  await scratch.commit();
  repo = await install(scratch, { runtime: runtime.path });
  await mkdir(repo.statePath);
});
afterEach(() => scratch.cleanup());

async function change(path: string, content = 'changed\n'): Promise<void> {
  await scratch.write(path, content);
  await scratch.git('add', path);
}

test('a commit that touches no mapped path costs one git call and no runtime', async () => {
  await change('other.txt');
  const trace = scratch.beside('trace');
  await scratch.gitWith({ env: { GIT_TRACE: trace } }, '-c', 'maintenance.auto=false', 'commit', '--message', 'Other');
  const calls = [...(await readFile(trace, 'utf8')).matchAll(/built-in: git (?:-\S+ )*(\S+)/g)].map((match) => match[1]);
  assert.deepEqual(
    calls.filter((name) => name !== 'commit' && name !== 'maintenance' && name !== 'gc'),
    ['diff'],
  );
  assert.deepEqual(await runtime.starts(), []);
});

test('the stub asks git for what is staged as sync-run itself does', async () => {
  const stub = await readFile(new URL('../../hooks/stub.sh', import.meta.url), 'utf8');
  assert.ok(stub.includes(`ask ${trackedArgs.join(' ')} -- "$root" | (start`));
});

const mapped: [string, () => Promise<unknown>, string[]][] = [
  ['a changed file', () => change('db/a.html'), []],
  ['a new file', () => change('db/deep/new.html'), []],
  ['a deleted file', () => scratch.git('rm', '--quiet', 'db/a.html'), []],
  ['a file moved out of the root', () => scratch.git('mv', 'db/a.html', 'a.html'), []],
  ['the configuration', () => change('sync-run.config.json', '{}'), []],
  ['a file taken along by commit -a', () => scratch.write('db/a.html', 'x\n'), ['--all']],
  ['a file named on the command line', () => scratch.write('db/a.html', 'x\n'), ['db/a.html']],
];
for (const [what, make, args] of mapped) {
  test(`pre-commit starts the runtime for ${what}`, async () => {
    await make();
    await scratch.git('commit', '--quiet', '--message', 'Mapped', ...args);
    assert.deepEqual(await runtime.starts(), ['pre-commit']);
  });
}

test('on an unborn branch staged paths decide as well', async () => {
  await scratch.git('checkout', '--quiet', '--orphan', 'unborn');
  await scratch.git('rm', '--quiet', '-r', '--cached', '.');
  await scratch.git('add', 'other.txt');
  const before = await runtime.starts();
  await scratch.git('commit', '--quiet', '--message', 'Other');
  assert.deepEqual(await runtime.starts(), before);
  await scratch.git('update-ref', '-d', 'HEAD');
  await scratch.git('add', 'db');
  await scratch.git('commit', '--quiet', '--message', 'Mapped');
  assert.deepEqual(await runtime.starts(), [...before, 'pre-commit']);
});

test('the root is what the runner last wrote, taken literally', async () => {
  await tellStub(repo.statePath, { root: 'da*', commit: null });
  await change('data/x.html');
  await scratch.git('commit', '--quiet', '--message', 'No match');
  assert.deepEqual(await runtime.starts(), []);
  await change('da*/x.html');
  await scratch.git('commit', '--quiet', '--message', 'Match');
  assert.deepEqual(await runtime.starts(), ['pre-commit']);
});

test('the empty root is the whole tree', async () => {
  await tellStub(repo.statePath, { root: '', commit: null });
  await change('other.txt');
  await scratch.git('commit', '--quiet', '--message', 'Anything');
  assert.deepEqual(await runtime.starts(), ['pre-commit']);
});

test('only the block code of the entry makes a commit fail', async () => {
  for (const [code, fails] of [
    [10, true],
    [0, false],
    [1, false],
    [5, false],
    [127, false],
  ] as const) {
    await runtime.endWith(code);
    await change('db/a.html', `${code}\n`);
    const { code: exit } = await outcome(scratch, 'git', ['commit', '--quiet', '--message', 'Mapped']);
    assert.equal(exit, fails ? 1 : 0, `exit code ${code} of the entry`);
  }
});

test('a post-hook never makes git fail', async () => {
  await runtime.endWith(10);
  await scratch.git('checkout', '--quiet', '-b', 'next');
  assert.equal((await runtime.starts()).length, 1);
});

test('post-hooks get the arguments of git', async () => {
  const before = (await scratch.git('rev-parse', 'HEAD')).trim();
  await scratch.git('checkout', '--quiet', '-b', 'next');
  await change('db/a.html', 'next\n');
  await scratch.git('commit', '--quiet', '--message', 'Next');
  await scratch.git('checkout', '--quiet', 'main');
  await scratch.git('merge', '--quiet', 'next');
  const after = (await scratch.git('rev-parse', 'HEAD')).trim();
  assert.deepEqual(await runtime.starts(), [
    `post-checkout ${before} ${before} 1`,
    'pre-commit',
    `post-checkout ${after} ${before} 1`,
    'post-merge 0',
  ]);
});

test('once the last batch is known, post-hooks start the runtime only for what differs from it', async () => {
  const first = (await scratch.git('rev-parse', 'HEAD')).trim();
  await tellStub(repo.statePath, { root: 'db', commit: first });
  await scratch.git('checkout', '--quiet', '-b', 'next');
  await change('other.txt');
  await scratch.git('commit', '--quiet', '--message', 'Other');
  await scratch.git('checkout', '--quiet', 'main');
  await scratch.git('merge', '--quiet', 'next');
  await scratch.git('commit', '--quiet', '--amend', '--message', 'Amended');
  assert.deepEqual(await runtime.starts(), []);

  await scratch.write('db/untracked.html', 'new\n');
  await scratch.git('checkout', '--quiet', 'next');
  assert.equal((await runtime.starts()).length, 1, 'an untracked file counts');
  await scratch.remove('db/untracked.html');
  await scratch.write('db/a.html', 'edited\n');
  await scratch.git('checkout', '--quiet', 'main');
  assert.equal((await runtime.starts()).length, 2, 'an edited file counts');
});

test('a commit that is gone, or no commit at all, starts the runtime', async () => {
  for (const commit of ['0'.repeat(40), '--output=x']) {
    await tellStub(repo.statePath, { root: 'db', commit });
    await scratch.git('checkout', '--quiet', 'main');
  }
  assert.equal((await runtime.starts()).length, 2);
});

test('a tree without state is inactive, and says nothing', async () => {
  await rm(repo.statePath, { recursive: true });
  await change('db/a.html');
  const { code, stderr } = await outcome(scratch, 'git', ['commit', '--quiet', '--message', 'Mapped']);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  assert.deepEqual(await runtime.starts(), []);
});

test('SYNC_RUN_HOOK=1 and SYNC_RUN=0 switch hooks off', async () => {
  for (const [name, value] of [
    ['SYNC_RUN_HOOK', '1'],
    ['SYNC_RUN', '0'],
  ] as const) {
    await change('db/a.html', `${name}\n`);
    await scratch.gitWith({ env: { [name]: value } }, 'commit', '--quiet', '--message', 'Mapped');
  }
  assert.deepEqual(await runtime.starts(), []);
});

test('each linked worktree has a state of its own', async () => {
  const linked = scratch.beside("linked 'tree'");
  await scratch.git('worktree', 'add', '--quiet', '-b', 'linked', linked);
  const commit = async (text: string) => {
    await writeFile(join(linked, 'db/a.html'), text);
    await scratch.gitWith({ cwd: linked }, 'commit', '--quiet', '--all', '--message', 'Linked');
  };
  await commit('inactive\n');
  assert.deepEqual(await runtime.starts(), []);
  await mkdir((await openRepository(linked, scratch.env)).statePath);
  await commit('active\n');
  assert.deepEqual(await runtime.starts(), ['pre-commit']);
});

test('without the installed package there is one line, and git goes on', async () => {
  await rm(scratch.beside('entry.js'));
  await change('db/a.html');
  const { code, stderr } = await outcome(scratch, 'git', ['commit', '--quiet', '--message', 'Mapped']);
  assert.equal(code, 0);
  assert.match(
    stderr,
    /^sync-run: pre-commit did nothing: the installed package is gone \(".*entry\.js"\)\. Run this once: npx sync-run hooks install\n$/,
  );
});

test('without its runtime the stub takes "node" from PATH, but not from the working tree', async () => {
  await rm(runtime.path);
  const onPath = await notingRuntime(scratch, 'bin-node');
  const inTree = join(scratch.path, 'node_modules/.bin');
  await mkdir(inTree, { recursive: true });
  await writeFile(join(inTree, 'node'), '#!/bin/sh\necho "from the tree" >&2\n');
  await chmod(join(inTree, 'node'), 0o755);
  await mkdir(scratch.beside('bin'));
  await cp(onPath.path, scratch.beside('bin/node'));
  const system = '/usr/local/bin:/usr/bin:/bin';

  await change('db/a.html', 'one\n');
  const env = { PATH: `node_modules/.bin:${inTree}:${scratch.beside('bin')}:${system}` };
  const found = await outcome(scratch, 'git', ['commit', '--quiet', '--message', 'Mapped'], { env });
  assert.deepEqual(found, { code: 0, stdout: '', stderr: '' }, 'no program of the working tree is run');
  assert.deepEqual(await onPath.starts(), ['pre-commit']);
});

test('without any runtime there is one line, and git goes on', async () => {
  await rm(runtime.path);
  const tools = scratch.beside('tools');
  await mkdir(tools);
  // The folder of git may hold a node; its exec path, which git adds for hooks, does not.
  const git = (await outcome(scratch, 'sh', ['-c', 'command -v git'])).stdout.trim();
  await writeFile(join(tools, 'sh'), '#!/bin/sh\nexec /bin/sh "$@"\n');
  await chmod(join(tools, 'sh'), 0o755);
  await change('db/a.html');
  const { code, stderr } = await outcome(scratch, git, ['commit', '--quiet', '--message', 'Mapped'], { env: { PATH: tools } });
  assert.equal(code, 0);
  assert.equal(stderr, 'sync-run: pre-commit did nothing: no Node.js was found. Run this once: npx sync-run hooks install\n');
});

test('a package that git tracks is not run', async () => {
  const entry = join(scratch.path, 'node_modules/sync-run/dist/hooks/entry.js');
  await mkdir(dirname(entry), { recursive: true });
  await writeFile(entry, '');
  await install(scratch, { runtime: runtime.path, entry });
  await change('db/a.html', 'one\n');
  await scratch.git('commit', '--quiet', '--message', 'Untracked package');
  assert.equal((await runtime.starts()).length, 1);

  await scratch.git('add', '--force', 'node_modules');
  await change('db/a.html', 'two\n');
  const { code, stderr } = await outcome(scratch, 'git', ['commit', '--quiet', '--message', 'Tracked package']);
  assert.equal(code, 0);
  assert.equal((await runtime.starts()).length, 1, 'no package that git tracks is run');
  assert.match(stderr, /^sync-run: pre-commit did nothing: git tracks files in ".*node_modules"\. .*\n$/);
});
