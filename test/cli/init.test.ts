import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile, stat, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { useMariadb } from '../helpers/mariadb.ts';
import { config, createProject, mapping, type Project } from '../helpers/cli-project.ts';

const mariadb = useMariadb();

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Nothing of ours is in the working tree, in the git dir or in the database. */
async function assertUntouched(project: Project): Promise<void> {
  assert.equal(await exists(join(project.path, '.git/sync-run')), false);
  assert.equal(await exists(join(project.path, '.git/sync-run-hooks')), false);
  assert.equal(await exists(join(project.path, '.gitattributes')), false);
  assert.equal(await exists(join(project.path, 'db')), false);
  const tables = await project.sql(`SELECT name FROM sqlite_schema WHERE name LIKE 'sync_run%'`);
  assert.deepEqual(tables, []);
}

test('init --yes sets everything up and makes the first sync', async (t) => {
  const project = await createProject(t, { setUp: false });
  await project.write('sync-run.config.json', config);
  const { code, stdout, stderr } = await project.cli(['init', '--yes', '--url', project.url]);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  assert.equal(await project.read('db/pages/home.html'), 'Home\n');
  assert.equal(await project.read('db/pages/about.html'), 'About\n');
  assert.equal(await project.read('.gitattributes'), 'db/** -text\n');
  assert.match(stdout, /"table": "pages"/, 'the configuration is shown');
  assert.match(stdout, /pre-commit\s+installed/);
  assert.equal((await stat(join(project.path, '.git/sync-run'))).mode & 0o777, 0o700);
  assert.equal((await stat(join(project.path, '.git/sync-run/url'))).mode & 0o777, 0o600);
  assert.equal((await project.cli(['status', '--check'])).code, 0);
  assert.equal((await project.cli(['hooks', 'status'])).code, 0);
});

test('a second init changes nothing', async (t) => {
  const project = await createProject(t);
  const files = ['sync-run.config.json', '.gitattributes', '.git/config', '.git/sync-run/url', 'db/pages/home.html'];
  const look = async (): Promise<unknown> => {
    const times = await Promise.all(files.map(async (name) => (await stat(join(project.path, name))).mtimeMs));
    return [times, await project.sql('SELECT * FROM sync_run_tree ORDER BY tree'), await readdir(project.path)];
  };
  const before = await look();
  const { code, stdout } = await project.cli(['init', '--yes', '--no-hooks', '--url', project.url, '--json']);
  assert.equal(code, 0);
  const report = JSON.parse(stdout) as { txid: string | null; files: object; rows: object; unchanged: number };
  assert.equal(report.txid, null);
  assert.deepEqual(report.files, { written: 0, deleted: 0, renamed: 0 });
  assert.equal(report.unchanged, 2);
  assert.deepEqual(await look(), before);
});

test('init --yes adopts what is equal, adds what is on one side, and leaves what differs', async (t) => {
  const project = await createProject(t, { setUp: false, pages: { same: 'Same\n', row: 'Row\n', both: 'In the row\n' } });
  await project.write('sync-run.config.json', config);
  await project.write('db/pages/same.html', 'Same\n');
  await project.write('db/pages/file.html', 'File\n');
  await project.write('db/pages/both.html', 'In the file\n');
  const { code, stdout } = await project.cli(['init', '--yes', '--no-hooks', '--json', '--url', project.url]);
  assert.equal(code, 1);
  const report = JSON.parse(stdout) as { adopted: number; conflicts: { path: string }[]; files: object; rows: object };
  assert.equal(report.adopted, 1);
  assert.deepEqual(
    report.conflicts.map(({ path }) => path),
    ['db/pages/both.html'],
  );
  assert.equal(await project.read('db/pages/row.html'), 'Row\n');
  assert.equal(await project.body('file'), 'File\n');
  assert.equal(await project.read('db/pages/both.html'), 'In the file\n');
  assert.equal(await project.body('both'), 'In the row\n');
});

