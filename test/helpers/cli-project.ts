import { writeFile } from 'node:fs/promises';
import type { TestContext } from 'node:test';
import { openSqlite, type SqliteRow, type SqliteValue } from '../../src/sqlite/thread.ts';
import { type CliOptions, type CliRun, runCli } from './cli.ts';
import { createRepository, type ScratchRepository } from './repository.ts';

/** A scratch repository with a mapping and an SQLite database of pages. */
export interface Project extends ScratchRepository {
  /** The database file, beside the working tree. */
  readonly database: string;
  readonly url: string;
  /** Runs SQL outside of the code under test. */
  sql(text: string, params?: SqliteValue[]): Promise<SqliteRow[]>;
  /** Runs sync-run at the top of the working tree. */
  cli(args: readonly string[], options?: Partial<CliOptions>): Promise<CliRun>;
  /** The text of a row; null where there is none. */
  body(slug: string): Promise<string | null>;
}

export const mapping = { name: 'pages', table: 'pages', path: 'pages/{slug}.html', content: 'body' };
export const config = `${JSON.stringify({ root: 'db', mappings: [mapping] }, null, 2)}\n`;

/**
 * @param options.pages slug to text
 * @param options.setUp whether `sync-run init` has run, and the files are committed
 */
export async function createProject(
  t: TestContext,
  { pages = { home: 'Home\n', about: 'About\n' }, setUp = true }: { pages?: Record<string, string>; setUp?: boolean } = {},
): Promise<Project> {
  const repository = await createRepository();
  t.after(() => repository.cleanup());
  const database = repository.beside('site.db');
  const url = `sqlite:${database}`;
  await writeFile(database, '');
  const { SYNC_RUN_DATABASE_URL: _, SYNC_RUN_HOOK: __, ...env } = repository.env;

  const sql: Project['sql'] = async (text, params = []) => {
    const thread = await openSqlite(database, { create: true });
    try {
      return await thread.all(text, params);
    } finally {
      await thread.close();
    }
  };
  const cli: Project['cli'] = (args, options = {}) => runCli(args, { cwd: repository.path, ...options, env: { ...env, ...options.env } });
  const body: Project['body'] = async (slug) => {
    const [row] = await sql('SELECT body FROM pages WHERE slug = ?', [slug]);
    return row === undefined ? null : String(row['body']);
  };

  await sql('CREATE TABLE pages (id INTEGER PRIMARY KEY, slug TEXT NOT NULL UNIQUE, body TEXT)');
  for (const [slug, text] of Object.entries(pages)) await sql('INSERT INTO pages (slug, body) VALUES (?, ?)', [slug, text]);
  const project = { ...repository, env, database, url, sql, cli, body };
  if (setUp) {
    await repository.write('sync-run.config.json', config);
    const { code, stderr } = await cli(['init', '--yes', '--no-hooks', '--url', url]);
    if (code !== 0) throw new Error(`init ended with exit code ${code}: ${stderr}`);
    await repository.commit('Begin');
  }
  return project;
}
