import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SyncError } from '../core/errors.ts';
import { ensureFolder, isErrno, syncFolder } from './folder.ts';

const FILE = 'url';

/** The database URL that `init` stored, with its password; null where there is none. Never print it. */
export async function readUrl(folder: string): Promise<string | null> {
  try {
    const url = (await readFile(join(folder, FILE), 'utf8')).trim();
    return url === '' ? null : url;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null;
    throw new SyncError('IO', `Could not read the database URL from "${join(folder, FILE)}"`, { cause: error });
  }
}

/** Stores the database URL, readable by its owner only from the first moment on. A crash leaves the old or the new one. */
export async function writeUrl(folder: string, url: string): Promise<void> {
  await ensureFolder(folder);
  const path = join(folder, FILE);
  const temp = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const handle = await open(temp, 'wx', 0o600);
    try {
      await handle.writeFile(`${url}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temp, path);
    await syncFolder(folder);
  } catch (error) {
    await rm(temp, { force: true });
    throw new SyncError('IO', `Could not store the database URL in "${path}"`, { cause: error });
  }
}