test('a preset makes the configuration', async (t) => {
  const project = await createProject(t, { setUp: false });
  await project.sql(
    'CREATE TABLE x_templates (tid INTEGER PRIMARY KEY, title TEXT NOT NULL, template TEXT NOT NULL, sid INT NOT NULL, version TEXT, status TEXT, dateline INT)',
  );
  await project.sql('CREATE TABLE x_templatesets (sid INTEGER PRIMARY KEY, title TEXT)');
  await project.sql('CREATE TABLE x_themes (tid INTEGER PRIMARY KEY, name TEXT)');
  await project.sql(
    `CREATE TABLE x_themestylesheets (sid INTEGER PRIMARY KEY, name TEXT NOT NULL, tid INT NOT NULL, attachedto TEXT, stylesheet TEXT NOT NULL, cachefile TEXT, lastmodified INT)`,
  );
  await project.sql(`INSERT INTO x_templates (title, template, sid) VALUES ('footer', '<p>', -1)`);
  const args = ['init', '--yes', '--no-hooks', '--preset', 'mybb', '--prefix', 'x_', '--root', 'forum/theme', '--url', project.url];
  assert.equal((await project.cli(args)).code, 0);
  assert.deepEqual(JSON.parse(await project.read('sync-run.config.json')), {
    $schema: './node_modules/sync-run/schema.json',
    preset: 'mybb',
    prefix: 'x_',
    root: 'forum/theme',
  });
  assert.equal(await project.read('forum/theme/template_sets/Global Templates/footer/footer.html'), '<p>');
  assert.equal((await project.cli(args)).code, 0, 'the same flags again');
  const other = await project.cli(['init', '--yes', '--root', 'elsewhere', '--url', project.url]);
  assert.equal(other.code, 2);
  assert.match(other.stderr, /--root "elsewhere" contradicts "sync-run.config.json"/);
});

test('without a mapping or preset init is a configuration error and leaves nothing behind', async (t) => {
  const project = await createProject(t, { setUp: false });
  const { code, stdout, stderr } = await project.cli(['init', '--yes', '--json', '--url', project.url]);
  assert.equal(code, 2);
  assert.equal((JSON.parse(stdout) as { error: { code: string } }).error.code, 'CONFIG');
  assert.match(stderr, /init --preset mybb/);
  assert.equal(await exists(join(project.path, 'sync-run.config.json')), false);
  await assertUntouched(project);
});

test('without a database URL init says how to give one and leaves nothing behind', async (t) => {
  const project = await createProject(t, { setUp: false });
  await project.write('sync-run.config.json', config);
  const { code, stderr } = await project.cli(['init', '--yes']);
  assert.equal(code, 2);
  assert.match(stderr, /No database URL was given[^]*SYNC_RUN_DATABASE_URL/);
  assert.equal((await project.cli(['init', '--yes', '--url', '-'], { input: '\n' })).code, 2);
  await assertUntouched(project);
});

test('a mapping that does not fit the database is refused before anything is written', async (t) => {
  const project = await createProject(t, { setUp: false });
  await project.write('sync-run.config.json', JSON.stringify({ mappings: [{ ...mapping, content: 'bodi' }] }));
  const { code, stderr } = await project.cli(['init', '--yes', '--url', project.url]);
  assert.equal(code, 2);
  assert.match(stderr, /no column "bodi"; did you mean "body"\?/);
  await assertUntouched(project);
});

test('a wrong password is exit code 3, is not printed, and leaves no configuration behind', async (t) => {
  const server = await mariadb();
  const database = await server.createDatabase();
  const project = await createProject(t, { setUp: false });
  const url = `mysql://root:wrong-s3cret@127.0.0.1:${server.port}/${database.name}`;
  const { code, stdout, stderr } = await project.cli(['init', '--yes', '--preset', 'mybb', '--json', '--url', '-'], { input: `${url}\n` });
  assert.equal(code, 3);
  assert.equal((JSON.parse(stdout) as { error: { code: string } }).error.code, 'LOGIN');
  assert.doesNotMatch(stdout + stderr, /wrong-s3cret/);
  assert.equal(await exists(join(project.path, 'sync-run.config.json')), false);
  await assertUntouched(project);
});

test('a server that does not answer is exit code 3', async (t) => {
  const project = await createProject(t, { setUp: false });
  await project.write('sync-run.config.json', config);
  const { code, stderr } = await project.cli(['init', '--yes', '--url', 'mysql://a:b@127.0.0.1:1/c']);
  assert.equal(code, 3);
  assert.match(stderr, /"127\.0\.0\.1:1" cannot be reached/);
  const missing = await project.cli(['init', '--yes', '--url', 'sqlite:/nowhere/site.db']);
  assert.equal(missing.code, 3);
  await assertUntouched(project);
});

