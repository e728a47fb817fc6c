import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { pagesConfig } from '../helpers/project.ts';
import { everythingOutside } from '../helpers/scenario.ts';
import { createSite, type Site } from '../helpers/site.ts';
import { full, sample, survived } from './cases.ts';

/** What a branch may bring: files, executable where they begin with `#!`; `->` makes a link. */
interface Branch {
  what: string;
  files: Record<string, string>;
  /** A configuration nobody trusted stops the tool; anything else it does not even look at. */
  stops?: 'UNTRUSTED' | 'CONFIG';
}

/** Where an attack shows: a file that only code of the branch would make, and a server that only a foreign URL leads to. */
interface Traps {
  canary: string;
  url: string;
}

const mapping = pagesConfig.mappings[0];

function branches({ canary, url }: Traps): Branch[] {
  const shell = `#!/bin/sh\ntouch '${canary}'\n`;
  const script = `require('node:fs').writeFileSync(${JSON.stringify(canary)}, '')\n`;
  const module = `import { writeFileSync } from 'node:fs';\nwriteFileSync(${JSON.stringify(canary)}, '');\n`;
  const config = (change: object): Record<string, string> => ({ 'sync-run.config.json': JSON.stringify({ ...pagesConfig, ...change }) });
  const untrusted = (what: string, change: object): Branch => ({ what, files: config(change), stops: 'UNTRUSTED' });
  const refused = (what: string, change: object): Branch => ({ what, files: config(change), stops: 'CONFIG' });
  const ignored = (what: string, files: Record<string, string>): Branch => ({ what, files });
  return [
    untrusted('another table', { mappings: [{ ...mapping, table: 'secrets' }] }),
    untrusted('another column', { mappings: [{ ...mapping, content: 'note' }] }),
    untrusted('a wider filter', { mappings: [{ ...mapping, where: {} }] }),
    untrusted('constants for new rows', { mappings: [{ ...mapping, insert: { note: 'theirs' } }] }),
    untrusted('another root', { root: 'elsewhere' }),
    untrusted('a preset', { mappings: [], preset: 'mybb' }),
    untrusted('a policy', { preCommit: { unreachable: 'block', rowsAhead: 'block' } }),
    untrusted('a commit that may empty rows', { mappings: [{ ...mapping, empty: 'allow' }] }),
    refused('a root above the tree', { root: '..' }),
    refused('the git folder as root', { root: '.git' }),
    refused('an absolute root', { root: '/tmp' }),
    refused('a path with dots', { mappings: [{ ...mapping, path: '../{slug}.html' }] }),
    refused('a path into .git', { mappings: [{ ...mapping, path: '.git/hooks/{slug}' }] }),
    refused('a database', { database: url }),
    refused('a URL', { url }),
    refused('an environment', { env: { SYNC_RUN_DATABASE_URL: url } }),
    refused('a command', { run: `touch '${canary}'` }),
    refused('a hook command', { preCommit: { command: `touch '${canary}'` } }),
    refused('a plugin', { plugins: ['./plugin.mjs'] }),
    refused('a state folder', { stateDir: '../state' }),
    refused('no limits', { maxChanges: 1e9 }),
    refused('a prototype', JSON.parse('{"__proto__": {"root": ".git"}, "constructor": {"prototype": {"x": 1}}}') as object),
    { what: 'no configuration at all', files: { 'sync-run.config.json': '' }, stops: 'CONFIG' },
    { what: 'a configuration that is a program', files: { 'sync-run.config.json': module }, stops: 'CONFIG' },
    { what: 'a configuration behind a link', files: { 'sync-run.config.json': '->../outside.json' }, stops: 'CONFIG' },
    { what: 'a deep configuration', files: { 'sync-run.config.json': `${'['.repeat(50_000)}${']'.repeat(50_000)}` }, stops: 'CONFIG' },
    ignored('configurations that are programs', {
      'sync-run.config.js': module,
      'sync-run.config.mjs': module,
      'sync-run.config.ts': module,
      '.sync-runrc.js': script,
    }),
    ignored('a package with scripts', {
      'package.json': JSON.stringify({
        name: 'x',
        bin: { 'sync-run': './sync-run' },
        scripts: { prepare: `touch '${canary}'`, 'sync-run': `touch '${canary}'` },
        imports: { '#sync-run': './x.js' },
      }),
      'sync-run': shell,
      'index.js': script,
    }),
    ignored('settings of npm and runtimes', {
      '.npmrc': `script-shell=./sh\nnode-options=--require ./x.cjs\n`,
      sh: shell,
      'x.cjs': script,
      'deno.json': JSON.stringify({ tasks: { x: 'x' }, imports: { mysql2: './x.cjs', 'simple-git': './x.cjs' } }),
      'tsconfig.json': JSON.stringify({ compilerOptions: { paths: { '*': ['./x.cjs'] } } }),
      'node.config.json': JSON.stringify({ nodeOptions: { require: './x.cjs' } }),
    }),
    ignored('variables', {
      '.env': `SYNC_RUN_DATABASE_URL=${url}\nNODE_OPTIONS=--require ./x.cjs\n`,
      '.envrc': `export SYNC_RUN_DATABASE_URL=${url}; touch '${canary}'\n`,
      'x.cjs': script,
    }),
    ignored('programs with the names of others', { git: shell, node: shell, deno: shell, sh: shell, npx: shell, mysql: shell, db: '' }),
    ignored('a tracked package', {
      'node_modules/sync-run/package.json': '{"name":"sync-run","type":"module","bin":{"sync-run":"main.js"}}',
      'node_modules/sync-run/main.js': module,
      'node_modules/sync-run/dist/hooks/entry.js': module,
      'node_modules/mysql2/index.js': script,
      'node_modules/mysql2/promise.js': script,
      'node_modules/simple-git/package.json': '{"main":"x.js"}',
      'node_modules/simple-git/x.js': script,
      'node_modules/.bin/sync-run': shell,
    }),
    ignored('hooks that nobody installed', {
      '.husky/pre-commit': shell,
      '.husky/post-checkout': shell,
      '.githooks/post-checkout': shell,
      'hooks/post-checkout': shell,
      'lefthook.yml': `post-checkout:\n  commands:\n    x:\n      run: touch '${canary}'\n`,
      '.pre-commit-config.yaml': 'repos: []\n',
    }),
    ignored('filters and drivers that nobody configured', {
      '.gitattributes': 'db/** -text filter=evil diff=evil merge=evil\n',
      '.gitconfig': `[filter "evil"]\n\tsmudge = touch '${canary}'\n[core]\n\tfsmonitor = touch '${canary}'\n`,
      '.lfsconfig': `[lfs]\n\turl = ${url}\n`,
    }),
    ignored('submodules', {
      '.gitmodules': `[submodule "x"]\n\tpath = x\n\turl = ext::sh -c "touch% ${canary}"\n\tupdate = !touch '${canary}'\n`,
    }),
    ignored('state of its own', {
      '.sync-run/state.db': 'x',
      '.sync-run/socket': '/tmp/x.sock',
      'sync-run/database-url': url,
      'sync-run/token': '0'.repeat(64),
    }),
    ignored("files named as the tool's own", {
      'db/pages/en/.sync-run-0123456789abcdef0123456789abcdef-0.new': 'theirs\n',
      'db/pages/en/.sync-run-0123456789abcdef0123456789abcdef-0.old': 'theirs\n',
      'db/.sync-run-x': 'theirs\n',
    }),
    ignored('links that lead outside', {
      'db/pages/en/out.html': '->../../../../outside.json',
      'db/pages/more': '->../../../',
      'db/up': '->../..',
    }),
    ignored('a link to the git folder', { 'db/pages/de': '->../../.git/hooks' }),
    ignored('names that look like options and code', {
      'db/-rf': 'x',
      'db/--upload-pack=touch': 'x',
      "db/$(touch '..')": 'x',
      'db/`id`': 'x',
      'db/;id': 'x',
      'db/new\nline': 'x',
    }),
  ];
}

