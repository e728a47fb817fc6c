import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { RunnerOptions } from '../../src/runner/runner.ts';
import { systemClock } from '../../src/watch/clock.ts';
import { startWatch } from '../helpers/program.ts';
import { pagesConfig } from '../helpers/project.ts';
import { at } from '../helpers/scenario.ts';
import { createSite, type Site, type SiteRunner, until } from '../helpers/site.ts';
import { full, survived } from './cases.ts';
import { missing } from './debian.ts';

const execute = promisify(execFile);

type Watched = Site & { running: SiteRunner };

async function watched(t: TestContext, slugs: readonly string[], options: Partial<RunnerOptions>, config?: object): Promise<Watched> {
  const pages = Object.fromEntries(slugs.map((slug) => [slug, `${slug} as it was\n`]));
  const site = await createSite(t, { pages, hooks: false, ...(config && { config }) });
  // Every text that is ever written to a row, noted by the database itself.
  await site.db.sql('CREATE TABLE written (slug TEXT, body TEXT)');
  await site.db.sql('CREATE TRIGGER on_update AFTER UPDATE OF body ON pages BEGIN INSERT INTO written VALUES (NEW.slug, NEW.body); END');
  await site.db.sql('CREATE TRIGGER on_insert AFTER INSERT ON pages BEGIN INSERT INTO written VALUES (NEW.slug, NEW.body); END');
  await site.db.sql("CREATE TRIGGER on_delete AFTER DELETE ON pages BEGIN INSERT INTO written VALUES (OLD.slug, 'deleted'); END");
  const runner = await site.runner(options);
  await runner.seen.until((events) => events.some(({ type }) => type === 'batch-applied'));
  await runner.idle();
  return { ...site, running: runner };
}

const written = async (site: Site): Promise<string[]> =>
  (await site.db.sql('SELECT slug, body FROM written ORDER BY rowid')).map(({ slug, body }) => `${String(slug)}: ${String(body)}`);

const pathOf = (site: Site, slug: string): string => join(site.repo.path, at(slug));

/** Milliseconds between two looks everywhere, in place of a minute. */
const EVERY = 200;
/** What nobody told of is there a second after the next look everywhere; a machine with other things to do may take some more. */
const BOUND = EVERY + 1_000 + 5_000;

/** Waits for what only a look everywhere brings, and returns how long it took, in milliseconds. */
async function came(what: string, holds: () => Promise<boolean>, bound = BOUND): Promise<number> {
  const began = performance.now();
  while (!(await holds())) {
    if (performance.now() - began > bound) assert.fail(`${what} never came, not in ${bound} ms`);
    await setTimeout(10);
  }
  return Math.round(performance.now() - began);
}

/** Edits a file so that no event tells it, and returns its text. */
async function editUnseen(site: Site, slug: string): Promise<string> {
  // inotify tells nothing of what is written through a memory map (inotify(7), "Limitations and caveats").
  const script = 'import mmap,sys\nf=open(sys.argv[1],"r+b")\nm=mmap.mmap(f.fileno(),0)\nm[0:4]=b"EDIT"\nm.flush()';
  await execute('python3', ['-c', script, pathOf(site, slug)]);
  return `EDIT${`${slug} as it was\n`.slice(4)}`;
}

it('what no event tells of reaches its row with the next look everywhere', async (t) => {
  const lacks = await missing({ python3: 'python3-minimal' });
  if (lacks) return t.skip(lacks);
  const slugs = Array.from({ length: full ? 60 : 8 }, (_, n) => `page${n}`);
  const site = await watched(t, slugs, { every: EVERY });
  let longest = 0;
  for (const slug of slugs) {
    const text = await editUnseen(site, slug);
    longest = Math.max(longest, await came(`the edit of "${slug}"`, async () => (await site.rows())[slug] === text));
  }
  assert.equal((await written(site)).length, slugs.length, 'each row was written once');
  survived(t, { cases: slugs.length, detail: `the longest took ${longest} ms, with a look every ${EVERY} ms` });
});

