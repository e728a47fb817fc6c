import assert from 'node:assert/strict';
import { execFile, spawn, spawnSync } from 'node:child_process';
import { open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import type { RunnerOptions } from '../../src/runner/runner.ts';
import { type Clock, systemClock } from '../../src/watch/clock.ts';
import { type Server, startMariadb, useMariadb } from '../helpers/mariadb.ts';
import { pagesConfig } from '../helpers/project.ts';
import { at, setBody } from '../helpers/scenario.ts';
import { createSite, type Site, type SiteOptions, until } from '../helpers/site.ts';

useMariadb();

const pages = { home: 'home\n', about: 'about\n', long: 'a long text\n'.repeat(1_000) };

async function watching(t: TestContext, options: Partial<SiteOptions> = {}, how: (site: Site) => Partial<RunnerOptions> = () => ({})) {
  const site = await createSite(t, { pages, hooks: false, prepare: async () => {}, ...options });
  const runner = await site.runner(how(site));
  await runner.seen.until((events) => events.some(({ type }) => type === 'batch-applied'));
  await runner.idle();
  runner.seen.clear();
  return { site, runner, known: (await site.batches()).length };
}

const inRow = (site: Site, slug: string, text: string | undefined): Promise<void> =>
  until(`"${slug}" is in its row`, async () => (await site.rows())[slug] === text);
const folder = (site: Site): string => dirname(join(site.repo.path, at('home')));

/** Every text that is ever written to this row from now on, noted by the database itself. */
async function written(site: Site, slug: string): Promise<() => Promise<string[]>> {
  await site.db.sql('CREATE TABLE written (body TEXT)');
  await site.db.sql(
    `CREATE TRIGGER note AFTER UPDATE OF body ON pages WHEN NEW.slug = '${slug}' BEGIN INSERT INTO written VALUES (NEW.body); END`,
  );
  return async () => (await site.db.sql('SELECT body FROM written')).map(({ body }) => String(body));
}

const saves: Record<string, (path: string, text: string) => Promise<void>> = {
  // Probes the directory, moves the old file to a backup, writes the new one, removes the backup; swap file beside it.
  async vim(path, text) {
    const swap = join(dirname(path), '.home.html.swp');
    await writeFile(swap, 'swap');
    await writeFile(join(dirname(path), '4913'), '');
    await rm(join(dirname(path), '4913'));
    await rename(path, `${path}~`);
    const file = await open(path, 'wx');
    await file.write(text.slice(0, 3));
    await file.write(text.slice(3));
    await file.sync();
    await file.close();
    await rm(`${path}~`);
    await rm(swap);
  },
  async 'VS Code'(path, text) {
    const file = await open(path, 'r+');
    await file.truncate(0);
    await file.write(text, 0);
    await file.close();
  },
  async JetBrains(path, text) {
    await writeFile(`${path}___jb_tmp___`, text);
    await rename(path, `${path}___jb_old___`);
    await rename(`${path}___jb_tmp___`, path);
    await rm(`${path}___jb_old___`);
  },
};

describe('one saved file', { concurrency: 4 }, () => {
  for (const [editor, save] of Object.entries(saves)) {
    it(`as ${editor} saves it is in its row, in one batch, and nothing else is`, async (t) => {
      const { site, runner, known } = await watching(t);
      const texts = await written(site, 'home');
      await save(join(site.repo.path, at('home')), 'saved\n');
      await inRow(site, 'home', 'saved\n');
      await runner.idle();
      assert.deepEqual(await site.rows(), { ...pages, home: 'saved\n' });
      assert.equal((await site.batches()).length, known + 1);
      assert.deepEqual(await texts(), ['saved\n']);
      assert.deepEqual(
        runner.seen.all.filter(({ type }) => type === 'batch-failed' || type === 'warning'),
        [],
      );
      const { code, stdout } = await site.cli(['verify']);
      assert.equal(code, 0, stdout);
    });
  }

  it('that is written bit by bit never reaches a row before it is whole', async (t) => {
    const { site, runner } = await watching(t);
    const parts = Array.from({ length: 40 }, (_unused, n) => `part ${n}\n`.repeat(50));
    const texts = await written(site, 'home');
    const file = await open(join(site.repo.path, at('home')), 'w');
    for (const part of parts) {
      await file.write(part);
      await until('the next moment', () => true);
    }
    await file.close();
    await inRow(site, 'home', parts.join(''));
    await runner.idle();
    assert.deepEqual(await texts(), [parts.join('')]);
  });

  it('that is emptied and filled, and one that vanishes and comes back, are edits and nothing more', async (t) => {
    const { site, runner } = await watching(t);
    const id = async () => (await site.db.sql("SELECT id FROM pages WHERE slug = 'about'"))[0]?.['id'];
    const before = await id();
    const texts = await written(site, 'home');
    await site.write(at('home'), '');
    await site.repo.remove(at('about'));
    await runner.seen.until((events) => events.some(({ type }) => type === 'batch-applied'));
    assert.deepEqual(await site.rows(), pages);
    const { files, missing, skipped } = await site.status();
    assert.deepEqual(
      { files, missing, skipped: skipped.map(({ path, code }) => [path, code]) },
      { files: [], missing: [at('about')], skipped: [[at('home'), 'EMPTY']] },
    );
    await site.write(at('home'), 'filled\n');
    await site.write(at('about'), 'back\n');
    await inRow(site, 'home', 'filled\n');
    await inRow(site, 'about', 'back\n');
    assert.equal(await id(), before);
    assert.deepEqual(await texts(), ['filled\n']);
  });

  it('with conflict markers is held and named until they are gone', async (t) => {
    const { site, runner } = await watching(t);
    await site.write(at('home'), '<<<<<<< ours\none\n=======\ntwo\n>>>>>>> theirs\n');
    await site.write(at('about'), 'edited\n');
    await inRow(site, 'about', 'edited\n');
    await runner.idle();
    assert.equal((await site.rows())['home'], 'home\n');
    const { code, stdout } = await site.cli(['import', '--json']);
    assert.equal(code, 1);
    assert.deepEqual(
      (JSON.parse(stdout) as { skipped: { path: string; code: string }[] }).skipped.map(({ path, code: why }) => [path, why]),
      [[at('home'), 'UNMERGED']],
    );
    await site.write(at('home'), 'both\n');
    await inRow(site, 'home', 'both\n');
  });

  it('in a folder that is new, with a runner that was started in another folder', async (t) => {
    const { site } = await watching(t, {}, (made) => ({ cwd: folder(made) }));
    await site.write(at('neu', 'de'), 'neu\n');
    await inRow(site, 'neu', 'neu\n');
  });

  it('in a root that the configuration names since the runner began', async (t) => {
    const { site, runner } = await watching(t, {}, () => ({ every: 3_600_000 }));
    await site.configure({ ...pagesConfig, root: 'texts' });
    for (const slug of ['home', 'about', 'long']) await site.repo.move(at(slug), at(slug).replace('db/', 'texts/'));
    const moved = await site.cli(['sync']);
    assert.equal(moved.code, 0, moved.stderr);
    await runner.idle();
    await site.write(at('home').replace('db/', 'texts/'), 'edited\n');
    await inRow(site, 'home', 'edited\n');
  });

  it('that the database does not take is named, holds up nobody, and follows once it can', async (t) => {
    const { site, runner } = await watching(t);
    await site.db.sql(
      "CREATE TRIGGER refuse AFTER UPDATE OF body ON pages WHEN NEW.body LIKE 'bad%' BEGIN UPDATE pages SET body = 'altered' WHERE id = NEW.id; END",
    );
    await Promise.all([site.write(at('home'), 'bad\n'), site.write(at('about'), 'good\n')]);
    await inRow(site, 'about', 'good\n');
    await runner.idle();
    assert.equal((await site.rows())['home'], 'home\n');
    const status = await site.status();
    assert.deepEqual(status.files, [{ path: at('home'), change: 'changed' }]);
    await site.db.sql('DROP TRIGGER refuse');
    await site.write(at('home'), 'better\n');
    await inRow(site, 'home', 'better\n');
  });
});

it('--rows brings edited rows to the files, and edited files to the rows', async (t) => {
  const { site } = await watching(t, {}, () => ({ rows: 50 }));
  await setBody(site.db, 'home', 'by hand\n');
  await site.write(at('about'), 'edited\n');
  await until('the row is in its file', async () => (await site.texts())['home'] === 'by hand\n');
  await inRow(site, 'about', 'edited\n');
});

it('--rows leaves no timer behind, also where it ends in the middle of a look', async (t) => {
  const timers = new Set<object>();
  const clock: Clock = {
    ...systemClock,
    after(ms, work) {
      const timer = {};
      timers.add(timer);
      const cancel = systemClock.after(ms, () => {
        timers.delete(timer);
        work();
      });
      return () => {
        timers.delete(timer);
        cancel();
      };
    },
  };
  const { runner } = await watching(t, {}, () => ({ rows: 1, clock }));
  await new Promise<void>((resolve) => {
    runner.events.subscribe(({ type }) => type === 'batch-started' && resolve());
  });
  await runner.close();
  // Whoever waits for the report of that look is told by now.
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(timers.size, 0, 'no timer is left');
});

it('1,000 files changed at once by a script are one to three batches', async (t) => {
  const slugs = Array.from({ length: 1_000 }, (_unused, n) => `p${n}`);
  const { site, runner, known } = await watching(t, { pages: Object.fromEntries(slugs.map((slug) => [slug, 'one\n'])) });
  const script = 'for (const slug of process.argv.slice(2)) fs.writeFileSync(slug + ".html", "two " + slug + "\\n")';
  const [program, args] = process.versions.deno === undefined ? [process.execPath, ['-e', script]] : ['node', ['-e', script]];
  await promisify(execFile)(program, [...args, 'x', ...slugs], { cwd: folder(site) });
  const expected = Object.fromEntries(slugs.map((slug) => [slug, `two ${slug}\n`]));
  await until('all rows are there', async () => Object.values(await site.rows()).every((body) => body.startsWith('two ')));
  await runner.idle();
  assert.deepEqual(await site.rows(), expected);
  const batches = (await site.batches()).length - known;
  assert.ok(batches >= 1 && batches <= 3, `There were ${batches}`);
});

it('20,000 events at once, more than the kernel keeps: everything is right at the end', async (t) => {
  const slugs = Array.from({ length: 500 }, (_unused, n) => `p${n}`);
  const { site, runner } = await watching(t, { pages: Object.fromEntries(slugs.map((slug) => [slug, 'one\n'])) });
  // Stopped, the test's own loop reads no event while the script makes them all.
  const script = 'i=0; while [ $i -lt 41 ]; do i=$((i+1)); for f in *.html; do echo "$i $f" >"$f"; done; done';
  assert.equal(spawnSync('sh', ['-c', script], { cwd: folder(site) }).status, 0);
  const expected = Object.fromEntries(slugs.map((slug) => [slug, `41 ${slug}.html\n`]));
  await until('all rows are there', async () => Object.values(await site.rows()).every((body) => body.startsWith('41 ')));
  await runner.idle();
  assert.deepEqual(await site.rows(), expected);
});

it('an export of everything writes no row, and an edit made meanwhile is in its row afterwards', async (t) => {
  const slugs = Array.from({ length: 300 }, (_unused, n) => `p${n}`);
  const { site, runner } = await watching(t, { pages: Object.fromEntries(slugs.map((slug) => [slug, 'one\n'])) });
  await site.db.sql('CREATE TABLE written (id INTEGER)');
  await site.db.sql('CREATE TRIGGER note AFTER UPDATE OF body ON pages BEGIN INSERT INTO written VALUES (NEW.id); END');
  await site.db.sql("UPDATE pages SET body = 'two ' || slug || char(10) WHERE slug <> 'p7'");
  await site.db.sql('DELETE FROM written');
  let edited = false;
  runner.events.subscribe((event) => {
    if (event.type !== 'batch-started' || event.source !== 'cli' || edited) return;
    edited = true;
    void site.write(at('p7'), 'edited meanwhile\n');
  });
  const { code, stderr } = await site.cli(['export', '--allow-mass-change']);
  assert.equal(code, 0, stderr);
  assert.ok(edited);
  await inRow(site, 'p7', 'edited meanwhile\n');
  await runner.idle();
  const seven = (await site.db.sql("SELECT id FROM pages WHERE slug = 'p7'"))[0]?.['id'];
  assert.deepEqual(
    (await site.db.sql('SELECT DISTINCT id FROM written')).map((row) => row['id']),
    [seven],
  );
  assert.deepEqual(await site.texts(), await site.rows());
});

describe('a database that goes away', () => {
  it('makes batches wait, status says so, and all is applied once it is back', async (t) => {
    const server = await startMariadb();
    const { site, runner } = await watching(t, { engine: 'innodb', server });
    const again = await kill(server);
    t.after(() => again.end());
    await site.write(at('home'), 'while away\n');
    await runner.seen.until((events) => events.some(({ type }) => type === 'database-away'));
    await site.write(at('about'), 'while away\n');
    const { database, depth } = runner.queue.status();
    assert.equal(database?.code, 'UNREACHABLE');
    assert.ok(depth > 0);
    const { code, stdout, stderr } = await site.cli(['status']);
    assert.equal(code, 3, stdout);
    assert.match(stderr, /The runner, process \d+, tries again and again since .*; \d+ paths? waiting/);
    again.start();
    await runner.seen.until((events) => events.some(({ type }) => type === 'database-back'));
    await inRow(site, 'home', 'while away\n');
    await inRow(site, 'about', 'while away\n');
    await runner.idle();
    assert.equal(runner.queue.status().database, null);
  });
});

/** Kills the server the hard way; it can be started again on what it left. */
async function kill({ socket }: Server) {
  const pid = Number(await readFile(join(dirname(socket), 'pid'), 'utf8'));
  const { stdout } = await promisify(execFile)('ps', ['-ww', '-o', 'args=', '-p', String(pid)]);
  const [program = '', ...args] = stdout.trim().split(' ');
  process.kill(pid, 'SIGKILL');
  // Nobody may have collected it yet.
  const isGone = async (): Promise<boolean> =>
    promisify(execFile)('ps', ['-o', 'stat=', '-p', String(pid)]).then(
      (now) => now.stdout.startsWith('Z'),
      () => true,
    );
  await until('the server is gone', isGone);
  let child: ReturnType<typeof spawn> | null = null;
  return {
    start() {
      child = spawn(program, args, { stdio: 'ignore' });
    },
    async end() {
      if (!child || child.exitCode !== null) return;
      const gone = new Promise((resolve) => child?.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    },
  };
}
