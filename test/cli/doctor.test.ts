import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { createProject, type Project } from '../helpers/cli-project.ts';

interface Doctored {
  ok: boolean;
  checks: { name: string; status: string; message: string; remedy?: string }[];
}

async function doctor(
  project: Project,
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<Doctored & { code: number; failed: string[] }> {
  const { code, stdout, stderr } = await project.cli(['doctor', '--json'], options);
  assert.equal(stderr, '');
  const document = JSON.parse(stdout) as Doctored;
  assert.equal(code, document.ok ? 0 : 1);
  return { ...document, code, failed: document.checks.filter(({ status }) => status === 'failed').map(({ name }) => name) };
}

test('a set-up that is in order', async (t) => {
  const project = await createProject(t);
  const { ok, checks } = await doctor(project);
  assert.equal(ok, true, JSON.stringify(checks));
  const names = [
    'runtime',
    'git',
    'repository',
    'configuration',
    'trust',
    'state',
    'hooks',
    'attributes',
    'database',
    'target',
    'mappings',
    'items',
  ];
  for (const name of names)
    assert.ok(
      checks.some((check) => check.name === name),
      name,
    );
  const text = await project.cli(['doctor']);
  assert.equal(text.code, 0);
  assert.match(
    text.stdout,
    /warning hooks: Not all git hooks work:[^]*To mend: npx sync-run hooks install[^]*Everything sync-run needs is in place/,
  );
});

test('what git would do to newlines is asked of git, whichever line decides it', async (t) => {
  const project = await createProject(t);
  const attributes = async (): Promise<[string, string | undefined]> => {
    const check = (await doctor(project)).checks.find(({ name }) => name === 'attributes');
    return [check?.message ?? '', check?.remedy];
  };
  const fine = ['git changes no bytes of the mapped files', undefined];
  await project.write('.gitattributes', '');
  const [message, remedy] = await attributes();
  assert.match(message, /^git may change newlines in the mapped files, such as "db\/pages\/\S+"$/);
  assert.equal(remedy, 'Add this line to .gitattributes: db/** -text');
  await project.write('.gitattributes', '* -text\n');
  assert.deepEqual(await attributes(), fine);
  await project.write('.gitattributes', 'db/** -text\n*.html text=auto\n');
  assert.match((await attributes())[1] ?? '', /^A later line of .gitattributes, or one deeper in the tree, overrides/);
  await project.write('.gitattributes', 'db/** -text\n');
  assert.deepEqual(await attributes(), fine);
  await project.write('db/pages/.gitattributes', 'odd.html text\n');
  await project.write('db/pages/odd.html', 'x\n');
  assert.deepEqual(await attributes(), fine);
  await project.git('add', 'db/pages/odd.html');
  assert.match((await attributes())[0], /such as "db\/pages\/odd\.html"$/);
});

test('each broken part is named with its remedy, and keeps no other check from running', async (t) => {
  const project = await createProject(t);
  await project.write('sync-run.config.json', '{');
  await writeFile(project.database, 'this is no database');
  await chmod(join(project.path, '.git/sync-run'), 0o755);
  const { failed, checks } = await doctor(project);
  assert.deepEqual(new Set(failed), new Set(['configuration', 'state', 'database']));
  assert.match(checks.find(({ name }) => name === 'state')?.remedy ?? '', /^chmod 700 /);
  assert.ok(
    checks.some(({ name }) => name === 'hooks'),
    'later checks ran',
  );
});

test('an untrusted configuration, a wrong target, and rows that are refused', async (t) => {
  const project = await createProject(t);
  await project.write('db/pages/home.html', 'Edited\n');
  const copy = project.beside('copy.db');
  await project.sql(`INSERT INTO pages (slug, body) VALUES ('', 'No name')`);
  await project.sql(`VACUUM INTO '${copy}'`);
  await project.cli(['sync']);
  const config = JSON.parse(await project.read('sync-run.config.json')) as object;
  await project.write('sync-run.config.json', JSON.stringify({ ...config, preCommit: {} }));
  const { failed, checks } = await doctor(project, { env: { SYNC_RUN_DATABASE_URL: `sqlite:${copy}` } });
  assert.deepEqual(new Set(failed), new Set(['trust', 'target', 'items']));
  assert.match(checks.find(({ name }) => name === 'items')?.message ?? '', /EMPTY_NAME/);
});

test('before init, and outside of a repository', async (t) => {
  const project = await createProject(t, { setUp: false });
  const fresh = await doctor(project);
  assert.deepEqual(new Set(fresh.failed), new Set(['configuration', 'state', 'target']));
  assert.ok(
    fresh.checks.every(({ status, remedy }) => status !== 'failed' || remedy),
    'every failure has a remedy',
  );
  assert.deepEqual((await doctor(project, { cwd: dirname(project.path) })).failed, ['repository']);
});

test('files below the root that belong to no mapping are named', async (t) => {
  const project = await createProject(t);
  await project.write('db/notes.txt', 'Notes\n');
  await project.commit();
  const { ok, checks } = await doctor(project);
  assert.equal(ok, true);
  assert.match(checks.find(({ name }) => name === 'files')?.message ?? '', /db\/notes\.txt/);
});
