import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { RunnerOptions } from '../../src/runner/runner.ts';
import { startWatch } from '../helpers/program.ts';
import { at } from '../helpers/scenario.ts';
import { createSite, type Site, until } from '../helpers/site.ts';
import { full, survived } from './cases.ts';
import { missing } from './debian.ts';

const execute = promisify(execFile);

async function watched(t: TestContext, slugs: readonly string[], options: Partial<RunnerOptions>): Promise<Site> {
  const site = await createSite(t, { pages: Object.fromEntries(slugs.map((slug) => [slug, `${slug} as it was\n`])), hooks: false });
  // Every text that is ever written to a row, noted by the database itself.
  await site.db.sql('CREATE TABLE written (slug TEXT, body TEXT)');
  await site.db.sql('CREATE TRIGGER on_update AFTER UPDATE OF body ON pages BEGIN INSERT INTO written VALUES (NEW.slug, NEW.body); END');
  await site.db.sql('CREATE TRIGGER on_insert AFTER INSERT ON pages BEGIN INSERT INTO written VALUES (NEW.slug, NEW.body); END');
  await site.db.sql("CREATE TRIGGER on_delete AFTER DELETE ON pages BEGIN INSERT INTO written VALUES (OLD.slug, 'deleted'); END");
  const runner = await site.runner(options);
  await runner.seen.until((events) => events.some(({ type }) => type === 'batch-applied'));
  await runner.idle();
  return site;
}

const written = async (site: Site): Promise<string[]> =>
  (await site.db.sql('SELECT slug, body FROM written ORDER BY rowid')).map(({ slug, body }) => `${String(slug)}: ${String(body)}`);

const pathOf = (site: Site, slug: string): string => join(site.repo.path, at(slug));

it('what no event tells of reaches its row with the next look everywhere', async (t) => {
  const lacks = await missing({ python3: 'python3-minimal' });
  if (lacks) return t.skip(lacks);
  const slugs = Array.from({ length: full ? 60 : 8 }, (_, n) => `page${n}`);
  const site = await watched(t, slugs, { every: 200 });
  // inotify tells nothing of what is written through a memory map (inotify(7), "Limitations and caveats").
  const script = 'import mmap,sys\nf=open(sys.argv[1],"r+b")\nm=mmap.mmap(f.fileno(),0)\nm[0:4]=b"EDIT"\nm.flush()';
  for (const slug of slugs) {
    await execute('python3', ['-c', script, pathOf(site, slug)]);
    const text = `EDIT${`${slug} as it was\n`.slice(4)}`;
    await until(`the edit of "${slug}" is in its row`, async () => (await site.rows())[slug] === text).catch((cause: unknown) =>
      assert.fail(`the edit of "${slug}" never came: ${String(cause)}`),
    );
  }
  assert.equal((await written(site)).length, slugs.length, 'each row was written once');
  survived(t, { cases: slugs.length });
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
