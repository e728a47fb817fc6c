import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createDatabase, createPages, pagesConfig, projectOf } from '../helpers/project.ts';
import { createRepository, type ScratchRepository } from '../helpers/repository.ts';
import { type Pages, withPages } from '../crash/pages.ts';

/** What lies on a file system of its own; everything else survives what is done to that. */
export type Part = 'everything' | 'files' | 'state' | 'database';

/** How SQLite keeps a transaction of the database until it is over. */
export type Journal = 'WAL' | 'DELETE';

export interface Removable {
  remove(): Promise<void>;
}

/**
 * A project of pages with a part of it on a disk that breaks. Apart from the others that part gets no help: on one file system
 * an fsync of any file makes the names of all others durable as well.
 *
 * @param plug mounts a disk, whose image is to have that path, on that empty folder
 * @param options.folders see `withPages`
 */
export async function createOnDisk<D extends Removable>(
  t: TestContext,
  part: Part,
  plug: (image: string, folder: string) => Promise<D>,
  { journal = 'WAL', folders = true }: { journal?: Journal | undefined; folders?: boolean } = {},
): Promise<{ project: Pages; disk: D }> {
  const base = await realpath(await mkdtemp(join(tmpdir(), 'sync-run-disk-')));
  const whole = join(base, 'disk');
  await mkdir(whole);
  const held: { disk?: D } = {};
  t.after(async () => {
    await held.disk?.remove();
    await rm(base, { recursive: true, force: true, maxRetries: 3 });
  });
  const image = join(base, 'image');
  if (part === 'everything') held.disk = await plug(image, whole);
  const repo = await createRepository(whole);
  const database = repo.beside('database');
  await mkdir(database);
  const folder = { everything: whole, files: join(repo.path, 'db'), state: join(repo.path, '.git/sync-run'), database }[part];
  await mkdir(folder, { recursive: true });
  held.disk ??= await plug(image, folder);
  const project = await fill(repo, join(database, 'pages.db'), journal, folders);
  return { project, disk: held.disk };
}

async function fill(repo: ScratchRepository, path: string, journal: string, folders: boolean): Promise<Pages> {
  const db = await createDatabase('sqlite', path);
  await db.sql(`PRAGMA journal_mode = ${journal}`);
  await createPages(db);
  const project = projectOf(repo, db);
  await project.configure(pagesConfig);
  return withPages(project, { folders });
}
