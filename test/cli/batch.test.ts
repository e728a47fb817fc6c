import assert from 'node:assert/strict';
import { readFile, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { acquireLock } from '../../src/state/lock.ts';
import { createProject } from '../helpers/cli-project.ts';

interface Document {
  command: string;
  txid: string | null;
  files: { written: number; deleted: number; renamed: number };
  rows: { written: number; inserted: number; deleted: number; renamed: number };
  ahead: { files: number; rows: number };
  conflicts: { path: string }[];
  skipped: { path: string; code: string }[];
}

const errorOf = (stdout: string): { code: string; message: string; hint: string | null } =>
  (JSON.parse(stdout) as { error: { code: string; message: string; hint: string | null } }).error;

test('the document of a batch has the keys of the contract, in their order, and nothing else is on standard output', async (t) => {
  const project = await createProject(t);
  await project.write('db/pages/home.html', 'Edited\n');
  await project.write('db/pages/about.html', 'Mine\n');
  await project.sql(`UPDATE pages SET body = 'Yours' WHERE slug = 'about'`);
  const { code, stdout, stderr } = await project.cli(['sync', '--json']);
  assert.deepEqual({ code, stderr }, { code: 1, stderr: '' });
  const document = JSON.parse(stdout) as Record<string, unknown>;
  const keys = ['command', 'txid', 'dryRun', 'files', 'rows', 'adopted', 'unchanged', 'ahead', 'conflicts', 'skipped', 'verified', 'ms'];
  assert.deepEqual(Object.keys(document).slice(0, keys.length), keys);
  const { txid, ms, notices, ...rest } = document;
  assert.match(String(txid), /^[0-9a-f]{32}$/);
  assert.equal(typeof ms, 'number');
  assert.deepEqual(notices, []);
  assert.deepEqual(rest, {
    command: 'sync',
    dryRun: false,
    files: { written: 0, deleted: 0, renamed: 0 },
    rows: { written: 1, inserted: 0, deleted: 0, renamed: 0 },
    adopted: 0,
    unchanged: 0,
    ahead: { files: 0, rows: 0 },
    conflicts: [{ path: 'db/pages/about.html', mapping: 'pages', key: { slug: 'about' }, file: 'changed', row: 'changed' }],
    skipped: [],
    verified: true,
  });
  assert.equal(await project.body('home'), 'Edited\n');
});

test('sync-run alone is sync, export and import go one way and say what is ahead', async (t) => {
  const project = await createProject(t);
  await project.write('db/pages/home.html', 'File\n');
  await project.sql(`UPDATE pages SET body = 'Row' WHERE slug = 'about'`);
  const exported = await project.cli(['export', '--json']);
  const first = JSON.parse(exported.stdout) as Document;
  assert.deepEqual([exported.code, first.files.written, first.rows.written, first.ahead], [0, 1, 0, { files: 1, rows: 0 }]);
  assert.equal(await project.read('db/pages/about.html'), 'Row');
  assert.equal(await project.body('home'), 'Home\n');
  await project.sql(`UPDATE pages SET body = 'Row 2' WHERE slug = 'about'`);
  const second = JSON.parse((await project.cli(['import', '--json'])).stdout) as Document;
  assert.deepEqual([second.files.written, second.rows.written, second.ahead], [0, 1, { files: 0, rows: 1 }]);
  const last = await project.cli([]);
  assert.equal(last.code, 0);
  assert.match(last.stdout, /Changed 1 item \(batch [0-9a-f]{8}\)\n {2}write file {2}db\/pages\/about\.html\n/);
  assert.match((await project.cli([])).stdout, /^Nothing to do\n2 in sync\n$/);
});

test('a dry run says what would be done and does nothing', async (t) => {
  const project = await createProject(t);
  await project.write('db/pages/new.html', 'New\n');
  const { code, stdout } = await project.cli(['sync', '--dry-run']);
  assert.equal(code, 0);
  assert.match(stdout, /Would change 1 item\n {2}insert row {2}db\/pages\/new\.html/);
  assert.equal(await project.body('new'), null);
});

test('a conflict is named with the commands that settle it; --prefer settles it', async (t) => {
  const project = await createProject(t);
  await project.write('db/pages/home.html', 'Mine\n');
  await project.sql(`UPDATE pages SET body = 'Yours' WHERE slug = 'home'`);
  const { code, stdout } = await project.cli(['sync']);
  assert.equal(code, 1);
  for (const side of ['file', 'row', 'merge']) assert.match(stdout, new RegExp(`npx sync-run resolve --${side} db/pages/home.html\\n`));
  const preferred = await project.cli(['sync', '--prefer', 'row']);
  assert.equal(preferred.code, 0);
  assert.equal(await project.read('db/pages/home.html'), 'Yours');
});

test('paths are relative to where the command is typed', async (t) => {
  const project = await createProject(t);
  await project.write('db/pages/home.html', 'Edited\n');
  await project.write('db/pages/about.html', 'Edited\n');
  const inside = await project.cli(['import', 'home.html', '--json'], { cwd: join(project.path, 'db/pages') });
  assert.equal((JSON.parse(inside.stdout) as Document).rows.written, 1);
  assert.equal(await project.body('about'), 'About\n');
  await symlink(project.path, project.beside('link'));
  const through = await project.cli(['import', '--json', join(project.beside('link'), 'db')]);
  assert.equal((JSON.parse(through.stdout) as Document).rows.written, 1, through.stderr);
  assert.equal((await project.cli(['import', '.'])).code, 0);
  assert.equal((await project.cli(['import', '..'], { cwd: join(project.path, 'db/pages') })).code, 0);
});

test('a row that has no file yet can be named by the path it will have', async (t) => {
  const project = await createProject(t);
  await project.sql(`INSERT INTO pages (slug, body) VALUES ('fresh', 'Fresh'), ('other', 'Other')`);
  const { code, stdout } = await project.cli(['export', 'db/pages/fresh.html', '--json']);
  assert.equal(code, 0);
  assert.equal((JSON.parse(stdout) as Document).files.written, 1);
  assert.equal(await project.read('db/pages/fresh.html'), 'Fresh');
});

test('a path that names nothing, or lies outside, is exit code 2', async (t) => {
  const project = await createProject(t);
  await project.write('README.md', 'Read me\n');
  const tried = [
    ['sync', 'db/pages/nothing.html'],
    ['import', 'README.md'],
    ['export', 'db/page'],
    ['status', '../elsewhere'],
    ['diff', dirname(project.path)],
    ['verify', 'db/nothing'],
  ];
  for (const line of tried) {
    const { code, stdout } = await project.cli([...line, '--json']);
    assert.deepEqual([code, errorOf(stdout).code], [2, 'NOT_FOUND'], line.join(' '));
  }
});

test('an untrusted configuration is exit code 4', async (t) => {
  const project = await createProject(t);
  const config = JSON.parse(await project.read('sync-run.config.json')) as object;
  await project.write('sync-run.config.json', JSON.stringify({ ...config, preCommit: { rowsAhead: 'block' } }));
  for (const command of ['sync', 'status', 'diff', 'verify', 'undo']) {
    const { code, stdout } = await project.cli([command, '--json']);
    assert.deepEqual([code, errorOf(stdout).code], [4, 'UNTRUSTED'], command);
    assert.match(errorOf(stdout).hint ?? '', /sync-run trust/);
  }
});

test('a configuration that is not valid is exit code 2 and names the line', async (t) => {
  const project = await createProject(t);
  await project.write('sync-run.config.json', '{\n  "root": "db",\n}');
  const { code, stderr } = await project.cli(['sync']);
  assert.equal(code, 2);
  assert.match(stderr, /line 2, column 15/);
});

test('without init there is no database: exit code 2, with the command that mends it', async (t) => {
  const project = await createProject(t, { setUp: false });
  await project.write(
    'sync-run.config.json',
    '{ "mappings": [{ "name": "pages", "table": "pages", "path": "{slug}.html", "content": "body" }] }',
  );
  assert.equal((await project.cli(['trust', '--yes'])).code, 0);
  const { code, stdout } = await project.cli(['sync', '--json']);
  assert.deepEqual([code, errorOf(stdout).code], [2, 'NO_TARGET']);
  assert.match(errorOf(stdout).hint ?? '', /npx sync-run init/);
  const given = await project.cli(['sync'], { env: { SYNC_RUN_DATABASE_URL: project.url } });
  assert.equal(given.code, 0, given.stderr);
});

test('another database than that of the base is exit code 4, and no flag of a run passes it', async (t) => {
  const project = await createProject(t);
  await project.write('db/pages/home.html', 'Edited\n');
  const copy = project.beside('backup.db');
  await project.sql(`VACUUM INTO '${copy}'`);
  assert.equal((await project.cli(['sync'])).code, 0);
  const { code, stdout } = await project.cli(['sync', '--allow-mass-change', '--prefer', 'file', '--json'], {
    env: { SYNC_RUN_DATABASE_URL: `sqlite:${copy}` },
  });
  assert.deepEqual([code, errorOf(stdout).code], [4, 'WRONG_TARGET']);
});

test('a batch that loses much stops with exit code 4 and a list, and passes with the flag', async (t) => {
  const pages = Object.fromEntries(Array.from({ length: 6 }, (_, n) => [`page${n}`, `Text ${n}\n`]));
  const project = await createProject(t, { pages });
  await project.sql('DELETE FROM pages WHERE id > 1');
  const { code, stderr } = await project.cli(['sync']);
  assert.equal(code, 4);
  assert.match(stderr, /would delete files: 5 of 6\n {4}db\/pages\/page1\.html/);
  assert.match(stderr, /npx sync-run sync --allow-mass-change/);
  assert.equal(await project.read('db/pages/page5.html'), 'Text 5\n');
  assert.equal((await project.cli(['sync', '--allow-mass-change'])).code, 0);
  await assert.rejects(readFile(join(project.path, 'db/pages/page5.html')));
});

test('a database that changes what was written is exit code 5, and both sides are as they were', async (t) => {
  const project = await createProject(t);
  await project.sql(
    `CREATE TRIGGER shout AFTER UPDATE OF body ON pages BEGIN UPDATE pages SET body = upper(new.body) WHERE id = new.id; END`,
  );
  await project.write('db/pages/home.html', 'quiet\n');
  const { code, stdout } = await project.cli(['sync', '--json']);
  assert.deepEqual([code, errorOf(stdout).code], [5, 'VERIFY']);
  assert.equal(await project.body('home'), 'Home\n');
  assert.equal(await project.read('db/pages/home.html'), 'quiet\n');
});

test('a lock that somebody else holds is exit code 6 after --lock-timeout, and names the holder', async (t) => {
  const project = await createProject(t);
  const lock = await acquireLock(join(project.path, '.git/sync-run'), { timeoutMs: 0, holder: { command: 'a test' } });
  t.after(() => lock.release());
  const { code, stdout } = await project.cli(['sync', '--lock-timeout', '0.05', '--json']);
  assert.deepEqual([code, errorOf(stdout).code], [6, 'LOCKED']);
  assert.match(errorOf(stdout).message, new RegExp(`process ${process.pid} \\("a test"\\)`));
  assert.equal((await project.cli(['status'])).code, 0, 'reading needs no lock');
});
