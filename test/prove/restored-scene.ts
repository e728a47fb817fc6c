import assert from 'node:assert/strict';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import { writeUrl } from '../../src/state/secrets.ts';
import { runProgram } from '../helpers/cli.ts';
import { createDatabase, createPages, type Database, type Engine, pagesConfig, projectOf } from '../helpers/project.ts';
import { createRepository } from '../helpers/repository.ts';
import { addPages, at } from '../helpers/scenario.ts';
import { createSite, type Site } from '../helpers/site.ts';

export const news = { main: 'news\n', branch: 'news of a branch\n' };

/** A working tree with hooks and a branch, older copies of its database and of its state, and another database. */
export interface Scene {
  site: Site;
  /** Where things are done: the tree, or a copy of it. */
  top: string;
  /** A copy of the database from before the last two batches. */
  dump: string;
  oldState: string;
  other: Database;
}

export async function createScene(t: TestContext, engine: Engine): Promise<Scene> {
  const pages = { home: 'home\n', about: 'about\n', news: news.main };
  const site = await createSite(t, { engine, pages, prepare: (made) => made.write(at('home'), 'first edit\n') });
  const { repo } = site;
  const dump = await dumpOf(site.db, repo.beside('dump'));
  const oldState = repo.beside('old-state');
  await cp(site.stateFolder, oldState, { recursive: true });
  for (const text of ['second edit\n', 'third edit\n']) {
    await site.write(at('about'), text);
    await site.run('sync');
  }
  const quietly = (...args: string[]): Promise<string> => repo.gitWith({ env: { SYNC_RUN: '0' } }, ...args);
  await quietly('commit', '--quiet', '--all', '--message', 'Edit');
  await quietly('switch', '--quiet', '--create', 'branch');
  await site.write(at('news'), news.branch);
  await quietly('commit', '--quiet', '--all', '--message', 'Edit on a branch');
  await quietly('switch', '--quiet', 'main');
  return { site, top: repo.path, dump, oldState, other: await anotherDatabase(t, engine, repo.beside('other.db')) };
}

/** One that another working tree is synced with, with other texts under the same keys. */
async function anotherDatabase(t: TestContext, engine: Engine, path: string): Promise<Database> {
  const db = await createDatabase(engine, path);
  await createPages(db);
  await addPages(db, { home: 'another home\n', about: 'about\n', others: 'others\n' });
  const repo = await createRepository();
  t.after(() => repo.cleanup());
  const project = projectOf(repo, db);
  await project.configure(pagesConfig);
  await project.run('sync');
  await project.write(at('home'), 'another home, edited\n');
  await project.run('sync');
  return db;
}

/** The database as a backup has it: a file, or the text of one. */
export async function dumpOf(db: Database, path: string): Promise<string> {
  if (db.engine !== 'sqlite') return mariadbClient('mariadb-dump', db);
  await db.sql(`VACUUM INTO '${path}'`);
  return path;
}

/** Replaces everything in the database, while others may have it open. */
export async function restore(db: Database, dump: string): Promise<void> {
  if (db.engine !== 'sqlite') {
    await mariadbClient('mariadb', db, dump);
    return;
  }
  const source = new DatabaseSync(dump, { readOnly: true });
  try {
    await backup(source, fileOf(db));
  } finally {
    source.close();
  }
}

const fileOf = ({ url }: Database): string => url.slice('sqlite:'.length);

async function mariadbClient(program: string, { url }: Database, input?: string): Promise<string> {
  const { port, username, password, pathname } = new URL(url);
  const args = ['--no-defaults', '--protocol=tcp', '--host=127.0.0.1', `--port=${port}`, `--user=${username}`, pathname.slice(1)];
  const env = { PATH: process.env.PATH ?? '', MYSQL_PWD: decodeURIComponent(password) };
  const { code, stdout, stderr } = await runProgram(program, args, { cwd: '/', env, ...(input === undefined ? {} : { input }) });
  assert.equal(code, 0, `${program}: ${stderr}`);
  return stdout;
}

