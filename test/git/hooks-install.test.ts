import assert from 'node:assert/strict';
import { chmod, lstat, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { applyHooks, removeHooks } from '../../src/git/hooks-apply.ts';
import { hookNames } from '../../src/git/hooks-names.ts';
import { hooksStatus, planHooks } from '../../src/git/hooks-plan.ts';
import { openRepository } from '../../src/git/repository.ts';
import { install, notingRuntime, outcome, type NotingRuntime } from '../helpers/hooked.ts';
import { createRepository, type ScratchRepository } from '../helpers/repository.ts';

let scratch: ScratchRepository;
let runtime: NotingRuntime;
beforeEach(async () => {
  scratch = await createRepository();
  runtime = await notingRuntime(scratch);
  await scratch.write('db/a.html', 'a\n');
  await scratch.commit();
  await mkdir(join(scratch.path, '.git/sync-run'));
});
afterEach(() => scratch.cleanup());

async function script(path: string, text: string | Uint8Array, mode = 0o755): Promise<void> {
  await scratch.write(path, text);
  await chmod(join(scratch.path, path), mode);
}

async function commitMapped(text: string, cwd = scratch.path): Promise<{ code: number; stderr: string }> {
  await writeFile(join(cwd, 'db/a.html'), text);
  const { code, stderr } = await outcome(scratch, 'git', ['commit', '--quiet', '--all', '--message', 'Mapped'], { cwd });
  return { code, stderr };
}

/** Every file below these folders, with its mode and content. */
async function photograph(...folders: string[]): Promise<Record<string, string>> {
  const seen: Record<string, string> = {};
  for (const folder of folders) {
    const entries = await readdir(join(scratch.path, folder), { recursive: true, withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile())
        seen[relative(scratch.path, path)] = `${((await stat(path)).mode & 0o777).toString(8)} ${await readFile(path, 'latin1')}`;
    }
  }
  return seen;
}

async function states(version?: string): Promise<string[]> {
  const repo = await openRepository(scratch.path, scratch.env);
  const places = await hooksStatus(repo, version === undefined ? {} : { gitVersion: version });
  return places.map(({ hook, way, state }) => `${hook} ${way} ${state}`);
}

test('in a plain repository: missing, installed, run by git, gone without a trace', async () => {
  const before = await photograph('.git/hooks', '.git/sync-run-hooks');
  const config = await scratch.read('.git/config');
  assert.deepEqual(
    await states(),
    hookNames.map((hook) => `${hook} file missing`),
  );

  const repo = await install(scratch, { runtime: runtime.path });
  assert.deepEqual(
    await states(),
    hookNames.map((hook) => `${hook} file installed`),
  );
  const once = await photograph('.git/hooks', '.git/sync-run-hooks');
  const times = await Promise.all(Object.keys(once).map(async (path) => (await stat(join(scratch.path, path))).mtimeMs));
  await install(scratch, { runtime: runtime.path });
  assert.deepEqual(await photograph('.git/hooks', '.git/sync-run-hooks'), once);
  const later = await Promise.all(Object.keys(once).map(async (path) => (await stat(join(scratch.path, path))).mtimeMs));
  assert.deepEqual(later, times);

  await commitMapped('b\n');
  assert.deepEqual(await runtime.starts(), ['pre-commit']);
  assert.equal((await removeHooks(repo)).length, 4);
  assert.deepEqual(await photograph('.git/hooks', '.git/sync-run-hooks'), before);
  assert.equal(await scratch.read('.git/config'), config);
  assert.deepEqual(await removeHooks(repo), []);
});

test('planning writes nothing', async () => {
  const before = await photograph('.git/hooks', '.git/sync-run-hooks');
  const repo = await openRepository(scratch.path, scratch.env);
  const plan = await planHooks(repo, { root: 'db', runtime: runtime.path, entry: '/x' });
  assert.deepEqual(
    plan.files.map(({ path }) => path),
    hookNames.map((hook) => join(scratch.path, '.git/hooks', hook)),
  );
  assert.deepEqual(await photograph('.git/hooks', '.git/sync-run-hooks'), before);
});

const foreign: [string, string | Uint8Array][] = [
  ['a usual script', '#!/bin/sh\necho foreign >&2\nexit 3\n'],
  ['one without a last newline', '#!/usr/bin/env bash\nset -eu\necho foreign >&2; exit 3'],
  ['one that ends early', '#!/bin/sh\nexec sh -c "echo foreign >&2; exit 3"\n'],
  ['one with bytes that are no UTF-8', Buffer.from('#!/bin/sh\n# caf\xe9\necho foreign >&2\nexit 3\n', 'latin1')],
  ['one without a first line for the kernel', 'echo foreign >&2\nexit 3\n'],
];
for (const [what, text] of foreign) {
  test(`beside ${what}: both run, its exit code counts, and its bytes come back`, async () => {
    await script('.git/hooks/pre-commit', text, 0o750);
    const before = await photograph('.git/hooks');
    const repo = await install(scratch, { runtime: runtime.path });
    const once = await photograph('.git/hooks');
    await install(scratch, { runtime: runtime.path });
    assert.deepEqual(await photograph('.git/hooks'), once);

    assert.deepEqual(await commitMapped('b\n'), { code: 1, stderr: 'foreign\n' });
    assert.deepEqual(await runtime.starts(), ['pre-commit']);
    await removeHooks(repo);
    assert.deepEqual(await photograph('.git/hooks'), before);
  });
}

test('only a first line: kept as it is, also without its newline', async () => {
  for (const text of ['#!/bin/sh', '#!/bin/sh\n', '']) {
    await script('.git/hooks/post-merge', text);
    const repo = await install(scratch, { runtime: runtime.path });
    await removeHooks(repo);
    assert.equal(await scratch.read('.git/hooks/post-merge'), text);
  }
});

test('a conflict in ours blocks the commit, whatever the foreign script says', async () => {
  await script('.git/hooks/pre-commit', '#!/bin/sh\nexit 0\n');
  await install(scratch, { runtime: runtime.path });
  await runtime.endWith(10);
  assert.equal((await commitMapped('b\n')).code, 1);
});

test('a foreign post-rewrite still finds its input', async () => {
  await script('.git/hooks/post-rewrite', '#!/bin/sh\ncat >rewritten\n');
  await install(scratch, { runtime: runtime.path });
  const old = (await scratch.git('rev-parse', 'HEAD')).trim();
  await scratch.git('commit', '--quiet', '--amend', '--message', 'Amended');
  const now = (await scratch.git('rev-parse', 'HEAD')).trim();
  assert.equal(await scratch.read('rewritten'), `${old} ${now}\n`);
  assert.deepEqual(await runtime.starts(), ['post-rewrite amend']);
});

const untouchable: [string, (path: string) => Promise<void>][] = [
  ['in another language', (path) => script(path, '#!/usr/bin/env python3\nprint(1)\n')],
  ['that is a program', (path) => script(path, Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1]))],
  ['that is switched off', (path) => script(path, '#!/bin/sh\nexit 1\n', 0o644)],
  ['whose block lost a mark', (path) => script(path, '#!/bin/sh\n# >>> sync-run\nexit 0\n')],
  [
    'that is a link to a tracked file',
    async (path) => {
      await script('scripts/hook', '#!/bin/sh\n');
      await symlink('../../scripts/hook', join(scratch.path, path));
    },
  ],
];
for (const [what, make] of untouchable) {
  test(`a script ${what} is left alone, with the lines to add by hand`, async () => {
    const path = '.git/hooks/pre-commit';
    await make(path);
    const before = await photograph('.git/hooks', 'scripts');
    const repo = await install(scratch, { runtime: runtime.path });
    assert.equal((await photograph('.git/hooks', 'scripts'))[path], before[path]);
    const [place] = await hooksStatus(repo);
    assert.equal(place?.state, 'manual');
    assert.match(place?.lines ?? '', /^# >>> sync-run\n[\s\S]*stub\.sh" pre-commit[\s\S]*\n# <<< sync-run\n$/);
    assert.notEqual(place?.note, undefined);
    await removeHooks(repo);
    assert.deepEqual(await photograph('.git/hooks', 'scripts'), before);
  });
}

test('lines added by hand count as installed, and are left to the hand that added them', async () => {
  const repo = await install(scratch, { runtime: runtime.path });
  const lines = await scratch.read('.git/hooks/pre-commit');
  await rm(join(scratch.path, '.git/hooks/pre-commit'));
  await script('scripts/hook', `${lines}\necho more\n`);
  await symlink('../../scripts/hook', join(scratch.path, '.git/hooks/pre-commit'));
  assert.equal((await states())[0], 'pre-commit file installed');
  await removeHooks(repo);
  assert.ok((await lstat(join(scratch.path, '.git/hooks/pre-commit'))).isSymbolicLink());
});

test('a block of another version is outdated, and renewed in its place', async () => {
  await script('.git/hooks/pre-commit', '#!/bin/sh\necho one >&2\n# >>> sync-run\nold\n# <<< sync-run\necho two >&2\n');
  assert.equal((await states())[0], 'pre-commit file outdated');
  const repo = await install(scratch, { runtime: runtime.path });
  assert.deepEqual(await commitMapped('b\n'), { code: 0, stderr: 'one\ntwo\n' });
  await removeHooks(repo);
  assert.equal(await scratch.read('.git/hooks/pre-commit'), '#!/bin/sh\necho one >&2\necho two >&2\n');
});

test('a stub that would do nothing makes the hooks outdated', async () => {
  await install(scratch, { runtime: runtime.path });
  for (const spoil of [
    () => rm(scratch.beside('entry.js')),
    () => rm(runtime.path),
    () => writeFile(join(scratch.path, '.git/sync-run-hooks/stub.sh'), ''),
    () => rm(join(scratch.path, '.git/sync-run-hooks'), { recursive: true }),
  ]) {
    await spoil();
    assert.deepEqual(
      await states(),
      hookNames.map((hook) => `${hook} file outdated`),
    );
    runtime = await notingRuntime(scratch);
    await install(scratch, { runtime: runtime.path });
    assert.deepEqual(
      await states(),
      hookNames.map((hook) => `${hook} file installed`),
    );
  }
});

test('a broken stub does not stop a commit', async () => {
  await install(scratch, { runtime: runtime.path });
  for (const text of ['(', 'exit 2\n']) {
    await writeFile(join(scratch.path, '.git/sync-run-hooks/stub.sh'), text);
    assert.equal((await commitMapped(`${text}\n`)).code, 0);
  }
});

test('a script that changes after the plan is not written', async () => {
  const repo = await openRepository(scratch.path, scratch.env);
  const plan = await planHooks(repo, { root: 'db', runtime: runtime.path, entry: scratch.beside('entry.js') });
  await script('.git/hooks/pre-commit', '#!/bin/sh\n');
  await assert.rejects(applyHooks(repo, plan), { code: 'IO' });
  assert.equal(await scratch.read('.git/hooks/pre-commit'), '#!/bin/sh\n');
});

test('hooks follow the repository when it is moved, and paths may hold spaces and quotes', async () => {
  const odd = scratch.beside(`it's "odd" $HOME \`x\``);
  await mkdir(odd);
  runtime = await notingRuntime(scratch, `run'time "x"`);
  await install(scratch, { runtime: runtime.path });
  const moved = join(odd, 'moved repo');
  await outcome(scratch, 'mv', [scratch.path, moved], { cwd: odd });
  assert.deepEqual(await commitMapped('b\n', moved), { code: 0, stderr: '' });
  assert.deepEqual(await runtime.starts(), ['pre-commit']);
  await mkdir(scratch.path);
});

test('a linked worktree shares the hooks', async () => {
  const linked = scratch.beside('linked');
  await scratch.git('worktree', 'add', '--quiet', '-b', 'linked', linked);
  const repo = await install(scratch, { runtime: runtime.path, cwd: linked });
  await mkdir(repo.statePath);
  assert.deepEqual(await commitMapped('b\n', linked), { code: 0, stderr: '' });
  assert.deepEqual(await commitMapped('b\n'), { code: 0, stderr: '' });
  assert.deepEqual(await runtime.starts(), ['pre-commit', 'pre-commit']);
  await removeHooks(await openRepository(scratch.path, scratch.env));
  assert.deepEqual(
    (await hooksStatus(repo)).map(({ state }) => state),
    Array(4).fill('missing'),
  );
});

test('a submodule has hooks of its own', async () => {
  await scratch.git('submodule', '--quiet', 'add', scratch.path, 'sub');
  const sub = join(scratch.path, 'sub');
  const repo = await install(scratch, { runtime: runtime.path, cwd: sub });
  assert.equal(repo.hooksDir, join(scratch.path, '.git/modules/sub/hooks'));
  await mkdir(repo.statePath);
  assert.deepEqual(await commitMapped('b\n', sub), { code: 0, stderr: '' });
  assert.deepEqual(await runtime.starts(), ['pre-commit']);
  assert.deepEqual(await commitMapped('c\n'), { code: 0, stderr: '' });
  assert.equal((await runtime.starts()).length, 1);
});

for (const where of ['.githooks', 'outside']) {
  test(`another core.hooksPath is joined (${where})`, async () => {
    const folder = where === 'outside' ? scratch.beside('shared hooks') : where;
    await scratch.git('config', 'core.hooksPath', folder);
    const pre = join(scratch.path, folder === where ? folder : relative(scratch.path, folder), 'pre-commit');
    await mkdir(dirname(pre), { recursive: true });
    await writeFile(pre, '#!/bin/sh\necho foreign >&2\n', { mode: 0o755 });
    const repo = await install(scratch, { runtime: runtime.path });
    assert.deepEqual(await commitMapped('b\n'), { code: 0, stderr: 'foreign\n' });
    assert.deepEqual(await runtime.starts(), ['pre-commit']);
    await removeHooks(repo);
    assert.deepEqual(await readdir(dirname(pre)), ['pre-commit']);
    assert.equal(await readFile(pre, 'utf8'), '#!/bin/sh\necho foreign >&2\n');
  });
}

test('a core.hooksPath that switches hooks off is left alone', async () => {
  await scratch.git('config', 'core.hooksPath', '/dev/null');
  await install(scratch, { runtime: runtime.path });
  assert.deepEqual(
    await states(),
    hookNames.map((hook) => `${hook} file manual`),
  );
});

function husky(cwd = scratch.path): Promise<{ code: number; stderr: string }> {
  const bin = join(import.meta.dirname, '../../node_modules/husky/bin.js');
  return outcome(scratch, process.execPath, [...('Deno' in globalThis ? ['run', '--quiet', '--allow-all'] : []), bin], { cwd });
}

test('husky: a block at the end of its scripts, which run first and decide as before', async () => {
  assert.equal((await husky()).code, 0);
  await scratch.write('.husky/pre-commit', 'echo foreign >&2\ntest ! -e stop && true');
  const before = await photograph('.husky');
  const repo = await install(scratch, { runtime: runtime.path });
  const once = await photograph('.husky');
  assert.deepEqual(
    await states(),
    hookNames.map((hook) => `${hook} husky installed`),
  );
  await install(scratch, { runtime: runtime.path });
  assert.equal((await husky()).code, 0);
  assert.deepEqual(await photograph('.husky'), once);
  for (const text of Object.values(once))
    assert.ok(!text.includes(scratch.path), 'the scripts are committed, so they name no path of this machine');

  assert.deepEqual(await commitMapped('b\n'), { code: 0, stderr: 'foreign\n' });
  await scratch.git('checkout', '--quiet', '-b', 'next');
  assert.deepEqual(await runtime.starts().then((lines) => lines.map((line) => line.split(' ')[0])), ['pre-commit', 'post-checkout']);
  await runtime.endWith(10);
  assert.equal((await commitMapped('c\n')).code, 1);
  await runtime.endWith(0);
  await scratch.write('stop', '');
  assert.equal((await commitMapped('c\n')).code, 1);

  await removeHooks(repo);
  assert.deepEqual(await photograph('.husky'), before);
});

test('husky: a linked worktree where husky was not run is named, and a clone without sync-run is not disturbed', async () => {
  await husky();
  await install(scratch, { runtime: runtime.path });
  await scratch.commit('Add the hooks');
  const linked = scratch.beside('linked');
  await scratch.git('worktree', 'add', '--quiet', '-b', 'linked', linked);
  const [place] = await hooksStatus(await openRepository(linked, scratch.env));
  assert.match(place?.note ?? '', /npx husky/);

  const clone = scratch.beside('clone');
  await scratch.git('clone', '--quiet', scratch.path, clone);
  await husky(clone);
  const starts = await runtime.starts();
  assert.deepEqual(await commitMapped('b\n', clone), { code: 0, stderr: '' });
  assert.deepEqual(await runtime.starts(), starts);
});

// As the pre-commit framework generates it, its call replaced by what that call does with the script that was there before.
const framework = `#!/bin/sh
# File generated by pre-commit: https://pre-commit.com
[ ! -x "$0.legacy" ] || "$0.legacy" "$@" || exit 1
echo framework >&2
`;

test('the pre-commit framework runs our script as the one it found', async () => {
  await script('.git/hooks/pre-commit', framework);
  const before = await photograph('.git/hooks');
  const repo = await install(scratch, { runtime: runtime.path });
  assert.deepEqual((await states()).slice(0, 2), ['pre-commit pre-commit installed', 'post-checkout file installed']);
  assert.equal(await scratch.read('.git/hooks/pre-commit'), framework);
  assert.deepEqual(await commitMapped('b\n'), { code: 0, stderr: 'framework\n' });
  assert.deepEqual(await runtime.starts(), ['pre-commit']);
  await removeHooks(repo);
  assert.deepEqual(await photograph('.git/hooks'), before);
});

const lefthookScript = '#!/bin/sh\ncall_lefthook()\n{\n  lefthook "$@"\n}\n\ncall_lefthook run "pre-commit" "$@"\n';

test('lefthook: a job in lefthook-local.yml, beside what is there', async () => {
  await scratch.write('lefthook.yml', 'pre-commit:\n  jobs:\n    - run: echo foreign\n');
  for (const hook of ['pre-commit', 'post-merge']) await script(`.git/hooks/${hook}`, lefthookScript);
  const before = { ...(await photograph('.git/hooks')), local: '# ours\nskip_lfs: true\n' };
  await scratch.write('lefthook-local.yml', before.local);
  const repo = await install(scratch, { runtime: runtime.path });
  const once = await scratch.read('lefthook-local.yml');
  assert.deepEqual(await states(), [
    'pre-commit lefthook installed',
    'post-checkout file installed',
    'post-merge lefthook installed',
    'post-rewrite file installed',
  ]);
  await install(scratch, { runtime: runtime.path });
  assert.equal(await scratch.read('lefthook-local.yml'), once);
  assert.ok(once.startsWith(before.local));
  await removeHooks(repo);
  assert.deepEqual({ ...(await photograph('.git/hooks')), local: await scratch.read('lefthook-local.yml') }, before);
});

test('lefthook: a hook that has jobs of its own there is left to its owner', async () => {
  await scratch.write('lefthook.yml', 'pre-commit:\n  jobs:\n    - run: echo foreign\n');
  await script('.git/hooks/pre-commit', lefthookScript);
  await scratch.write('lefthook-local.yml', 'pre-commit:\n  parallel: true\n');
  await install(scratch, { runtime: runtime.path });
  assert.equal(await scratch.read('lefthook-local.yml'), 'pre-commit:\n  parallel: true\n');
  assert.equal((await states())[0], 'pre-commit lefthook manual');
});

test('the hooks of a new git go into its configuration', async () => {
  const gitVersion = 'git version 2.54.1.windows.1\n';
  const config = await scratch.read('.git/config');
  const before = await photograph('.git/hooks');
  const repo = await install(scratch, { runtime: runtime.path, gitVersion });
  assert.deepEqual(
    await states(gitVersion),
    hookNames.map((hook) => `${hook} config installed`),
  );
  const once = await scratch.read('.git/config');
  await install(scratch, { runtime: runtime.path, gitVersion });
  assert.equal(await scratch.read('.git/config'), once);
  assert.deepEqual(await photograph('.git/hooks'), before);
  assert.equal(await scratch.git('config', '--get-all', 'hook.sync-run-post-merge.event'), 'post-merge\n');

  // What git does with the command of a hook: run_command.c, prepare_shell_cmd.
  const command = (await scratch.git('config', '--get', 'hook.sync-run-pre-commit.command')).replace(/\n$/, '');
  await scratch.write('db/a.html', 'b\n');
  await scratch.git('add', '--all');
  await runtime.endWith(10);
  assert.equal((await outcome(scratch, 'sh', ['-c', `${command} "$@"`, command])).code, 1);
  await runtime.endWith(1);
  assert.equal((await outcome(scratch, 'sh', ['-c', `${command} "$@"`, command])).code, 0);
  assert.deepEqual(await runtime.starts(), ['pre-commit', 'pre-commit']);

  await removeHooks(repo);
  assert.equal(await scratch.read('.git/config'), config);
});

test('hooks that are in place stay there when git becomes newer', async () => {
  await install(scratch, { runtime: runtime.path });
  await install(scratch, { runtime: runtime.path, gitVersion: 'git version 2.55.0' });
  assert.deepEqual(
    await states('git version 2.55.0'),
    hookNames.map((hook) => `${hook} file installed`),
  );
});
