import type { Stats } from 'node:fs';
import { chmod, lstat, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SyncError } from '../core/errors.ts';

/**
 * Makes sure that the state folder is there, is ours and is private (mode 0700). Its parent must exist.
 *
 * @throws {SyncError} `STATE` if it is a symbolic link, not a folder or belongs to somebody else; `IO` if it cannot be made
 */
export async function ensureFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 });
    await syncFolder(dirname(folder));
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) {
      throw new SyncError('IO', `Could not create the state folder "${folder}": ${String(error)}`, { cause: error });
    }
  }
  const stats = await checkFolder(folder);
  if (stats && process.platform !== 'win32' && (stats.mode & 0o077) !== 0) await chmod(folder, 0o700);
}

/**
 * Null where there is no state folder.
 *
 * @throws {SyncError} `STATE` if it is a symbolic link, not a folder or belongs to somebody else
 */
export async function checkFolder(folder: string): Promise<Stats | null> {
  let stats: Stats;
  try {
    stats = await lstat(folder);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null;
    throw new SyncError('IO', `Could not look at the state folder "${folder}": ${String(error)}`, { cause: error });
  }
  if (!stats.isDirectory()) {
    const what = stats.isSymbolicLink() ? 'a symbolic link' : 'not a folder';
    throw new SyncError('STATE', `Refused to use the state folder "${folder}": it is ${what}`, {
      hint: `Move "${folder}" away and run the command again`,
    });
  }
  const uid = process.getuid?.();
  if (uid !== undefined && stats.uid !== uid) {
    throw new SyncError('STATE', `Refused to use the state folder "${folder}": it belongs to user ${stats.uid}, not ${uid}`, {
      hint: 'Run the command as the user who owns the working tree',
    });
  }
  return stats;
}

/** Makes names created in, or renamed into, the folder durable. Windows cannot sync a folder. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code;
}
