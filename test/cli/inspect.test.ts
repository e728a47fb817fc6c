import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createProject } from '../helpers/cli-project.ts';

test('the document of status has the keys of the contract, in their order', async (t) => {
  const project = await createProject(t, { pages: { home: 'Home\n', about: 'About\n', both: 'Both\n', same: 'Same\n' } });
  await project.write('db/pages/home.html', 'Edited\n');
  await project.sql(`UPDATE pages SET body = 'Row' WHERE slug IN ('about', 'both')`);
  await project.write('db/pages/both.html', 'File\n');
  const { code, stdout, stderr } = await project.cli(['status', '--json']);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  const { lastRun, ...document } = JSON.parse(stdout) as Record<string, unknown>;
  const keys = [
    'target',
    'items',
    'inSync',
    'files',
    'rows',
    'conflicts',
    'missing',
    'skipped',
    'held',
    'pending',
    'paused',
    'runner',
    'git',
  ];
  assert.deepEqual(Object.keys(document), keys);
  assert.equal(typeof (lastRun as { txid: string }).txid, 'string');
  assert.deepEqual(document, {
    target: `SQLite file "${project.database}"`,
    items: 4,
    inSync: 1,
    files: [{ path: 'db/pages/home.html', change: 'changed' }],
    rows: [{ path: 'db/pages/about.html', change: 'changed' }],
    conflicts: [{ path: 'db/pages/both.html', mapping: 'pages', key: { slug: 'both' }, file: 'changed', row: 'changed' }],
    missing: [],
    skipped: [],
    held: [],
    pending: null,
    paused: null,
    runner: null,
    git: null,
  });
});

test('status --check turns what is ahead into exit code 1; status alone does not', async (t) => {
  const project = await createProject(t);
  assert.equal((await project.cli(['status', '--check'])).code, 0);
  await project.write('db/pages/home.html', 'Edited\n');
  const checked = await project.cli(['status', '--check']);
  assert.equal(checked.code, 1);
  assert.match(checked.stdout, /1 of 2 items in sync[^]*Files ahead of their rows[^]*changed {2}db\/pages\/home\.html/);
  assert.equal((await project.cli(['status'])).code, 0);
  assert.equal((await project.cli(['status', '--check', 'db/pages/about.html'])).code, 0, 'narrowed');
});

test('status, diff, log and show write nothing', async (t) => {
  const project = await createProject(t);
  await project.write('db/pages/home.html', 'Edited\n');
  const look = async (): Promise<unknown> =>
    Promise.all(['.git/sync-run/state.db', 'db/pages/home.html'].map(async (name) => (await stat(join(project.path, name))).mtimeMs));
  const before = await look();
  const [batch] = JSON.parse((await project.cli(['log', '--json'])).stdout) as { txid: string }[];
  for (const args of [['status'], ['diff'], ['log'], ['show', batch!.txid, 'db/pages/home.html'], ['verify']]) await project.cli(args);
  assert.deepEqual(await look(), before);
});

test('diff is a unified diff from the file to the row', async (t) => {
  const project = await createProject(t, { pages: { home: 'one\ntwo\nthree\n', about: 'About\n' } });
  await project.write('db/pages/home.html', 'one\n2\nthree\n');
  await project.write('db/pages/new.html', 'new\n');
  await project.sql(`UPDATE pages SET body = 'no newline' WHERE slug = 'about'`);
  const { code, stdout } = await project.cli(['diff', 'db/pages/home.html']);
  assert.equal(code, 0);
  assert.equal(stdout, '--- a/db/pages/home.html\tfile\n+++ b/db/pages/home.html\trow\n@@ -1,3 +1,3 @@\n one\n-2\n+two\n three\n');
  const all = (await project.cli(['diff'])).stdout;
  assert.match(all, /--- a\/db\/pages\/new\.html\tfile\n\+\+\+ \/dev\/null\trow\n@@ -1,1 \+0,0 @@\n-new\n/);
  assert.match(all, /-About\n\+no newline\n\\ No newline at end of file\n/);
  const list = JSON.parse((await project.cli(['diff', '--json', 'db/pages/home.html'])).stdout) as unknown[];
  assert.deepEqual(list, [{ path: 'db/pages/home.html', file: 12, row: 14, binary: false, diff: stdout }]);
});

test('diff prints nothing that is not text', async (t) => {
  const project = await createProject(t);
  await project.write('db/pages/home.html', new Uint8Array([0x61, 0xff, 0x1b, 0x5b]));
  const { stdout } = await project.cli(['diff']);
  assert.equal(stdout, 'Binary texts: db/pages/home.html (file 4 bytes, row 5 bytes)\n');
});

