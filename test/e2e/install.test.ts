import assert from 'node:assert/strict';
import { access, readFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createForum, type Forum, stylesheetPath, templatePath } from '../../src/cli/demo/forum.ts';
import { type CliRun, runProgram } from '../helpers/cli.ts';
import { packInto } from '../helpers/packed.ts';
import { quickStart } from '../helpers/quick-start.ts';
import { createRepository, type ScratchRepository } from '../helpers/repository.ts';

// What somebody does who has nothing but the package: it needs the npm registry for the dependencies. One test, since installing takes the time.

interface Installed {
  repository: ScratchRepository;
  forum: Forum;
  sh(line: string): Promise<CliRun>;
}

async function install(t: TestContext): Promise<Installed> {
  const repository = await createRepository();
  t.after(() => repository.cleanup());
  const tarball = await packInto(repository.beside('sync-run'));
  const [first = ''] = await quickStart();
  assert.ok(
    first.endsWith(`../sync-run/${tarball.slice(dirname(tarball).length + 1)}`),
    `The quick start installs another package: ${first}`,
  );
  await repository.write('package.json', '{ "private": true }\n');
  await repository.write('.gitignore', 'node_modules/\n');
  // npm must not take the working tree of sync-run, which started this test, for its own.
  const inherited = Object.entries(repository.env).filter(([name]) => !/^npm_/i.test(name));
  const env = { ...Object.fromEntries(inherited), PATH: [nodeFolder(), repository.env.PATH].join(delimiter) };
  const sh = (line: string): Promise<CliRun> => runProgram('sh', ['-ec', line], { cwd: repository.path, env });
  const { code, stdout, stderr } = await sh(`${first} --no-audit --no-fund`);
  assert.equal(code, 0, stdout + stderr);
  return { repository, forum: await createForum(repository.beside('forum.db')), sh };
}

test('the packed package, installed from its tarball, sets a repository up and carries edits both ways', async (t) => {
  const { repository, forum, sh } = await install(t);
  const inPackage = (name: string): string => join(repository.path, 'node_modules/sync-run', name);
  const { files } = JSON.parse((await sh('cd node_modules/sync-run && npm pack --dry-run --json --ignore-scripts')).stdout)[0] as {
    files: { path: string }[];
  };
  const paths = files.map(({ path }) => path);
  for (const path of ['dist/src/cli/main.js', 'dist/hooks/entry.cjs', 'hooks/stub.sh', 'schema.json', 'README.md', 'docs/codes.md']) {
    assert.ok(paths.includes(path), `The package lacks "${path}"`);
  }
  assert.deepEqual(
    paths.filter((path) => /\.test\.|^test\/|^scripts\/|^bench\/|\.ts$/.test(path)),
    [],
  );

  const { version } = JSON.parse(await readFile(inPackage('package.json'), 'utf8')) as { version: string };
  assert.equal((await sh('npx --no-install sync-run --version')).stdout, `${version}\n`);
  const init = await sh('npx --no-install sync-run init --yes --preset mybb --url sqlite:../forum.db');
  assert.equal(init.code, 0, init.stdout + init.stderr);
  assert.equal(await repository.read(templatePath('header')), await forum.template('header'));
  const [, entry = ''] = (await readFile(join(repository.path, '.git/sync-run-hooks/paths'), 'utf8')).split('\n');
  await access(entry);
  assert.equal(entry, inPackage('dist/hooks/entry.cjs'));
  await repository.commit('Begin');

  await repository.write(stylesheetPath('print.css'), 'header { display: none; }\n');
  const committed = await sh("git commit --all --quiet --message 'Show the footer in print'");
  assert.equal(committed.code, 0, committed.stderr);
  assert.match(committed.stderr, /^sync-run: Brought 1 change to the database \(1 written\)$/m);
  assert.equal(await forum.stylesheet('print.css'), 'header { display: none; }\n');

  await forum.editTemplate('footer', '<footer>Edited in the panel</footer>\n');
  const synced = await sh('npx --no-install sync-run');
  assert.equal(synced.code, 0, synced.stderr);
  assert.equal(await repository.read(templatePath('footer')), '<footer>Edited in the panel</footer>\n');
  const undone = await sh('npx --no-install sync-run undo');
  assert.equal(undone.code, 0, undone.stderr);
  assert.match(await repository.read(templatePath('footer')), /Boats come and go/);

  const removed = await sh('npx --no-install sync-run hooks remove');
  assert.equal(removed.code, 0, removed.stderr);
  await assert.rejects(access(join(repository.path, '.git/hooks/pre-commit')));
});

/** The Node.js under test; on Deno the one of this repository, since an installed bin runs on Node.js. */
function nodeFolder(): string {
  return process.versions.deno === undefined
    ? dirname(process.execPath)
    : fileURLToPath(new URL('../../node_modules/node/bin', import.meta.url));
}
