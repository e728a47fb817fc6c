import type { TestContext } from 'node:test';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { lstat } from 'node:fs/promises';
import type { Direction, Side } from '../../src/core/batch.ts';
import { needsPerson } from '../../src/core/skips.ts';
import { loadConfig } from '../../src/config/load.ts';
import { openRepository } from '../../src/git/repository.ts';
import { presets } from '../../src/runner/presets.ts';
import type { Context } from '../../src/runner/context.ts';
import { openContext } from '../../src/runner/open-context.ts';
import type { Report } from '../../src/runner/report.ts';
import { defaultRequest, type Request } from '../../src/runner/request.ts';
import { resolve } from '../../src/runner/resolve.ts';
import { run } from '../../src/runner/run.ts';
import { readStatus, type Status } from '../../src/runner/status.ts';
import { showText } from '../../src/runner/texts.ts';
import { undo } from '../../src/runner/undo.ts';
import { openState } from '../../src/state/open.ts';
import { mariadb } from './mariadb.ts';
import { createRepository, type ScratchRepository } from './repository.ts';
import { scanTree } from '../../src/tree/scan.ts';

export type Engine = 'sqlite' | 'innodb' | 'myisam';
export const engines: Engine[] = ['sqlite', 'innodb', 'myisam'];

/** A database of one test, reached without the code under test. */
export interface Database {
  engine: Engine;
  url: string;
  sql(text: string, values?: (string | number | null | Uint8Array)[]): Promise<Record<string, unknown>[]>;
}

/** A working tree with a configuration, synced with a database. */
export interface Project {
  repo: ScratchRepository;
  db: Database;
  env: Record<string, string>;
  write(path: string, text: string | Uint8Array): Promise<void>;
  read(path: string): Promise<string>;
  /** Paths below the root with their texts. */
  files(): Promise<Record<string, string>>;
  mtimes(): Promise<Record<string, bigint>>;
  /** Replaces the configuration, and trusts it. */
  configure(config: object): Promise<void>;
  with<T>(work: (context: Context) => Promise<T>): Promise<T>;
  run(direction: Direction, request?: Partial<Request>): Promise<Report>;
  status(): Promise<Status>;
  resolve(how: Side | 'merge', ...paths: string[]): Promise<Report>;
  undo(txid?: string): Promise<Report>;
  show(txid: string, path: string, options?: { before?: boolean; side?: Side }): Promise<string>;
}

export async function createDatabase(engine: Engine, path: string): Promise<Database> {
  if (engine === 'sqlite') {
    const withDb = <T>(work: (db: DatabaseSync) => T): T => {
      const db = new DatabaseSync(path);
      try {
        return work(db);
      } finally {
        db.close();
      }
    };
    withDb((db) => db.exec('PRAGMA journal_mode = WAL'));
    return {
      engine,
      url: `sqlite:${path}`,
      sql: async (text, values = []) =>
        withDb((db) => {
          if (values.length > 0 || /^\s*select/i.test(text))
            return db
              .prepare(text)
              .all(...values)
              .map((row) => ({ ...row }));
          db.exec(text);
          return [];
        }),
    };
  }
  const database = await (await mariadb()).createDatabase();
  return { engine, url: database.url, sql: (text, values = []) => database.sql(text, values) };
}

const MYSQL_TAIL: Record<Engine, string> = {
  sqlite: '',
  innodb: ' ENGINE=InnoDB DEFAULT CHARSET=utf8mb4',
  myisam: ' ENGINE=MyISAM DEFAULT CHARSET=utf8mb4',
};

/** A table of pages: the example of the README. */
export async function createPages(db: Database): Promise<void> {
  const id = db.engine === 'sqlite' ? 'id INTEGER PRIMARY KEY' : 'id INT AUTO_INCREMENT PRIMARY KEY';
  await db.sql(
    `CREATE TABLE pages (${id}, type VARCHAR(20) NOT NULL, lang VARCHAR(10) NOT NULL, slug VARCHAR(191) NOT NULL, body TEXT, note VARCHAR(50) DEFAULT 'none', updated_at INT NOT NULL DEFAULT 0)${MYSQL_TAIL[db.engine]}`,
  );
}

export const pagesConfig = {
  root: 'db',
  mappings: [
    {
      name: 'pages',
      table: 'pages',
      path: 'pages/{lang}/{slug}.html',
      content: 'body',
      where: { type: 'page' },
      touch: { updated_at: '@unixtime' },
    },
  ],
};

