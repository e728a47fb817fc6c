import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { filesOf } from '../crash/rig.ts';
import type { Pages } from '../crash/pages.ts';

/** Both databases can be opened, and SQLite finds no fault in them. */
export async function assertSound(project: Pages): Promise<void> {
  for (const path of [join(project.repo.path, '.git/sync-run/state.db'), project.db.url.slice('sqlite:'.length)]) {
    const db = new DatabaseSync(path);
    try {
      const found = db.prepare('PRAGMA integrity_check').all();
      assert.deepEqual(
        found.map(({ integrity_check }) => integrity_check),
        ['ok'],
        `"${path}" is sound`,
      );
    } finally {
      db.close();
    }
  }
}

/** Folders below the root with no file in them. */
export async function emptyFolders(project: Pages): Promise<string[]> {
  const files = Object.keys(await filesOf(project));
  const entries = await readdir(join(project.repo.path, 'db'), { recursive: true, withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory() && entry.name !== 'lost+found');
  const paths = folders.map((entry) => join(entry.parentPath, entry.name).slice(project.repo.path.length + 1));
  return paths.filter((path) => !files.some((file) => file.startsWith(`${path}/`)));
}