test('log lists batches, newest first, without a database; show prints their texts byte for byte', async (t) => {
  const project = await createProject(t, { pages: { home: 'Höme\r\n', about: 'About\n' } });
  await project.write('db/pages/home.html', 'no newline\u0007');
  assert.equal((await project.cli(['sync'])).code, 0);
  await project.write('sync-run.config.json', 'broken');
  const away = { env: { SYNC_RUN_DATABASE_URL: 'sqlite:/nowhere' } };
  const log = JSON.parse((await project.cli(['log', '--json'], away)).stdout) as {
    txid: string;
    command: string;
    files: number;
    rows: number;
  }[];
  assert.deepEqual(
    log.map(({ command, files, rows }) => [command, files, rows]),
    [
      ['sync', 0, 1],
      ['sync', 2, 0],
    ],
  );
  const [last, first] = log;
  const show = async (...args: string[]): Promise<string> => {
    const { code, bytes, stderr } = await project.cli(['show', ...args], away);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    return bytes.toString('utf8');
  };
  assert.equal(await show(last!.txid, 'db/pages/home.html'), 'no newline\u0007');
  assert.equal(await show(last!.txid.slice(0, 12), 'db/pages/home.html', '--before'), 'Höme\r\n');
  assert.equal(await show(last!.txid, 'db/pages/home.html', '--before', '--side', 'file'), 'no newline\u0007');
  assert.equal(await show(first!.txid, 'db/pages/home.html'), 'Höme\r\n');
  const about = JSON.parse((await project.cli(['log', '--json', 'db/pages/about.html'], away)).stdout) as unknown[];
  assert.equal(about.length, 1);
  assert.equal((await project.cli(['log', 'db/pages/other.html'], away)).code, 2);
  assert.equal((await project.cli(['show', 'ffffffff', 'db/pages/home.html'], away)).code, 2);
  assert.equal((await project.cli(['show', last!.txid, 'db/pages/about.html'], away)).code, 2);
  assert.match((await project.cli(['log'], away)).stdout, new RegExp(`^${last!.txid.slice(0, 8)} \\d{4}-\\d\\d-\\d\\d .* sync: 1 row\n`));
  assert.equal((await project.cli(['log', '-n', '1', '--json'], away)).stdout.match(/"txid"/g)?.length, 1);
});

test('resolve settles a conflict for either side, or merges', async (t) => {
  const pages = { a: '1\n2\n3\n4\n5\n', b: '1\n2\n3\n4\n5\n', c: '1\n2\n3\n4\n5\n', d: '1\n' };
  const project = await createProject(t, { pages });
  for (const slug of 'abc') await project.write(`db/pages/${slug}.html`, 'one\n2\n3\n4\n5\n');
  await project.write('db/pages/d.html', 'file\n');
  await project.sql(`UPDATE pages SET body = replace(body, '5', 'five')`);
  await project.sql(`UPDATE pages SET body = 'row' WHERE slug = 'd'`);
  assert.equal((await project.cli(['sync'])).code, 1);
  assert.equal((await project.cli(['resolve', '--file', 'db/pages/a.html'])).code, 0);
  assert.equal((await project.cli(['resolve', '--row', 'b.html'], { cwd: join(project.path, 'db/pages') })).code, 0);
  const merged = await project.cli(['resolve', '--merge', 'db/pages', '--json']);
  assert.equal(merged.code, 1, 'what overlaps stays a conflict');
  assert.deepEqual(
    (JSON.parse(merged.stdout) as { conflicts: { path: string }[] }).conflicts.map(({ path }) => path),
    ['db/pages/d.html'],
  );
  assert.equal(await project.body('a'), 'one\n2\n3\n4\n5\n');
  assert.equal(await project.read('db/pages/b.html'), '1\n2\n3\n4\nfive\n');
  assert.equal(await project.read('db/pages/c.html'), 'one\n2\n3\n4\nfive\n');
  assert.equal(await project.body('c'), 'one\n2\n3\n4\nfive\n');
});

test('undo takes the last batch back, and again', async (t) => {
  const project = await createProject(t);
  await project.write('db/pages/home.html', 'Edited\n');
  assert.equal((await project.cli(['sync'])).code, 0);
  const dry = JSON.parse((await project.cli(['undo', '--dry-run', '--json'])).stdout) as { command: string; dryRun: boolean };
  assert.deepEqual([dry.command, dry.dryRun], ['undo', true]);
  assert.equal(await project.body('home'), 'Edited\n');
  const undone = await project.cli(['undo', '--json']);
  assert.equal(undone.code, 0);
  assert.equal(await project.body('home'), 'Home\n');
  assert.equal(await project.read('db/pages/home.html'), 'Edited\n');
  const { txid } = JSON.parse(undone.stdout) as { txid: string };
  assert.equal((await project.cli(['undo', txid.slice(0, 10)])).code, 0);
  assert.equal(await project.body('home'), 'Edited\n');
  assert.equal((await project.cli(['undo', 'beef'])).code, 2);
});

test('verify compares all bytes and exits with 1 where they differ', async (t) => {
  const project = await createProject(t);
  const fine = await project.cli(['verify', '--json']);
  assert.deepEqual([fine.code, JSON.parse(fine.stdout)], [0, { checked: 2, differing: [] }]);
  await project.sql(`UPDATE pages SET body = 'Row' WHERE slug = 'home'`);
  const { code, stdout } = await project.cli(['verify', '--json']);
  assert.equal(code, 1);
  assert.deepEqual(
    (JSON.parse(stdout) as { differing: { path: string }[] }).differing.map(({ path }) => path),
    ['db/pages/home.html'],
  );
});

test('hooks are installed, checked and removed', async (t) => {
  const project = await createProject(t);
  assert.equal((await project.cli(['hooks', 'status'])).code, 1);
  const installed = await project.cli(['hooks', 'install', '--json']);
  assert.equal(installed.code, 0, installed.stderr);
  const { hooks } = JSON.parse(installed.stdout) as { hooks: { hook: string; state: string }[] };
  assert.deepEqual(new Set(hooks.map(({ state }) => state)), new Set(['installed']));
  assert.equal((await project.cli(['hooks', 'status'])).code, 0);
  assert.equal((await project.cli(['hooks', 'remove'])).code, 0);
  assert.equal((await project.cli(['hooks', 'status'])).code, 1);
  assert.match((await project.cli(['hooks', 'remove'])).stdout, /nothing to remove/);
});
