import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SyncError } from '../../src/core/errors.ts';
import type { Report } from '../../src/runner/report.ts';
import { type Database, done, nothing, type Project } from './project.ts';

/** The file of a page of `pagesConfig`. */
export const at = (slug: string, lang = 'en'): string => `db/pages/${lang}/${slug}.html`;

/** Inserts pages by SQL, as a forum's admin panel would; ids count up from 1 in a fresh table. */
export async function addPages(db: Database, pages: Record<string, string>, { lang = 'en', note = 'kept' } = {}): Promise<void> {
  for (const [slug, body] of Object.entries(pages)) {
    await db.sql('INSERT INTO pages (type, lang, slug, body, note, updated_at) VALUES (?, ?, ?, ?, ?, 7)', [
      'page',
      lang,
      slug,
      body,
      note,
    ]);
  }
}

export async function setBody(db: Database, slug: string, body: string): Promise<void> {
  await db.sql('UPDATE pages SET body = ? WHERE slug = ?', [body, slug]);
}

/** Texts by slug, of all rows. */
export async function bodies(db: Database): Promise<Record<string, unknown>> {
  const rows = await db.sql('SELECT slug, body FROM pages ORDER BY id');
  return Object.fromEntries(rows.map(({ slug, body }) => [String(slug), body]));
}

/** The whole row of a slug, numbers as numbers; undefined where there is none. */
export async function rowOf(db: Database, slug: string): Promise<Record<string, unknown> | undefined> {
  const rows = await db.sql('SELECT id, type, lang, slug, body, note, updated_at FROM pages WHERE slug = ? ORDER BY id', [slug]);
  assert.ok(rows.length < 2, `"${slug}" stands once`);
  const [row] = rows;
  return row && { ...row, id: Number(row.id), updated_at: Number(row.updated_at) };
}

/** Why a command stopped; fails the test if it did not. */
export async function refusalOf(work: Promise<unknown>): Promise<SyncError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof SyncError) return error;
    throw error;
  }
  return assert.fail('The command was expected to stop with an error');
}

/** Which items were left alone, and why. */
export function skips({ skipped }: Pick<Report, 'skipped'>): Record<string, string> {
  return Object.fromEntries(skipped.map(({ path, code }) => [path, code]));
}

export function conflicts(report: Report): string[] {
  return report.conflicts.map(({ path }) => path).toSorted();
}

/** Nothing is left to do: one more run of anything writes nothing. */
export async function assertQuiet(project: Project): Promise<void> {
  const before = { files: await project.files(), mtimes: await project.mtimes() };
  const report = await project.run('sync');
  assert.deepEqual({ ...done(report), txid: report.txid }, { ...nothing, adopted: 0, conflicts: [], txid: null });
  assert.deepEqual({ files: await project.files(), mtimes: await project.mtimes() }, before);
}

/** Every file of the scratch area but git's own bookkeeping and the state folder: what a run may have written outside of its root. */
export async function everythingOutside(project: Project): Promise<string[]> {
  const area = dirname(project.repo.path);
  const entries = await readdir(area, { recursive: true, withFileTypes: true });
  return entries
    .map((entry) => join(entry.parentPath, entry.name).slice(area.length + 1))
    .filter((path) => !/^repo\/(?:db|\.git\/(?:sync-run|objects|logs|index))(?:\/|$)|^forum\.db/.test(path))
    .toSorted();
}
