import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { createTerminal, type Terminal } from '../../src/cli/terminal.ts';
import { runCli } from '../../src/cli/run-cli.ts';
import { config, createProject, type Project } from '../helpers/cli-project.ts';

const real = createTerminal(process);

/** Somebody at a terminal: answers each question, by a part of its text, with keys. */
async function atTerminal(
  project: Project,
  argv: string[],
  answers: [question: RegExp, keys: string][],
): Promise<{ code: number; out: string; err: string }> {
  const input = new PassThrough();
  const output = new PassThrough();
  const left = [...answers];
  let out = '';
  let err = '';
  let seen = '';
  output.on('data', (chunk: Buffer) => {
    err += chunk.toString('utf8');
    seen += chunk.toString('utf8');
    const next = left[0];
    if (!next || !next[0].test(seen)) return;
    left.shift();
    seen = '';
    // The question listens to keys only once it has been drawn.
    setImmediate(() => input.write(next[1]));
  });
  const terminal: Terminal = {
    ...real,
    cwd: project.path,
    argv,
    env: project.env,
    signal: new AbortController().signal,
    interactive: true,
    color: { out: false, err: false },
    input: input as unknown as NodeJS.ReadStream,
    output: output as unknown as NodeJS.WriteStream,
    out: (data) => (out += String(data)),
    err: (text) => (err += text),
  };
  const code = await runCli(terminal);
  assert.deepEqual(left, [], `not asked; said: ${err}`);
  return { code, out, err };
}

const enter = '\r';

test('init asks for everything it needs, and never shows the URL', async (t) => {
  const project = await createProject(t, { setUp: false });
  const { code, out, err } = await atTerminal(
    project,
    ['init'],
    [
      [/What does the database belong to/, `\u001b[B${enter}`],
      [/Which folder/, enter],
      [/Which table/, `pages${enter}`],
      [/Which column/, `body${enter}`],
      [/Which path/, `pages/{slug}.html${enter}`],
      [/Database URL/, `${project.url}${enter}`],
      [/Write and trust this configuration/, 'y'],
      [/to \.gitattributes/, 'y'],
      [/Install the git hooks/, 'n'],
    ],
  );
  assert.equal(code, 0, err);
  assert.ok(!(out + err).includes(project.url));
  const { root, mappings } = JSON.parse(await project.read('sync-run.config.json')) as { root: string; mappings: unknown[] };
  assert.deepEqual([root, mappings], ['db', [{ name: 'pages', table: 'pages', path: 'pages/{slug}.html', content: 'body' }]]);
  assert.equal(await project.read('db/pages/home.html'), 'Home\n');
  assert.equal(await project.read('.gitattributes'), 'db/** -text\n');
  assert.equal((await project.cli(['hooks', 'status'])).code, 1);
});

test('a no to the configuration leaves nothing behind; so does Ctrl+C', async (t) => {
  const project = await createProject(t, { setUp: false });
  await project.write('sync-run.config.json', config);
  const no = await atTerminal(project, ['init', '--url', project.url], [[/Trust this configuration/, 'n']]);
  assert.equal(no.code, 4);
  const stopped = await atTerminal(project, ['init', '--url', project.url], [[/Trust this configuration/, '\u0003']]);
  assert.equal(stopped.code, 130);
  assert.equal((await project.git('status', '--porcelain', '--untracked-files=all')).trim(), '?? sync-run.config.json');
  assert.equal((await project.cli(['status'])).code, 4);
});

test('trust asks', async (t) => {
  const project = await createProject(t, { setUp: false });
  await project.write('sync-run.config.json', config);
  assert.equal((await atTerminal(project, ['trust'], [[/Trust this configuration here/, 'n']])).code, 4);
  assert.equal((await atTerminal(project, ['trust'], [[/Trust this configuration here/, 'y']])).code, 0);
  assert.equal((await atTerminal(project, ['trust'], [])).code, 0);
});

test('a mass change is asked about, with the list; a no changes nothing', async (t) => {
  const pages = Object.fromEntries(Array.from({ length: 6 }, (_, n) => [`page${n}`, `Text ${n}\n`]));
  const project = await createProject(t, { pages });
  await project.sql('DELETE FROM pages WHERE id > 1');
  const no = await atTerminal(project, ['sync'], [[/Is it meant/, 'n']]);
  assert.equal(no.code, 4);
  assert.match(no.err, /would delete files: 5 of 6/);
  assert.equal(await project.read('db/pages/page5.html'), 'Text 5\n');
  const yes = await atTerminal(project, ['sync'], [[/Is it meant/, 'y']]);
  assert.equal(yes.code, 0);
  assert.match(yes.out, /delete file db\/pages\/page5\.html/);
});
