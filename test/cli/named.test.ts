import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createProject } from '../helpers/cli-project.ts';

test('an empty path is a variable that was not set, and not everything', async (t) => {
  const project = await createProject(t);
  await project.write('db/pages/home.html', 'Edited\n');
  const txid = (JSON.parse((await project.cli(['log', '--json'])).stdout) as { txid: string }[])[0]?.txid ?? '';
  for (const args of [
    ['sync', ''],
    ['import', 'db/pages/about.html', ''],
    ['resolve', '--row', ''],
    ['diff', ''],
    ['log', ''],
    ['show', txid, ''],
  ]) {
    const { code, stderr } = await project.cli(args);
    assert.deepEqual([code, stderr.split('\n')[0]], [2, 'sync-run: A path is empty'], args.join(' '));
  }
  assert.deepEqual([await project.body('home'), await project.read('db/pages/home.html')], ['Home\n', 'Edited\n']);
});

test('resolving a folder settles what differs, and deletes nothing that is new on one side', async (t) => {
  const project = await createProject(t);
  await project.write('db/pages/home.html', 'File\n');
  await project.sql(`UPDATE pages SET body = 'Row\n' WHERE slug = 'home'`);
  await project.sql(`INSERT INTO pages (slug, body) VALUES ('panel', 'new')`);
  await project.write('db/pages/mine.html', 'new\n');
  for (const [side, text] of [
    ['--file', 'File\n'],
    ['--row', 'File\n'],
  ] as const) {
    const { code, stderr } = await project.cli(['resolve', side, 'db/pages']);
    assert.equal(code, 0, stderr);
    assert.deepEqual([await project.body('panel'), await project.read('db/pages/mine.html')], ['new', 'new\n'], side);
    assert.equal(await project.body('home'), text);
  }
});

test('resolve --merge of what cannot be merged says that nothing was changed', async (t) => {
  const project = await createProject(t);
  await project.write('db/pages/home.html', 'File\n');
  await project.sql(`UPDATE pages SET body = 'Row\n' WHERE slug = 'home'`);
  await project.write('db/pages/about.html', 'Edited\n');
  const { code, stdout } = await project.cli(['resolve', '--merge', 'db/pages', '--json']);
  const { txid, rows, conflicts } = JSON.parse(stdout) as { txid: null; rows: object; conflicts: { path: string }[] };
  assert.deepEqual([code, txid, conflicts.map(({ path }) => path)], [1, null, ['db/pages/home.html']]);
  assert.deepEqual(rows, { written: 0, inserted: 0, deleted: 0, renamed: 0 });
  assert.equal(await project.body('about'), 'About\n');
});

test('verify and diff refuse another database, as a run does', async (t) => {
  const [project, staging] = [await createProject(t), await createProject(t)];
  for (const args of [['verify'], ['diff'], ['sync']]) {
    const { code, stderr } = await project.cli(args, { env: { SYNC_RUN_DATABASE_URL: staging.url } });
    assert.equal(code, 4, args.join(' '));
    assert.match(stderr, /was synced with another database/);
  }
});

test('what a sparse checkout leaves out differs for nobody, and a new file with its text is a new row', async (t) => {
  const project = await createProject(t);
  await project.git('sparse-checkout', 'set', '--no-cone', '/*', '!/db/pages/about.html');
  const [verify, diff] = [await project.cli(['verify']), await project.cli(['diff'])];
  assert.deepEqual([verify.code, diff.stdout], [0, '']);
  await project.write('db/pages/copy.html', 'About\n');
  const { code, stdout } = await project.cli(['sync', '--json']);
  const { rows } = JSON.parse(stdout) as { rows: object };
  assert.deepEqual([code, rows], [0, { written: 0, inserted: 1, deleted: 0, renamed: 0 }]);
  assert.deepEqual([await project.body('about'), await project.body('copy')], ['About\n', 'About\n']);
});
