import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { config, createProject } from '../helpers/cli-project.ts';

test('trust shows what is new, and asks for a yes', async (t) => {
  const project = await createProject(t);
  await project.write('sync-run.config.json', config.replace('"content": "body"', '"content": "body",\n      "where": { "id": 1 }'));
  const refused = await project.cli(['trust']);
  assert.equal(refused.code, 4);
  assert.match(refused.stdout, /\+ +"where": \{\n\+ +"id": 1\n/);
  assert.match(refused.stderr, /To go on: .*npx sync-run trust --yes/);
  assert.equal((await project.cli(['status'])).code, 4, 'still untrusted');

  const trusted = await project.cli(['trust', '--yes']);
  assert.equal(trusted.code, 0);
  assert.match(trusted.stdout, /"where"[^]*Trusted in this working tree/);
  assert.equal((await project.cli(['status'])).code, 0);
  assert.match((await project.cli(['trust'])).stdout, /trusted already/);
});

test('trust tells the hooks of a new root, so that a commit below it is not passed over', async (t) => {
  const project = await createProject(t);
  const root = () => readFile(join(project.path, '.git/sync-run/root'), 'utf8');
  await project.cli(['sync']);
  assert.equal(await root(), 'db\n');
  await project.write('sync-run.config.json', config.replace('"root": "db"', '"root": "texts"'));
  assert.equal((await project.cli(['trust', '--yes'])).code, 0);
  assert.equal(await root(), 'texts\n');
});

test('a change of layout or of "$schema" needs no new trust', async (t) => {
  const project = await createProject(t);
  await project.write('sync-run.config.json', JSON.stringify({ $schema: './other.json', ...(JSON.parse(config) as object) }));
  assert.equal((await project.cli(['status'])).code, 0);
});

test('in a fresh clone trust and a check need no init', async (t) => {
  const project = await createProject(t, { setUp: false });
  await project.write('sync-run.config.json', config);
  await project.write('db/pages/home.html', 'Home\n');
  await project.write('db/pages/about.html', 'About\n');
  const env = { SYNC_RUN_DATABASE_URL: project.url };
  assert.equal((await project.cli(['status', '--check'], { env })).code, 4);
  const { code, stdout } = await project.cli(['trust', '--yes', '--json']);
  assert.equal(code, 0);
  assert.equal((JSON.parse(stdout) as { trusted: boolean }).trusted, true);
  assert.equal((await stat(join(project.path, '.git/sync-run'))).mode & 0o777, 0o700);
  assert.equal((await project.cli(['status', '--check'], { env })).code, 0, 'equal without a base counts as in sync');
});
