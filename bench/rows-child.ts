/** One step of `rows.ts`; prints its time, its processor time with start-up, and its peak memory as JSON. */
import { spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import type { Direction } from '../src/core/batch.ts';
import { loadConfig } from '../src/config/load.ts';
import { openRepository } from '../src/git/repository.ts';
import { presets } from '../src/runner/presets.ts';
import { openContext } from '../src/runner/open-context.ts';
import { defaultRequest } from '../src/runner/request.ts';
import { run } from '../src/runner/run.ts';
import { openState } from '../src/state/open.ts';

const [step = '', url = '', folder = '', count = '', bytes = ''] = process.argv.slice(2);
const repo = join(folder, 'repo');
const pages = join(repo, 'db', 'pages');
const env = { ...process.env, SYNC_RUN_DATABASE_URL: url };
const target = new URL(url);
const connect = () =>
  createConnection({
    host: target.hostname,
    port: Number(target.port),
    user: target.username,
    password: target.password,
    database: target.pathname.slice(1),
  });
const text = (n: number, version: string): string =>
  `<p>${version} ${n}</p>\n`.repeat(Math.ceil(Number(bytes) / 12)).slice(0, Number(bytes));

const steps: Record<string, () => Promise<void>> = {
  async 'set-up'() {
    const db = await connect();
    await db.query(
      'CREATE TABLE pages (id INT AUTO_INCREMENT PRIMARY KEY, slug VARCHAR(100) NOT NULL UNIQUE, body TEXT NOT NULL) CHARSET utf8mb4',
    );
    for (let start = 0; start < Number(count); start += 500) {
      const rows = Array.from({ length: Math.min(500, Number(count) - start) }, (_, i) => [`page-${start + i}`, text(start + i, 'one')]);
      await db.query('INSERT INTO pages (slug, body) VALUES ?', [rows]);
    }
    await db.end();
    await mkdir(repo, { recursive: true });
    spawnSync('git', ['init', '--quiet', repo]);
    const mapping = { name: 'pages', table: 'pages', path: 'pages/{slug}.html', content: 'body' };
    await writeFile(join(repo, 'sync-run.config.json'), JSON.stringify({ root: 'db', mappings: [mapping] }));
    const repository = await openRepository(repo, env);
    const state = await openState(repository.statePath, { mode: 'write' });
    const config = await loadConfig(repo, presets);
    await state.trust(config.digest, config.canonical, Date.now());
    await state.close();
  },
  async 'plain-export'() {
    const out = join(folder, 'plain');
    await mkdir(out, { recursive: true });
    const db = await connect();
    const [rows] = await db.query<RowDataPacket[]>('SELECT slug, body FROM pages');
    for (const { slug, body } of rows) await writeFile(join(out, `${slug}.html`), body as string);
    await db.end();
  },
  export: () => ours('export'),
  again: () => ours('sync'),
  async 'plain-import'() {
    const from = join(folder, 'plain');
    const db = await connect();
    await db.beginTransaction();
    const names = await readdir(from);
    for (let start = 0; start < names.length; start += 500) {
      const rows = await Promise.all(
        names
          .slice(start, start + 500)
          .map(async (name) => [name.slice(0, -5), (await readFile(join(from, name), 'utf8')).replaceAll('one', 'two')]),
      );
      await db.query('INSERT INTO pages (slug, body) VALUES ? ON DUPLICATE KEY UPDATE body = VALUES(body)', [rows]);
    }
    await db.commit();
    await db.end();
  },
  async import() {
    for (const name of await readdir(pages))
      await writeFile(join(pages, name), (await readFile(join(pages, name), 'utf8')).replaceAll('one', 'six'));
    // The rows were changed by the plain loop: take them as they are, so that only the files are ahead.
    const db = await connect();
    await db.query("UPDATE pages SET body = REPLACE(body, 'two', 'one')");
    await db.end();
    await ours('import');
  },
};

let started = performance.now();

async function ours(direction: Direction): Promise<void> {
  started = performance.now();
  const context = await openContext({ cwd: repo, env, mode: 'write', signal: new AbortController().signal });
  try {
    const report = await run(context, { ...defaultRequest, command: direction, direction });
    if (report.conflicts.length > 0) throw new Error('There are conflicts');
    if (direction !== 'sync' && report.files.written + report.rows.written !== Number(count))
      throw new Error(JSON.stringify({ ...report, changes: [] }));
  } finally {
    await context[Symbol.asyncDispose]();
  }
}

await steps[step]?.();
const ms = Math.round(performance.now() - started);
const { user, system } = process.cpuUsage();
console.log(JSON.stringify({ ms, cpuMs: Math.round((user + system) / 1000), peakMiB: Math.round(process.resourceUsage().maxRSS / 1024) }));