/** A site whose neighbourhood holds what nobody may touch. */
async function createTarget(t: TestContext): Promise<{ site: Site; traps: Traps; connections(): number }> {
  const site = await createSite(t, { pages: { home: 'Home\n', about: 'About\n' } });
  await site.db.sql('CREATE TABLE secrets (id INTEGER PRIMARY KEY, type TEXT, lang TEXT, slug TEXT, body TEXT)');
  await site.db.sql("INSERT INTO secrets (type, lang, slug, body) VALUES ('page', 'en', 'home', 'secret')");
  await writeFile(site.repo.beside('outside.json'), JSON.stringify(pagesConfig));
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.destroy();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const traps = { canary: site.repo.beside('canary'), url: `mysql://root:x@127.0.0.1:${address.port}/x` };
  return { site, traps, connections: () => connections };
}

const quietly = ['-c', 'core.hooksPath=/dev/null'];

async function plant(site: Site, name: string, { files }: Branch): Promise<void> {
  const { repo } = site;
  await repo.git(...quietly, 'checkout', '--quiet', '-b', name, 'main');
  for (const [path, text] of Object.entries(files)) {
    const to = join(repo.path, path);
    if (existsSync(to) && path === 'db') continue;
    await mkdir(dirname(to), { recursive: true });
    await rm(to, { force: true });
    if (text.startsWith('->')) await symlink(text.slice(2), to);
    else await writeFile(to, text);
    if (text.startsWith('#!')) await chmod(to, 0o755);
  }
  await repo.git('add', '--all', '--force');
  await repo.git(...quietly, 'commit', '--quiet', '--message', name);
  await repo.git(...quietly, 'checkout', '--quiet', 'main');
}

