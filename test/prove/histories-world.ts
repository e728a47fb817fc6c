/* oxlint-disable node/no-sync -- what people do is over before the tool goes on */
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import { forgetTarget } from '../../src/cli/init/new-target.ts';
import { OWN_PREFIX } from '../../src/core/safe-path.ts';
import type { Context } from '../../src/runner/context.ts';
import { openContext, type OpenContext } from '../../src/runner/open-context.ts';
import { createProject, type Database, type Engine, joinProject, pagesConfig, type Project } from '../helpers/project.ts';
import type { Edit, Lines } from './histories-steps.ts';

export type Place = 'plain' | 'moved';

const patterns: Record<Place, string> = { plain: 'pages/{lang}/{slug}.html', moved: 'texts/{lang}-{slug}.html' };

const configs = (place: Place): object => ({ ...pagesConfig, mappings: [{ ...pagesConfig.mappings[0], path: patterns[place] }] });

const fileOf = (place: Place, slug: string): string => `db/${patterns[place].replace('{lang}', 'en').replace('{slug}', slug)}`;

/** Which item a file of either configuration is. */
export const slugOf = (path: string): string => /([a-z]+)\.html$/.exec(path)?.[1] ?? path;

/** Both sides at one moment: files by path, rows by slug. */
export interface Sides {
  file: Map<string, string>;
  row: Map<string, string>;
  /** Files of the tool's own. */
  own: string[];
}

/** Rows as somebody else at the database sees and edits them. */
export interface Rows {
  all(): Promise<Map<string, string>>;
  edit(edit: Edit): Promise<void>;
  rename(slug: string, to: string): Promise<void>;
  clear(): Promise<void>;
  dump(): Promise<Dump>;
  restore(dump: Dump, what: 'rows' | 'all' | 'no-table'): Promise<void>;
  /** This tree's last txid as the database has it, and the name of the target. */
  txids(tree: string): Promise<{ own: unknown; target: unknown }>;
}

type Row = Record<string, unknown>;
export interface Dump {
  pages: Row[];
  trees: Row[] | null;
}

/** One working tree with what its person and the tool do there. */
export interface Desk {
  project: Project;
  context(): Context;
  place(): Place;
  look(): Promise<Sides>;
  /** Edits the file of an item, wherever it is. */
  edit(edit: Edit): Promise<void>;
  rename(slug: string, to: string): void;
  git(args: string[]): Promise<void>;
  configure(place: Place): Promise<void>;
  /** `init --new-target`. */
  newTarget(): Promise<void>;
  /** Empty, as at the start of every history. */
  reset(): Promise<void>;
}

export interface World {
  rows: Rows;
  desk(tree: number): Promise<Desk>;
  /** The trees that are there. */
  desks(): Desk[];
  reset(): Promise<void>;
}

let texts = 0;

/** No text is ever written twice. */
function nextText(before: string | undefined, lines: Lines): string {
  if (lines === 'none') return '';
  const n = texts++;
  const parts = before?.split('\n') ?? [];
  if (lines === 'all' || parts.length !== 4) return `top ${n}\nthe same\nbottom ${n}\n`;
  parts[lines === 'top' ? 0 : 2] = `${lines} ${n}`;
  return parts.join('\n');
}

export async function createWorld(t: TestContext, engine: Engine): Promise<World> {
  const first = await createProject(t, { engine });
  const db = quick(t, first.db);
  const rows = rowsOf(db);
  const desks = [await createDesk(t, first, rows)];
  return {
    rows,
    desks: () => desks,
    async desk(tree) {
      desks[tree] ??= await createDesk(t, await joinProject(t, first), rows);
      return desks[tree];
    },
    async reset() {
      await rows.clear();
      for (const desk of desks) await desk.reset();
    },
  };
}

/** One connection for all of it. */
function quick(t: TestContext, db: Database): Database {
  if (db.engine !== 'sqlite') return db;
  const own = new DatabaseSync(db.url.slice('sqlite:'.length));
  t.after(() => own.close());
  return { ...db, sql: async (text, values = []) => own.prepare(text).all(...values) as Row[] };
}

function rowsOf(db: Database): Rows {
  const fill = async (table: string, entries: Row[]): Promise<void> => {
    await db.sql(`DELETE FROM ${table}`);
    for (const entry of entries) {
      const names = Object.keys(entry);
      const marks = names.map(() => '?').join(', ');
      await db.sql(`INSERT INTO ${table} (${names.join(', ')}) VALUES (${marks})`, Object.values(entry) as string[]);
    }
  };
  const trees = async (): Promise<Row[] | null> => {
    const find = db.engine === 'sqlite' ? "SELECT 1 FROM sqlite_master WHERE name = 'sync_run_tree'" : "SHOW TABLES LIKE 'sync_run_tree'";
    return (await db.sql(find)).length > 0 ? db.sql('SELECT * FROM sync_run_tree') : null;
  };
  const all = async (): Promise<Map<string, string>> =>
    new Map((await db.sql('SELECT slug, body FROM pages')).map(({ slug, body }) => [String(slug), String(body)]));
  return {
    all,
    async edit({ slug, how, lines }) {
      const before = (await all()).get(slug);
      if (how === 'delete') await db.sql('DELETE FROM pages WHERE slug = ?', [slug]);
      else if (before !== undefined) await db.sql('UPDATE pages SET body = ? WHERE slug = ?', [nextText(before, lines), slug]);
      else await db.sql("INSERT INTO pages (type, lang, slug, body) VALUES ('page', 'en', ?, ?)", [slug, nextText(before, lines)]);
    },
    rename: async (slug, to) => void (await db.sql('UPDATE pages SET slug = ? WHERE slug = ?', [to, slug])),
    clear: async () => void (await db.sql('DELETE FROM pages')),
    dump: async () => ({ pages: await db.sql('SELECT * FROM pages'), trees: await trees() }),
    async restore(dump, what) {
      await fill('pages', dump.pages);
      if (what === 'no-table' || (what === 'all' && dump.trees === null)) await db.sql('DROP TABLE IF EXISTS sync_run_tree');
      else if (what === 'all' && (await trees()) !== null) await fill('sync_run_tree', dump.trees ?? []);
    },
    async txids(tree) {
      const found = (await trees()) ?? [];
      const of = (name: string): unknown => found.find((row) => row.tree === name)?.txid ?? null;
      return { own: of(tree), target: of('') };
    },
  };
}