/** Tables as MyBB has them, with a master set, one set of its own and two overrides. */
export async function createForum(db: Database): Promise<void> {
  const auto = db.engine === 'sqlite' ? 'INTEGER PRIMARY KEY' : 'INT AUTO_INCREMENT PRIMARY KEY';
  const tail = MYSQL_TAIL[db.engine];
  for (const table of [
    `mybb_templates (tid ${auto}, title VARCHAR(120) NOT NULL, template TEXT NOT NULL, sid SMALLINT NOT NULL DEFAULT 0, version VARCHAR(20) NOT NULL DEFAULT '0', status VARCHAR(10) NOT NULL DEFAULT '', dateline INT NOT NULL DEFAULT 0)`,
    `mybb_templatesets (sid ${auto}, title VARCHAR(120) NOT NULL)`,
    `mybb_themes (tid ${auto}, name VARCHAR(100) NOT NULL)`,
    `mybb_themestylesheets (sid ${auto}, name VARCHAR(30) NOT NULL, tid SMALLINT NOT NULL DEFAULT 0, attachedto TEXT NOT NULL, stylesheet TEXT NOT NULL, cachefile VARCHAR(100) NOT NULL DEFAULT '', lastmodified INT NOT NULL DEFAULT 0)`,
    `mybb_datacache (title VARCHAR(50) NOT NULL PRIMARY KEY, cache TEXT NOT NULL)`,
  ]) {
    await db.sql(`CREATE TABLE ${table}${tail}`);
  }
  for (const statement of [
    "INSERT INTO mybb_templatesets (sid, title) VALUES (1, 'Default Templates')",
    "INSERT INTO mybb_themes (tid, name) VALUES (1, 'Default')",
    `INSERT INTO mybb_datacache (title, cache) VALUES ('version', 'a:2:{s:7:"version";s:6:"1.8.37";s:12:"version_code";i:1837;}')`,
    "INSERT INTO mybb_themestylesheets (sid, name, tid, attachedto, stylesheet) VALUES (1, 'global.css', 1, '', 'body { color: black }')",
  ]) {
    await db.sql(statement);
  }
  const templates: [number, string, string, number][] = [
    [1, 'header', '<header>master</header>\n', -2],
    [2, 'footer', '<footer>master</footer>\n', -2],
    [3, 'index_boardstats', '<p>stats</p>', -2],
    [4, 'header', '<header>mine</header>\n', 1],
    [5, 'index_boardstats', '<p>my stats</p>', 1],
    [6, 'footer_global', '<p>everywhere</p>', -1],
  ];
  for (const [tid, title, template, sid] of templates) {
    await db.sql(
      `INSERT INTO mybb_templates (tid, title, template, sid, version, dateline) VALUES (${tid}, '${title}', '${template}', ${sid}, '1836', 1000)`,
    );
  }
}

export const forumConfig = { root: 'db', preset: 'mybb', prefix: 'mybb_' };

export interface ProjectOptions {
  engine: Engine;
  /** Fills the fresh database; by default the table of pages. */
  setUp?: (db: Database) => Promise<void>;
  config?: object;
}

/** A fresh repository, database and trusted configuration; removed at the end of the test. */
export async function createProject(
  t: TestContext,
  { engine, setUp = createPages, config = pagesConfig }: ProjectOptions,
): Promise<Project> {
  const repo = await createRepository();
  t.after(() => repo.cleanup());
  const db = await createDatabase(engine, repo.beside('forum.db'));
  await setUp(db);
  const project = projectOf(repo, db);
  await project.configure(config);
  return project;
}

/** Another working tree on the same database, as a second person has it. */
export async function joinProject(t: TestContext, first: Project, config: object = pagesConfig): Promise<Project> {
  const repo = await createRepository();
  t.after(() => repo.cleanup());
  const project = projectOf(repo, first.db);
  await project.configure(config);
  return project;
}

export function projectOf(repo: ScratchRepository, db: Database): Project {
  const env = { ...repo.env, SYNC_RUN_DATABASE_URL: db.url };
  const { signal } = new AbortController();
  const withContext = async <T>(work: (context: Context) => Promise<T>): Promise<T> => {
    const context = await openContext({ cwd: repo.path, env, mode: 'write', signal });
    try {
      return await work(context);
    } finally {
      await context[Symbol.asyncDispose]();
    }
  };
  const list = async () => (await scanTree({ top: repo.path, root: 'db', signal })).files.map((file) => file.path).sort();
  const limits = { dryRun: false, lockTimeout: 30_000 };
  return {
    repo,
    db,
    env,
    write: (path, text) => repo.write(path, text),
    read: (path) => repo.read(path),
    async files() {
      return Object.fromEntries(await Promise.all((await list()).map(async (path) => [path, await repo.read(path)] as const)));
    },
    async mtimes() {
      const stats = (await list()).map(async (path) => [path, (await lstat(join(repo.path, path), { bigint: true })).mtimeNs] as const);
      return Object.fromEntries(await Promise.all(stats));
    },
    async configure(config) {
      await repo.write('sync-run.config.json', JSON.stringify(config, null, 2));
      const repository = await openRepository(repo.path, env);
      const loaded = await loadConfig(repository.top, presets);
      const state = await openState(repository.statePath, { mode: 'write' });
      await state.trust(loaded.digest, loaded.canonical, Date.now());
      await state.close();
    },
    with: withContext,
    run: (direction, request = {}) =>
      withContext((context) => run(context, { ...defaultRequest, command: direction, direction, ...request })),
    status: () => withContext((context) => readStatus(context)),
    resolve: (how, ...paths) => withContext((context) => resolve(context, { paths, how, ...limits })),
    undo: (txid) => withContext((context) => undo(context, { txid: txid ?? null, ...limits })),
    show: (txid, path, { before = false, side } = {}) =>
      withContext(async ({ state }) => new TextDecoder().decode(await showText(state, { txid, path, before, side: side ?? null }))),
  };
}

/** The exit code a command ends with after this report. */
export function exitOf(report: Report): 0 | 1 {
  return report.conflicts.length > 0 || report.skipped.some(needsPerson) ? 1 : 0;
}

/** What a report did, without what differs from run to run. */
export function done(report: Report): Partial<Report> {
  const { files, rows, adopted, conflicts } = report;
  return { files, rows, adopted, conflicts };
}

/** Nothing was written at all. */
export const nothing = {
  files: { written: 0, deleted: 0, renamed: 0 },
  rows: { written: 0, inserted: 0, deleted: 0, renamed: 0 },
};