/** How it is said why nothing was done. */
export interface Told {
  exit: 1 | 4;
  says: RegExp;
  /** To who waits for git. */
  hook: RegExp;
  /** Whether a commit is blocked. */
  blocks: boolean;
  /** The event of a runner that watches; null where none starts. */
  event: 'batch-failed' | 'conflict' | null;
}

const wrong = (says: RegExp): Told => ({ exit: 4, says, hook: says, blocks: false, event: 'batch-failed' });
export const lacksBatch = wrong(/does not hold the last batch of this working tree/);
export const isAnother = wrong(/was synced with another database/);

/** What becomes of a working tree and its database, and how that is told. */
export interface World {
  what: string;
  engines: readonly Engine[];
  /** Those of the full run. */
  more?: readonly Engine[];
  told: Told;
  make(scene: Scene): Promise<Partial<Scene> | void>;
}

const forget = ({ site }: Scene): Promise<void> => rm(site.stateFolder, { recursive: true });

export const worlds: readonly World[] = [
  {
    what: 'an older dump is restored',
    engines: ['sqlite', 'innodb'],
    more: ['myisam'],
    told: lacksBatch,
    make: ({ site, dump }) => restore(site.db, dump),
  },
  {
    what: 'the file of the database is replaced by an older one',
    engines: [],
    more: ['sqlite'],
    told: lacksBatch,
    async make({ site, dump }) {
      for (const end of ['', '-wal', '-shm']) await rm(`${fileOf(site.db)}${end}`, { force: true });
      await cp(dump, fileOf(site.db));
    },
  },
  {
    what: 'another database is restored in its place',
    engines: [],
    more: ['sqlite', 'innodb'],
    told: isAnother,
    make: async ({ site, other }) => restore(site.db, await dumpOf(other, site.repo.beside('other-dump'))),
  },
  {
    what: 'the stored URL leads to another database',
    engines: ['sqlite'],
    told: isAnother,
    make: ({ site, other }) => writeUrl(site.stateFolder, other.url),
  },
  {
    what: 'a dump without the table of trees is restored',
    engines: [],
    more: ['innodb'],
    told: isAnother,
    async make({ site, dump }) {
      await restore(site.db, dump);
      await site.db.sql('DROP TABLE sync_run_tree');
    },
  },
  {
    what: 'the state is deleted',
    engines: [],
    more: ['sqlite'],
    // Without the folder of its state a working tree is one that nobody has set up.
    told: { exit: 4, says: /has not been trusted/, hook: /^$|has not been trusted/, blocks: false, event: null },
    make: forget,
  },
  {
    what: 'the state is deleted and the tree set up again',
    engines: ['sqlite'],
    told: { exit: 1, says: /conflict/i, hook: /Conflict: "db\/pages\/en\/\w+\.html"/, blocks: true, event: 'conflict' },
    async make(scene) {
      const { site } = scene;
      await forget(scene);
      await site.configure(pagesConfig);
      await writeUrl(site.stateFolder, site.db.url);
    },
  },
  {
    what: 'an older copy of the state is put back',
    engines: [],
    more: ['sqlite'],
    told: lacksBatch,
    async make(scene) {
      await forget(scene);
      await cp(scene.oldState, scene.site.stateFolder, { recursive: true });
    },
  },
  {
    what: 'the tree is a copy of one that went on',
    engines: ['sqlite'],
    told: lacksBatch,
    async make({ site }) {
      const top = site.repo.beside('copy');
      await cp(site.repo.path, top, { recursive: true });
      await site.write(at('about'), 'the first tree goes on\n');
      await site.run('sync');
      return { top };
    },
  },
  {
    what: 'the tree was copied and the copy went on',
    engines: [],
    more: ['sqlite'],
    told: lacksBatch,
    async make({ site }) {
      const repo = { ...site.repo, path: site.repo.beside('copy') };
      await cp(site.repo.path, repo.path, { recursive: true });
      await site.repo.write(join(repo.path, at('about')), 'the copy goes on\n');
      await projectOf(repo, site.db).run('sync');
    },
  },
];