it('the end, the new name and the coming of a file, told by no event, are followed by the next look everywhere', async (t) => {
  const count = full ? 20 : 3;
  const named = (what: string): string[] => Array.from({ length: count }, (_, n) => `${what}${n}`);
  const [deleted, renamed, added] = [named('deleted'), named('renamed'), named('added')];
  const root = 'site/db';
  const site = await watched(t, [...deleted, ...renamed, 'stays'], { every: EVERY }, { ...pagesConfig, root });
  const place = (slug: string): string => join(site.repo.path, root, 'pages/en', `${slug}.html`);
  const ids = async (): Promise<Record<string, unknown>> =>
    Object.fromEntries((await site.db.sql('SELECT slug, id FROM pages')).map(({ slug, id }) => [String(slug), id]));
  const before = await ids();
  // Whose end git was told of may be deleted. The files stay for now, and nothing is to be done for them.
  site.running.seen.clear();
  await site.repo.git('rm', '--cached', '--quiet', ...deleted.map((slug) => `${root}/pages/en/${slug}.html`));
  await site.running.seen.until((events) => {
    const types = events.map(({ type }) => type);
    return types.includes('gate-open') && types.lastIndexOf('batch-applied') > types.indexOf('gate-open');
  });
  await site.running.idle();
  // Another folder takes the place of the one above all that is watched: no watched folder is moved, and none of the new ones is watched.
  await cp(site.repo.beside('repo/site'), site.repo.beside('site'), { recursive: true, preserveTimestamps: true });
  await rename(site.repo.beside('repo/site'), site.repo.beside('old'));
  await rename(site.repo.beside('site'), site.repo.beside('repo/site'));
  let longest = 0;
  const after = async (what: string, holds: (ids: Record<string, unknown>) => boolean): Promise<void> => {
    longest = Math.max(longest, await came(what, async () => holds(await ids())));
  };
  for (let n = 0; n < count; n++) {
    await rm(place(deleted[n]!));
    await after(`the end of "${deleted[n]}"`, (now) => !(deleted[n]! in now));
    await rename(place(renamed[n]!), place(`${renamed[n]}-anew`));
    await after(`the new name of "${renamed[n]}"`, (now) => `${renamed[n]}-anew` in now);
    await writeFile(place(added[n]!), `${added[n]}\n`);
    await after(`the coming of "${added[n]}"`, (now) => added[n]! in now);
  }
  const now = await ids();
  assert.deepEqual(Object.keys(now).toSorted(), [...renamed.map((slug) => `${slug}-anew`), ...added, 'stays'].toSorted());
  for (const slug of renamed) assert.equal(now[`${slug}-anew`], before[slug], `the row of "${slug}" was renamed, and is no new one`);
  survived(t, { cases: 3 * count, detail: `the longest took ${longest} ms, with a look every ${EVERY} ms` });
});

it('an edit told by no event reaches its row when the clock has jumped, as after a sleep', async (t) => {
  const lacks = await missing({ python3: 'python3-minimal' });
  if (lacks) return t.skip(lacks);
  let ahead = 0;
  const site = await watched(t, ['home'], { clock: { ...systemClock, wall: () => Date.now() + ahead } });
  const text = await editUnseen(site, 'home');
  ahead = 3_600_000;
  // The clock is looked at every five seconds, and files every minute.
  const ms = await came('the edit before the jump', async () => (await site.rows()).home === text, 5_000 + BOUND);
  survived(t, { cases: 1, detail: `it took ${ms} ms` });
});

it('files in folders that are made with them are not missed', async (t) => {
  const site = await watched(t, ['home'], {});
  const slugs = Array.from({ length: full ? 140 : 30 }, (_, n) => `page${n}`);
  const pathIn = (slug: string): string => join(site.repo.path, 'db/pages', `lang${slug.slice(4)}`, `${slug}.html`);
  await Promise.all(
    slugs.map(async (slug) => {
      await mkdir(dirname(pathIn(slug)), { recursive: true });
      await writeFile(pathIn(slug), `${slug}\n`);
    }),
  );
  await until('all are rows', async () => Object.keys(await site.rows()).length === slugs.length + 1);
  const rows = await site.rows();
  for (const slug of slugs) assert.equal(rows[slug], `${slug}\n`, `"${slug}" is a row with its text`);
  survived(t, { cases: slugs.length });
});

it('what is edited while the runner is stopped is in the rows when it goes on', async (t) => {
  const slugs = Array.from({ length: 60 }, (_, n) => `page${n}`);
  const site = await createSite(t, { pages: Object.fromEntries(slugs.map((slug) => [slug, `${slug}\n`])), hooks: false });
  const { child } = await startWatch(t, site);
  const rounds = full ? 10 : 2;
  for (let round = 1; round <= rounds; round++) {
    const part = slugs.slice(0, 20);
    process.kill(child.pid!, 'SIGSTOP');
    for (const slug of part) await site.write(at(slug), `${slug}, edited ${round} times\n`);
    process.kill(child.pid!, 'SIGCONT');
    await until('all edits are in their rows', async () => {
      const rows = await site.rows();
      return part.every((slug) => rows[slug] === `${slug}, edited ${round} times\n`);
    });
  }
  assert.equal(child.exitCode, null, 'the runner goes on');
  survived(t, { cases: rounds * 20 });
});

/** Long enough that the pauses below stay within it on a busy machine. */
const QUIET = 1_000;