async function createDesk(t: TestContext, project: Project, rows: Rows): Promise<Desk> {
  const { repo } = project;
  const top = repo.path;
  const gitDir = join(top, '.git');
  await repo.git('config', 'gc.auto', '0');
  fs.appendFileSync(join(gitDir, 'info/exclude'), '/sync-run.config.json\n');
  fs.writeFileSync(join(top, '.gitattributes'), 'db/** -text\n');
  await repo.commit('Start');
  await repo.git('branch', 'other');
  const begin = snapshotOf(gitDir);
  const open = (): Promise<OpenContext> => openContext({ cwd: top, env: project.env, mode: 'write', signal: new AbortController().signal });
  let context = await open();
  let place: Place = 'plain';
  t.after(() => context[Symbol.asyncDispose]());
  const found = (slug: string): string =>
    [fileOf(place, slug), ...Object.keys(patterns).map((one) => fileOf(one as Place, slug))].find((path) =>
      fs.existsSync(join(top, path)),
    ) ?? fileOf(place, slug);

  const desk: Desk = {
    project,
    context: () => context,
    place: () => place,
    async look() {
      const sides: Sides = { file: new Map(), row: await rows.all(), own: [] };
      if (!fs.existsSync(join(top, 'db'))) return sides;
      for (const entry of fs.readdirSync(join(top, 'db'), { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue;
        const path = join(entry.parentPath, entry.name);
        if (entry.name.startsWith(OWN_PREFIX)) sides.own.push(path);
        else sides.file.set(path.slice(top.length + 1), fs.readFileSync(path, 'utf8'));
      }
      return sides;
    },
    async edit({ slug, how, lines }) {
      const path = join(top, found(slug));
      const before = fs.existsSync(path) ? fs.readFileSync(path, 'utf8') : undefined;
      if (how === 'delete') return void (before !== undefined && fs.rmSync(path));
      fs.mkdirSync(dirname(path), { recursive: true });
      const text = nextText(before, lines);
      if (how === 'write') return fs.writeFileSync(path, text);
      fs.writeFileSync(`${path}~`, text);
      fs.renameSync(`${path}~`, path);
    },
    rename(slug, to) {
      const [from, target] = [join(top, found(slug)), join(top, fileOf(place, to))];
      fs.mkdirSync(dirname(target), { recursive: true });
      fs.renameSync(from, target);
    },
    git: (args) =>
      // Git refuses where it would lose something, and where there is nothing to do.
      repo.git(...args).then(
        () => undefined,
        () => undefined,
      ),
    async configure(wanted) {
      if (wanted === place) return;
      place = wanted;
      await context[Symbol.asyncDispose]();
      await project.configure(configs(place));
      context = await open();
    },
    newTarget: () => forgetTarget(context, { lockTimeout: 30_000 }),
    async reset() {
      await desk.configure('plain');
      begin.restore();
      fs.rmSync(join(top, 'db'), { recursive: true, force: true });
      const { state } = context;
      const unfinished = await state.intent();
      if (unfinished) await state.abandon(unfinished.txid);
      await state.forgetBase();
      await state.setMeta({ head: null, headLog: null, targetId: null, targetServer: null, rowTxid: null, tree: null, moved: null });
    },
  };
  return desk;
}

/** What git keeps of a repository but its objects, to be put back without asking git. */
function snapshotOf(gitDir: string): { restore(): void } {
  const parts = ['HEAD', 'index', 'refs', 'logs'];
  const list = (): string[] =>
    parts.flatMap((part) => {
      const path = join(gitDir, part);
      if (!fs.existsSync(path)) return [];
      if (!fs.statSync(path).isDirectory()) return [part];
      const entries = fs.readdirSync(path, { recursive: true, withFileTypes: true });
      return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(gitDir.length + 1));
    });
  const kept = list().map((path) => [path, fs.readFileSync(join(gitDir, path))] as const);
  const names = new Set(kept.map(([path]) => path));
  return {
    restore() {
      for (const name of fs.readdirSync(gitDir))
        if (/^(?:[A-Z_]+_HEAD|MERGE_.*|AUTO_MERGE|.*\.lock)$/.test(name)) fs.rmSync(join(gitDir, name));
      for (const path of list()) if (!names.has(path)) fs.rmSync(join(gitDir, path));
      for (const [path, bytes] of kept) fs.writeFileSync(join(gitDir, path), bytes);
    },
  };
}
