import assert from 'node:assert/strict';
import { access, chmod, glob, readFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createForum, stylesheetPath, templatePath, templates } from '../src/cli/demo/forum.ts';
import { cliCommand, runProgram } from './helpers/cli.ts';
import { quickStart } from './helpers/quick-start.ts';
import { createRepository, type ScratchRepository } from './helpers/repository.ts';

/** A repository as the quick start finds it after its first line, with the source in place of the installed package. */
async function installed(t: TestContext): Promise<ScratchRepository> {
  const repository = await createRepository();
  t.after(() => repository.cleanup());
  const quoted = cliCommand().map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  await repository.write('package.json', '{ "private": true }\n');
  await repository.write('.gitignore', 'node_modules/\n');
  await repository.write('node_modules/.bin/sync-run', `#!/bin/sh\nexec ${quoted.join(' ')} "$@"\n`);
  await chmod(join(repository.path, 'node_modules/.bin/sync-run'), 0o755);
  return repository;
}

test('the quick start of the README does what it says', async (t) => {
  const [install, ...lines] = await quickStart();
  assert.equal(lines.length, 5, 'six lines');
  assert.match(install ?? '', /^npm install /, 'the first line is tried in test/e2e/install.test.ts');
  const repository = await installed(t);
  const forum = await createForum(repository.beside('forum.db'));
  const env = { ...repository.env, PATH: [dirname(process.execPath), repository.env.PATH].join(delimiter) };
  const { code, stdout, stderr } = await runProgram('sh', ['-ec', lines.join('\n')], { cwd: repository.path, env });
  assert.equal(code, 0, stdout + stderr);
  for (const title of Object.keys(templates)) assert.equal(await repository.read(templatePath(title)), await forum.template(title));
  assert.match(stdout, /all 10 items in sync/);
  assert.match(stdout, /Nothing to do\n10 in sync\n$/);
  assert.equal((await repository.git('log', '--format=%s')).trim(), 'Put the theme under version control');

  await repository.write(stylesheetPath('print.css'), 'header { display: none; }\n');
  await repository.commit('Show the footer in print');
  assert.equal(await forum.stylesheet('print.css'), 'header { display: none; }\n', 'a commit carries the edited files to their rows');
});

test('every link of the documentation to a file leads to one', async () => {
  const top = new URL('../', import.meta.url);
  for await (const page of glob(['*.md', 'docs/**/*.md'], { cwd: fileURLToPath(top) })) {
    const text = await readFile(new URL(page, top), 'utf8');
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [path = '', anchor] = target.split('#');
      const url = path === '' ? new URL(page, top) : new URL(path, new URL(page, top));
      await access(url);
      if (anchor !== undefined) assert.ok(anchors(await readFile(url, 'utf8')).includes(anchor), `${page}: ${target}`);
    }
  }
});

test('the configuration of the README is valid', async () => {
  const { parseConfig } = await import('../src/config/parse.ts');
  const { presets } = await import('../src/runner/presets.ts');
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  const example = /^```json\n([\s\S]*?)^```$/m.exec(readme)?.[1] ?? '';
  assert.deepEqual(
    parseConfig(example, 'README.md', presets).mappings.map(({ keyColumns }) => keyColumns),
    [['lang', 'slug']],
  );
});

test('the README lists every command', async () => {
  const { commands } = await import('../src/cli/commands.ts');
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  const inner = ['hook'];
  for (const { usage } of commands) {
    const name = usage.split(' ')[0]!;
    if (!inner.includes(name)) assert.match(readme, new RegExp(`^\\|.*\`${name}\\b`, 'm'), name);
  }
});

/** As GitHub makes them from headings. */
function anchors(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