/** Waits after a step of a save; `hollow` after one that leaves the file empty or away. */
interface Pauses {
  step(): Promise<void>;
  hollow(): Promise<void>;
}
type Save = (path: string, text: string, pauses: Pauses) => Promise<void>;

async function inPlace(path: string, flags: string, text: string, { step, hollow }: Pauses): Promise<void> {
  const file = await open(path, flags);
  try {
    await hollow();
    const half = Math.ceil(text.length / 2);
    for (const part of [text.slice(0, half), text.slice(half)]) {
      await file.write(part);
      await step();
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/** What is written where, as the programs do it. */
const saves: Record<string, Save> = {
  'a shell': (path, text, pauses) => inPlace(path, 'w', text, pauses),
  nano: (path, text, pauses) => inPlace(path, 'w', text, pauses),
  async 'VS Code'(path, text, pauses) {
    const file = await open(path, 'r+');
    await file.truncate(0);
    await pauses.hollow();
    await file.write(text, 0);
    await file.close();
  },
  async vim(path, text, pauses) {
    const probe = join(dirname(path), '4913');
    await writeFile(probe, '', { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => assert.equal(error.code, 'EEXIST'));
    await rm(probe, { force: true });
    await rename(path, `${path}~`);
    await pauses.hollow();
    await inPlace(path, 'wx', text, pauses);
    await rm(`${path}~`);
  },
  async 'vim with backupcopy'(path, text, pauses) {
    await writeFile(`${path}~`, 'backup');
    await pauses.step();
    await inPlace(path, 'w', text, pauses);
    await rm(`${path}~`);
  },
  async JetBrains(path, text, pauses) {
    await writeFile(`${path}___jb_tmp___`, text);
    await pauses.step();
    await rename(path, `${path}___jb_old___`);
    await pauses.hollow();
    await rename(`${path}___jb_tmp___`, path);
    await pauses.step();
    await rm(`${path}___jb_old___`);
  },
  async emacs(path, text, pauses) {
    const lock = join(dirname(path), '.#lock.html');
    await writeFile(lock, '');
    await rename(path, `${path}~`);
    await pauses.hollow();
    await inPlace(path, 'wx', text, pauses);
    await rm(lock, { force: true });
    await rm(`${path}~`);
  },
  async gedit(path, text, pauses) {
    const temporary = join(dirname(path), `.goutputstream-${path.length}`);
    await writeFile(temporary, text);
    await pauses.step();
    await rename(temporary, path);
  },
  async 'sed -i'(path, text, pauses) {
    const temporary = join(dirname(path), `sed${Math.random().toString(36).slice(2, 8)}`);
    await writeFile(temporary, text);
    await pauses.step();
    await rename(temporary, path);
  },
  async 'a delete and a new file'(path, text, pauses) {
    await rm(path);
    await pauses.hollow();
    await writeFile(path, text);
  },
  async 'an upload'(path, text, pauses) {
    await inPlace(path, 'w', text, pauses);
  },
  async 'an atomic writer'(path, text, pauses) {
    await writeFile(`${path}.tmp`, text.slice(0, 5));
    await pauses.step();
    await writeFile(`${path}.tmp`, text);
    await rename(`${path}.tmp`, path);
  },
};

it('a row never has a half-saved, an empty or no text, however slowly a file is saved', async (t) => {
  const names = Object.keys(saves);
  const delays = full ? [0, 20, 100, 300] : [0, 100];
  const slugOf = (name: string): string => name.toLowerCase().replaceAll(/[^a-z]+/g, '-');
  const site = await watched(t, names.map(slugOf), { quiet: QUIET });
  let round = 0;
  for (const delay of delays) {
    // What became empty or vanished has two seconds.
    const pauses = { step: () => setTimeout(delay), hollow: () => setTimeout(delay === 0 ? 0 : 1_400) };
    round += 1;
    const textOf = (name: string): string => `${name}, saved ${round} times\n${'line\n'.repeat(200)}`;
    await site.db.sql('DELETE FROM written');
    await Promise.all(names.map((name) => saves[name]!(pathOf(site, slugOf(name)), textOf(name), pauses)));
    await until('all saves are in their rows', async () => {
      const rows = await site.rows();
      return names.every((name) => rows[slugOf(name)] === textOf(name));
    });
    assert.deepEqual(
      (await written(site)).toSorted(),
      names.map((name) => `${slugOf(name)}: ${textOf(name)}`).toSorted(),
      `nothing but the whole text was ever in a row, with pauses of ${delay} ms`,
    );
  }
  assert.deepEqual(Object.keys(await site.rows()).toSorted(), names.map(slugOf).toSorted(), 'no file of an editor became a row');
  survived(t, { cases: names.length * delays.length, detail: `${names.length} ways to save` });
});
