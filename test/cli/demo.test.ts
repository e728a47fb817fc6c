import assert from 'node:assert/strict';
import { access, chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { runCli } from '../helpers/cli.ts';
import { createRepository } from '../helpers/repository.ts';

test('the demo holds in every step, whatever the configuration of the user says, and leaves nothing behind', async (t) => {
  const repository = await createRepository();
  t.after(() => repository.cleanup());
  const hooks = repository.beside('hooks');
  await mkdir(hooks);
  for (const hook of ['pre-commit', 'post-checkout']) {
    await writeFile(join(hooks, hook), '#!/bin/sh\nexit 1\n');
    await chmod(join(hooks, hook), 0o755);
  }
  const lines = [
    `[core]\n  hooksPath = ${hooks}\n  autocrlf = true`,
    '[commit]\n  gpgSign = true',
    '[gpg]\n  program = /nowhere/gpg',
    `[init]\n  templateDir = ${hooks}\n  defaultBranch = other`,
  ];
  await writeFile(join(repository.beside('home'), '.gitconfig'), `${lines.join('\n')}\n`);
  const env = { ...repository.env, GIT_DIR: '/nowhere', SYNC_RUN_DATABASE_URL: 'sqlite:/nowhere' };
  const { code, stdout, stderr } = await runCli(['demo'], { cwd: repository.beside('home'), env });
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' }, stdout);
  assert.match(stdout, /Every step held/);
  for (const line of ['sync-run init --yes', 'sync-run sync', 'git switch --quiet main', 'sync-run resolve --merge', 'sync-run undo'])
    assert.ok(stdout.includes(`$ ${line}`), line);
  const [, top = ''] = /^A scratch repository: (.*)$/m.exec(stdout) ?? [];
  await assert.rejects(access(top));
});

test('the demo keeps its repository when told to, and it can be used', async (t) => {
  const repository = await createRepository();
  t.after(() => repository.cleanup());
  const { code, stdout } = await runCli(['demo', '--keep'], { cwd: repository.path, env: repository.env });
  assert.equal(code, 0);
  const [, top = ''] = /^A scratch repository: (.*)$/m.exec(stdout) ?? [];
  t.after(() => rm(dirname(top), { recursive: true }));
  const { code: status } = await runCli(['status', '--check'], { cwd: top, env: repository.env });
  assert.equal(status, 0);
});
