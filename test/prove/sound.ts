import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
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