test('a user who may not make tables gets the files, and is told what rows need', async (t) => {
  const server = await mariadb();
  const database = await server.createDatabase();
  await database.sql(`CREATE TABLE pages (id INT PRIMARY KEY AUTO_INCREMENT, slug VARCHAR(50) NOT NULL UNIQUE, body TEXT);
    INSERT INTO pages (slug, body) VALUES ('home', 'Home\n');
    CREATE USER '${database.name}r'@'127.0.0.1' IDENTIFIED BY 'pw'; GRANT SELECT ON ${database.name}.* TO '${database.name}r'@'127.0.0.1'`);
  const project = await createProject(t, { setUp: false });
  await project.write('sync-run.config.json', config);
  const url = `mysql://${database.name}r:pw@127.0.0.1:${server.port}/${database.name}`;
  const { code, stderr } = await project.cli(['init', '--yes', '--no-hooks', '--url', url]);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /Warning:.*sync_run_tree/);
  assert.equal(await project.read('db/pages/home.html'), 'Home\n');
});

test('the URL from standard input is kept in the state folder only', async (t) => {
  const project = await createProject(t, { setUp: false });
  await project.write('sync-run.config.json', config);
  const { code, stdout } = await project.cli(['init', '--yes', '--no-hooks', '--no-run', '--json', '--url', '-'], {
    input: `${project.url}\n`,
  });
  assert.equal(code, 0);
  const document = JSON.parse(stdout) as Record<string, unknown>;
  assert.equal(document.command, 'init');
  assert.equal(document.attributes, 'added');
  assert.equal(await exists(join(project.path, 'db')), false, '--no-run makes no sync');
  assert.equal(await readFile(join(project.path, '.git/sync-run/url'), 'utf8'), `${project.url}\n`);
  assert.equal((await project.cli(['sync'])).code, 0);
});

test('without --yes and without a terminal .gitattributes is proposed, not written', async (t) => {
  const project = await createProject(t, { setUp: false });
  await project.write('sync-run.config.json', config);
  const { code, stdout } = await project.cli(['init', '--no-hooks', '--no-run', '--url', project.url]);
  assert.equal(code, 0);
  assert.match(stdout, /Add this line to .gitattributes.*: db\/\*\* -text/);
  assert.equal(await exists(join(project.path, '.gitattributes')), false);
});

test('another database needs --new-target, which then follows the rule for no base', async (t) => {
  const project = await createProject(t);
  const copy = project.beside('copy.db');
  await project.sql(`VACUUM INTO '${copy}'`);
  await project.write('db/pages/home.html', 'Edited\n');
  assert.equal((await project.cli(['sync'])).code, 0);
  // A backup from before the last batch.
  const url = `sqlite:${copy}`;
  const refused = await project.cli(['init', '--yes', '--no-hooks', '--url', url]);
  assert.equal(refused.code, 4);
  assert.match(refused.stderr, /init --new-target/);
  assert.equal(await readFile(join(project.path, '.git/sync-run/url'), 'utf8'), `${project.url}\n`, 'nothing was stored');

  const { code, stdout } = await project.cli(['init', '--yes', '--no-hooks', '--new-target', '--json', '--url', url]);
  assert.equal(code, 1);
  const report = JSON.parse(stdout) as { adopted: number; conflicts: { path: string }[] };
  assert.equal(report.adopted, 1);
  assert.deepEqual(
    report.conflicts.map(({ path }) => path),
    ['db/pages/home.html'],
  );
  assert.equal(await project.read('db/pages/home.html'), 'Edited\n');
  assert.equal((await project.cli(['resolve', '--file', 'db/pages/home.html'])).code, 0);
  assert.equal((await project.cli(['status', '--check'])).code, 0);
});

test('init outside of a repository is exit code 2', async (t) => {
  const project = await createProject(t, { setUp: false });
  const { code, stdout } = await project.cli(['init', '--yes', '--preset', 'mybb', '--json'], { cwd: dirname(project.path) });
  assert.equal(code, 2);
  assert.equal((JSON.parse(stdout) as { error: { code: string } }).error.code, 'NOT_A_REPOSITORY');
});

test('a link in place of .gitattributes is not written through', async (t) => {
  const project = await createProject(t, { setUp: false });
  await project.write('sync-run.config.json', config);
  await project.write('attributes', '* text\n');
  await project.git('config', 'core.symlinks', 'true');
  await symlink('attributes', join(project.path, '.gitattributes'));
  const hash = async (): Promise<string> =>
    createHash('sha256')
      .update(await project.read('attributes'))
      .digest('hex');
  const before = await hash();
  assert.equal((await project.cli(['init', '--yes', '--no-hooks', '--no-run', '--url', project.url])).code, 0);
  assert.equal(await hash(), before);
});