/** What lies around the repository, without the site's own notes and files that its database makes and removes. */
async function neighbours(site: Site): Promise<string[]> {
  return (await everythingOutside(site)).filter((path) => !/^(?:repo\/|site\.db-|fired$|started$|touched$)/.test(path));
}

async function assertUntouched(site: Site, wanted: string, where: string): Promise<void> {
  assert.equal(await sides(site), wanted, `${where}: the database is as it was`);
}

async function sides({ db }: Site): Promise<string> {
  const tables = await Promise.all(['pages', 'secrets'].map((table) => db.sql(`SELECT * FROM ${table} ORDER BY id`)));
  return JSON.stringify(tables);
}

describe('a branch that was not written by a friend runs nothing, writes nothing and reaches nobody', () => {
  for (const live of [false, true]) {
    it(live ? 'beside a runner' : 'by hooks and commands', async (t) => {
      const { site, traps, connections } = await createTarget(t);
      const all = branches(traps);
      const chosen = sample(all.length, live ? 6 : 12).map((n) => all[n - 1]!);
      for (const [n, branch] of chosen.entries()) await plant(site, `evil${n}`, branch);
      const runner = live ? await site.runner() : null;
      await runner?.idle();
      await site.cli(['sync', '--json']);
      const database = await sides(site);
      const outside = await neighbours(site);
      const hooks = await readFile(join(site.gitDir, 'hooks/post-checkout'), 'utf8');

      for (const [n, branch] of chosen.entries()) {
        const { what, stops } = branch;
        const checkout = await site.gitRun(['checkout', `evil${n}`]);
        assert.equal(checkout.code, 0, `${what}: git goes on: ${checkout.stderr}`);
        await runner?.idle();
        await assertUntouched(site, database, `${what}, after the checkout`);
        if (stops) assert.match(checkout.stderr, /^sync-run: /m, `${what}: the hook says that it stopped: ${checkout.stderr}`);
        const sync = await site.cli(['sync', '--json']);
        const error = (JSON.parse(sync.stdout) as { error?: { code: string } }).error?.code;
        assert.equal(error, stops, `${what}: ${sync.stdout}${sync.stderr}`);
        await assertUntouched(site, database, `${what}, after a command`);
        await site.gitRun(['commit', '--allow-empty', '--message', 'x']);
        await runner?.idle();
        await assertUntouched(site, database, `${what}, after a commit`);
        const back = await site.gitRun(['checkout', '--force', 'main']);
        assert.equal(back.code, 0, `${what}: ${back.stderr}`);
        await runner?.idle();
        await assertUntouched(site, database, `${what}, back on main`);
        assert.ok(!existsSync(traps.canary), `${what}: code of the branch was run`);
        assert.equal(connections(), 0, `${what}: another server was asked`);
        assert.equal(await readFile(join(site.gitDir, 'hooks/post-checkout'), 'utf8'), hooks, `${what}: a hook was changed`);
        const now = await neighbours(site);
        assert.deepEqual(now, outside, `${what}: something was written outside of the repository`);
      }
      // The tool still does its work.
      await site.write('db/pages/en/home.html', 'Edited\n');
      assert.equal((await site.cli(['sync', '--json'])).code, 0, 'the tool still works on main');
      assert.equal((await site.rows()).home, 'Edited\n', 'an edit on main reaches its row');
      survived(t, { cases: chosen.length, of: all.length });
      assert.ok(full || chosen.length >= 6, 'enough branches were tried');
    });
  }
});
