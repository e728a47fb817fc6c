import { digest, type Digest } from '../core/digest.ts';
import { SyncError } from '../core/errors.ts';
import type { FileSeen } from '../core/model.ts';
import { type Dir, openDir } from './dir.ts';
import { asyncDisk } from './disk-async.ts';
import { errnoOf } from './io-error.ts';
import { directoryOf, groupByDir, nameOf } from './paths.ts';
import { DIRECTORIES, FILES, forEachLimited } from './pool.ts';
import { readAt, seenAt } from './read-at.ts';

/**
 * One file, from the top; null where there is none.
 *
 * @throws {SyncError} `IO` where something else than a regular file is there, or it cannot be read
 */
export async function readFileSeen(top: string, path: string): Promise<{ seen: FileSeen; bytes: Uint8Array } | null> {
  let dir: Dir;
  try {
    dir = await openDir(asyncDisk, top, directoryOf(path));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
  try {
    const found = await readAt(dir, nameOf(path));
    if (found.kind === 'absent') return null;
    if (found.kind !== 'file')
      throw new SyncError('IO', `Cannot read "${path}": it is ${found.kind === 'link' ? 'a symbolic link' : 'not a regular file'}`);
    return { seen: seenAt(path, found), bytes: found.bytes };
  } finally {
    await dir.close();
  }
}

/**
 * The bytes of many files, by path. What is no regular file, or not reached without a symbolic link, is left out.
 *
 * @throws {SyncError} `IO` where a file cannot be read
 */
export function readBytes(top: string, paths: readonly string[]): Promise<Map<string, Uint8Array>> {
  return readEach(top, paths, (bytes) => bytes);
}

/** The same, of any number of files: only their digests are kept. */
export function readDigests(top: string, paths: readonly string[]): Promise<Map<string, Digest>> {
  return readEach(top, paths, digest);
}

async function readEach<T>(top: string, paths: readonly string[], of: (bytes: Uint8Array) => T): Promise<Map<string, T>> {
  const found = new Map<string, T>();
  const groups = groupByDir(paths, (path) => path);
  await forEachLimited(groups, DIRECTORIES, async ([relative, members]) => {
    let dir: Dir;
    try {
      dir = await openDir(asyncDisk, top, relative);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return;
      throw error;
    }
    try {
      await forEachLimited(members, FILES, async (path) => {
        const file = await readAt(dir, nameOf(path));
        if (file.kind === 'file') found.set(path, of(file.bytes));
      });
    } finally {
      await dir.close();
    }
  });
  return found;
}
